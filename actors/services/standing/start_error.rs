//! Why a service does not run.

use std::fmt;
use std::time::Duration;

use crate::base::Shown;
use crate::base::debug_is_display;
use crate::events::listener::ListenError;

/// An error returned when a service does not start.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// The factory of the service returned an error, or panicked. The text is that of the error or the panic.
    NotBuilt(String),
    /// The service's `start` returned an error, or `start` or `begin` panicked. The text is that of the error or the
    /// panic.
    Failed(String),
    /// The service's `start` did not finish within this time.
    TimedOut(Duration),
    /// A subscription that the service declares cannot be made.
    Subscriptions(ListenError),
    /// The service was told to stop before it was running.
    Stopped,
    /// The service needs another one that the same supervisor keeps, but starts later.
    Order {
        /// The name of the service that is needed.
        needs: String,
    },
    /// This thread has no actix system, so the service cannot run here.
    NoArbiter,
    /// The service is one of several that start together, and another one did not start.
    Neighbor {
        /// The name of that other service.
        service: String,
        /// The reason why that one did not start.
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
                "no actix system on this thread: start services under #[actix::main], #[convoke::test] or inside System::new().block_on(…)",
            ),
            Self::Neighbor { service, error } => write!(f, "`{service}` {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Subscriptions(error) => Some(error),
            Self::Neighbor { error, .. } => Some(error),
            _ => None,
        }
    }
}

debug_is_display!(StartError);
