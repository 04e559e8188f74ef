//! Why nothing was done, and text from outside as it may be shown.
//!
//! - `error.rs`: the one error of all commands: whose fault it is, what to do about it, and the code to exit with
//! - `text.rs`: a name, a path or a type that somebody has given, short and without what steers a terminal
//!
//! What must hold: no text from outside is in an error but by `shown`, or after it was checked.

mod error;
mod text;

pub(crate) use error::{Error, Result};
pub(crate) use text::{cut, shown, steers, told};
