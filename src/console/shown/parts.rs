//! What answers at once, from any thread: services and their trees, workers, relays, tasks.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use convoke::tasks::TasksProbe;
use convoke::{Health, RelayProbe, ServiceTree, ServiceView, WorkerHealth};

/// The services of an application, or a supervisor alone.
#[derive(Clone)]
pub(super) struct ServicesPart {
    pub(super) tree: ServiceTree,
    pub(super) health: Option<Health>,
}

/// Services as they are at one moment.
#[derive(Debug)]
pub(crate) struct ServicesShown {
    pub(crate) views: Vec<ServiceView>,
    /// Whether the arbiter of the services answers, if somebody watches that.
    pub(crate) is_live: Option<bool>,
    /// Whether all of them run.
    pub(crate) is_ready: Option<bool>,
    /// Whose handler runs while the arbiter does not answer.
    pub(crate) blocked_by: Option<String>,
}

impl ServicesPart {
    pub(super) fn look(&self) -> ServicesShown {
        let health = self.health.as_ref();
        ServicesShown {
            views: self.tree.look(),
            is_live: health.map(Health::is_live),
            is_ready: health.map(Health::is_ready),
            blocked_by: health.and_then(Health::blocked_by),
        }
    }
}

/// What tells how something is that is neither a service nor a bus.
#[derive(Clone)]
pub(super) struct Probe {
    name: Arc<str>,
    kind: &'static str,
    tell: Arc<dyn Fn() -> Told + Send + Sync>,
}

/// What a probe has told.
struct Told {
    is_healthy: bool,
    has_ended: bool,
    text: String,
    figures: Vec<(&'static str, u64)>,
    since: Option<Duration>,
}

/// How a worker, a relay, or who does tasks, is at one moment.
#[derive(Debug)]
pub(crate) struct SideShown {
    pub(crate) name: Arc<str>,
    pub(crate) kind: &'static str,
    pub(crate) is_healthy: bool,
    pub(crate) has_ended: bool,
    /// As it says of itself.
    pub(crate) text: String,
    pub(crate) figures: Vec<(&'static str, u64)>,
    /// How long ago there was progress, or for how long the oldest waits.
    pub(crate) since: Option<Duration>,
}

impl Probe {
    pub(super) fn worker(name: &str, probe: impl Fn() -> WorkerHealth + Send + Sync + 'static) -> Self {
        let tell = move || {
            let health = probe();
            Told {
                is_healthy: health.healthy,
                has_ended: health.ended,
                text: health.to_string(),
                figures: vec![
                    ("in flight", health.in_flight),
                    ("here", health.here),
                    ("dead in place", health.dead_in_place),
                    ("parked", health.parked),
                ],
                since: Some(health.since_progress),
            }
        };
        Self { name: name.into(), kind: "worker", tell: Arc::new(tell) }
    }

    pub(super) fn relay(name: &str, probe: RelayProbe) -> Self {
        let tell = move || {
            let health = probe.health();
            Told {
                is_healthy: health.healthy,
                has_ended: health.ended,
                text: health.to_string(),
                figures: vec![
                    ("ready", health.ready),
                    ("dead", health.dead),
                    ("parked", health.parked),
                    ("sent", health.sent),
                ],
                since: Some(health.lag),
            }
        };
        Self { name: name.into(), kind: "relay", tell: Arc::new(tell) }
    }

    pub(super) fn tasks(name: &str, probe: TasksProbe) -> Self {
        let tell = move || {
            let health = probe.health();
            Told {
                is_healthy: health.healthy,
                has_ended: health.ended,
                text: health.to_string(),
                figures: vec![
                    ("waiting", health.waiting),
                    ("lent", health.lent),
                    ("failed", health.failed),
                    ("settled", health.settled),
                ],
                since: health.oldest,
            }
        };
        Self { name: name.into(), kind: "tasks", tell: Arc::new(tell) }
    }

    pub(super) fn look(&self) -> SideShown {
        let Told { is_healthy, has_ended, text, figures, since } = (self.tell)();
        SideShown { name: self.name.clone(), kind: self.kind, is_healthy, has_ended, text, figures, since }
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}
