//! Why an event became a dead letter.

use std::fmt;

use serde::Serialize;

use super::listener_error::ListenerError;
use super::overflow::Overflow;
use super::too_deep::TooDeep;

/// The reason for which an event became a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The listener failed on the event.
    Failed(ListenerError),
    /// The listener had no room for the event, which was refused or dropped by this policy.
    Overflow(Overflow),
    /// The listener was unregistered while the event waited for it.
    Ended,
    /// The listener's arbiter takes no more events, because too many wait for it.
    Busy,
    /// The listener's arbiter was gone.
    Gone,
    /// Events caused each other more deeply than the bus allows.
    TooDeep(TooDeep),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Overflow(Overflow::DropNewest) => {
                f.write_str("too many events wait for it, and the newest is dropped")
            }
            Self::Overflow(Overflow::Refuse) => f.write_str("too many events wait for it, and it refuses more"),
            Self::Overflow(Overflow::DropOldest) => {
                f.write_str("too many events wait for it, and the oldest is dropped")
            }
            Self::Ended => f.write_str("it was unregistered while the event waited"),
            Self::Busy => f.write_str("too many events wait for its arbiter"),
            Self::Gone => f.write_str("its arbiter is gone"),
            Self::TooDeep(error) => error.fmt(f),
        }
    }
}
