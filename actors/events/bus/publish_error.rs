//! Why an event was not published.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::joined;
use crate::events::topics::TopicError;
use crate::events::verdict::TooDeep;

/// An event was not published, or not to all who listen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// Listeners had no room and [refuse](crate::Overflow::Refuse) more, or too many events are on their way to their arbiter: for
    /// them the event is a dead letter. All others have it, so it is not to be published again.
    Refused {
        /// The listeners that do not have it.
        listeners: Vec<Arc<str>>,
        /// How many events others have dropped for it, as [`Published`](crate::Published) counts them.
        dropped: usize,
    },
    /// As many events wait for a listener as may, and it refuses more [for all](crate::Listening::all_or_none): nobody has the
    /// event.
    Full {
        /// The listener.
        listener: Arc<str>,
        /// How many may wait for it.
        capacity: usize,
    },
    /// There was no room for it in time.
    NoRoom {
        /// The listener that had none.
        listener: Arc<str>,
        /// How long it was waited for.
        after: Duration,
    },
    /// Events have caused each other without end.
    TooDeep(TooDeep),
    /// It is not a topic.
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

impl From<TopicError> for PublishError {
    fn from(error: TopicError) -> Self {
        Self::Topic(error)
    }
}
