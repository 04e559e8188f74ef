//! Whether JSON fits a schema.
//!
//! ```text
//! an envelope ─▶ validator.rs ─┐
//!                              ├─▶ misfit.rs: which place, which rule
//! examples ────▶ check.rs ─────┘
//! ```
//!
//! In reading order: `misfit` is what does not fit, `validator` validates what comes, `check` the examples of a document.
//!
//! No value that was validated is quoted. Of an event with personal data, neither is a name that is not in the schema.

mod misfit;
mod validator;
mod check;

pub use check::{CheckError, Checked, check};
pub use misfit::{Fault, Misfit};
pub use validator::Validator;
