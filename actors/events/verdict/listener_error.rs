//! What a listener did not do with an event, and why.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::base::debug_is_display;
use crate::base::{Failure, Noted, Shown};
use crate::events::event::BadPayload;
use crate::runtime::{drop_quietly, panic_text};

/// The reason for which a listener did not handle an event.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ListenerError {
    /// The listener returned an error: the error's text, with the texts of its sources.
    Failed(String),
    /// The listener returned a [`Permanent`] error, which another attempt would not change; the text is as in
    /// [`Failed`](Self::Failed).
    Permanent(String),
    /// The listener panicked: the message of the panic.
    Panicked(String),
    /// The listener was not done within this timeout, and was dropped at the point where it waited.
    TimedOut(Duration),
    /// An argument of the listener could not be made for this call: the reason.
    Unprovided(String),
    /// The event came as JSON that does not have the form of the listener's event type: the reason.
    BadPayload(String),
    /// The listener, its actor or its arbiter was gone before the call was done.
    Gone,
    /// The listener's arbiter, or a service that is away, takes no more events, because too many wait for it.
    Busy,
}

impl fmt::Display for ListenerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(text) => write!(f, "failed: {}", Shown::text(text)),
            Self::Permanent(text) => write!(f, "failed for good: {}", Shown::text(text)),
            Self::Panicked(text) => write!(f, "panicked: {}", Shown::text(text)),
            Self::TimedOut(limit) => write!(f, "was not done after {limit:?}"),
            Self::Unprovided(text) => write!(f, "could not be called: {}", Shown::text(text)),
            Self::BadPayload(text) => write!(f, "could not be told: {}", Shown::text(text)),
            Self::Gone => f.write_str("was gone before it was done"),
            Self::Busy => f.write_str("takes no more: too many events wait for it, or for its arbiter"),
        }
    }
}

impl std::error::Error for ListenerError {}

debug_is_display!(ListenerError);

impl From<Failure> for ListenerError {
    fn from(failure: Failure) -> Self {
        // Middleware gives its own verdicts this way.
        let other = match failure.into_inner().downcast::<Self>() {
            Ok(error) => return *error,
            Err(other) => other,
        };
        match other.downcast::<Permanent>() {
            Ok(permanent) => Self::Permanent(permanent.0.chain()),
            Err(other) => Self::Failed(Failure::from(other).chain()),
        }
    }
}

/// An error that another attempt would not change.
///
/// A listener that returns one is not [retried](crate::middleware::RetryInPlace).
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::{Handled, Permanent};
///
/// fn send(address: &str) -> Handled {
///     if !address.contains('@') {
///         return Err(Permanent::new("no such address").into());
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Permanent(Failure);

impl Permanent {
    /// Marks `error` as permanent.
    pub fn new(error: impl Into<Failure>) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for Permanent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Permanent {}

impl From<BadPayload> for ListenerError {
    fn from(bad: BadPayload) -> Self {
        Self::BadPayload(bad.to_string())
    }
}

/// What is said of one that has panicked with this.
pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> ListenerError {
    let text = panic_text(&*panic);
    drop_quietly(panic);
    ListenerError::Panicked(text)
}

/// What is said of a listener that is not simply done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It did not want the event, by its condition, or had ended by then.
    Skipped,
    /// For this reason, and noted as this for a test.
    Failed(ListenerError, Noted),
}
