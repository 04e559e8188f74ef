//! DOOR

mod life;
mod start_error;
mod instance;
pub(crate) mod oversight;
mod standing;

pub(crate) use instance::End;
pub(crate) use life::{Life, Options};
pub use oversight::OnError;
pub(crate) use oversight::{Oversight, with_current};
pub(crate) use standing::{Record, Standing};
pub use start_error::StartError;
