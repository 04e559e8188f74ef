//! How often a message was received and given back without an attempt, so that the server's count of receipts can be read
//! as one of attempts.
//!
//! `release → Unseen; ApproximateReceiveCount - Unseen → attempt`

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Of how many messages it is known; of more, the oldest are forgotten, and their releases count as attempts.
const MAX_KNOWN: usize = 10_000;

#[derive(Default)]
pub(super) struct Unseen(Mutex<Known>);

#[derive(Default)]
struct Known {
    counts: HashMap<String, u32>,
    order: VecDeque<String>,
}

impl Unseen {
    /// Notes that a message was given back as it came.
    pub(super) fn note(&self, message: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = known.counts.get_mut(message) {
            *count += 1;
            return;
        }
        if known.order.len() >= MAX_KNOWN
            && let Some(oldest) = known.order.pop_front()
        {
            known.counts.remove(&oldest);
        }
        known.counts.insert(message.to_owned(), 1);
        known.order.push_back(message.to_owned());
    }

    /// Returns which attempt this receipt is.
    pub(super) fn attempt(&self, message: &str, receipts: u32) -> u32 {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unseen = known.counts.get(message).copied().unwrap_or_default();
        receipts.saturating_sub(unseen).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_back_is_no_attempt() {
        let unseen = Unseen::default();
        assert_eq!(unseen.attempt("a", 3), 3);
        unseen.note("a");
        unseen.note("a");
        assert_eq!(unseen.attempt("a", 3), 1);
        assert_eq!(unseen.attempt("a", 4), 2);
        assert_eq!(unseen.attempt("b", 4), 4);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let unseen = Unseen::default();
        for message in 0..=MAX_KNOWN {
            unseen.note(&message.to_string());
        }
        assert_eq!(unseen.attempt("0", 2), 2);
        assert_eq!(unseen.attempt("1", 2), 1);
        assert_eq!(unseen.0.lock().unwrap().counts.len(), MAX_KNOWN);
    }
}
