//! Why an event became a dead letter.

use std::fmt;

use serde::Serialize;

use super::listener_error::ListenerError;
use super::overflow::Overflow;
use super::too_deep::TooDeep;

/// Why an event became a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The listener did not do it.
    Failed(ListenerError),
    /// As many events waited for the listener as may, and this one was dropped.
    Overflow(Overflow),
    /// The listener was unregistered while the event waited for it.
    Ended,
    /// So many events wait for the listener's arbiter that it takes no more.
    Busy,
    /// The listener's arbiter was gone.
    Gone,
    /// Events have caused each other without end.
    TooDeep(TooDeep),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Overflow(Overflow::DropNewest) => {
                f.write_str("too many events wait for it, and the newest is dropped")
            }
            Self::Overflow(_) => f.write_str("too many events wait for it, and the oldest is dropped"),
            Self::Ended => f.write_str("it was unregistered while the event waited"),
            Self::Busy => f.write_str("too many events wait for its arbiter"),
            Self::Gone => f.write_str("its arbiter is gone"),
            Self::TooDeep(error) => error.fmt(f),
        }
    }
}
