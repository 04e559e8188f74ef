//! DOOR

mod failure;
pub(crate) mod shown;
#[cfg(feature = "testing")]
mod unseen;

pub use failure::{Failure, Handled, IntoHandled};
pub use shown::Shown;
pub(crate) use shown::joined;
#[cfg(feature = "testing")]
pub(crate) use unseen::{Unseen, note as note_unseen, saw_letter, saw_letters, saw_report, take as take_unseen};
