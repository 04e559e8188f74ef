//! Whether the arbiter of the services answers, and which of them is at work on it.
//!
//! `watchdog (a thread) ─ asks, wakes → Answering (a task) ─ answers → Pulse → health.rs`

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use crate::runtime::{self, Home, Task, Turn};

/// What the watchdog asks an arbiter, and what that answers.
#[derive(Default)]
pub(crate) struct Pulse {
    asked: AtomicU64,
    answered: AtomicU64,
    blocked: AtomicBool,
    /// Nobody watches any more.
    ending: AtomicBool,
    /// The arbiter has ended while it was watched.
    gone: AtomicBool,
    /// The id of the service whose actor is being polled; 0 for none.
    at: AtomicU64,
    home: OnceLock<Home>,
}

impl Pulse {
    /// The actor of this service is being polled; returns which was before.
    fn work_at(&self, id: u64) -> u64 {
        self.at.swap(id, Ordering::Release)
    }

    /// The id of the service whose actor is being polled; 0 for none.
    pub(crate) fn at(&self) -> u64 {
        self.at.load(Ordering::Acquire)
    }

    /// Whether its arbiter answers.
    pub(crate) fn is_live(&self) -> bool {
        !self.blocked.load(Ordering::Acquire) && !self.gone.load(Ordering::Acquire)
    }

    /// Has this arbiter answer from now on.
    pub(crate) fn begin(self: &Arc<Self>) {
        let executor = runtime::executor_here();
        executor.spawn(|id| {
            let _ = self.home.set(executor.home(id));
            Box::new(Answering { pulse: self.clone(), answers_no_more: false })
        });
        let _ = PULSE.try_with(|known| known.borrow_mut().get_or_insert_with(|| self.clone()).clone());
    }

    /// Nobody watches any more.
    pub(crate) fn end(self: &Arc<Self>) {
        let _ = PULSE.try_with(|known| known.borrow_mut().take_if(|known| Arc::ptr_eq(known, self)));
        self.ending.store(true, Ordering::Release);
        self.blocked.store(false, Ordering::Release);
        if let Some(home) = self.home.get() {
            home.wake();
        }
    }

    /// Asks the arbiter; returns the number of the question.
    pub(crate) fn ask(&self) -> u64 {
        let asked = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        if let Some(home) = self.home.get() {
            home.wake_from_afar(false);
        }
        asked
    }

    pub(crate) fn has_answered(&self, asked: u64) -> bool {
        self.answered.load(Ordering::Acquire) >= asked
    }

    /// It has answered in time; says whether it had not before.
    pub(crate) fn unblock(&self) -> bool {
        self.blocked.swap(false, Ordering::AcqRel)
    }

    /// It has not answered in time; says whether that is news.
    pub(crate) fn block(&self) -> bool {
        !self.ending.load(Ordering::Acquire) && !self.blocked.swap(true, Ordering::AcqRel)
    }
}

/// The task that answers the watchdog.
struct Answering {
    pulse: Arc<Pulse>,
    answers_no_more: bool,
}

impl Task for Answering {
    fn poll(&mut self, _: &Turn<'_>) -> Poll<()> {
        let pulse = &self.pulse;
        pulse.answered.store(pulse.asked.load(Ordering::Acquire), Ordering::Release);
        if !pulse.ending.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        self.answers_no_more = true;
        Poll::Ready(())
    }

    fn label(&self) -> String {
        "what answers the watchdog of the services".to_owned()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        // It was not asked to end, or could not answer to that.
        if !self.answers_no_more {
            self.pulse.gone.store(true, Ordering::Release);
        }
    }
}

thread_local! {
    /// What the watchdog of this thread looks at.
    static PULSE: RefCell<Option<Arc<Pulse>>> = const { RefCell::new(None) };
}

/// The actor of this service is being polled; returns which was before.
pub(crate) fn work_at(id: u64) -> u64 {
    let before = PULSE.try_with(|pulse| pulse.borrow().as_ref().map_or(0, |pulse| pulse.work_at(id)));
    before.unwrap_or_default()
}
