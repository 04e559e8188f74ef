//! Why an event was not published.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::events::topics::TopicError;
use crate::events::verdict::TooDeep;

/// An event was not published: no listener hears it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// As many events wait for a listener as may, and it refuses more.
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
            Self::Full { listener, capacity } => write!(
                f,
                "`{listener}` refuses more than {capacity} waiting: publish later, `publish_wait`, or raise its `capacity`"
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
