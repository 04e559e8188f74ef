//! What a worker remembers of those that are dead and that nobody took.
//!
//! `handling.rs: a dead letter that could not be put anywhere → Unburied → the next attempt: the same letter`

use std::cell::RefCell;
use std::collections::HashMap;

use super::handling::Verdict;
use crate::transport::DeadReason;

/// How many dead letters are remembered that could not be put anywhere.
const MOST_UNBURIED: usize = 1_000;

/// Why deliveries are dead whose dead letters could not be put anywhere: when one comes again here, nobody hears it again,
/// and its letter says what it would have said before.
#[derive(Default)]
pub(crate) struct Unburied(RefCell<HashMap<String, Judged>>);

/// At which attempt, why, and the errors.
type Judged = (u32, DeadReason, Vec<String>);

impl Unburied {
    pub(crate) fn add(&self, id: String, attempt: u32, reason: DeadReason, errors: Vec<String>) {
        let mut all = self.0.borrow_mut();
        if all.len() >= MOST_UNBURIED {
            // Most of them have come to other workers since.
            all.clear();
        }
        all.insert(id, (attempt, reason, errors));
    }

    /// Takes out the verdict on this event. A copy of it, whose attempts count for themselves, has none.
    pub(crate) fn take(&self, id: &str, attempt: u32) -> Option<Verdict> {
        let mut all = self.0.borrow_mut();
        let (_, reason, errors) = all.remove(id).filter(|(before, ..)| *before < attempt)?;
        Some(Verdict::Dead(reason, errors))
    }
}
