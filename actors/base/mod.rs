//! What rounds, events and services have in common, and the user returns or gives.
//!
//! `what a handler returns → IntoHandled → Handled, or a Failure → a report`,
//! `text from outside → Shown → a log, an error, a report`
//!
//! - `payload` — what a round may gather.
//! - `failure` — an error of any kind, and what a handler or a closure of the user's may return.
//! - `shown` — text that may have come from outside, as a person may see it.
//!
//! What must hold: no text from outside reaches a log, an error or a report but as it is shown here.

mod payload;
mod failure;
mod shown;

pub use failure::{Failure, Handled, IntoHandled};
pub use payload::Payload;
pub use shown::Shown;
pub(crate) use shown::joined;
