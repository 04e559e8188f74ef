//! What is measured of a service; its names and labels are in the table of `src/guide/production.md`.
//!
//! `Standing::enter → Meter → the recorder of the crate metrics`

use super::state::ServiceState;
use crate::base::{Count, Level};

/// Why a service is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fall {
    /// It has panicked.
    Panicked,
    /// It has failed, or was not done in time.
    Failed,
    /// It has stopped by itself.
    Stopped,
    /// The start before has failed.
    Unstarted,
    /// Another one has fallen, with which it is started again.
    Neighbor,
}

/// The label of each, in their order.
const CAUSES: [&str; 5] = ["panicked", "failed", "stopped", "not_started", "neighbor"];

/// What is measured of one service.
pub(crate) struct Meter {
    restarts: [Count; CAUSES.len()],
    failures: Count,
    up: Level,
}

impl Meter {
    pub(crate) fn new(service: &str) -> Self {
        let restarts = |cause| {
            let labels = [("service", service), ("cause", cause)];
            Count::new("convoke_service_restarts_total", "Restarts of services, by what was before", &labels)
        };
        let of = [("service", service)];
        Self {
            restarts: CAUSES.map(restarts),
            failures: Count::new("convoke_service_failures_total", "Services that have failed for good", &of),
            up: Level::new("convoke_service_up", "Services that are running or degraded", &of),
        }
    }

    /// It has gone from one state to another; why it had fallen, if it had.
    pub(crate) fn entered(&self, before: ServiceState, state: ServiceState, fall: Fall) {
        if before == ServiceState::Restarting
            && state == ServiceState::Starting
            && let Some(restarts) = self.restarts.get(fall as usize)
        {
            restarts.add(1);
        }
        if state == ServiceState::Failed {
            self.failures.add(1);
        }
        match (before.is_up(), state.is_up()) {
            (false, true) => self.up.up(),
            (true, false) => self.up.down(),
            _ => {}
        }
    }
}
