//! Who the emitters of a round are, for a release that asks for that: their names and their weights, by slot.

use std::rc::Rc;
use std::sync::Arc;

use super::standing::Slot;

/// An emitter, as a release may ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) name: Arc<str>,
    pub(crate) weight: u32,
}

/// The emitters of one round. Those with whom it opened are shared by all rounds that open until somebody joins.
#[derive(Debug)]
pub(super) struct People {
    first: Rc<Vec<Who>>,
    /// Those that came later, or have come back.
    later: Vec<(Slot, Who)>,
}

impl People {
    pub(super) fn new(first: Rc<Vec<Who>>) -> Self {
        Self { first, later: Vec::new() }
    }

    pub(super) fn meet(&mut self, slot: Slot, who: Who) {
        match self.later.iter_mut().find(|(other, _)| *other == slot) {
            Some((_, before)) => *before = who,
            None => self.later.push((slot, who)),
        }
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Who> {
        let later = self.later.iter().find(|(other, _)| *other == slot).map(|(_, who)| who);
        later.or_else(|| self.first.get(slot as usize))
    }
}
