//! Which of those that leave together goes after which: of a key one after the other, where a publisher may take one and not
//! the one before.
//!
//! `what leaves, its key → Lines::of → the first of each line, the second of each, …`

use std::collections::HashMap;

/// Which one goes after which, by its place. By default each is the first of its line.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// How many are the first of their line, at the beginning; `None` is all.
    first: Option<usize>,
    next: Vec<Option<usize>>,
}

impl Lines {
    /// Arranges all so that the first of all lines come first, then all second ones, and so on: a round is a slice.
    pub(crate) fn of<T>(all: Vec<T>, key: impl Fn(&T) -> Option<&str>) -> (Vec<T>, Self) {
        let mut counts = HashMap::new();
        let turns: Vec<usize> = all.iter().map(|item| turn(&mut counts, key(item))).collect();
        let first = turns.iter().filter(|turn| **turn == 0).count();
        drop(counts);
        if first == all.len() {
            return (all, Self::default());
        }
        let mut sorted: Vec<_> = turns.into_iter().zip(all).collect();
        sorted.sort_by_key(|(turn, _)| *turn);
        let all: Vec<T> = sorted.into_iter().map(|(_, item)| item).collect();
        let mut next = vec![None; all.len()];
        let mut last = HashMap::new();
        for (place, item) in all.iter().enumerate() {
            let before = key(item).and_then(|key| last.insert(key, place));
            if let Some(before) = before.and_then(|before| next.get_mut(before)) {
                *before = Some(place);
            }
        }
        drop(last);
        (all, Self { first: Some(first), next })
    }

    /// How many of so many are the first of their line: those at the beginning.
    pub(crate) fn first(&self, all: usize) -> usize {
        self.first.unwrap_or(all)
    }

    /// The one behind this one, in its line.
    pub(crate) fn next(&self, place: usize) -> Option<usize> {
        self.next.get(place).copied().flatten()
    }
}

/// How many of its key come before this one.
fn turn<'a>(counts: &mut HashMap<&'a str, usize>, key: Option<&'a str>) -> usize {
    let Some(key) = key else { return 0 };
    let count = counts.entry(key).or_default();
    *count += 1;
    *count - 1
}
