//! Why a service did nothing with a message.

use std::fmt;
use std::time::Duration;

use crate::base::Shown;

/// What a service did not do with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceError {
    /// It is stopping, or has stopped, or was not started.
    Stopped {
        /// What it is called.
        service: String,
    },
    /// It has failed for good.
    Failed {
        /// What it is called.
        service: String,
        /// What went wrong.
        error: String,
    },
    /// It is being built anew and as many messages wait for it as may, or its mailbox is full.
    Busy {
        /// What it is called.
        service: String,
    },
    /// It is being built anew together with who asks: if that one waited, neither would come back.
    Restarting {
        /// What it is called.
        service: String,
    },
    /// It did not come back in time, or did not answer in time.
    TimedOut {
        /// What it is called.
        service: String,
        /// The time.
        after: Duration,
    },
    /// It ended while it had the message: whether it has handled it is not known.
    Lost {
        /// What it is called.
        service: String,
    },
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped { service } => {
                write!(f, "the service `{service}` does not run: it was stopped, or not started")
            }
            Self::Failed { service, error } => write!(f, "the service `{service}` has failed: {}", Shown::text(error)),
            Self::Busy { service } => {
                write!(
                    f,
                    "the service `{service}` takes no more now: it restarts, or as many messages wait as may; try again later"
                )
            }
            Self::Restarting { service } => {
                write!(f, "the service `{service}` restarts together with who asks it: ask again when both are back")
            }
            Self::TimedOut { service, after } => write!(f, "the service `{service}` did not answer within {after:?}"),
            Self::Lost { service } => {
                write!(f, "the service `{service}` ended while it had the message, which may have been handled or not")
            }
        }
    }
}

impl std::error::Error for ServiceError {}
