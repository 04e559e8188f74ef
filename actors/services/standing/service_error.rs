//! Why a service did nothing with a message.

use std::fmt;
use std::time::Duration;

use crate::base::Shown;
use crate::base::debug_is_display;

/// An error returned when a service does not handle a message.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceError {
    /// The service is stopping, has stopped, or was not started.
    Stopped {
        /// The name of the service.
        service: String,
    },
    /// The service has failed for good.
    Failed {
        /// The name of the service.
        service: String,
        /// The error with which it failed.
        error: String,
    },
    /// The service is being rebuilt and the queue of messages that wait for it is full, or its mailbox is full.
    Busy {
        /// The name of the service.
        service: String,
    },
    /// The service is being rebuilt together with the sender. If the sender waited for it, neither would come back.
    Restarting {
        /// The name of the service.
        service: String,
    },
    /// The service did not come back in time, or did not answer in time.
    TimedOut {
        /// The name of the service.
        service: String,
        /// The time limit.
        after: Duration,
    },
    /// The service ended while it had the message. It is not known whether the message was handled.
    Lost {
        /// The name of the service.
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

debug_is_display!(ServiceError);
