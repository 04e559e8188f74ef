//! Why an application does not run.

use std::fmt;
use std::time::Duration;

use crate::base::{Shown, debug_is_display};
use crate::services::standing::StartError;

/// An error returned when an application does not start. The services that had started are stopped again.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServicesError {
    /// A service did not start.
    Start {
        /// The name of the service.
        service: String,
        /// The reason why it did not start.
        error: Box<StartError>,
    },
    /// A service that was running has failed for good while others were still starting.
    Failed {
        /// The name of the service.
        service: String,
        /// The error with which it failed.
        error: String,
    },
    /// The services had not all started in time.
    TimedOut {
        /// The names of the services that had not started.
        waiting: Vec<String>,
        /// The time limit.
        after: Duration,
    },
    /// A service needs another one that was not added.
    Missing {
        /// The name of the service that needs it.
        service: String,
        /// The name of the service that is needed.
        needs: String,
    },
    /// Some services need each other.
    Cycle {
        /// The names of the services: each needs the next one, and the last needs the first.
        services: Vec<String>,
    },
    /// [`live_needs`](crate::Services::live_needs) names a service that was not added.
    Unknown {
        /// The name that was given.
        name: String,
        /// The names of those that were added.
        added: Vec<String>,
    },
    /// Two services or supervisors have the same name. This includes those inside supervisors.
    Twice {
        /// The name that both have.
        name: String,
    },
    /// This thread has no actix system, so the services cannot run here.
    NoArbiter,
}

impl fmt::Display for ServicesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { service, error } => match &**error {
                StartError::Neighbor { service: inner, error } => {
                    write!(f, "the service `{inner}` of `{service}` {error}")
                }
                error => write!(f, "the service `{service}` {error}"),
            },
            Self::Failed { service, error } => {
                let error = Shown::text(error);
                write!(f, "the service `{service}` has failed, while others were still starting: {error}")
            }
            Self::TimedOut { waiting, after } => {
                write!(f, "not started after {after:?}: {}; raise `start_timeout`, or start less", waiting.join(", "))
            }
            Self::Missing { service, needs } => {
                write!(f, "the service `{service}` needs `{needs}`, which was not added: add it, or name it so")
            }
            Self::Cycle { services } => {
                write!(f, "services need each other: {} → {}; break the cycle", services.join(" → "), services[0])
            }
            Self::Unknown { name, added } => {
                let added: Vec<_> = added.iter().map(|name| format!("`{name}`")).collect();
                write!(f, "`live_needs` names `{name}`, which was not added: there are {}", added.join(", "))
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

debug_is_display!(ServicesError);
