//! The round itself: a state machine. Inputs go in, decisions come out; it knows no clock, no actor and no chance.
//!
//! `input at t → deadlines before t → the input → released? out of reach? → decision`
//!
//! Time is the time since the round opened, told with each input. A signal is late when it is handled after a
//! deadline (`t > deadline`); a tick closes at the deadline itself (`t >= deadline`), so in a tie the order of
//! handling decides. Emitters are slots of the broker's roster; names are put in place when the outcome is made.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::policy::{Close, Gathered, LateJoin, OnLost, OnTimeout, Release, RepeatEmit, Rules};

/// An emitter's place in the broker's roster; it stays the same while any round is open that knows it.
pub(crate) type Slot = u32;

/// How an emitter stands in this round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not part of this round.
    #[default]
    Absent,
    /// Owes its signal.
    Owing,
    /// Was lost while it owed, and the policy is to wait for somebody with its id.
    Awaited,
    Kept,
    /// Let its own deadline pass.
    Missed,
    /// The same, and a signal of it has been refused for it.
    ToldLate,
    Lost,
    Left,
}

impl Standing {
    /// Whether the round waits for it.
    pub(crate) fn owes(self) -> bool {
        matches!(self, Self::Owing | Self::Awaited)
    }

    /// Whether it has a say in the round.
    pub(crate) fn takes_part(self) -> bool {
        matches!(self, Self::Owing | Self::Awaited | Self::Kept | Self::Missed | Self::ToldLate)
    }

    /// Whether a round that closes now names it as missing.
    pub(crate) fn is_missing(self) -> bool {
        matches!(self, Self::Owing | Self::Awaited | Self::Missed | Self::ToldLate | Self::Lost)
    }
}

/// What is particular to one emitter: most have neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Its own deadline, from the opening of the round, or from its joining if that came later.
    pub(crate) deadline: Option<Duration>,
    /// Which of the required names it bears.
    pub(crate) required: Option<usize>,
}

/// Everything that may reach a round but a signal, which [`Round::emit`] takes.
#[derive(Debug)]
pub(crate) enum Input {
    Join(Slot, Terms),
    Leave(Slot),
    Lost(Slot),
    Veto(Slot, Arc<str>),
    Abort(Abort),
    Tick,
}

/// Who ended a round from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Abort {
    Asked(Arc<str>),
    BrokerStopped,
    SessionLost,
}

/// What the round says to a signal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision<P> {
    /// It counts; a replaced one is handed back.
    Taken { replaced: Option<P> },
    /// It does not count.
    Refused(P, Refusal),
    /// It belongs to the next round.
    Deferred(P),
    /// The round was over before.
    Over(P),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    AlreadyKept,
    /// Its own deadline is past.
    Late,
    /// It has left or was lost.
    Gone,
}

/// How a round ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Resolved {
        partial: bool,
    },
    TimedOut,
    /// No signal came for the idle time.
    Idle,
    Lost(Slot),
    Vetoed(Slot, Arc<str>),
    /// Whoever is left cannot release the round any more.
    OutOfReach,
    Aborted(Abort),
}

impl Verdict {
    pub(crate) fn is_resolved(&self) -> bool {
        matches!(self, Self::Resolved { .. })
    }

    /// Whether those who still owed have missed the round: time was over, and not somebody else's doing.
    pub(crate) fn is_timeout(&self) -> bool {
        matches!(self, Self::TimedOut | Self::Idle | Self::Resolved { partial: true })
    }
}

/// A signal that counts: whose, and how long after the opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) slot: Slot,
    pub(crate) at: Duration,
}

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

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// A round of these emitters, all of whom owe, each with the place of the required name that it bears.
    fn round(change: impl FnOnce(&mut Rules<u32>), emitters: &[Option<usize>]) -> Round<u32> {
        let mut rules = Rules::new(ms(100));
        change(&mut rules);
        let terms = |required: &Option<usize>| Terms { deadline: None, required: *required };
        let terms = (0..).zip(emitters.iter().map(terms)).filter(|(_, terms)| terms.required.is_some()).collect();
        Round::open(Rc::new(rules), vec![Standing::Owing; emitters.len()], terms)
    }

    fn unknown(round: &Round<u32>) -> Vec<usize> {
        round.unknown().collect()
    }

    #[test]
    fn a_required_name_is_unknown_as_long_as_nobody_has_kept_it_or_can_be_named_as_missing() {
        let required = |rules: &mut Rules<u32>| {
            rules.release = Release::Required(["a", "b", "c"].map(Arc::from).to_vec());
            rules.late_join = LateJoin::ThisRound;
            rules.on_lost = OnLost::Shrink;
        };
        // Nobody bears the last of the names, and somebody none.
        let mut round = round(required, &[Some(0), Some(1), None]);
        assert_eq!(unknown(&round), [2]);
        assert_eq!(round.slots(), 3);
        // Who has kept his promise is not missing, and neither is he unknown.
        assert_eq!(round.emit(ms(1), 0, 10), Decision::Taken { replaced: None });
        assert_eq!(unknown(&round), [2]);
        // Who has left is nobody's to name; who was lost is.
        assert!(round.handle(ms(2), Input::Leave(1)));
        assert_eq!(unknown(&round), [1, 2]);
        assert!(round.handle(ms(3), Input::Join(4, Terms { deadline: Some(ms(5)), required: Some(1) })));
        assert_eq!((unknown(&round), round.slots()), (vec![2], 5));
        assert!(round.handle(ms(3), Input::Join(3, Terms { deadline: None, required: Some(2) })));
        assert!(unknown(&round).is_empty());
        assert!(round.handle(ms(4), Input::Lost(3)));
        assert!(unknown(&round).is_empty());
        // Nor is he who has missed his own deadline, whether he has been told or not.
        assert!(round.handle(ms(9), Input::Tick));
        assert_eq!(round.standing_of(4), Standing::Missed);
        assert!(unknown(&round).is_empty());
        assert_eq!(round.emit(ms(10), 4, 11), Decision::Refused(11, Refusal::Late));
        assert!(unknown(&round).is_empty());
        assert!(round.handle(ms(11), Input::Leave(0)), "he has kept his promise");
        assert!(unknown(&round).is_empty());
    }

    #[test]
    fn who_waits_for_an_emitter_to_come_back_can_name_him() {
        let required = |rules: &mut Rules<u32>| {
            rules.release = Release::Required(vec!["a".into()]);
            rules.on_lost = OnLost::Wait;
        };
        let mut round = round(required, &[Some(0)]);
        assert!(round.handle(ms(1), Input::Lost(0)));
        assert_eq!((round.standing_of(0), unknown(&round)), (Standing::Awaited, vec![]));
        assert!(round.verdict().is_none());
    }

    #[test]
    fn an_emitter_of_which_nothing_is_particular_takes_no_room_among_the_terms() {
        let mut round = round(|rules| rules.late_join = LateJoin::ThisRound, &[None]);
        assert!(round.handle(ms(1), Input::Join(1, Terms::default())));
        assert_eq!((round.standing_of(1), round.terms.as_slice()), (Standing::Owing, &[][..]));
        let own = Terms { deadline: Some(ms(5)), required: None };
        assert!(round.handle(ms(2), Input::Join(2, own)));
        assert_eq!(round.terms, [(2, Terms { deadline: Some(ms(7)), ..own })]);
    }

    #[test]
    fn a_verdict_says_whether_it_is_resolved_and_whether_time_was_over() {
        for (verdict, resolved, timeout) in [
            (Verdict::Resolved { partial: false }, true, false),
            (Verdict::Resolved { partial: true }, true, true),
            (Verdict::TimedOut, false, true),
            (Verdict::Idle, false, true),
            (Verdict::Lost(0), false, false),
            (Verdict::Vetoed(0, "no".into()), false, false),
            (Verdict::OutOfReach, false, false),
            (Verdict::Aborted(Abort::BrokerStopped), false, false),
        ] {
            assert_eq!((verdict.is_resolved(), verdict.is_timeout()), (resolved, timeout), "{verdict:?}");
        }
    }

    #[test]
    fn a_round_says_whether_it_was_open_for_an_input() {
        let mut open = round(|_| (), &[None]);
        assert!(open.handle(ms(99), Input::Tick));
        assert!(open.handle(ms(100), Input::Leave(7)), "an input of the deadline itself is in time");
        assert!(!open.handle(ms(101), Input::Leave(0)));
        assert_eq!(open.verdict(), Some(&Verdict::TimedOut));
        assert!(!open.handle(ms(101), Input::Abort(Abort::SessionLost)));
        let mut ticks = round(|_| (), &[None]);
        assert!(!ticks.handle(ms(100), Input::Tick), "a tick of the deadline closes it first");
    }

    #[test]
    fn what_is_gathered_is_taken_once_and_each_stands_as_he_stood() {
        let mut round = round(|_| (), &[None, None]);
        round.emit(ms(1), 1, 7);
        let kept = vec![Kept { slot: 1, at: ms(1) }];
        assert_eq!(round.take_parts(), (kept, vec![7], vec![Standing::Owing, Standing::Kept]));
        assert_eq!(round.take_parts(), (vec![], vec![], vec![]));
    }
}
