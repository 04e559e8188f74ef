//! DOOR

mod failure;
pub(crate) mod shown;

pub use failure::{Failure, Handled, IntoHandled};
pub use shown::Shown;
pub(crate) use shown::joined;
