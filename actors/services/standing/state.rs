//! What a service can be doing, and what may follow what.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a service is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// It is being built, prepared and subscribed.
    Starting,
    /// It hears and handles.
    Running,
    /// It hears and handles, but not as it should: it says so itself, or a handler of it has failed.
    Degraded,
    /// It has ended and waits for its next start. What is sent to it is kept.
    Restarting,
    /// It handles what it still has, and lets go.
    Stopping,
    /// It has ended, and does not come back by itself.
    Stopped,
    /// It has ended for good by what went wrong.
    Failed,
}

impl ServiceState {
    /// Every state.
    pub const ALL: [Self; 7] =
        [Self::Starting, Self::Running, Self::Degraded, Self::Restarting, Self::Stopping, Self::Stopped, Self::Failed];

    /// Returns the states that may follow this one: the table of all transitions.
    pub const fn next(self) -> &'static [Self] {
        match self {
            // A start that fails is repeated if it is a restart. One that is interrupted stops.
            Self::Starting => &[Self::Running, Self::Restarting, Self::Stopping, Self::Stopped, Self::Failed],
            // A service that has done its work stops by itself; one whose arbiter ends is stopped too.
            Self::Running => &[Self::Degraded, Self::Restarting, Self::Stopping, Self::Stopped, Self::Failed],
            Self::Degraded => &[Self::Running, Self::Restarting, Self::Stopping, Self::Stopped, Self::Failed],
            Self::Restarting => &[Self::Starting, Self::Stopping, Self::Stopped, Self::Failed],
            // A neighbour's restart stops a service in order to start it again. What panics while it stops has stopped.
            Self::Stopping => &[Self::Stopped, Self::Restarting],
            // The supervisor above it may start it again.
            Self::Stopped | Self::Failed => &[Self::Starting],
        }
    }

    /// Whether it may be followed by that one.
    pub fn may_become(self, next: Self) -> bool {
        self.next().contains(&next)
    }

    /// Whether it hears and handles: running, or degraded.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Degraded)
    }

    /// Whether it has ended and does not come back by itself: stopped, or failed.
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
