//! Who still owed a signal when its round closed: what tells a signal that is late from one that opens a new round.

use std::collections::{HashMap, VecDeque};

use tokio::time::Instant;

use crate::rounds::round::{Slot, Standing};
use crate::rounds::{RoundId, RoundKey};

/// A set of slots, a bit for each: in place for the first so many, which most brokers never exceed.
struct Debtors {
    first: u64,
    more: Box<[u64]>,
}

impl Debtors {
    /// How many slots one word has.
    const WORD: usize = u64::BITS as usize;

    fn new(standing: &[Standing]) -> Self {
        let word = |standing: &[Standing]| {
            let owes = |standing: &Standing| standing.owes() || *standing == Standing::Missed;
            (0..).zip(standing).filter(|(_, standing)| owes(standing)).fold(0, |word, (bit, _)| word | 1_u64 << bit)
        };
        let mut words = standing.chunks(Self::WORD).map(word);
        Self { first: words.next().unwrap_or_default(), more: words.collect() }
    }

    fn word(&mut self, slot: Slot) -> Option<(&mut u64, u64)> {
        let (place, bit) = (slot as usize / Self::WORD, slot as usize % Self::WORD);
        let word = if place == 0 { Some(&mut self.first) } else { self.more.get_mut(place - 1) };
        word.map(|word| (word, 1 << bit))
    }

    /// Whether this one was among them; it is no more.
    fn remove(&mut self, slot: Slot) -> bool {
        let Some((word, bit)) = self.word(slot) else { return false };
        let was = *word & bit != 0;
        *word &= !bit;
        was
    }

    fn is_empty(&self) -> bool {
        self.first == 0 && self.more.iter().all(|word| *word == 0)
    }

    /// All of them.
    fn slots(&self) -> impl Iterator<Item = usize> {
        let words = std::iter::once(&self.first).chain(&self.more);
        words.enumerate().flat_map(|(place, word)| {
            (0..Self::WORD).filter(move |bit| word >> bit & 1 == 1).map(move |bit| place * Self::WORD + bit)
        })
    }

    /// How much of the bound it takes: one for each word, so that the bound is one of memory.
    fn weight(&self) -> usize {
        1 + self.more.len()
    }
}

struct Debt {
    round: RoundId,
    debtors: Debtors,
    until: Instant,
}

/// The debts of a broker: for each key, the last round that closed without all its signals.
pub(crate) struct Debts {
    by_key: HashMap<Option<RoundKey>, Debt>,
    /// Among them rounds whose debts are settled.
    oldest_first: VecDeque<(Option<RoundKey>, RoundId, Instant)>,
    /// How much all debts together weigh, and may weigh.
    weight: usize,
    limit: usize,
    /// What is left of those that had to be forgotten before their time: for each slot the last round that it owed, and
    /// until when. Which key that was is not known any more, so until then no signal of it opens a round of a key that
    /// is not known either: it would be shipped twice.
    forgotten: Vec<Option<(RoundId, Instant)>>,
}

impl Debts {
    /// Makes room for so many rounds, of at most 64 emitters each; one of more counts as several.
    pub(crate) fn new(limit: usize) -> Self {
        Self { by_key: HashMap::new(), oldest_first: VecDeque::new(), weight: 0, limit, forgotten: Vec::new() }
    }

    /// Remembers, until then, who owed the round that has closed. Says whether others had to be forgotten for it for the
    /// first time in a while.
    pub(crate) fn note(
        &mut self,
        key: Option<RoundKey>,
        round: RoundId,
        standing: &[Standing],
        until: Instant,
    ) -> bool {
        self.remove(&key);
        let debt = Debt { round, debtors: Debtors::new(standing), until };
        self.weight += debt.debtors.weight();
        self.oldest_first.push_back((key.clone(), round, until));
        self.by_key.insert(key, debt);
        let mut first = false;
        while self.weight > self.limit
            && let Some((key, round, _)) = self.oldest_first.pop_front()
        {
            if let Some(debt) = self.take(&key, round) {
                first |= self.forgotten.is_empty();
                self.remember_slots(&debt);
            }
        }
        // What is settled long before its time, as are the debts of a key that is used again and again, is swept out when it
        // is most of the queue.
        if self.oldest_first.len() > 2 * self.by_key.len() + 64 {
            let by_key = &self.by_key;
            self.oldest_first.retain(|(key, round, _)| by_key.get(key).is_some_and(|debt| debt.round == *round));
        }
        first
    }

    fn remember_slots(&mut self, debt: &Debt) {
        for slot in debt.debtors.slots() {
            if self.forgotten.len() <= slot {
                self.forgotten.resize(slot + 1, None);
            }
            let until = self.forgotten[slot].map_or(debt.until, |(_, until)| until.max(debt.until));
            self.forgotten[slot] = Some((debt.round, until));
        }
    }

    /// The round for which a signal of this emitter, that would now open a new one, is late; each is late once.
    pub(crate) fn settle(&mut self, key: Option<&RoundKey>, slot: Slot, now: Instant) -> Option<RoundId> {
        if self.by_key.is_empty() && self.forgotten.is_empty() {
            return None;
        }
        while self.oldest_first.front().is_some_and(|(.., until)| *until < now)
            && let Some((key, round, _)) = self.oldest_first.pop_front()
        {
            drop(self.take(&key, round));
        }
        let key = key.cloned();
        match self.by_key.get_mut(&key).filter(|debt| debt.until >= now) {
            Some(debt) => {
                let round = debt.round;
                if !debt.debtors.remove(slot) {
                    return None;
                }
                if debt.debtors.is_empty() {
                    self.remove(&key);
                }
                Some(round)
            }
            None => self.forgotten_of(slot, now),
        }
    }

    /// The last round that this emitter owed among those that had to be forgotten.
    fn forgotten_of(&mut self, slot: Slot, now: Instant) -> Option<RoundId> {
        let (round, until) = (*self.forgotten.get(slot as usize)?)?;
        if until >= now {
            return Some(round);
        }
        self.forgotten[slot as usize] = None;
        if self.forgotten.iter().flatten().all(|(_, until)| *until < now) {
            self.forgotten = Vec::new();
        }
        None
    }

    /// This emitter has been told that it was late for this round.
    pub(crate) fn forgive(&mut self, key: Option<&RoundKey>, round: RoundId, slot: Slot) {
        if self.by_key.is_empty() {
            return;
        }
        let key = key.cloned();
        if let Some(debt) = self.by_key.get_mut(&key).filter(|debt| debt.round == round)
            && debt.debtors.remove(slot)
            && debt.debtors.is_empty()
        {
            self.remove(&key);
        }
    }

    /// A new round of this key opens: what was owed to the last one is owed no more.
    pub(crate) fn forget(&mut self, key: Option<&RoundKey>) {
        if !self.by_key.is_empty() {
            self.remove(&key.cloned());
        }
    }

    /// An emitter is gone, and its slot may be another's.
    pub(crate) fn drop_slot(&mut self, slot: Slot) {
        for debt in self.by_key.values_mut() {
            debt.debtors.remove(slot);
        }
        if let Some(forgotten) = self.forgotten.get_mut(slot as usize) {
            *forgotten = None;
        }
    }

    fn take(&mut self, key: &Option<RoundKey>, round: RoundId) -> Option<Debt> {
        if self.by_key.get(key).is_some_and(|debt| debt.round == round) { self.remove(key) } else { None }
    }

    fn remove(&mut self, key: &Option<RoundKey>) -> Option<Debt> {
        let debt = self.by_key.remove(key)?;
        self.weight -= debt.debtors.weight();
        Some(debt)
    }
}
