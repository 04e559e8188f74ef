//! What a service's seats, its actor and its keeper know of each other: on one thread, and longer than any of its actors.
//!
//! `a handler fails → Oversight → status, and whether it is built anew`, `ctx.degrade(…) → Oversight → status`

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use actix::{Actor, ActorContext, Context};
use tokio::sync::Notify;

use crate::bus::EventBus;
use crate::health::Pulse;
use crate::name::Name;
use crate::report::ListenerError;
use crate::runtime::{Home, quietly, wall_clock};
use crate::service::{BaseService, ServiceState, ServiceStatus};
use crate::wire::whole_micros;

/// What happens when a handler of a service returns an error for an event, or takes too long for it.
///
/// Whatever happens, the error is counted and told on `service/status`, and the event becomes a dead letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnError {
    /// The service goes on.
    #[default]
    GoOn,
    /// The service is degraded, until it [recovers](ServiceContext::recover) or is built anew.
    Degrade,
    /// The service is built anew, as after a panic.
    Restart,
}

/// The status of a service, for every thread.
#[derive(Debug)]
pub(crate) struct Record {
    id: u64,
    status: Mutex<ServiceStatus>,
}

impl Record {
    pub(crate) fn new(service: Name) -> Arc<Self> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let id = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        Arc::new(Self { id, status: Mutex::new(ServiceStatus::new(service, date())) })
    }

    /// Tells it from every other; 0 is none.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    fn lock(&self) -> MutexGuard<'_, ServiceStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn status(&self) -> ServiceStatus {
        self.lock().clone()
    }

    pub(crate) fn state(&self) -> ServiceState {
        self.lock().state
    }
}

fn date() -> SystemTime {
    whole_micros(wall_clock())
}

/// A status that is told on the bus at each change.
pub(crate) struct Standing {
    record: Arc<Record>,
    bus: EventBus,
}

impl Standing {
    pub(crate) fn new(record: Arc<Record>, bus: EventBus) -> Self {
        Self { record, bus }
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

    /// Enters a state and tells it; nothing if it may not follow the present one.
    pub(crate) fn enter(&self, state: ServiceState, error: Option<String>) -> bool {
        let entered = {
            let mut status = self.record.lock();
            if status.enter(state, error, date()) { Some(status.clone()) } else { None }
        };
        let Some(status) = entered else { return false };
        quietly(|| match state {
            ServiceState::Failed => log::error!(target: "convoke::service", "{status}"),
            _ if status.error.is_some() => log::warn!(target: "convoke::service", "{status}"),
            _ => log::debug!(target: "convoke::service", "{status}"),
        });
        self.tell(status);
        true
    }

    fn tell(&self, status: ServiceStatus) {
        quietly(|| {
            if let Err(error) = self.bus.publish(status) {
                log::warn!(target: "convoke::service", "a change of state was not told: {error}");
            }
        });
    }

    fn erred(&self, error: String, tell: bool) {
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

thread_local! {
    /// The service whose actor is being polled on this thread.
    static CURRENT: RefCell<Option<Rc<Oversight>>> = const { RefCell::new(None) };
    /// What the watchdog of this thread looks at.
    static PULSE: RefCell<Option<Arc<Pulse>>> = const { RefCell::new(None) };
}

/// Has the watchdog of this thread know which service is at work.
pub(crate) fn tell_pulse(pulse: Option<Arc<Pulse>>) {
    let _ = PULSE.try_with(|known| known.replace(pulse));
}

fn work_at(id: u64) -> u64 {
    let before = PULSE.try_with(|pulse| pulse.borrow().as_ref().map_or(0, |pulse| pulse.work_at(id)));
    before.unwrap_or_default()
}

/// While this lives, its service is the one whose actor is polled.
pub(crate) struct Polled {
    before: Option<Rc<Oversight>>,
    at: u64,
}

impl Drop for Polled {
    fn drop(&mut self) {
        work_at(self.at);
        let current = CURRENT.try_with(|current| current.replace(self.before.take()));
        drop(current);
    }
}

/// What a service's seats, its actor and its keeper know of each other.
pub(crate) struct Oversight {
    pub(crate) standing: Standing,
    on_error: OnError,
    /// The task of the present actor.
    home: RefCell<Option<Home>>,
    /// Why the present actor is to end.
    doom: RefCell<Option<String>>,
    /// What it has panicked with.
    panic: RefCell<Option<String>>,
    /// Its events are left to the next actor.
    paused: Cell<bool>,
    /// Somebody waits for the end of its calls.
    awaited: Cell<bool>,
    rest: Arc<Notify>,
}

impl Oversight {
    pub(crate) fn new(standing: Standing, on_error: OnError, rest: Arc<Notify>) -> Self {
        Self {
            standing,
            on_error,
            home: RefCell::default(),
            doom: RefCell::default(),
            panic: RefCell::default(),
            paused: Cell::new(false),
            awaited: Cell::new(false),
            rest,
        }
    }

    /// An actor begins, in this task. It hears nothing before it is [running](Self::resume).
    pub(crate) fn begin(&self, home: Home) {
        *self.home.borrow_mut() = Some(home);
        self.doom.take();
        self.panic.take();
        self.paused.set(true);
    }

    /// The actor is running: now it hears.
    pub(crate) fn resume(&self) {
        self.paused.set(false);
        if let Some(home) = &*self.home.borrow() {
            home.wake();
        }
    }

    /// The actor has ended.
    pub(crate) fn end(&self) {
        self.home.take();
    }

    /// Makes this the service whose actor is polled.
    pub(crate) fn poll(self: &Rc<Self>) -> Polled {
        let before = CURRENT.with(|current| current.replace(Some(self.clone())));
        Polled { before, at: work_at(self.standing.record.id()) }
    }

    /// A call of a handler has failed.
    pub(crate) fn erred(&self, error: &ListenerError) {
        let text = error.to_string();
        // What is lost with its actor is told by what ended that.
        let lost = matches!(error, ListenerError::Gone | ListenerError::Panicked(_));
        self.standing.erred(text.clone(), !lost);
        if lost || !self.standing.state().is_up() {
            return;
        }
        match self.on_error {
            OnError::GoOn => {}
            OnError::Degrade => {
                self.standing.enter(ServiceState::Degraded, Some(text));
            }
            OnError::Restart => self.doom(text),
        }
    }

    /// Has the present actor end, and another be built.
    pub(crate) fn doom(&self, why: String) {
        self.doom.borrow_mut().get_or_insert(why);
        // What waits is for the next.
        self.pause();
    }

    pub(crate) fn is_doomed(&self) -> Option<String> {
        self.doom.borrow().clone()
    }

    pub(crate) fn panicked(&self, text: &str) {
        *self.panic.borrow_mut() = Some(text.to_owned());
    }

    /// Why a call is lost that was under way when the actor ended.
    pub(crate) fn lost(&self, calling: bool) -> ListenerError {
        match &*self.panic.borrow() {
            Some(text) if calling => ListenerError::Panicked(text.clone()),
            _ => ListenerError::Gone,
        }
    }

    /// Whether there is no actor that could take an event.
    pub(crate) fn is_away(&self) -> bool {
        self.home.borrow().is_none()
    }

    /// Leaves what waits to the next actor.
    pub(crate) fn pause(&self) {
        self.paused.set(true);
        // What it waits for may be what it is paused for.
        if let Some(home) = &*self.home.borrow() {
            home.wake();
        }
    }

    #[inline]
    pub(crate) fn is_paused(&self) -> bool {
        self.paused.get()
    }

    /// Who is told when a call has ended, if it is awaited.
    pub(crate) fn rest(&self) -> &Arc<Notify> {
        &self.rest
    }

    /// Whether somebody waits for the end of its calls.
    pub(crate) fn await_rest(&self, awaited: bool) {
        self.awaited.set(awaited);
    }

    /// No call of one of its seats is under way.
    #[inline]
    pub(crate) fn rested(&self) {
        if self.awaited.get() {
            self.rest.notify_one();
        }
    }
}

/// What a service says of itself, in its handlers, timers and futures: `ctx.degrade("no prices")`.
///
/// In an actor that nobody supervises, as in a test of one handler, these do nothing.
pub trait ServiceContext {
    /// Says that the service does not work as it should: it is degraded.
    fn degrade(&self, why: impl Into<String>);

    /// Says that the service is well again: it is running.
    fn recover(&self);

    /// Has the service built anew, as after a panic: this actor ends with the present message or event.
    fn restart(&mut self, why: impl Into<String>);
}

impl<A: BaseService> ServiceContext for Context<A>
where
    A: Actor<Context = Self>,
{
    fn degrade(&self, why: impl Into<String>) {
        with_current(|current| {
            current.standing.enter(ServiceState::Degraded, Some(why.into()));
        });
    }

    fn recover(&self) {
        with_current(|current| {
            if current.standing.state() == ServiceState::Degraded {
                current.standing.enter(ServiceState::Running, None);
            }
        });
    }

    fn restart(&mut self, why: impl Into<String>) {
        let mut supervised = false;
        with_current(|current| {
            current.doom(why.into());
            supervised = true;
        });
        // So that actix hands it no further message.
        if supervised {
            self.stop();
        }
    }
}

/// Whether a service is being polled that is about to be started again.
pub(crate) fn is_pausing() -> bool {
    CURRENT.with_borrow(|current| current.as_ref().is_some_and(|current| current.is_paused()))
}

fn with_current(run: impl FnOnce(&Oversight)) {
    let current = CURRENT.with_borrow(Clone::clone);
    match current {
        Some(current) => run(&current),
        None => log::debug!(target: "convoke::service", "an actor that nobody supervises spoke of its state"),
    }
}
