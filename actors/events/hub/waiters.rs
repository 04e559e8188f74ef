//! Who waits for room in a listener's queue, and is woken when there may be some.
//!
//! `publish_wait → Waiter → Waiters ← seat.run`

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::runtime::{drop_quietly, quietly};

#[derive(Debug, Default)]
pub(crate) struct Waiters {
    anyone: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    /// In the order in which they came.
    wakers: BTreeMap<u64, Waker>,
}

impl Waiters {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An event has left a queue.
    #[inline]
    pub(crate) fn room(&self) {
        if self.anyone.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        let waiting = {
            let mut waiting = self.lock();
            self.anyone.store(false, Ordering::SeqCst);
            std::mem::take(&mut waiting.wakers)
        };
        for waker in waiting.into_values() {
            quietly(|| waker.wake());
        }
    }
}

/// One who waits for room; dropped, he waits no more, whether he had it or gave up.
pub(crate) struct Waiter<'a> {
    waiters: &'a Waiters,
    /// Under which he was there last.
    place: Option<u64>,
}

impl<'a> Waiter<'a> {
    pub(crate) fn new(waiters: &'a Waiters) -> Self {
        Self { waiters, place: None }
    }

    /// Is told when there may be room; whoever waits has to look once more after this.
    pub(crate) fn wait(&mut self, waker: &Waker) {
        let waiters = self.waiters;
        // The user's code, and so neither cloned nor dropped under the lock.
        let waker = waker.clone();
        let before = {
            let mut waiting = waiters.lock();
            let place = *self.place.get_or_insert_with(|| {
                waiting.last += 1;
                waiting.last
            });
            waiters.anyone.store(true, Ordering::SeqCst);
            waiting.wakers.insert(place, waker)
        };
        drop_quietly(before);
        fence(Ordering::SeqCst);
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let waker = self.waiters.lock().wakers.remove(&place);
            drop_quietly(waker);
        }
    }
}
