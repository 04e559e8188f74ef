//! Whom to wake once no lock is held.
//!
//! `Line → Calls → Wake → who waits at a line, who has room again`

use std::sync::Arc;

use tokio::sync::Notify;

use super::line::{Calls, Desk};

/// Whom to wake, for when no lock is held.
#[derive(Debug, Default)]
#[must_use]
pub(super) struct Wake {
    /// How many of those who wait at which line.
    bells: Few<(Arc<Notify>, usize)>,
    /// Who has room again.
    desks: Few<Arc<Desk>>,
}

impl Wake {
    pub(super) fn of(bell: &Arc<Notify>, calls: Calls) -> Self {
        let mut wake = Self::default();
        wake.add(bell, calls);
        wake
    }

    pub(super) fn add(&mut self, bell: &Arc<Notify>, calls: Calls) {
        self.desks.extend(calls.desks);
        match self.bells.first_mut() {
            _ if calls.waiting == 0 => {}
            // Most queues have one group.
            Some((first, waiting)) if Arc::ptr_eq(first, bell) => *waiting += calls.waiting,
            _ => self.bells.push((bell.clone(), calls.waiting)),
        }
    }

    pub(super) fn now(self) {
        for (bell, waiting) in self.bells {
            for _ in 0..waiting {
                bell.notify_one();
            }
        }
        for desk in self.desks {
            desk.freed.notify_one();
        }
    }
}

/// A list that is most often empty or of one: its first item lies in it, so that this takes no memory of its own.
#[derive(Debug)]
pub(super) struct Few<T> {
    first: Option<T>,
    /// Empty as long as there is no first.
    more: Vec<T>,
}

impl<T> Few<T> {
    pub(super) fn one(item: T) -> Self {
        Self { first: Some(item), more: Vec::new() }
    }

    pub(super) fn push(&mut self, item: T) {
        match self.first {
            None => self.first = Some(item),
            Some(_) => self.more.push(item),
        }
    }

    pub(super) fn first_mut(&mut self) -> Option<&mut T> {
        self.first.as_mut()
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self { first: None, more: Vec::new() }
    }
}

impl<T> Extend<T> for Few<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        items.into_iter().for_each(|item| self.push(item));
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = std::iter::Chain<std::option::IntoIter<T>, std::vec::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.more)
    }
}
