//! What rounds, events and services have in common, and the user returns or gives.
//!
//! `what a handler returns → IntoHandled → Handled, or a Failure → a report`,
//! `text from outside → Shown → a log, an error, a report`
//!
//! - `payload` — what a round may gather.
//! - `failure` — an error of any kind, and what a handler or a closure of the user's may return.
//! - `debug` — how an error is shown by `Debug`.
//! - `shown` — text that may have come from outside, as a person may see it.
//! - `measured` — what is counted and timed, for a recorder of the crate `metrics`.
//! - `noted`, `unseen`, `living` — by what a failure is known, what a test has not looked at, and what it leaves behind.
//!
//! What must hold: no text from outside reaches a log, an error or a report but as it is shown here.

mod payload;
mod failure;
mod debug;
mod shown;
mod measured;
mod noted;
#[cfg(feature = "testing")]
mod unseen;
mod living;

pub(crate) use debug::debug_is_display;
pub use failure::{Failure, Handled, IntoHandled};
pub use living::Living;
#[cfg(feature = "testing")]
pub(crate) use living::what_lives;
pub use measured::{Count, IS_MEASURED, Level, Lives, Spread};
pub(crate) use noted::Noted;
pub use payload::Payload;
pub use shown::Shown;
pub(crate) use shown::joined;
#[cfg(feature = "testing")]
pub(crate) use unseen::{
    CRASH, Of, Unseen, begin_in, is_in_test, last as last_noted, last_of, next as next_noted, note, note_as, saw_all,
    saw_emitter, saw_emitters_named, saw_until, take as take_unseen,
};
