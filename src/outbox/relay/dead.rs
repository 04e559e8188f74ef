//! Which keys have a dead row, as far as a relay remembers: what is behind that does not leave.
//!
//! `renewing.rs: new lanes, batch.rs: bury → DeadKeys → batch.rs: is it behind a dead row?`, `too many → Rows::first_dead, each batch`

use std::collections::HashMap;

/// So many keys are remembered. If there are more, the database is asked for each batch.
const MOST: usize = 10_000;

/// Keys with the position of their first dead row.
///
/// What is remembered is never behind what is so: who makes a dead row ready tells nobody, and a row that is taken for one
/// behind it is found out when it is to be parked.
#[derive(Debug, Default)]
pub(super) struct DeadKeys {
    first: HashMap<String, i64>,
    memory: Memory,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Memory {
    /// All are here.
    #[default]
    Whole,
    /// There are more than are remembered.
    Full,
    /// They are being read anew; those that die meanwhile are here already.
    Returning,
}

impl DeadKeys {
    /// How many are to be read, to know whether these are all.
    pub(super) const TO_READ: usize = MOST + 1;

    /// Whether they are few enough to be remembered again, of so many dead rows.
    pub(super) fn may_return(&self, dead: u64) -> bool {
        self.memory == Memory::Full && dead <= MOST as u64 / 2
    }

    /// Adds keys, each with a dead row.
    pub(super) fn add(&mut self, keys: impl IntoIterator<Item = (String, i64)>) {
        for (key, position) in keys {
            if self.memory == Memory::Full {
                return;
            }
            let first = self.first.entry(key).or_insert(position);
            *first = position.min(*first);
            if self.first.len() > MOST {
                (self.first, self.memory) = (HashMap::new(), Memory::Full);
            }
        }
    }

    /// Forgets what is remembered of this key.
    pub(super) fn remove(&mut self, key: &str) {
        self.first.remove(key);
    }

    /// Whether a row is behind a dead one of its key, as far as is remembered.
    pub(super) fn is_before(&self, key: &str, position: i64) -> bool {
        self.first.get(key).is_some_and(|first| *first < position)
    }

    /// Whether all of them are here.
    pub(super) fn is_whole(&self) -> bool {
        self.memory == Memory::Whole
    }

    /// All of them are being read.
    pub(super) fn begin_to_return(&mut self) {
        (self.first, self.memory) = (HashMap::new(), Memory::Returning);
    }

    /// These are all that were there, but for those that have died meanwhile.
    pub(super) fn returned(&mut self, keys: impl IntoIterator<Item = (String, i64)>) {
        self.add(keys);
        if self.memory == Memory::Returning {
            self.memory = Memory::Whole;
        }
    }

    /// They could not be read.
    pub(super) fn not_returned(&mut self) {
        (self.first, self.memory) = (HashMap::new(), Memory::Full);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(numbers: std::ops::Range<usize>) -> impl Iterator<Item = (String, i64)> {
        numbers.map(|number| (number.to_string(), 1))
    }

    #[test]
    fn the_first_dead_row_counts_and_not_the_last() {
        let mut dead = DeadKeys::default();
        dead.add([("a".to_owned(), 5), ("a".to_owned(), 3), ("a".to_owned(), 7)]);
        assert!(!dead.is_before("a", 3) && dead.is_before("a", 4) && !dead.is_before("b", 9));
        dead.remove("a");
        assert!(!dead.is_before("a", 9));
    }

    #[test]
    fn more_than_are_remembered_are_not_here_until_they_are_few_again() {
        let mut dead = DeadKeys::default();
        dead.add(keys(0..MOST));
        assert!(dead.is_whole() && dead.is_before("0", 2));
        dead.add(keys(MOST..MOST + 1));
        assert!(!dead.is_whole() && dead.first.is_empty());
        dead.add(keys(0..1));
        assert!(dead.first.is_empty() && !dead.may_return(MOST as u64) && dead.may_return(10));
        // One dies while they are read.
        dead.begin_to_return();
        dead.add([("late".to_owned(), 1)]);
        assert!(!dead.is_whole());
        dead.returned(keys(0..10));
        assert!(dead.is_whole() && dead.is_before("late", 2) && dead.is_before("9", 2));
        // They are too many yet.
        dead.begin_to_return();
        dead.returned(keys(0..MOST + 1));
        assert!(!dead.is_whole() && dead.may_return(0));
        dead.begin_to_return();
        dead.not_returned();
        assert!(!dead.is_whole() && dead.may_return(0));
    }
}
