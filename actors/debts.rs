//! Who still owed a signal when its round closed: what tells a signal that is late from one that opens a new round.

use std::collections::{HashMap, VecDeque};

use tokio::time::Instant;

use crate::id::{RoundId, RoundKey};
use crate::round::{Slot, Standing};

/// How many closed rounds are remembered; beyond it the oldest is forgotten, and a late signal of it opens a round.
const REMEMBERED: usize = 16_384;

struct Debt {
    round: RoundId,
    debtors: Vec<Slot>,
    until: Instant,
}

/// The debts of a broker: for each key, the last round that closed without all its signals.
#[derive(Default)]
pub(crate) struct Debts {
    by_key: HashMap<Option<RoundKey>, Debt>,
    oldest_first: VecDeque<(Option<RoundKey>, RoundId, Instant)>,
}

impl Debts {
    /// Remembers, until then, who owed the round that has closed.
    pub(crate) fn note(&mut self, key: Option<RoundKey>, round: RoundId, standing: &[Standing], until: Instant) {
        let debtors: Vec<Slot> = (0..)
            .zip(standing)
            .filter(|(_, standing)| standing.owes() || **standing == Standing::Missed)
            .map(|(slot, _)| slot)
            .collect();
        if self.oldest_first.len() >= REMEMBERED
            && let Some((key, round, _)) = self.oldest_first.pop_front()
        {
            self.drop_round(&key, round);
        }
        self.oldest_first.push_back((key.clone(), round, until));
        self.by_key.insert(key, Debt { round, debtors, until });
    }

    /// The round for which a signal of this emitter, that would now open a new one, is late; each is late once.
    pub(crate) fn settle(&mut self, key: Option<&RoundKey>, slot: Slot, now: Instant) -> Option<RoundId> {
        if self.by_key.is_empty() {
            return None;
        }
        while let Some((key, round, _)) = self.oldest_first.front().filter(|(.., until)| *until < now).cloned() {
            self.oldest_first.pop_front();
            self.drop_round(&key, round);
        }
        let debt = self.by_key.get_mut(&key.cloned()).filter(|debt| debt.until >= now)?;
        let place = debt.debtors.iter().position(|debtor| *debtor == slot)?;
        debt.debtors.swap_remove(place);
        Some(debt.round)
    }

    /// This emitter has been told that it was late for this round.
    pub(crate) fn forgive(&mut self, key: Option<&RoundKey>, round: RoundId, slot: Slot) {
        if !self.by_key.is_empty()
            && let Some(debt) = self.by_key.get_mut(&key.cloned()).filter(|debt| debt.round == round)
        {
            debt.debtors.retain(|debtor| *debtor != slot);
        }
    }

    /// A new round of this key opens: what was owed to the last one is owed no more.
    pub(crate) fn forget(&mut self, key: Option<&RoundKey>) {
        if !self.by_key.is_empty() {
            self.by_key.remove(&key.cloned());
        }
    }

    /// An emitter is gone, and its slot may be another's.
    pub(crate) fn drop_slot(&mut self, slot: Slot) {
        for debt in self.by_key.values_mut() {
            debt.debtors.retain(|debtor| *debtor != slot);
        }
    }

    fn drop_round(&mut self, key: &Option<RoundKey>, round: RoundId) {
        if self.by_key.get(key).is_some_and(|debt| debt.round == round) {
            self.by_key.remove(key);
        }
    }
}
