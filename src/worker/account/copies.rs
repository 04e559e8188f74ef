//! Whether another group marks the same events in the same inbox: then each event is heard by one of them alone.
//!
//! `handling.rs: done before, at its first attempt → Copies → one warning`

use std::cell::Cell;

/// So many that were done before, at their first attempt, and one in so many of all, are no chance.
const FEWEST: u64 = 20;
const ONE_IN: u64 = 4;

/// How many deliveries were heard, or done before, at their first attempts.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    done: Cell<u64>,
    before: Cell<u64>,
    has_warned: Cell<bool>,
}

impl Copies {
    /// One is done, at its first attempt.
    pub(crate) fn done(&self) {
        self.done.set(self.done.get() + 1);
    }

    /// One was done before, and came as a first attempt. Warns once, if that is no chance any more.
    pub(crate) fn before(&self, source: &str) {
        self.before.set(self.before.get() + 1);
        if let Some(text) = self.warning(source) {
            log::warn!(target: "convoke::worker", "{text}");
        }
    }

    fn warning(&self, source: &str) -> Option<String> {
        let (done, before) = (self.done.get(), self.before.get());
        let is_chance = before < FEWEST || before.saturating_mul(ONE_IN) < done.saturating_add(before);
        if is_chance || self.has_warned.replace(true) {
            return None;
        }
        Some(format!(
            "{source}: {before} of {} events were done before when they came for the first time: if another group, or a \
             worker of another queue, marks the same events in an inbox of the same name, each event is heard by one of them \
             alone; give each group an inbox of its own name",
            done + before
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_that_was_done_before_is_named_once_and_a_few_are_not() {
        let copies = Copies::default();
        (0..1_000).for_each(|_| copies.done());
        for _ in 0..300 {
            copies.before.set(copies.before.get() + 1);
            assert_eq!(copies.warning("memory:orders"), None);
        }
        copies.before.set(334);
        assert!(
            copies.warning("memory:orders").unwrap().starts_with("memory:orders: 334 of 1334 events were done before")
        );
        assert_eq!(copies.warning("memory:orders"), None);
        let few = Copies::default();
        few.before.set(FEWEST - 1);
        assert_eq!(few.warning("memory:orders"), None);
    }
}
