//! Why a listener was not registered.

use std::fmt;
use std::sync::Arc;

use crate::base::debug_is_display;
use crate::events::container::ContainerError;
use crate::events::topics::TopicError;

/// The error of registering a listener.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenError {
    /// An argument that the listener takes is not provided, or could not be built.
    Container {
        /// The name of the listener.
        listener: Arc<str>,
        /// What the listener was to hear: the name of an event, or patterns of topics.
        hears: String,
        /// The error of the container.
        error: ContainerError,
    },
    /// The current thread has no actix system, so the listener has no arbiter to run on.
    NoArbiter,
    /// A text is not a valid pattern of topics.
    Pattern(TopicError),
    /// The list of patterns is empty.
    NoPattern,
    /// The listener's timeout is zero, which leaves no time for a call.
    ZeroTimeout {
        /// The name of the listener.
        listener: Arc<str>,
    },
    /// The bus has its maximum number of listeners.
    Full {
        /// The maximum number of listeners.
        limit: usize,
    },
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container { listener, hears, error } => write!(f, "`{listener}` cannot listen to {hears}: {error}"),
            Self::NoArbiter => f.write_str(
                "no actix system on this thread: register under #[actix::main], #[convoke::test] or inside System::new().block_on(…)",
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

debug_is_display!(ListenError);

impl From<TopicError> for ListenError {
    fn from(error: TopicError) -> Self {
        Self::Pattern(error)
    }
}
