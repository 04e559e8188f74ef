//! What a service can be doing, and what may follow what.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The state of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// The service is being built, prepared and subscribed.
    Starting,
    /// The service hears and handles events and messages.
    Running,
    /// The service hears and handles, but not as it should: it has reported this itself, or a handler has failed.
    Degraded,
    /// The service has ended and waits for its next start. Events and messages for it are kept.
    Restarting,
    /// The service handles what still waits for it, and cleans up.
    Stopping,
    /// The service has ended, and does not come back by itself.
    Stopped,
    /// The service has ended for good, because of an error.
    Failed,
}

impl ServiceState {
    /// All states.
    pub const ALL: [Self; 7] =
        [Self::Starting, Self::Running, Self::Degraded, Self::Restarting, Self::Stopping, Self::Stopped, Self::Failed];

    /// Returns the states that may follow this one. Together they are the table of all transitions.
    pub const fn next(self) -> &'static [Self] {
        match self {
            // A start that fails is repeated if it is a restart. One that is interrupted stops.
            Self::Starting => &[Self::Running, Self::Restarting, Self::Stopping, Self::Stopped, Self::Failed],
            // A service that has done its work stops by itself; one whose arbiter ends is stopped too.
            Self::Running => &[Self::Degraded, Self::Restarting, Self::Stopping, Self::Stopped, Self::Failed],
            Self::Degraded => &[Self::Running, Self::Restarting, Self::Stopping, Self::Stopped, Self::Failed],
            Self::Restarting => &[Self::Starting, Self::Stopping, Self::Stopped, Self::Failed],
            // A neighbor's restart stops a service in order to start it again. What panics while it stops has stopped.
            Self::Stopping => &[Self::Stopped, Self::Restarting],
            // The supervisor above it may start it again.
            Self::Stopped | Self::Failed => &[Self::Starting],
        }
    }

    /// Returns whether the state `next` may follow this one.
    pub fn may_become(self, next: Self) -> bool {
        self.next().contains(&next)
    }

    /// Returns whether the service hears and handles: it is running or degraded.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Degraded)
    }

    /// Returns whether the service has ended and does not come back by itself: it has stopped or failed.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Stopped | Self::Failed)
    }
}

impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Degraded => "degraded",
            Self::Restarting => "restarting",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        })
    }
}
