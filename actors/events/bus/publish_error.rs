//! Why an event was not published.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::debug_is_display;
use crate::base::joined;
use crate::events::topics::TopicError;
use crate::events::verdict::TooDeep;

/// The error of publishing an event.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// Some listeners have no room and [refuse](crate::Overflow::Refuse) the event, or too many events are on their way
    /// to their arbiter. For these listeners the event is a dead letter. All other listeners have the event, so do not
    /// publish it again. Listeners on other arbiters that have a [condition](crate::Listening::when) are not named.
    Refused {
        /// The names of the listeners that do not have the event.
        listeners: Vec<Arc<str>>,
        /// How many events were dropped by other listeners' policies, as counted by [`Published`](crate::Published).
        dropped: usize,
    },
    /// A listener has no room, and refuses the event [for all](crate::Listening::all_or_none): no listener has the
    /// event. You can publish it again.
    Full {
        /// The name of the listener.
        listener: Arc<str>,
        /// How many published events may wait for the listener.
        capacity: usize,
    },
    /// A listener had no room for the event in time: no listener has the event.
    NoRoom {
        /// The name of the listener.
        listener: Arc<str>,
        /// How long the event waited for room.
        after: Duration,
    },
    /// Events cause each other more deeply than the bus allows.
    TooDeep(TooDeep),
    /// The given topic is not valid.
    Topic(TopicError),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { listeners, .. } => write!(
                f,
                "no room for it at {}, for whom it is a dead letter; all others have it, so do not publish it again: redrive the \
                 letter, `publish_wait`, or raise the `capacity`",
                joined(listeners.iter().map(|listener| &**listener), ", ")
            ),
            Self::Full { listener, capacity } => write!(
                f,
                "`{listener}` refuses more than {capacity} waiting, and nobody has the event: publish it later, `publish_wait`, or raise its `capacity`"
            ),
            Self::NoRoom { listener, after } => {
                write!(f, "`{listener}` had no room for {after:?}: raise its `capacity` or its `concurrency`")
            }
            Self::TooDeep(error) => error.fmt(f),
            Self::Topic(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PublishError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::TooDeep(error) => Some(error),
            Self::Topic(error) => Some(error),
            _ => None,
        }
    }
}

debug_is_display!(PublishError);

impl From<TopicError> for PublishError {
    fn from(error: TopicError) -> Self {
        Self::Topic(error)
    }
}
