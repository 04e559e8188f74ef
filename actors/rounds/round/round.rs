//! The round itself: a state machine. Inputs go in, decisions come out; it knows no clock, no actor and no chance.
//!
//! `input at t → deadlines before t → the input → released? out of reach? → decision`
//!
//! Time is the time since the round opened, told with each input. A signal is late when it is handled after a
//! deadline (`t > deadline`); a tick closes at the deadline itself (`t >= deadline`), so in a tie the order of
//! handling decides. Emitters are slots of the broker's roster; names are put in place when the outcome is made.

use std::rc::Rc;
use std::time::Duration;

use super::gathered::Gathered;
use super::names::{Names, Settled};
use super::people::{People, Who};
use super::policy::{Close, LateJoin, Needed, OnLost, RepeatEmit, Rules};
use super::standing::{Place, Slot, Standing, Terms};
use super::verdict::{Abort, Decision, Input, Kept, Refusal, Verdict, Veto};

pub(crate) struct Round<P> {
    pub(super) rules: Rc<Rules<P>>,
    /// By slot.
    pub(super) standing: Vec<Standing>,
    pub(super) owing: usize,
    pub(super) missed: usize,
    /// In the order of emission, and beside it, at the same places, the payloads.
    pub(super) kept: Vec<Kept>,
    pub(super) payloads: Vec<P>,
    /// For the names of `Release::required`: whether somebody has kept it.
    pub(super) required: Vec<bool>,
    /// The expected names, if there are any: each is one promise.
    pub(super) names: Option<Box<Names>>,
    /// The emitters that bear a required or an expected name or have a deadline of their own, by slot: those of the broker until
    /// that changes here.
    pub(super) terms: Rc<Vec<(Slot, Terms)>>,
    /// The earliest deadline of an emitter that still owes.
    pub(super) own: Option<(Duration, Slot)>,
    /// What most rounds have nothing of.
    aside: Option<Box<Aside>>,
    /// When the last signal came.
    pub(super) last: Duration,
    pub(super) verdict: Option<Verdict>,
}

/// What few rounds have. It is in a place of its own, for a round is moved and dropped as a whole.
#[derive(Default)]
pub(super) struct Aside {
    /// The first deadlines of those that have gained time by a heartbeat, by slot.
    pub(super) carried: Vec<(Slot, Duration)>,
    /// Those that were tolerated, in their order.
    pub(super) vetoes: Vec<Veto>,
    /// Who the emitters are, if the release asks for that.
    people: Option<People>,
}

impl<P> Round<P> {
    /// Opens a round of the emitters that stand as owing; `terms`, by slot, says what is particular to some of them, and
    /// `people`, by slot, who they are, if the release [asks](Needed::asks_who).
    #[inline]
    pub(crate) fn open(
        rules: Rc<Rules<P>>,
        standing: Vec<Standing>,
        terms: Rc<Vec<(Slot, Terms)>>,
        people: Option<Rc<Vec<Who>>>,
    ) -> Self {
        let owing = standing.iter().filter(|standing| standing.owes()).count();
        let mut names = Names::new(rules.expected.len());
        if let Some(names) = &mut names {
            for (slot, Terms { expected, .. }) in &*terms {
                if let (Some(name), Some(standing)) = (*expected, standing.get(*slot as usize)) {
                    names.add_bearer(name);
                    names.moves(name, Standing::Absent, *standing);
                }
            }
        }
        let required = match &rules.release {
            Needed::Names(names) => vec![false; names.len()],
            _ => Vec::new(),
        };
        let mut round = Self {
            rules,
            standing,
            owing,
            missed: 0,
            kept: Vec::with_capacity(owing),
            payloads: Vec::with_capacity(owing),
            required,
            names,
            terms,
            own: None,
            aside: people.map(|first| Box::new(Aside { people: Some(People::new(first)), ..Aside::default() })),
            last: Duration::ZERO,
            verdict: None,
        };
        round.find_own();
        round
    }

    /// Takes an input that is handled at `t`; says whether the round was open for it.
    pub(crate) fn handle(&mut self, t: Duration, input: Input) -> bool {
        // Who ends the round for want of an actor ends it as it is: a predicate that has panicked is not asked again.
        if !matches!(input, Input::Abort(Abort::BrokerStopped | Abort::SessionLost)) {
            self.pass_deadlines(t, matches!(input, Input::Tick));
        }
        if self.verdict.is_some() {
            return false;
        }
        match input {
            Input::Join(slot, terms, who) => self.join(t, slot, terms, who),
            Input::Leave(slot) => self.leave(t, slot),
            Input::Lost(slot) => self.lose(t, slot),
            Input::Veto(slot, reason) => self.veto(t, slot, reason),
            Input::Heartbeat(slot, until) => self.carry(slot, until),
            Input::Abort(abort) => self.verdict = Some(Verdict::Aborted(abort)),
            Input::Tick => {}
        }
        true
    }

    /// Takes a signal that is handled at `t`.
    #[inline]
    pub(crate) fn emit(&mut self, t: Duration, slot: Slot, payload: P) -> Decision<P> {
        self.pass_deadlines(t, false);
        if self.verdict.is_some() {
            return Decision::Over(payload);
        }
        let mut replaced = None;
        match self.standing_of(slot) {
            Standing::Owing | Standing::Awaited => {
                self.release_from(slot, Standing::Kept);
                if let Some(Terms { required, expected, .. }) = self.terms_of(slot).copied() {
                    if let Some(name) = required {
                        self.required[name as usize] = true;
                    }
                    if let Some(name) = expected {
                        self.answer_name(name, slot, Settled::Kept);
                    }
                }
            }
            Standing::Kept | Standing::Covered | Standing::Vetoed => match self.rules.repeat {
                RepeatEmit::NextRound => return Decision::Deferred(payload),
                _ if self.has_vetoed(slot) => return Decision::Refused(payload, Refusal::Vetoed),
                RepeatEmit::Rejected => return Decision::Refused(payload, Refusal::AlreadyKept),
                RepeatEmit::Replaces => {
                    if let Some(place) = self.signal_of(slot) {
                        let before = self.kept.remove(place);
                        replaced = Some(self.payloads.remove(place));
                        self.set(before.slot, Standing::Covered);
                        self.set(slot, Standing::Kept);
                    }
                }
            },
            Standing::Missed | Standing::ToldLate => {
                self.standing[slot as usize] = Standing::ToldLate;
                return Decision::Refused(payload, Refusal::Late);
            }
            Standing::Lost | Standing::Left => return Decision::Refused(payload, Refusal::Gone),
            Standing::Absent => return Decision::Deferred(payload),
        }
        self.kept.push(Kept { slot, at: t });
        self.payloads.push(payload);
        self.last = t;
        self.settle(t);
        Decision::Taken { replaced }
    }

    /// The place of the signal of this emitter's promise: its own, or that of another of its expected name.
    pub(super) fn signal_of(&self, slot: Slot) -> Option<usize> {
        let own = self.kept.iter().position(|kept| kept.slot == slot);
        own.or_else(|| {
            let name = self.expected_of(slot)?;
            self.kept.iter().position(|kept| self.expected_of(kept.slot) == Some(name))
        })
    }

    fn join(&mut self, t: Duration, slot: Slot, terms: Terms, who: Who) {
        if self.standing.len() <= slot as usize {
            self.standing.resize(slot as usize + 1, Standing::Absent);
        }
        match self.standing[slot as usize] {
            // It is back, and takes up its promise.
            Standing::Awaited => {}
            Standing::Absent | Standing::Left | Standing::Lost if self.rules.late_join == LateJoin::ThisRound => {}
            _ => return,
        }
        // It may come back under another name.
        self.set(slot, Standing::Absent);
        if let (Some(name), Some(names)) = (self.expected_of(slot), &mut self.names) {
            names.remove_bearer(name);
        }
        self.meet(slot, who);
        if let Some(aside) = &mut self.aside {
            aside.carried.retain(|(other, _)| *other != slot);
        }
        let terms = Terms { deadline: terms.deadline.map(|wait| t.saturating_add(wait)), ..terms };
        match self.terms.binary_search_by_key(&slot, |(slot, _)| *slot) {
            Ok(place) => Rc::make_mut(&mut self.terms)[place].1 = terms,
            Err(_) if terms == Terms::default() => {}
            Err(place) => Rc::make_mut(&mut self.terms).insert(place, (slot, terms)),
        }
        let mut is_answered = false;
        if let (Some(name), Some(names)) = (terms.expected, &mut self.names) {
            names.add_bearer(name);
            is_answered = names.is_answered(name);
        }
        self.set(slot, if is_answered { Standing::Covered } else { Standing::Owing });
        self.find_own();
    }

    /// Says who an emitter is, of whom that was not known for certain.
    pub(crate) fn meet(&mut self, slot: Slot, who: Who) {
        if let Some(people) = self.aside.as_mut().and_then(|aside| aside.people.as_mut()) {
            people.meet(slot, who);
        }
    }

    fn leave(&mut self, t: Duration, slot: Slot) {
        if self.standing_of(slot).owes() {
            self.release_from(slot, Standing::Left);
            self.settle_without(t);
        }
    }

    fn lose(&mut self, t: Duration, slot: Slot) {
        if !self.standing_of(slot).owes() {
            return;
        }
        if self.rules.on_lost == OnLost::Wait {
            return self.set(slot, Standing::Awaited);
        }
        self.release_from(slot, Standing::Lost);
        match self.expected_of(slot) {
            // Another bears its name.
            Some(name) if self.is_owed(name) => {}
            _ if self.rules.on_lost == OnLost::Cancel => {
                self.verdict = Some(Verdict::Lost(slot));
                return;
            }
            Some(name) => {
                if let Some(names) = &mut self.names {
                    names.excuse(name);
                }
            }
            None => {}
        }
        self.settle_without(t);
    }

    /// The emitter owes nothing any more.
    pub(super) fn release_from(&mut self, slot: Slot, standing: Standing) {
        self.set(slot, standing);
        if self.own.is_some_and(|(_, soonest)| soonest == slot) {
            self.find_own();
        }
    }

    /// Every change of how an emitter stands, with all that is counted of it.
    #[inline]
    pub(super) fn set(&mut self, slot: Slot, to: Standing) {
        let from = std::mem::replace(&mut self.standing[slot as usize], to);
        self.owing = self.owing + usize::from(to.owes()) - usize::from(from.owes());
        self.missed = self.missed + usize::from(to.has_missed()) - usize::from(from.has_missed());
        if self.names.is_some() {
            self.tell_name(slot, from, to);
        }
    }

    #[inline(never)]
    fn tell_name(&mut self, slot: Slot, from: Standing, to: Standing) {
        if let (Some(name), Some(names)) = (self.expected_of(slot), &mut self.names) {
            names.moves(name, from, to);
        }
    }

    pub(super) fn is_owed(&self, name: Place) -> bool {
        self.names.as_ref().is_some_and(|names| names.is_owed(name))
    }

    /// How many names nobody bears.
    #[inline]
    pub(super) fn unborne(&self) -> usize {
        self.names.as_ref().map_or(0, |names| names.unfilled())
    }

    fn surplus(&self) -> usize {
        self.names.as_ref().map_or(0, |names| names.surplus())
    }

    /// The promise of this name is answered, and nobody else that bears it owes anything.
    pub(super) fn answer_name(&mut self, name: Place, by: Slot, settled: Settled) {
        let Some(names) = &mut self.names else { return };
        names.settle(name, settled);
        if !names.is_shared(name) {
            return;
        }
        for place in 0..self.terms.len() {
            let (slot, terms) = self.terms[place];
            if terms.expected == Some(name) && slot != by && self.standing_of(slot).is_missing() {
                self.set(slot, Standing::Covered);
            }
        }
        self.find_own();
    }

    /// Closes the round if it has what it needs, or if it never will.
    #[inline]
    pub(super) fn settle(&mut self, t: Duration) {
        if self.rules.close == Close::Released && self.is_released(t) {
            self.verdict = Some(Verdict::Resolved { partial: false });
        } else if self.rules.late_join != LateJoin::ThisRound && !self.is_in_reach() {
            self.verdict = Some(match self.rules.release {
                Needed::All if self.unborne() > 0 => Verdict::NoMember { timed_out: false },
                _ => Verdict::OutOfReach,
            });
        }
    }

    #[inline]
    pub(super) fn is_released(&self, t: Duration) -> bool {
        match &self.rules.release {
            Needed::All => self.owing == 0 && self.missed == 0 && self.unborne() == 0 && !self.is_refused(),
            _ => self.is_released_early(t),
        }
    }

    /// The same, by any rule but that all have to keep their promise.
    #[inline(never)]
    fn is_released_early(&self, t: Duration) -> bool {
        match &self.rules.release {
            Needed::All => false,
            Needed::AtLeast(quorum) => self.kept.len() >= *quorum,
            Needed::Names(_) => self.required.iter().all(|kept| *kept),
            Needed::When(predicate) => {
                let owing = self.owing - self.surplus() + self.unborne();
                predicate.call(&Gathered {
                    kept: &self.kept,
                    payloads: &self.payloads,
                    vetoes: self.vetoes(),
                    standing: &self.standing,
                    people: self.aside.as_ref().and_then(|aside| aside.people.as_ref()),
                    expected: &self.rules.expected,
                    names: self.names.as_deref(),
                    owing,
                    elapsed: t,
                })
            }
        }
    }

    /// Whether the round can still be released. Who may join this round may bring what is lacking.
    pub(super) fn is_in_reach(&self) -> bool {
        if self.rules.late_join == LateJoin::ThisRound {
            return true;
        }
        match &self.rules.release {
            Needed::All => self.unborne() == 0 && !self.is_refused(),
            Needed::AtLeast(quorum) => self.kept.len() + self.owing - self.surplus() >= *quorum,
            Needed::Names(_) => (0..).zip(&self.required).all(|(name, kept)| {
                *kept
                    || self
                        .terms
                        .iter()
                        .any(|(slot, terms)| terms.required == Some(name) && self.standing_of(*slot).owes())
            }),
            Needed::When(_) => true,
        }
    }

    pub(super) fn terms_of(&self, slot: Slot) -> Option<&Terms> {
        let place = self.terms.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
        Some(&self.terms[place].1)
    }

    pub(super) fn expected_of(&self, slot: Slot) -> Option<Place> {
        self.terms_of(slot).and_then(|terms| terms.expected)
    }

    #[cfg(test)]
    pub(super) fn terms(&self) -> &[(Slot, Terms)] {
        &self.terms
    }

    /// What it goes by.
    #[inline]
    pub(crate) fn rules(&self) -> &Rules<P> {
        &self.rules
    }

    /// One more than the highest slot that it knows.
    pub(crate) fn slots(&self) -> Slot {
        self.standing.len() as Slot
    }

    pub(crate) fn standing_of(&self, slot: Slot) -> Standing {
        self.standing.get(slot as usize).copied().unwrap_or_default()
    }

    /// How the round ended; `None` while it is open.
    pub(crate) fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    /// Those the round waits for, or waited for when it closed.
    pub(crate) fn owing(&self) -> impl Iterator<Item = Slot> + '_ {
        (0..).zip(&self.standing).filter(|(_, standing)| standing.owes()).map(|(slot, _)| slot)
    }

    /// The required names, by their places, of which nobody has kept a promise and nobody owes one.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = Place> + '_ {
        let owed = |name: Place| {
            // Who has vetoed has answered.
            let has_to_do = |standing: Standing| standing.is_missing() || standing == Standing::Vetoed;
            self.terms.iter().any(|(slot, terms)| terms.required == Some(name) && has_to_do(self.standing_of(*slot)))
        };
        (0..).zip(&self.required).filter(move |(name, kept)| !**kept && !owed(*name)).map(|(name, _)| name)
    }

    /// The expected names, by their places, that nobody bears.
    pub(crate) fn unfilled(&self) -> impl Iterator<Item = usize> + '_ {
        self.names.iter().flat_map(|names| names.list_unfilled())
    }

    pub(crate) fn kept(&self) -> &[Kept] {
        &self.kept
    }

    /// Those that were tolerated, in the order in which they came.
    #[inline]
    pub(crate) fn vetoes(&self) -> &[Veto] {
        self.aside.as_ref().map_or(&[], |aside| &aside.vetoes)
    }

    /// For what this round has and few others do.
    pub(super) fn aside(&mut self) -> &mut Aside {
        self.aside.get_or_insert_default()
    }

    /// Swaps what was emitted for this: it is with the round for as long as that takes inputs, and between them where others
    /// may see it.
    #[inline]
    pub(crate) fn swap_payloads(&mut self, payloads: &mut Vec<P>) {
        std::mem::swap(&mut self.payloads, payloads);
    }

    /// Whether everyone who takes part has kept the promise: nobody is missing.
    pub(crate) fn is_complete(&self) -> bool {
        self.kept.len() == self.standing.len()
    }

    /// What was gathered, leaving the round empty, and how each emitter stands.
    pub(crate) fn take_parts(&mut self) -> (Vec<Kept>, Vec<P>, Vec<Standing>) {
        (std::mem::take(&mut self.kept), std::mem::take(&mut self.payloads), std::mem::take(&mut self.standing))
    }
}
