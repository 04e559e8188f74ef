//! Where the last record of an entity was seen: a hint, by which the server need not look through all that it has of it.
//!
//! `appended → learn → of(entries) → p_known of convoke_append_1`

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::store::Entry;

/// Of so many entities, and of as many before those.
const MOST: usize = 4096;

/// Entities that this process has appended to. It is right to forget one, and right too if somebody else has appended meanwhile.
#[derive(Default)]
pub(super) struct Known(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    young: HashMap<String, u64>,
    old: HashMap<String, u64>,
}

impl Known {
    /// For each of these a position at or behind which the last record of its entity is; 0 where that is not known.
    pub(super) fn of(&self, entries: &[Entry]) -> Vec<i64> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |entity: &String| seen.young.get(entity).or_else(|| seen.old.get(entity)).copied();
        entries.iter().map(|entry| entry.entity.as_ref().and_then(of).unwrap_or_default().cast_signed()).collect()
    }

    /// These are there, the last of them at this position.
    pub(super) fn learn(&self, entries: &[Entry], last: u64) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = (last + 1).saturating_sub(entries.len() as u64);
        for (position, entry) in (first..).zip(entries) {
            let Some(entity) = &entry.entity else { continue };
            if let Some(known) = seen.young.get_mut(entity) {
                *known = position;
                continue;
            }
            if seen.young.len() >= MOST {
                seen.old = std::mem::take(&mut seen.young);
            }
            seen.young.insert(entity.clone(), position);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(entities: impl IntoIterator<Item = Option<usize>>) -> Vec<Entry> {
        let entry = |entity: Option<usize>| Entry {
            topic: String::new(),
            entity: entity.map(|entity| entity.to_string()),
            earlier: 0,
            digest: 0,
            body: Vec::new(),
        };
        entities.into_iter().map(entry).collect()
    }

    #[test]
    fn the_last_position_of_an_entity_is_known() {
        let known = Known::default();
        let some = entries([Some(1), None, Some(2), Some(1)]);
        assert_eq!(known.of(&some), [0, 0, 0, 0]);
        known.learn(&some, 10);
        assert_eq!(known.of(&some), [10, 0, 9, 10]);
        known.learn(&entries([Some(2)]), 11);
        assert_eq!(known.of(&some), [10, 0, 11, 10]);
    }

    #[test]
    fn what_has_not_been_used_for_long_is_forgotten() {
        let known = Known::default();
        known.learn(&entries([Some(0)]), 1);
        for entity in 1..=3 * MOST {
            known.learn(&entries([Some(entity)]), entity as u64 + 1);
        }
        let seen = known.0.lock().unwrap();
        assert!(seen.young.len() + seen.old.len() <= 2 * MOST);
        drop(seen);
        assert_eq!(known.of(&entries([Some(0), Some(3 * MOST)])), [0, 3 * MOST as i64 + 1]);
    }
}
