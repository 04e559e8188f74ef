//! Why a listener was not registered.

use std::fmt;
use std::sync::Arc;

use crate::events::container::ContainerError;
use crate::events::topics::TopicError;

/// A listener was not registered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenError {
    /// What the listener asks for is not provided, or could not be made.
    Container {
        /// The listener.
        listener: Arc<str>,
        /// What it was to hear of.
        hears: String,
        /// What is missing.
        error: ContainerError,
    },
    /// This thread has no actix system, so there is no place for the listener.
    NoArbiter,
    /// A pattern of topics is none.
    Pattern(TopicError),
    /// It is to listen to no pattern at all.
    NoPattern,
    /// A timeout of zero leaves no time to listen.
    ZeroTimeout {
        /// The listener.
        listener: Arc<str>,
    },
    /// The bus has as many listeners as it may.
    Full {
        /// How many it may have.
        limit: usize,
    },
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container { listener, hears, error } => write!(f, "`{listener}` cannot listen to {hears}: {error}"),
            Self::NoArbiter => f.write_str(
                "no actix system on this thread: register under #[actix::main] or inside System::new().block_on(…)",
            ),
            Self::Pattern(error) => error.fmt(f),
            Self::NoPattern => f.write_str("no pattern is given: name at least one, or `**` for every topic"),
            Self::ZeroTimeout { listener } => {
                write!(f, "a timeout of zero leaves `{listener}` no time to listen: give a longer one")
            }
            Self::Full { limit } => write!(f, "the bus has its {limit} listeners: raise `max_listeners`"),
        }
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Container { error, .. } => Some(error),
            Self::Pattern(error) => Some(error),
            _ => None,
        }
    }
}

impl From<TopicError> for ListenError {
    fn from(error: TopicError) -> Self {
        Self::Pattern(error)
    }
}
