//! What was emitted so far: the round's own, or shared with those who are asked and may want to see it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The payloads of a round, in the order of emission, as its pledges see them; empty once it is over.
pub(crate) struct Shared<P>(Mutex<Vec<P>>);

impl<P> Shared<P> {
    pub(crate) fn new(payloads: Vec<P>) -> Self {
        Self(Mutex::new(payloads))
    }

    /// Looks at them. Nobody may wait for the round meanwhile.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&[P]) -> R) -> R {
        look(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<P>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) enum Gathering<P> {
    Own(Vec<P>),
    Shared(Arc<Shared<P>>),
}

impl<P> Gathering<P> {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self::Own(Vec::with_capacity(capacity))
    }

    #[inline]
    fn change<R>(&mut self, change: impl FnOnce(&mut Vec<P>) -> R) -> R {
        match self {
            Self::Own(payloads) => change(payloads),
            Self::Shared(shared) => change(&mut shared.lock()),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, payload: P) {
        self.change(|payloads| payloads.push(payload));
    }

    pub(super) fn remove(&mut self, place: usize) -> P {
        self.change(|payloads| payloads.remove(place))
    }

    pub(super) fn take(&mut self) -> Vec<P> {
        self.change(std::mem::take)
    }

    pub(super) fn look<R>(&self, look: impl FnOnce(&[P]) -> R) -> R {
        match self {
            Self::Own(payloads) => look(payloads),
            Self::Shared(shared) => shared.look(look),
        }
    }

    pub(super) fn share(&mut self) -> Arc<Shared<P>> {
        match self {
            Self::Shared(shared) => shared.clone(),
            Self::Own(payloads) => {
                let shared = Arc::new(Shared::new(std::mem::take(payloads)));
                *self = Self::Shared(shared.clone());
                shared
            }
        }
    }
}
