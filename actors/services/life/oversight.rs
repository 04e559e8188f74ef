//! What a service's seats, its actor and its keeper know of each other: on one thread, and longer than any of its actors.
//!
//! `a handler fails → Oversight → status, and whether it is built anew`, `ctx.degrade(…) → Oversight → status`

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::events::actor::Overseer;
use crate::events::verdict::ListenerError;
use crate::runtime::Home;
use crate::services::standing::{ServiceState, Standing, work_at};

/// What a service does when one of its handlers returns an error for an event, or takes too long for it.
///
/// In each case the error is counted and published on `service/status`, and the event becomes a dead letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnError {
    /// The service goes on.
    #[default]
    GoOn,
    /// The service is degraded until it [recovers](crate::ServiceContext::recover) or is rebuilt.
    Degrade,
    /// The service is rebuilt, as after a panic.
    Restart,
}

thread_local! {
    /// The service whose actor is being polled on this thread.
    static CURRENT: RefCell<Option<Rc<Oversight>>> = const { RefCell::new(None) };
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
    /// Why the present actor ends, or none comes after it, is told: by a dead letter, or by what was noted for a test.
    has_letter: Cell<bool>,
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
            has_letter: Cell::new(false),
            paused: Cell::new(false),
            awaited: Cell::new(false),
            rest,
        }
    }

    /// Another is to be started: what was told of the one before tells nothing of this.
    pub(crate) fn start(&self) {
        self.has_letter.set(false);
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
        if matches!(error, ListenerError::Panicked(_)) || self.on_error == OnError::Restart {
            self.has_letter.set(true);
        }
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

    /// Why its actor ends, or no other comes, has to be looked at, unless there is a dead letter of it.
    pub(crate) fn unseen(&self, why: &str) {
        if !self.has_letter.replace(true) {
            self.standing.unseen(why);
        }
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

impl Overseer for Oversight {
    fn is_away(&self) -> bool {
        self.is_away()
    }

    #[inline]
    fn is_paused(&self) -> bool {
        self.is_paused()
    }

    #[inline]
    fn rested(&self) {
        self.rested();
    }

    fn erred(&self, error: &ListenerError) {
        self.erred(error);
    }

    fn lost(&self, calling: bool) -> ListenerError {
        self.lost(calling)
    }
}

/// Whether a service is being polled that is about to be started again.
pub(crate) fn is_pausing() -> bool {
    CURRENT.with_borrow(|current| current.as_ref().is_some_and(|current| current.is_paused()))
}

/// Whether a service is being polled, and not an actor that nobody keeps.
pub(crate) fn is_kept() -> bool {
    CURRENT.with_borrow(Option::is_some)
}

pub(crate) fn with_current(run: impl FnOnce(&Oversight)) {
    let current = CURRENT.with_borrow(Clone::clone);
    match current {
        Some(current) => run(&current),
        None => log::debug!(target: "convoke::service", "an actor that nobody supervises spoke of its state"),
    }
}
