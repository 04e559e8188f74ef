//! How a task is woken: a push on its own thread, a lock from another.

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use super::executor::{Executor, HERE, TaskId};
use super::gap::gap;

/// The wakes that come from other threads, and the alarm of the timers.
#[derive(Default)]
pub(crate) struct Remote {
    /// There is something behind the lock.
    any: AtomicBool,
    wakes: Mutex<Wakes>,
}

#[derive(Default)]
pub(super) struct Wakes {
    /// The tasks, and whether a waker of theirs was used.
    woken: Vec<(TaskId, bool)>,
    /// tokio's timer has fired.
    rang: bool,
    pub(super) driver: Option<Waker>,
}

impl Remote {
    pub(super) fn lock(&self) -> MutexGuard<'_, Wakes> {
        self.wakes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what there is, if there is anything: the woken tasks, into this list, which is empty; says whether the alarm has
    /// rung.
    pub(super) fn take(&self, woken: &mut Vec<(TaskId, bool)>) -> bool {
        // Looked at before it is written to, which costs ten times as much.
        if !self.has_any() || !self.any.swap(false, Ordering::AcqRel) {
            return false;
        }
        gap();
        let mut wakes = self.lock();
        // Both keep their room: a list of another thread's is dear to allocate, and to free here.
        std::mem::swap(&mut wakes.woken, woken);
        std::mem::take(&mut wakes.rang)
    }

    pub(super) fn has_any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    fn note(&self, what: impl FnOnce(&mut Wakes)) {
        let driver = {
            let mut wakes = self.lock();
            what(&mut wakes);
            // Whoever is first wakes the driver; for the rest it is under way.
            if self.any.swap(true, Ordering::AcqRel) { None } else { wakes.driver.clone() }
        };
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}

/// What tokio's timer wakes: the driver need not look at the clock unless it was this.
pub(super) struct Alarm(pub(super) Arc<Remote>);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.note(|wakes| wakes.rang = true);
    }
}

/// Where a task lives: wakes it from any thread, with a push on its own and a lock from another.
#[derive(Clone)]
pub(crate) struct Home {
    remote: Arc<Remote>,
    id: TaskId,
}

impl Home {
    pub(super) fn new(remote: Arc<Remote>, id: TaskId) -> Self {
        Self { remote, id }
    }

    /// Does this with the executor of the task, if this is its thread; nothing of others may be called in it.
    #[inline]
    pub(super) fn here<R>(&self, work: impl FnOnce(&Executor) -> R) -> Option<R> {
        let here = HERE.try_with(|here| {
            let here = here.try_borrow().ok()?;
            here.as_ref().filter(|here| Arc::ptr_eq(&here.remote, &self.remote)).map(|here| work(here))
        });
        here.ok().flatten()
    }

    /// The executor of the task, if this is its thread.
    #[inline(always)]
    pub(crate) fn executor(&self) -> Option<Rc<Executor>> {
        let here = HERE.try_with(|here| {
            let here = here.try_borrow().ok()?;
            here.as_ref().filter(|here| Arc::ptr_eq(&here.remote, &self.remote)).cloned()
        });
        here.ok().flatten()
    }

    pub(crate) fn id(&self) -> TaskId {
        self.id
    }

    pub(crate) fn wake(&self) {
        match self.executor() {
            Some(executor) => executor.wake(self.id),
            None => self.wake_from_afar(false),
        }
    }

    pub(crate) fn wake_from_afar(&self, all: bool) {
        self.remote.note(|wakes| wakes.woken.push((self.id, all)));
    }
}

/// The waker of one task, for its mailbox and its futures.
pub(crate) struct WakeHandle(Home);

impl WakeHandle {
    pub(super) fn new(home: Home) -> Self {
        Self(home)
    }
}

impl Wake for WakeHandle {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        match self.0.executor() {
            Some(executor) => executor.wake_all_of(self.0.id),
            None => self.0.wake_from_afar(true),
        }
    }
}
