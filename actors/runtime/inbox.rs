//! An actor's own way in: a bounded queue that any thread may push to, and that wakes the actor once for a burst.
//!
//! An actix mailbox costs two allocations a message and is drained whole in one poll; this costs a lock, and is
//! drained as the executor says, so that a seeded test sees every order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::executor::WakeHandle;

/// Why an inbox did not take an input; the input is handed back.
#[derive(Debug)]
pub(crate) enum Refused<T> {
    Closed(T),
    Full(T),
}

pub(crate) struct Inbox<T> {
    queue: Mutex<Queue<T>>,
    wake: OnceLock<Arc<WakeHandle>>,
    bound: usize,
}

struct Queue<T> {
    waiting: VecDeque<T>,
    /// The actor knows that there is something, so nobody wakes it again.
    awake: bool,
    closed: bool,
}

impl<T> Inbox<T> {
    pub(crate) fn new(bound: usize) -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::new(Queue { waiting: VecDeque::new(), awake: false, closed: false }),
            wake: OnceLock::new(),
            bound,
        })
    }

    /// Names the actor to wake.
    pub(crate) fn attach(&self, wake: Arc<WakeHandle>) {
        let _ = self.wake.set(wake);
    }

    pub(crate) fn push(&self, input: T) -> Result<(), Refused<T>> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(Refused::Closed(input));
        }
        if queue.waiting.len() >= self.bound {
            return Err(Refused::Full(input));
        }
        self.admit(&mut queue, input);
        Ok(())
    }

    /// Pushes past the bound: for what must not be lost and is bounded elsewhere, such as one farewell per member.
    pub(crate) fn push_always(&self, input: T) {
        let mut queue = self.lock();
        if !queue.closed {
            self.admit(&mut queue, input);
        }
    }

    fn admit(&self, queue: &mut Queue<T>, input: T) {
        queue.waiting.push_back(input);
        if !std::mem::replace(&mut queue.awake, true)
            && let Some(wake) = self.wake.get()
        {
            wake.wake_task();
        }
    }

    /// Moves all that waits into `batch`, which must be empty; says whether there was anything.
    pub(crate) fn take(&self, batch: &mut VecDeque<T>) -> bool {
        let mut queue = self.lock();
        if queue.waiting.is_empty() {
            queue.awake = false;
            return false;
        }
        std::mem::swap(&mut queue.waiting, batch);
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    pub(crate) fn bound(&self) -> usize {
        self.bound
    }

    /// Refuses all that comes from now on and drops what waits, so that those who wait for an answer hear at once.
    pub(crate) fn close(&self) {
        let waiting = {
            let mut queue = self.lock();
            queue.closed = true;
            std::mem::take(&mut queue.waiting)
        };
        drop(waiting);
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
