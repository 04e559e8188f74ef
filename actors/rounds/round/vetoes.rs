//! What a veto does to a round: it ends the round, or is tolerated and is an answer.
//!
//! A "no" always weighs. It is the answer of its whole promise, which for an expected name is that of all who bear it; and it
//! takes back a signal with which that promise was kept before.

use std::sync::Arc;
use std::time::Duration;

use super::names::Settled;
use super::policy::{Close, Needed};
use super::round::Round;
use super::standing::{Slot, Standing};
use super::verdict::{Verdict, Veto};

impl<P> Round<P> {
    pub(super) fn veto(&mut self, t: Duration, slot: Slot, reason: Arc<str>) {
        if !self.standing_of(slot).takes_part() || self.has_vetoed(slot) {
            return;
        }
        let signal = self.signal_of(slot);
        // A round of which nothing would be left is about nothing any more.
        let takes_all = signal.is_some() && self.kept.len() == 1;
        if takes_all || !self.rules.on_veto.tolerates(self.vetoes().len() + 1, || self.parties()) {
            self.verdict = Some(Verdict::Vetoed(slot, reason));
            return;
        }
        // Dropped at the end: its `Drop` is the user's.
        let _taken_back = signal.map(|place| self.take_back(place));
        self.release_from(slot, Standing::Vetoed);
        if let Some(name) = self.expected_of(slot) {
            self.answer_name(name, slot, Settled::Vetoed);
        }
        self.aside().vetoes.push(Veto { slot, reason });
        self.settle_without(t);
    }

    /// Closes the round, where one fewer has to answer, if it has what it needs, or if it never will.
    pub(super) fn settle_without(&mut self, t: Duration) {
        self.settle(t);
        // A signal never leaves less than there was, so it need not ask.
        if self.verdict.is_none() && !self.vetoes().is_empty() && self.is_vetoed_for_good() {
            self.verdict = Some(Verdict::OutOfReach);
        }
    }

    /// Takes a signal out of the round again.
    fn take_back(&mut self, place: usize) -> P {
        let before = self.kept.remove(place);
        self.set(before.slot, Standing::Covered);
        if let Some(name) = self.terms_of(before.slot).and_then(|terms| terms.required) {
            let is_of_it = |slot| self.terms_of(slot).is_some_and(|terms| terms.required == Some(name));
            self.required[name as usize] = self.kept.iter().any(|kept| is_of_it(kept.slot));
        }
        self.payloads.remove(place)
    }

    /// Whether this emitter has vetoed, or another that bears its expected name.
    pub(super) fn has_vetoed(&self, slot: Slot) -> bool {
        // Most rounds have none.
        !self.vetoes().is_empty()
            && (self.standing_of(slot) == Standing::Vetoed
                || self
                    .expected_of(slot)
                    .is_some_and(|name| self.names.as_ref().is_some_and(|names| names.is_vetoed(name))))
    }

    /// How many parties the round has: each expected name counts once, whoever bears it, and each other emitter that takes
    /// part.
    fn parties(&self) -> usize {
        let emitters = (0..).zip(&self.standing).filter(|(_, standing)| standing.takes_part());
        let others = emitters.filter(|(slot, _)| self.expected_of(*slot).is_none()).count();
        others + self.names.as_ref().map_or(0, |names| names.parties())
    }

    /// Whether nobody owes anything, and all that anybody has said is "no".
    #[inline]
    pub(super) fn is_refused(&self) -> bool {
        self.kept.is_empty() && !self.vetoes().is_empty() && self.owing == 0 && self.missed == 0 && self.unborne() == 0
    }

    /// Whether vetoes have left the round nothing that whoever may still join could bring.
    pub(super) fn is_vetoed_for_good(&self) -> bool {
        match &self.rules.release {
            Needed::All => self.rules.close == Close::Released && self.is_refused(),
            // Nobody else can give the promise of an expected name.
            Needed::Names(_) => self.vetoes().iter().any(|veto| {
                self.terms_of(veto.slot).is_some_and(|terms| terms.required.is_some() && terms.expected.is_some())
            }),
            _ => false,
        }
    }
}
