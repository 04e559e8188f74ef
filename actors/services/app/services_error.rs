//! Why an application does not run.

use std::fmt;
use std::time::Duration;

use crate::services::standing::StartError;

/// Why an application does not run. What had started is stopped again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServicesError {
    /// A service did not start.
    Start {
        /// Which one.
        service: String,
        /// Why not.
        error: Box<StartError>,
    },
    /// Not all had started in time.
    TimedOut {
        /// Those that had not.
        waiting: Vec<String>,
        /// The time.
        after: Duration,
    },
    /// A service needs one that was not added.
    Missing {
        /// Which one needs it.
        service: String,
        /// What it needs.
        needs: String,
    },
    /// Services need each other.
    Cycle {
        /// In the order in which each needs the next, and the last the first.
        services: Vec<String>,
    },
    /// What it is live with was not added.
    Unknown {
        /// The name that [`live_needs`](crate::Services::live_needs) was given.
        name: String,
    },
    /// Two have the same name.
    Twice {
        /// The name.
        name: String,
    },
    /// This thread has no actix system, so there is no place for them.
    NoArbiter,
}

impl fmt::Display for ServicesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { service, error } => match &**error {
                StartError::Neighbour { service: inner, error } => {
                    write!(f, "the service `{inner}` of `{service}` {error}")
                }
                error => write!(f, "the service `{service}` {error}"),
            },
            Self::TimedOut { waiting, after } => {
                write!(f, "not started after {after:?}: {}; raise `start_timeout`, or start less", waiting.join(", "))
            }
            Self::Missing { service, needs } => {
                write!(f, "the service `{service}` needs `{needs}`, which was not added: add it, or name it so")
            }
            Self::Cycle { services } => {
                write!(f, "services need each other: {} → {}; break the cycle", services.join(" → "), services[0])
            }
            Self::Unknown { name } => {
                write!(f, "`live_needs` names `{name}`, which was not added: add it, or name it so")
            }
            Self::Twice { name } => {
                write!(f, "two services are called `{name}`: give one another name with `.named(…)`")
            }
            Self::NoArbiter => StartError::NoArbiter.fmt(f),
        }
    }
}

impl std::error::Error for ServicesError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start { error, .. } => Some(&**error),
            _ => None,
        }
    }
}
