//! What a listener did not do with an event, and why.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::base::{Failure, Shown};
use crate::events::event::BadPayload;
use crate::runtime::{drop_quietly, panic_text};

/// What a listener did not do with an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ListenerError {
    /// It returned an error; this is its text, with those of its sources.
    Failed(String),
    /// It returned a [`Permanent`] error, as [`Failed`](Self::Failed) but for good.
    Permanent(String),
    /// It panicked; this is the message.
    Panicked(String),
    /// It was not done within its timeout, and was dropped where it waited.
    TimedOut(Duration),
    /// What it needs could not be made for this call; this says why.
    Unprovided(String),
    /// The event came as JSON that is not of its type.
    BadPayload(String),
    /// It, its actor or its arbiter was gone before it was done.
    Gone,
    /// So many events wait for its arbiter, or for a service that is away, that it takes no more.
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

/// An error that another attempt would not change: a listener that returns one is not [retried](crate::middleware::RetryInPlace).
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
    /// Says so of an error.
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
    Failed(ListenerError),
}
