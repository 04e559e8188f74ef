//! What has changed for a route since a thread looked it up, so that the thread need not look up all of it anew.
//!
//! `register, retire → Watched → Changes (one for each route in use) → Route::catch_up`

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

use crate::runtime::Counted;

/// How many changes are kept: a thread that has missed more looks the route up anew.
const KEPT: usize = 64;

/// The place of a listener among those who hear the same: by priority, then by when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(Reverse<i32>, Counted<u64>);

impl Rank {
    pub(crate) fn new(priority: i32, id: u64) -> Self {
        Self(Reverse(priority), Counted(id))
    }
}

/// Somebody who hears a route has come or gone.
pub(crate) enum Change<T> {
    /// Weak, or what nobody looks up any more would hold those who have gone.
    Came(Weak<T>),
    Went(Rank),
}

impl<T> Clone for Change<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Came(post) => Self::Came(post.clone()),
            Self::Went(rank) => Self::Went(*rank),
        }
    }
}

/// The last changes of one route, which all threads share that use it.
pub(crate) struct Changes<T> {
    /// How many there have been: all that an emission reads.
    count: AtomicU64,
    last: Mutex<VecDeque<Change<T>>>,
}

impl<T> Changes<T> {
    #[inline]
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    fn last(&self) -> MutexGuard<'_, VecDeque<Change<T>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, change: Change<T>) {
        let mut last = self.last();
        if last.len() == KEPT {
            last.pop_front();
        }
        last.push_back(change);
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    /// Has every thread look the route up anew.
    pub(crate) fn note_all(&self) {
        let mut last = self.last();
        last.clear();
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    /// What has changed since there were so many, and how many there are now; `None` if that is no longer known.
    pub(crate) fn since(&self, count: u64) -> Option<(Vec<Change<T>>, u64)> {
        let last = self.last();
        let now = self.count();
        let missed = usize::try_from(now.checked_sub(count)?).ok()?;
        let known = last.len().checked_sub(missed)?;
        Some((last.iter().skip(known).cloned().collect(), now))
    }
}

impl<T> Default for Changes<T> {
    fn default() -> Self {
        Self { count: AtomicU64::new(0), last: Mutex::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn went(id: u64) -> Change<()> {
        Change::Went(Rank::new(0, id))
    }

    fn ids(changes: &Changes<()>, since: u64) -> Option<Vec<u64>> {
        let (missed, _) = changes.since(since)?;
        Some(
            missed
                .iter()
                .map(|change| match change {
                    Change::Went(Rank(_, Counted(id))) => *id,
                    Change::Came(_) => 0,
                })
                .collect(),
        )
    }

    #[test]
    fn a_thread_is_told_what_it_has_missed_and_no_more() {
        let changes = Changes::default();
        assert_eq!(ids(&changes, 0), Some(vec![]));
        (1..=3).for_each(|id| changes.note(went(id)));
        assert_eq!(ids(&changes, 0), Some(vec![1, 2, 3]));
        assert_eq!(ids(&changes, 2), Some(vec![3]));
        assert_eq!(ids(&changes, 3), Some(vec![]));
    }

    #[test]
    fn what_is_no_longer_known_is_looked_up_anew() {
        let changes = Changes::default();
        (1..=KEPT as u64 + 1).for_each(|id| changes.note(went(id)));
        assert_eq!(ids(&changes, 0), None);
        assert_eq!(ids(&changes, 1).map(|ids| ids.len()), Some(KEPT));
        changes.note_all();
        changes.note(went(7));
        let count = changes.count();
        assert_eq!(ids(&changes, count - 2), None);
        assert_eq!(ids(&changes, count - 1), Some(vec![7]));
    }
}
