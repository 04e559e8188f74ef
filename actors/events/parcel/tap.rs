//! Who listens in on a bus: an event is noted where it is packed, before anybody hears it.
//!
//! `publishing.rs → Taps (on the route) → Tap (a watcher of the bus, or a recorder of testing/)`
//!
//! A tap is no listener: reports, `subscriptions()`, `unheard()` and middleware are the same with it as without. The
//! taps of a bus stand on its routes, so that an emission without any looks at one more field of the route that it has
//! in hand anyway.

use std::fmt;
use std::sync::Arc;

use super::parcel::{AnyParcel, Parcel};
use crate::events::event::Subject;

/// Notes what is emitted on a bus. It is called on the thread that emits, under no lock.
pub(crate) trait Tap: Send + Sync {
    /// Notes an event that is about to be sent; `asked` if it is a question.
    fn note(&self, parcel: Arc<dyn AnyParcel>, asked: bool);

    /// Whether it stands in for all listeners, or for all answerers, so that none of them is called.
    #[cfg(feature = "testing")]
    fn stands_in(&self, for_answerers: bool) -> bool;
}

/// All that listen in on a bus.
#[derive(Clone, Default)]
pub(crate) struct Taps {
    taps: Vec<Arc<dyn Tap>>,
    for_listeners: bool,
    for_answerers: bool,
}

impl Taps {
    fn note(&self, parcel: Arc<dyn AnyParcel>, asked: bool) {
        self.taps.iter().for_each(|tap| tap.note(parcel.clone(), asked));
    }

    /// Has all of them note an event.
    pub(crate) fn note_sent<S: Subject>(&self, parcel: &Arc<Parcel<S>>) {
        if S::ASKED {
            // Whoever listens in sees the event that is asked.
            let asked = Parcel::with_metadata(S::noted(&parcel.event).clone(), parcel.metadata().clone());
            return self.note(Arc::new(asked), true);
        }
        self.note(parcel.clone(), false);
    }

    /// Whether nobody else is to be called.
    pub(crate) fn stand_in<S: Subject>(&self) -> bool {
        if S::ASKED { self.for_answerers } else { self.for_listeners }
    }

    pub(crate) fn with(&self, tap: Arc<dyn Tap>) -> Self {
        Self::of(self.taps.iter().cloned().chain([tap]).collect())
    }

    pub(crate) fn without(&self, tap: &Arc<dyn Tap>) -> Self {
        let other = |other: &&Arc<dyn Tap>| !std::ptr::addr_eq(Arc::as_ptr(other), Arc::as_ptr(tap));
        Self::of(self.taps.iter().filter(other).cloned().collect())
    }

    fn of(taps: Vec<Arc<dyn Tap>>) -> Self {
        // Only a test has somebody stand in for others.
        #[cfg(feature = "testing")]
        let stands_in = |for_answerers| taps.iter().any(|tap| tap.stands_in(for_answerers));
        #[cfg(not(feature = "testing"))]
        let stands_in = |_| false;
        Self { for_listeners: stands_in(false), for_answerers: stands_in(true), taps }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.taps.is_empty()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.taps.len()
    }
}

impl fmt::Debug for Taps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taps")
            .field("taps", &self.taps.len())
            .field("for_listeners", &self.for_listeners)
            .finish_non_exhaustive()
    }
}
