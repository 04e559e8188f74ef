//! What a probe asks of an application: does its arbiter answer, and do all its services run.
//!
//! `watchdog (a thread) ─ wakes → Pulse (a task) ─ answers → Health → /healthz, /readyz`

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use serde::Serialize;

use crate::runtime::{self, quietly};
use crate::services::life::ServiceTree;
use crate::services::standing::{Pulse, Record, ServiceState, ServiceStatus, is_ready};

/// The health of an application, for the endpoints that a probe asks. It is cheap to clone, and you may ask it from any
/// thread.
///
/// *Live* is about the process: its arbiter answers within a bound, which is 5 s unless
/// [`live_within`](crate::Services::live_within) sets another. A watchdog on a thread of its own notices a handler that
/// blocks the arbiter, and names the service of that handler in the log. *Ready* is about the services: every one is
/// running or degraded. When a service has failed for good, the application is no longer *ready*. It is still *live*,
/// unless [`live_needs`](crate::Services::live_needs) names that service. A service that a supervisor above it starts
/// again has not failed for good: it is restarting.
#[derive(Clone)]
pub struct Health {
    records: Arc<[Arc<Record>]>,
    pulse: Arc<Pulse>,
    /// Those without which it is not live, and the supervisors above them.
    needed: Arc<[Arc<Record>]>,
    tree: ServiceTree,
}

/// The health of an application at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HealthReport {
    /// Whether the arbiter answers, and no service has failed that liveness needs.
    pub live: bool,
    /// Whether all services are running or degraded.
    pub ready: bool,
    /// The status of each service.
    pub services: Vec<ServiceStatus>,
}

impl Health {
    pub(crate) fn new(records: Vec<Arc<Record>>, needed: Vec<Arc<Record>>, tree: ServiceTree) -> Self {
        Self { records: records.into(), pulse: Arc::default(), needed: needed.into(), tree }
    }

    /// Returns whether the arbiter answers. It does not when it is blocked, or has ended before it was shut down; in
    /// virtual time it always does. Also returns `false` if a service has failed that
    /// [liveness needs](crate::Services::live_needs).
    pub fn is_live(&self) -> bool {
        self.pulse.is_live() && self.needed.iter().all(|record| record.state() != ServiceState::Failed)
    }

    /// Returns whether all services are running or degraded.
    pub fn is_ready(&self) -> bool {
        is_ready(&self.statuses())
    }

    /// Returns the status of each service, in the order in which the services were added.
    pub fn statuses(&self) -> Vec<ServiceStatus> {
        self.records.iter().map(|record| record.seen()).collect()
    }

    /// The same, which nobody looks at.
    pub(crate) fn unlooked(&self) -> Vec<ServiceStatus> {
        self.records.iter().map(|record| record.status()).collect()
    }

    /// Returns liveness, readiness and the statuses in one report.
    pub fn report(&self) -> HealthReport {
        let services = self.statuses();
        HealthReport { live: self.is_live(), ready: is_ready(&services), services }
    }

    /// Returns the services as a tree, with the last changes of each.
    pub fn tree(&self) -> ServiceTree {
        self.tree.clone()
    }

    /// Returns whose handler runs while the arbiter does not answer: the name of the service, if it is one. Returns `None` while
    /// the arbiter answers.
    pub fn blocked_by(&self) -> Option<String> {
        if self.pulse.is_live() { None } else { self.at_work() }
    }

    pub(super) fn records(&self) -> &[Arc<Record>] {
        &self.records
    }

    /// The service whose actor is being polled.
    fn at_work(&self) -> Option<String> {
        let id = self.pulse.at();
        self.records.iter().find(|record| record.id() == id).map(|record| record.status().service.to_string())
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("live", &self.is_live()).field("ready", &self.is_ready()).finish_non_exhaustive()
    }
}

/// The watchdog of an arbiter. It ends when this is dropped.
pub(crate) struct Watch {
    pulse: Arc<Pulse>,
    /// Dropped, it wakes the thread.
    _thread: Option<SyncSender<()>>,
}

impl Watch {
    /// Watches this arbiter. Virtual time is not watched: its clock says nothing of who blocks it.
    pub(crate) fn begin(health: &Health, bound: Duration) -> Self {
        let pulse = health.pulse.clone();
        if runtime::is_virtual() {
            return Self { pulse, _thread: None };
        }
        pulse.begin();
        let (end, ended) = sync_channel(0);
        let health = health.clone();
        let thread = std::thread::Builder::new().name("convoke-watchdog".to_owned());
        let thread = thread.spawn(move || watch(&health, bound.max(Duration::from_millis(1)), &ended));
        if let Err(error) = &thread {
            log::warn!(target: "convoke::service", "nobody watches over the services: there is no thread for it: {error}");
        }
        Self { pulse, _thread: thread.ok().map(|_| end) }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.pulse.end();
    }
}

/// Asks, and looks for the answer several times within the bound, until there is nobody to watch for.
fn watch(health: &Health, bound: Duration, ended: &Receiver<()>) {
    let pulse = &health.pulse;
    let mut asked = pulse.ask();
    let mut since = runtime::now();
    while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(bound / 4) {
        if pulse.has_answered(asked) {
            if pulse.unblock() {
                quietly(|| log::warn!(target: "convoke::service", "the arbiter of the services answers again"));
            }
            asked = pulse.ask();
            since = runtime::now();
        } else if runtime::now() - since >= bound && pulse.block() {
            let who = health.at_work().map_or_else(
                || "something that is no service".to_owned(),
                |service| format!("the service `{service}`"),
            );
            quietly(|| {
                log::error!(
                    target: "convoke::service",
                    "the arbiter of the services has not answered for {bound:?}: {who} blocks it; move what blocks to \
                     `actix_rt::task::spawn_blocking`"
                );
            });
        }
    }
}
