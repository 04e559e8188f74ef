//! Why a service does not run.

use std::fmt;
use std::time::Duration;

use crate::base::Shown;
use crate::events::listener::ListenError;

/// Why a service does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// Its factory returned an error, or panicked; this is the text.
    NotBuilt(String),
    /// Its `start` returned an error, or it or `begin` panicked; this is the text.
    Failed(String),
    /// Its `start` was not done in time.
    TimedOut(Duration),
    /// What it declares cannot be subscribed.
    Subscriptions(ListenError),
    /// It was told to stop before it ran.
    Stopped,
    /// It needs one that is kept together with it and stands after it.
    Order {
        /// What it needs.
        needs: String,
    },
    /// This thread has no actix system, so there is no place for it.
    NoArbiter,
    /// It is one of several, and another did not start.
    Neighbour {
        /// Which one.
        service: String,
        /// Why not.
        error: Box<StartError>,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBuilt(text) => write!(f, "could not be built: {}", Shown::text(text)),
            Self::Failed(text) => write!(f, "did not start: {}", Shown::text(text)),
            Self::TimedOut(limit) => write!(f, "had not started after {limit:?}: raise its `start_timeout`, or start less"),
            Self::Subscriptions(error) => write!(f, "could not subscribe: {error}"),
            Self::Stopped => f.write_str("was told to stop before it ran"),
            Self::Order { needs } => write!(f, "needs `{needs}`, which stands after it: add that first"),
            Self::NoArbiter => f.write_str(
                "no actix system on this thread: start services under #[actix::main] or inside System::new().block_on(…)",
            ),
            Self::Neighbour { service, error } => write!(f, "`{service}` {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Subscriptions(error) => Some(error),
            Self::Neighbour { error, .. } => Some(error),
            _ => None,
        }
    }
}
