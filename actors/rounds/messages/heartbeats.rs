//! What emitters ask of their own deadlines: more time. One question of each waits at most, however often it asks.
//!
//! `Pledge::heartbeat → Heartbeats, and once Pledged::Heartbeat → session → the round`

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::to_broker::Seated;
use crate::rounds::round::Slot;

/// What has become of what an emitter asked.
enum Beat {
    /// It asks for time until then, and the session has not looked yet.
    Asked(Instant),
    /// It has asked when its own deadline was past.
    Late,
}

/// The heartbeats of one round, by slot and generation.
///
/// Made by the first of them: most rounds have none.
#[derive(Default)]
pub(crate) struct Heartbeats(Mutex<Option<Box<Beats>>>);

type Beats = BTreeMap<(Slot, u32), Beat>;

/// What is to be done about a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The session is to be told.
    New,
    /// The session will look anyway.
    Waiting,
    /// It would be in vain.
    Late,
}

impl Heartbeats {
    pub(super) fn ask(&self, by: Seated, until: Instant) -> Heard {
        match self.lock().get_or_insert_default().entry((by.slot, by.generation)) {
            Entry::Vacant(place) => {
                place.insert(Beat::Asked(until));
                Heard::New
            }
            Entry::Occupied(mut place) => match place.get_mut() {
                Beat::Asked(before) => {
                    *before = until.max(*before);
                    Heard::Waiting
                }
                Beat::Late => Heard::Late,
            },
        }
    }

    /// Until when this emitter asks to have time.
    pub(crate) fn take(&self, by: Seated) -> Option<Instant> {
        match self.lock().as_mut()?.remove(&(by.slot, by.generation))? {
            Beat::Asked(until) => Some(until),
            Beat::Late => None,
        }
    }

    /// It need not ask again.
    pub(crate) fn is_late(&self, by: Seated) {
        self.lock().get_or_insert_default().insert((by.slot, by.generation), Beat::Late);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Beats>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
