//! The dead letters that a bus keeps: a bounded ring.
//!
//! `Hub::failed, dropped, too_deep → Letters → DeadLetters (look, take, redrive)`

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::dead_letter::{Again, DeadLetter};
use super::meter::Meter;
use super::post::Post;
use crate::base::Noted;
use crate::events::parcel::{AnyParcel, Given};
use crate::events::verdict::Reason;
use crate::runtime::{self, Counted, drop_quietly};

/// The dead letters that a bus keeps.
pub(crate) struct Letters {
    ring: Mutex<Ring>,
    pub(crate) limit: usize,
    pub(crate) meter: Meter,
}

#[derive(Default)]
pub(crate) struct Ring {
    pub(crate) letters: VecDeque<Arc<DeadLetter>>,
    pub(crate) total: u64,
    pub(crate) forgotten: u64,
}

impl Ring {
    /// Where the one of this number is, or would be: they are in the order of their numbers.
    pub(crate) fn place(&self, id: u64) -> usize {
        self.letters.partition_point(|letter| Counted(letter.id) < Counted(id))
    }

    /// Takes out the oldest of more than so many, and counts them.
    pub(crate) fn forget(&mut self, limit: usize) -> Vec<Arc<DeadLetter>> {
        let over = self.letters.len().saturating_sub(limit);
        self.forgotten += over as u64;
        self.letters.drain(..over).collect()
    }
}

impl Letters {
    pub(crate) fn new(limit: usize) -> Self {
        Self { ring: Mutex::default(), limit, meter: Meter::new() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was not delivered, and hands it back to be told of; `None` if it makes no dead letter.
    pub(crate) fn keep(
        &self,
        given: &Arc<Given>,
        parcel: Arc<dyn AnyParcel>,
        post: Option<&Arc<Post>>,
        reason: Reason,
        again: Option<Again>,
        noted: Noted,
    ) -> Option<DeadLetter> {
        // A dead letter that is not delivered makes no other. What somebody outside still has is not dead: it comes again,
        // and given back from here it would be done twice.
        if DeadLetter::is_in(&*parcel) || parcel.is_held() {
            drop_quietly(parcel);
            return None;
        }
        // Made before anything is locked: an entity's id is shown by the user's code.
        let metadata = parcel.complete(given).clone();
        let (letter, forgotten) = {
            let mut ring = self.lock();
            ring.total += 1;
            let letter = DeadLetter {
                id: ring.total,
                event: parcel.name().to_string(),
                topic: parcel.topic().to_string(),
                listener: post.map(|post| post.name().clone()),
                reason,
                time: runtime::wall_clock(),
                metadata,
                post: post.cloned(),
                again,
                noted,
                parcel,
            };
            ring.letters.push_back(Arc::new(letter.clone()));
            let forgotten = if ring.letters.len() > self.limit { ring.letters.pop_front() } else { None };
            ring.forgotten += u64::from(forgotten.is_some());
            (letter, forgotten)
        };
        self.meter.buried(&letter.reason);
        self.meter.forgot(usize::from(forgotten.is_some()));
        // The last of an event may go here, whose `Drop` is the user's code.
        drop_quietly(forgotten);
        Some(letter)
    }
}
