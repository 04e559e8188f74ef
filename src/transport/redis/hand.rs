//! Which entries a subscriber has handed out and not heard the end of: what else is pending under its name, it never got.
//!
//! `lend → Hand → settled`, `a connection has died → Hand::known → what it had been sent is given back`

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The id of an entry, as two numbers.
pub(super) type Id = (u64, u64);

/// Reads an id.
pub(super) fn id(text: &str) -> Option<Id> {
    let (time, serial) = text.split_once('-')?;
    Some((time.parse().ok()?, serial.parse().ok()?))
}

/// The entries in hand.
#[derive(Debug, Default)]
pub(super) struct Hand(Mutex<HashSet<Id>>);

impl Hand {
    pub(super) fn take(&self, entry: &str) {
        if let Some(id) = id(entry) {
            self.held().insert(id);
        }
    }

    pub(super) fn drop(&self, id: Id) {
        self.held().remove(&id);
    }

    /// Returns those that are in hand.
    pub(super) fn known(&self) -> HashSet<Id> {
        self.held().clone()
    }

    /// Forgets what was in hand and is pending no more: nobody has heard how its settlement ended.
    pub(super) fn forget(&self, known: &HashSet<Id>, pending: &HashSet<Id>) {
        self.held().retain(|id| pending.contains(id) || !known.contains(id));
    }

    fn held(&self) -> MutexGuard<'_, HashSet<Id>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
