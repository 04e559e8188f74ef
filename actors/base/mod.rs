//! What rounds, events and services have in common, and the user returns or gives.
//!
//! - `payload` — what a round may gather.
//! - `failure` — an error of any kind, and what a handler or a closure of the user's may return.
//! - `shown` — text that may have come from outside, as a person may see it.
//!
//! What must hold: no text from outside reaches a log, an error or a report but as it is shown here.

mod payload;
mod failure;
mod shown;
#[cfg(feature = "testing")]
mod unseen;

pub use failure::{Failure, Handled, IntoHandled};
pub use payload::Payload;
pub use shown::Shown;
pub(crate) use shown::joined;
#[cfg(feature = "testing")]
pub(crate) use unseen::{Unseen, note as note_unseen, saw_letter, saw_letters, saw_report, take as take_unseen};
