//! What is measured of the dead letters of a bus; its names and labels are in the table of `src/guide/production.md`.
//!
//! `Letters → Meter → the recorder of the crate metrics`

use crate::base::Count;
use crate::events::verdict::{ListenerError, Reason};

/// The label `reason`: those of failed calls are as the middleware `Measure` has them.
const REASONS: [&str; 11] = [
    "failed",
    "permanent",
    "panicked",
    "timed_out",
    "unprovided",
    "bad_payload",
    "gone",
    "busy",
    "overflow",
    "ended",
    "too_deep",
];

/// Where a reason stands there.
fn place(reason: &Reason) -> usize {
    match reason {
        Reason::Failed(ListenerError::Failed(_)) => 0,
        Reason::Failed(ListenerError::Permanent(_)) => 1,
        Reason::Failed(ListenerError::Panicked(_)) => 2,
        Reason::Failed(ListenerError::TimedOut(_)) => 3,
        Reason::Failed(ListenerError::Unprovided(_)) => 4,
        Reason::Failed(ListenerError::BadPayload(_)) => 5,
        Reason::Failed(ListenerError::Gone) | Reason::Gone => 6,
        Reason::Failed(ListenerError::Busy) | Reason::Busy => 7,
        Reason::Overflow(_) => 8,
        Reason::Ended => 9,
        Reason::TooDeep(_) => 10,
    }
}

/// What is measured of the dead letters of a bus.
pub(crate) struct Meter {
    letters: [Count; REASONS.len()],
    forgotten: Count,
}

impl Meter {
    pub(crate) fn new() -> Self {
        let letters = |reason| {
            let labels = [("reason", reason)];
            Count::new("convoke_bus_dead_letters_total", "Events that became dead letters of a bus, by why", &labels)
        };
        Self {
            letters: REASONS.map(letters),
            forgotten: Count::new(
                "convoke_bus_dead_letters_forgotten_total",
                "Dead letters that a bus has forgotten for want of room",
                &[],
            ),
        }
    }

    pub(crate) fn buried(&self, reason: &Reason) {
        if let Some(letters) = self.letters.get(place(reason)) {
            letters.add(1);
        }
    }

    pub(crate) fn forgot(&self, letters: usize) {
        self.forgotten.add(letters as u64);
    }
}
