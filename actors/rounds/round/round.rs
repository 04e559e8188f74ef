//! The round itself: a state machine. Inputs go in, decisions come out; it knows no clock, no actor and no chance.
//!
//! `input at t → deadlines before t → the input → released? out of reach? → decision`
//!
//! Time is the time since the round opened, told with each input. A signal is late when it is handled after a
//! deadline (`t > deadline`); a tick closes at the deadline itself (`t >= deadline`), so in a tie the order of
//! handling decides. Emitters are slots of the broker's roster; names are put in place when the outcome is made.

use std::rc::Rc;
use std::time::Duration;

use super::policy::{Close, Gathered, LateJoin, OnLost, OnTimeout, Release, RepeatEmit, Rules};
use super::standing::{Slot, Standing, Terms};
use super::verdict::{Abort, Decision, Input, Kept, Refusal, Verdict};

pub(crate) struct Round<P> {
    rules: Rc<Rules<P>>,
    /// By slot.
    standing: Vec<Standing>,
    owing: usize,
    missed: usize,
    /// In the order of emission, and beside it, at the same places, the payloads.
    kept: Vec<Kept>,
    payloads: Vec<P>,
    /// For `Release::Required`, by name: whether somebody has kept it.
    required: Vec<bool>,
    /// The emitters that bear a required name or have a deadline of their own, by slot.
    terms: Vec<(Slot, Terms)>,
    /// The earliest deadline of an emitter that still owes.
    own: Option<(Duration, Slot)>,
    last: Duration,
    verdict: Option<Verdict>,
}

/// A deadline and what it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deadline {
    Emitter(Slot),
    Idle,
    Total,
}

impl<P> Round<P> {
    /// Opens a round of the emitters that stand as owing; `terms`, by slot, says what is particular to some of them.
    pub(crate) fn open(rules: Rc<Rules<P>>, standing: Vec<Standing>, terms: Vec<(Slot, Terms)>) -> Self {
        let owing = standing.iter().filter(|standing| standing.owes()).count();
        let required = match &rules.release {
            Release::Required(names) => vec![false; names.len()],
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
            terms,
            own: None,
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
            Input::Join(slot, terms) => self.join(t, slot, terms),
            Input::Leave(slot) => self.leave(t, slot, Standing::Left),
            Input::Lost(slot) => self.lose(t, slot),
            Input::Veto(slot, reason) => {
                if self.standing_of(slot).takes_part() {
                    self.verdict = Some(Verdict::Vetoed(slot, reason));
                }
            }
            Input::Abort(abort) => self.verdict = Some(Verdict::Aborted(abort)),
            Input::Tick => {}
        }
        true
    }

    /// Takes a signal that is handled at `t`.
    pub(crate) fn emit(&mut self, t: Duration, slot: Slot, payload: P) -> Decision<P> {
        self.pass_deadlines(t, false);
        if self.verdict.is_some() {
            return Decision::Over(payload);
        }
        let mut replaced = None;
        match self.standing_of(slot) {
            Standing::Owing | Standing::Awaited => {
                self.release_from(slot, Standing::Kept);
                if let Some(name) = self.terms_of(slot).and_then(|terms| terms.required) {
                    self.required[name] = true;
                }
            }
            Standing::Kept => match self.rules.repeat {
                RepeatEmit::Rejected => return Decision::Refused(payload, Refusal::AlreadyKept),
                RepeatEmit::NextRound => return Decision::Deferred(payload),
                RepeatEmit::Replaces => {
                    if let Some(place) = self.kept.iter().position(|kept| kept.slot == slot) {
                        self.kept.remove(place);
                        replaced = Some(self.payloads.remove(place));
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

    fn join(&mut self, t: Duration, slot: Slot, terms: Terms) {
        if self.standing.len() <= slot as usize {
            self.standing.resize(slot as usize + 1, Standing::Absent);
        }
        match self.standing[slot as usize] {
            // It is back, and takes up its promise.
            Standing::Awaited => {}
            Standing::Absent | Standing::Left | Standing::Lost if self.rules.late_join == LateJoin::ThisRound => {
                self.owing += 1;
            }
            _ => return,
        }
        self.standing[slot as usize] = Standing::Owing;
        let terms = Terms { deadline: terms.deadline.map(|wait| t.saturating_add(wait)), ..terms };
        match self.terms.binary_search_by_key(&slot, |(slot, _)| *slot) {
            Ok(place) => self.terms[place].1 = terms,
            Err(_) if terms == Terms::default() => {}
            Err(place) => self.terms.insert(place, (slot, terms)),
        }
        self.find_own();
    }

    fn leave(&mut self, t: Duration, slot: Slot, standing: Standing) {
        if self.standing_of(slot).owes() {
            self.release_from(slot, standing);
            self.settle(t);
        }
    }

    fn lose(&mut self, t: Duration, slot: Slot) {
        if self.standing_of(slot).owes() {
            match self.rules.on_lost {
                OnLost::Cancel => {
                    self.release_from(slot, Standing::Lost);
                    self.verdict = Some(Verdict::Lost(slot));
                }
                OnLost::Shrink => self.leave(t, slot, Standing::Lost),
                OnLost::Wait => self.standing[slot as usize] = Standing::Awaited,
            }
        }
    }

    /// The emitter owes nothing any more.
    fn release_from(&mut self, slot: Slot, standing: Standing) {
        self.standing[slot as usize] = standing;
        self.owing -= 1;
        if self.own.is_some_and(|(_, soonest)| soonest == slot) {
            self.find_own();
        }
    }

    fn find_own(&mut self) {
        self.own = self
            .terms
            .iter()
            .filter(|(slot, _)| self.standing_of(*slot).owes())
            .filter_map(|(slot, terms)| Some((terms.deadline?, *slot)))
            .min();
    }

    /// Closes the round if it has what it needs, or if it never will.
    fn settle(&mut self, t: Duration) {
        if self.rules.close == Close::Released && self.is_released(t) {
            self.verdict = Some(Verdict::Resolved { partial: false });
        } else if !self.is_in_reach() {
            self.verdict = Some(Verdict::OutOfReach);
        }
    }

    fn is_released(&self, t: Duration) -> bool {
        match &self.rules.release {
            Release::All => self.owing == 0 && self.missed == 0,
            Release::AtLeast(quorum) => self.kept.len() >= *quorum,
            Release::Required(_) => self.required.iter().all(|kept| *kept),
            Release::When(predicate) => predicate(&Gathered::new(&self.payloads, self.owing, t)),
        }
    }

    /// Whether the round can still be released. Who may join this round may bring what is lacking.
    fn is_in_reach(&self) -> bool {
        if self.rules.late_join == LateJoin::ThisRound {
            return true;
        }
        match &self.rules.release {
            Release::All => true,
            Release::AtLeast(quorum) => self.kept.len() + self.owing >= *quorum,
            Release::Required(_) => self.required.iter().enumerate().all(|(name, kept)| {
                *kept
                    || self
                        .terms
                        .iter()
                        .any(|(slot, terms)| terms.required == Some(name) && self.standing_of(*slot).owes())
            }),
            Release::When(_) => true,
        }
    }

    /// Lets every deadline pass that lies before `t`, and with a tick the one at `t`, in the order of time.
    fn pass_deadlines(&mut self, t: Duration, tick: bool) {
        while self.verdict.is_none() {
            let (when, deadline) = self.next();
            if when > t || when == t && !tick {
                break;
            }
            match deadline {
                Deadline::Emitter(slot) => {
                    self.release_from(slot, Standing::Missed);
                    self.missed += 1;
                    match &self.rules.release {
                        // Its promise is broken, and with it the round.
                        Release::All => self.expire(when, Verdict::TimedOut),
                        _ if !self.is_in_reach() => self.expire(when, Verdict::TimedOut),
                        _ => {}
                    }
                }
                Deadline::Idle => self.expire(when, Verdict::Idle),
                Deadline::Total => self.expire(when, Verdict::TimedOut),
            }
        }
    }

    fn expire(&mut self, t: Duration, verdict: Verdict) {
        self.verdict = Some(if self.is_released(t) {
            Verdict::Resolved { partial: false }
        } else if self.rules.on_timeout == OnTimeout::DeliverPartial {
            Verdict::Resolved { partial: true }
        } else {
            verdict
        });
    }

    fn next(&self) -> (Duration, Deadline) {
        let mut next = (self.rules.timeout, Deadline::Total);
        if let Some(idle) = self.rules.idle {
            next = next.min((self.last.saturating_add(idle), Deadline::Idle));
        }
        if let Some((when, slot)) = self.own {
            next = next.min((when, Deadline::Emitter(slot)));
        }
        next
    }

    fn terms_of(&self, slot: Slot) -> Option<&Terms> {
        let place = self.terms.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
        Some(&self.terms[place].1)
    }

    #[cfg(test)]
    pub(super) fn terms(&self) -> &[(Slot, Terms)] {
        &self.terms
    }

    /// One more than the highest slot that it knows.
    pub(crate) fn slots(&self) -> Slot {
        self.standing.len() as Slot
    }

    pub(crate) fn standing_of(&self, slot: Slot) -> Standing {
        self.standing.get(slot as usize).copied().unwrap_or_default()
    }

    /// When the next deadline is, unless the round is over.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        match self.verdict {
            Some(_) => None,
            None => Some(self.next().0),
        }
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
    pub(crate) fn unknown(&self) -> impl Iterator<Item = usize> + '_ {
        let owed = |name: usize| {
            self.terms.iter().any(|(slot, terms)| terms.required == Some(name) && self.standing_of(*slot).is_missing())
        };
        (0..).zip(&self.required).filter(move |(name, kept)| !**kept && !owed(*name)).map(|(name, _)| name)
    }

    pub(crate) fn kept(&self) -> &[Kept] {
        &self.kept
    }

    /// What was gathered, leaving the round empty, and how each emitter stands.
    pub(crate) fn take_parts(&mut self) -> (Vec<Kept>, Vec<P>, Vec<Standing>) {
        (std::mem::take(&mut self.kept), std::mem::take(&mut self.payloads), std::mem::take(&mut self.standing))
    }
}
