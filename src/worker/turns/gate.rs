//! Who may begin: everybody, nobody, or one alone.
//!
//! `fetch.rs: a pause, a drain, a suspect → Gate → handling.rs: begin, wait, or be given back`

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Stands before the slots. While it is closed to a delivery that has not begun, that is given back.
pub(crate) struct Gate {
    is_paused: Cell<bool>,
    is_draining: Cell<bool>,
    /// Somebody is heard alone, or waits for that.
    is_taken: Cell<bool>,
    /// More is here than is heard soon.
    is_crowded: Cell<bool>,
    /// The source may have deliveries come: what is given back now might be lent to us again.
    is_lending: Cell<bool>,
    news: Notify,
    /// Of those that may be here, and how many that are.
    pub(crate) room: Arc<Semaphore>,
    places: Cell<usize>,
}

impl Gate {
    pub(crate) fn new(places: usize) -> Self {
        // What one of them alone takes is counted in 32 bits.
        let places = places.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self {
            is_paused: Cell::new(false),
            is_draining: Cell::new(false),
            is_taken: Cell::new(false),
            is_crowded: Cell::new(false),
            is_lending: Cell::new(true),
            news: Notify::new(),
            room: Arc::new(Semaphore::new(places)),
            places: Cell::new(places),
        }
    }

    pub(crate) fn set_paused(&self, paused: bool) {
        self.set(&self.is_paused, paused);
    }

    /// Has what waits here given back, once nothing more is lent, or lets it begin again.
    pub(crate) fn set_crowded(&self, crowded: bool) {
        self.set(&self.is_crowded, crowded);
    }

    /// Returns how many may be here.
    pub(crate) fn places(&self) -> usize {
        self.places.get()
    }

    /// Makes room for so many more.
    pub(crate) fn widen(&self, places: usize) {
        let more = places.min(Semaphore::MAX_PERMITS.min(u32::MAX as usize) - self.places.get());
        self.places.set(self.places.get() + more);
        self.room.add_permits(more);
    }

    /// Takes away room for so many, as soon as it is free; there has to be more than that.
    pub(crate) async fn narrow(&self, places: usize) {
        // The semaphore is never closed.
        if let Ok(room) = self.room.acquire_many(places.try_into().unwrap_or(u32::MAX)).await {
            self.places.set(self.places.get() - room.num_permits());
            room.forget();
        }
    }

    pub(crate) fn drain(&self) {
        self.set(&self.is_draining, true);
    }

    pub(crate) fn set_lending(&self, lending: bool) {
        self.set(&self.is_lending, lending);
    }

    pub(crate) fn is_lending(&self) -> bool {
        self.is_lending.get()
    }

    /// Closes it to all but one, which gets this; `None` if another one has it.
    pub(crate) fn take(self: &Rc<Self>) -> Option<Alone> {
        if self.is_taken.get() {
            return None;
        }
        self.set(&self.is_taken, true);
        Some(Alone { gate: self.clone(), room: Cell::new(None) })
    }

    pub(crate) fn is_taken(&self) -> bool {
        self.is_taken.get()
    }

    /// Ready when one is to be alone.
    pub(crate) async fn taken(&self) {
        self.until(|| self.is_taken.get()).await;
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.get()
    }

    /// Ready when it drains.
    pub(crate) async fn drains(&self) {
        self.until(|| self.is_draining.get()).await;
    }

    /// Ready when nobody is to be alone.
    pub(crate) async fn free(&self) {
        self.until(|| !self.is_taken.get()).await;
    }

    /// Whether one may not begin; who is to be alone is kept out by nobody.
    pub(crate) fn is_closed(&self, is_alone: bool) -> bool {
        self.is_paused.get() || self.is_draining.get() || ((self.is_taken.get() || self.is_crowded.get()) && !is_alone)
    }

    /// Ready when it is closed.
    pub(crate) async fn closed(&self, is_alone: bool) {
        self.until(|| self.is_closed(is_alone)).await;
    }

    /// Ready when what is given back goes to others, or may begin here after all.
    pub(crate) async fn lends_no_more(&self, is_alone: bool) {
        self.until(|| !self.is_lending.get() || !self.is_closed(is_alone)).await;
    }

    fn set(&self, what: &Cell<bool>, value: bool) {
        if what.replace(value) != value {
            self.news.notify_waiters();
        }
    }

    async fn until(&self, holds: impl Fn() -> bool) {
        loop {
            // Before we look, so that nothing that happens since is missed.
            let news = self.news.notified();
            if holds() {
                return;
            }
            news.await;
        }
    }
}

/// Whoever has this is heard alone, or waits for that. Dropped, the others may begin.
pub(crate) struct Alone {
    gate: Rc<Gate>,
    room: Cell<Option<OwnedSemaphorePermit>>,
}

impl Alone {
    /// Ready when nothing else is here and nothing else comes.
    pub(crate) async fn wait(&self) {
        self.gate.until(|| !self.gate.is_lending.get()).await;
        let others = u32::try_from(self.gate.places() - 1).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        self.room.set(self.gate.room.clone().acquire_many_owned(others).await.ok());
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.gate.set(&self.gate.is_taken, false);
    }
}
