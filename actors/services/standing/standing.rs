//! The status of a service, known to every thread, and told on the bus at each change.
//!
//! `Standing::enter → the table in state.rs → Record → service/status`

use std::cell::Cell;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use super::history::{BudgetLeft, History, ServiceChange};
use super::meter::{Fall, Meter};
use super::state::ServiceState;
use super::status::ServiceStatus;
use crate::events::bus::EventBus;
use crate::events::event::{Name, whole_micros};
use crate::runtime::{now, quietly, wall_clock};

/// The status of a service, for every thread.
#[derive(Debug)]
pub(crate) struct Record {
    id: u64,
    status: Mutex<ServiceStatus>,
    /// Tells those who wait that it has failed.
    failed: Notify,
    /// Whether it has run: what has not, and has failed, is told to who starts it.
    has_run: AtomicBool,
    history: Mutex<History>,
}

impl Record {
    pub(crate) fn new(service: Name) -> Arc<Self> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let id = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        let status = Mutex::new(ServiceStatus::new(service, date()));
        Arc::new(Self { id, status, failed: Notify::new(), has_run: AtomicBool::new(false), history: Mutex::default() })
    }

    /// Tells it from every other; 0 is none.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    fn lock(&self) -> MutexGuard<'_, ServiceStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its last changes of state, and how many came before.
    pub(crate) fn changes(&self) -> (Vec<ServiceChange>, u64) {
        self.history().changes()
    }

    /// From now on so many restarts are allowed within so long, of which these were spent, each by the time which it had
    /// run until then.
    pub(crate) fn allow(&self, restarts: u32, within: Duration, spent: Vec<Duration>) {
        self.history().allow(restarts, within, spent);
    }

    /// What is left of that.
    pub(crate) fn budget(&self) -> Option<BudgetLeft> {
        self.history().left(now())
    }

    pub(crate) fn status(&self) -> ServiceStatus {
        self.lock().clone()
    }

    pub(crate) fn state(&self) -> ServiceState {
        self.lock().state
    }

    /// How it is, which somebody looks at.
    pub(crate) fn seen(&self) -> ServiceStatus {
        #[cfg(feature = "testing")]
        crate::base::saw_all(crate::base::Of::Service(self.id));
        self.status()
    }

    /// Whether it has run, since it was made.
    pub(crate) fn has_run(&self) -> bool {
        self.has_run.load(Ordering::Relaxed)
    }

    /// Waits until it has failed and that matters: at once if it has. Nobody looks at what is returned.
    pub(crate) async fn failed_if(&self, matters: fn(&Self) -> bool) -> ServiceStatus {
        loop {
            let mut told = pin!(self.failed.notified());
            // Before the look, or what happens between the two would be missed.
            told.as_mut().enable();
            if self.state() == ServiceState::Failed && matters(self) {
                return self.status();
            }
            told.await;
        }
    }
}

fn date() -> SystemTime {
    whole_micros(wall_clock())
}

/// A status that is told on the bus at each change.
pub(crate) struct Standing {
    pub(crate) record: Arc<Record>,
    bus: EventBus,
    meter: Meter,
    /// Why it has fallen, if it was started before.
    fall: Cell<Fall>,
}

impl Standing {
    pub(crate) fn new(record: Arc<Record>, bus: EventBus) -> Self {
        let meter = Meter::new(&record.lock().service);
        Self { record, bus, meter, fall: Cell::new(Fall::Stopped) }
    }

    pub(crate) fn bus(&self) -> &EventBus {
        &self.bus
    }

    pub(crate) fn state(&self) -> ServiceState {
        self.record.state()
    }

    pub(crate) fn status(&self) -> ServiceStatus {
        self.record.status()
    }

    /// An actor of it has ended, or none comes back, over what is no dead letter: whoever tests it has to look.
    #[cfg_attr(not(feature = "testing"), expect(unused_variables, reason = "a test is told of it"))]
    pub(crate) fn unseen(&self, why: &str) {
        #[cfg(feature = "testing")]
        {
            let mut status = self.record.lock();
            let (of, name) = (crate::base::Of::Service(self.record.id()), Arc::from(&*status.service));
            // Every status that is told from now on tells of it.
            status.noted = crate::base::note(of, Some(&name), "", || why.to_owned());
        }
    }

    /// Enters a state and tells it; nothing if it may not follow the present one.
    pub(crate) fn enter(&self, state: ServiceState, error: Option<String>) -> bool {
        let (before, entered) = {
            let mut status = self.record.lock();
            (status.state, status.enter(state, error, date()).then(|| status.clone()))
        };
        let Some(status) = entered else { return false };
        let change = ServiceChange { state, at: status.since, error: status.error.clone() };
        self.record.history().note(change, now());
        if state.is_up() {
            self.record.has_run.store(true, Ordering::Relaxed);
        }
        if state == ServiceState::Failed {
            self.record.failed.notify_waiters();
        }
        quietly(|| self.meter.entered(before, state, self.fall.get()));
        quietly(|| match state {
            ServiceState::Failed => log::error!(target: "convoke::service", "{status}"),
            _ if status.error.is_some() => log::warn!(target: "convoke::service", "{status}"),
            _ => log::debug!(target: "convoke::service", "{status}"),
        });
        self.tell(status);
        true
    }

    /// It is about to wait for its next start, and this is why; one that waits already keeps its reason.
    pub(crate) fn falls(&self, fall: Fall) {
        if self.state() != ServiceState::Restarting {
            self.fall.set(fall);
        }
    }

    fn tell(&self, status: ServiceStatus) {
        quietly(|| {
            if let Err(error) = self.bus.publish_pushing(status) {
                log::warn!(target: "convoke::service", "a change of state was not told: {error}");
            }
        });
    }

    pub(crate) fn erred(&self, error: String, tell: bool) {
        let status = {
            let mut status = self.record.lock();
            status.erred(error);
            status.clone()
        };
        if tell {
            self.tell(status);
        }
    }
}
