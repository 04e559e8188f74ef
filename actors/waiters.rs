//! Who waits for room in a listener's queue, and is woken when there may be some.
//!
//! `publish_wait → Waiters ← seat.run`

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Mutex, PoisonError};
use std::task::Waker;

use crate::runtime::quietly;

#[derive(Debug, Default)]
pub(crate) struct Waiters {
    anyone: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Waiters {
    /// Is told when there may be room; whoever waits has to look once more after this.
    pub(crate) fn join(&self, waker: &Waker) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.iter().any(|known| known.will_wake(waker)) {
            waiting.push(waker.clone());
        }
        self.anyone.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
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
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            self.anyone.store(false, Ordering::SeqCst);
            std::mem::take(&mut *waiting)
        };
        for waker in waiting {
            quietly(|| waker.wake());
        }
    }
}
