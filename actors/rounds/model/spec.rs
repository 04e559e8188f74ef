//! One round, as its documentation has it: a list of what was said to it and when, from which everything else is
//! worked out anew at every question, one millisecond after the other. No counters, no caches, no cleverness.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use crate::rounds::round::{Close, LateJoin, OnLost, OnTimeout, Release, RepeatEmit, Rules, Slot};

/// Milliseconds: since the round opened, or as a wait.
pub(super) type Ms = u64;

pub(super) fn ms(count: Ms) -> Duration {
    Duration::from_millis(count)
}

#[derive(Clone, Debug)]
pub(super) enum Need {
    All,
    AtLeast(usize),
    Names(Vec<&'static str>),
    /// A predicate: nobody owes anything.
    NobodyOwes,
    /// A predicate: the payloads come to so much together.
    Sum(u32),
}

#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) timeout: Ms,
    pub(super) idle: Option<Ms>,
    pub(super) need: Need,
    pub(super) expected: Vec<&'static str>,
    pub(super) close: Close,
    pub(super) late_join: LateJoin,
    pub(super) repeat: RepeatEmit,
    pub(super) on_timeout: OnTimeout,
    pub(super) on_lost: OnLost,
}

impl Spec {
    /// Any of the policies, all combinations of them.
    pub(super) fn any() -> impl Strategy<Value = Self> {
        let need = prop_oneof![
            2 => Just(Need::All),
            2 => (1..5_usize).prop_map(Need::AtLeast),
            2 => select(vec![vec!["a"], vec!["b", "a"], vec!["c", "d"]]).prop_map(Need::Names),
            1 => Just(Need::NobodyOwes),
            1 => (5..25_u32).prop_map(Need::Sum),
        ];
        let names = [vec!["a"], vec!["b", "a"], vec!["a", "c"], vec!["c", "d"], vec!["a", "b", "c", "d"]];
        let expected = prop_oneof![1 => Just(vec![]), 1 => select(names.to_vec())];
        let when = (3..20_u64, proptest::option::of(2..8_u64), need, expected);
        let policies = (
            select(vec![Close::Released, Close::Deadline]),
            select(vec![LateJoin::ThisRound, LateJoin::NextRound, LateJoin::Rejected]),
            select(vec![RepeatEmit::Rejected, RepeatEmit::Replaces, RepeatEmit::NextRound]),
            select(vec![OnTimeout::Cancel, OnTimeout::DeliverPartial]),
            select(vec![OnLost::Cancel, OnLost::Shrink, OnLost::Wait]),
        );
        (when, policies).prop_map(
            |((timeout, idle, need, expected), (close, late_join, repeat, on_timeout, on_lost))| Self {
                timeout,
                idle,
                need,
                expected,
                close,
                late_join,
                repeat,
                on_timeout,
                on_lost,
            },
        )
    }

    pub(super) fn release(&self) -> Release<u32> {
        match &self.need {
            Need::All => Release::all(),
            Need::AtLeast(quorum) => Release::at_least(*quorum),
            Need::Names(names) => Release::required(names.iter().copied()),
            Need::NobodyOwes => Release::when(|gathered| gathered.owing() == 0),
            Need::Sum(least) => {
                let least = *least;
                Release::when(move |gathered| gathered.payloads().iter().sum::<u32>() >= least)
            }
        }
    }

    pub(super) fn rules(&self) -> Rc<Rules<u32>> {
        let mut rules = Rules::new(ms(self.timeout));
        rules.idle = self.idle.map(ms);
        rules.release = self.release().0;
        rules.expected = self.expected.iter().copied().map(Into::into).collect();
        rules.close = self.close;
        rules.late_join = self.late_join;
        rules.repeat = self.repeat;
        rules.on_timeout = self.on_timeout;
        rules.on_lost = self.on_lost;
        Rc::new(rules)
    }
}

/// Who takes part, and how long it has of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Party {
    pub(super) name: &'static str,
    pub(super) deadline: Option<Ms>,
}

/// What is said to a round.
#[derive(Clone, Debug)]
pub(super) enum Said {
    Emits(Slot, u32),
    Joins(Slot, Party),
    Leaves(Slot),
    IsLost(Slot),
    Vetoes(Slot, &'static str),
    Aborts(&'static str),
    /// The broker or the session is gone.
    Orphans,
    /// Nothing but that it is so late.
    Ticks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    Owes,
    Awaited,
    Kept,
    /// Another of its name, which is expected, has kept the promise.
    Covered,
    Missed,
    /// The same, and it has been told so.
    ToldLate,
    Lost,
    Left,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Resolved,
    Partial,
    TimedOut,
    Idle,
    Lost(Slot),
    Vetoed(Slot, &'static str),
    NoMember { timed_out: bool },
    OutOfReach,
    Aborted(&'static str),
    Orphaned,
}

/// What a signal is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Taken { instead_of: Option<u32> },
    AlreadyKept,
    Late,
    Gone,
    NextRound,
    Over,
}

/// A round, by what was said to it.
#[derive(Clone, Debug)]
pub(super) struct History {
    pub(super) spec: Spec,
    pub(super) opened_with: BTreeMap<Slot, Party>,
    pub(super) said: Vec<(Ms, Said)>,
}

/// How far it has come.
#[derive(Clone, Debug)]
pub(super) struct Course<'a> {
    spec: &'a Spec,
    /// With the deadline of each, counted from the opening.
    pub(super) parties: BTreeMap<Slot, (Party, Stands)>,
    pub(super) signals: Vec<(Slot, Ms, u32)>,
    pub(super) end: Option<End>,
    /// The expected names whose last bearer was lost, where the policy is to go on without it.
    excused: BTreeSet<&'static str>,
    /// What the last signal was told.
    pub(super) told: Option<Told>,
    now: Ms,
}

impl History {
    pub(super) fn course(&self) -> Course<'_> {
        let parties = self.opened_with.iter().map(|(slot, party)| (*slot, (*party, Stands::Owes))).collect();
        let mut course = Course {
            spec: &self.spec,
            parties,
            signals: Vec::new(),
            end: None,
            excused: BTreeSet::new(),
            told: None,
            now: 0,
        };
        for (at, said) in &self.said {
            course.say(*at, said);
        }
        course
    }
}

impl Course<'_> {
    fn say(&mut self, at: Ms, said: &Said) {
        if !matches!(said, Said::Orphans) {
            // What is due at an instant passes before anything later, and at that instant only when it is asked for.
            for instant in self.now..at + Ms::from(matches!(said, Said::Ticks)) {
                self.pass(instant);
            }
        }
        self.now = at;
        if self.end.is_some() {
            self.told = Some(Told::Over);
            return;
        }
        match *said {
            Said::Emits(slot, payload) => self.told = Some(self.emit(at, slot, payload)),
            Said::Joins(slot, party) => {
                let party = Party { deadline: party.deadline.map(|wait| at + wait), ..party };
                let welcome = match self.stands(slot) {
                    Some(Stands::Awaited) => true,
                    None | Some(Stands::Lost | Stands::Left) => self.spec.late_join == LateJoin::ThisRound,
                    Some(_) => false,
                };
                if welcome {
                    let is_kept = self.is_expected(party.name) && self.has_kept(party.name);
                    self.excused.remove(party.name);
                    self.parties.insert(slot, (party, if is_kept { Stands::Covered } else { Stands::Owes }));
                }
            }
            Said::Leaves(slot) => {
                if self.owes(slot) {
                    self.put(slot, Stands::Left);
                    self.decide();
                }
            }
            Said::IsLost(slot) => {
                if self.owes(slot) {
                    self.lose(slot);
                }
            }
            Said::Vetoes(slot, reason) => {
                if self.takes_part(slot) {
                    self.end = Some(End::Vetoed(slot, reason));
                }
            }
            Said::Aborts(reason) => self.end = Some(End::Aborted(reason)),
            Said::Orphans => self.end = Some(End::Orphaned),
            Said::Ticks => {}
        }
    }

    fn lose(&mut self, slot: Slot) {
        if self.spec.on_lost == OnLost::Wait {
            return self.put(slot, Stands::Awaited);
        }
        self.put(slot, Stands::Lost);
        let name = self.parties[&slot].0.name;
        if self.is_owed_by_another(slot) {
            self.decide();
        } else if self.spec.on_lost == OnLost::Cancel {
            self.end = Some(End::Lost(slot));
        } else {
            let has_missed = |stands| matches!(stands, Stands::Missed | Stands::ToldLate);
            if self.is_expected(name) && !self.bearers(name).any(|(_, stands)| has_missed(stands)) {
                self.excused.insert(name);
            }
            self.decide();
        }
    }

    fn emit(&mut self, at: Ms, slot: Slot, payload: u32) -> Told {
        let mut instead_of = None;
        match self.stands(slot) {
            Some(Stands::Owes | Stands::Awaited) => self.put(slot, Stands::Kept),
            Some(Stands::Kept | Stands::Covered) => match self.spec.repeat {
                RepeatEmit::Rejected => return Told::AlreadyKept,
                RepeatEmit::NextRound => return Told::NextRound,
                RepeatEmit::Replaces => {
                    let name = self.parties[&slot].0.name;
                    let same = |other| other == slot || self.is_expected(name) && self.parties[&other].0.name == name;
                    let before = self.signals.iter().position(|signal| same(signal.0)).unwrap();
                    let (other, _, payload) = self.signals.remove(before);
                    instead_of = Some(payload);
                    self.put(other, Stands::Covered);
                    self.put(slot, Stands::Kept);
                }
            },
            Some(Stands::Missed | Stands::ToldLate) => {
                self.put(slot, Stands::ToldLate);
                return Told::Late;
            }
            Some(Stands::Lost | Stands::Left) => return Told::Gone,
            None => return Told::NextRound,
        }
        self.signals.push((slot, at, payload));
        let name = self.parties[&slot].0.name;
        if self.is_expected(name) {
            let others: Vec<_> = self.bearers(name).filter(|(other, _)| *other != slot).collect();
            for (other, stands) in others {
                if stands != Stands::Left {
                    self.put(other, Stands::Covered);
                }
            }
        }
        self.decide();
        Told::Taken { instead_of }
    }

    /// Every deadline that is at this instant: first the emitters' own, then the idle one, then the total one.
    fn pass(&mut self, instant: Ms) {
        let own: Vec<Slot> = self.owing().filter(|slot| self.parties[slot].0.deadline == Some(instant)).collect();
        for slot in own {
            if self.end.is_none() {
                self.put(slot, Stands::Missed);
                let is_broken = match self.spec.need {
                    Need::All => !self.is_owed_by_another(slot),
                    _ => !self.is_in_reach(),
                };
                if is_broken {
                    self.expire(End::TimedOut);
                }
            }
        }
        let last = self.signals.last().map_or(0, |(_, at, _)| *at);
        if self.end.is_none() && self.spec.idle == Some(instant - last.min(instant)) && instant > last {
            self.expire(End::Idle);
        }
        if self.end.is_none() && self.spec.timeout == instant {
            let is_empty = matches!(self.spec.need, Need::All) && !self.unfilled().is_empty();
            self.expire(if is_empty { End::NoMember { timed_out: true } } else { End::TimedOut });
        }
    }

    fn expire(&mut self, end: End) {
        self.end = Some(match self.spec.on_timeout {
            _ if self.is_released() => End::Resolved,
            OnTimeout::DeliverPartial => End::Partial,
            OnTimeout::Cancel => end,
        });
    }

    fn decide(&mut self) {
        if self.spec.close == Close::Released && self.is_released() {
            self.end = Some(End::Resolved);
        } else if !self.is_in_reach() {
            self.end = Some(match self.spec.need {
                Need::All => End::NoMember { timed_out: false },
                _ => End::OutOfReach,
            });
        }
    }

    fn is_released(&self) -> bool {
        match &self.spec.need {
            Need::All => {
                let is_done = |stands| matches!(stands, Stands::Kept | Stands::Covered | Stands::Lost | Stands::Left);
                self.parties.values().all(|(_, stands)| is_done(*stands)) && self.unfilled().is_empty()
            }
            Need::NobodyOwes => self.promises_owed() + self.unfilled().len() == 0,
            Need::AtLeast(quorum) => self.signals.len() >= *quorum,
            Need::Names(names) => names.iter().all(|name| self.has_kept(name)),
            Need::Sum(least) => self.signals.iter().map(|(_, _, payload)| payload).sum::<u32>() >= *least,
        }
    }

    fn is_in_reach(&self) -> bool {
        let may_come = |name: &str| self.owing().any(|slot| self.parties[&slot].0.name == name);
        self.spec.late_join == LateJoin::ThisRound
            || match &self.spec.need {
                Need::All => self.unfilled().is_empty(),
                Need::NobodyOwes | Need::Sum(_) => true,
                Need::AtLeast(quorum) => self.signals.len() + self.promises_owed() >= *quorum,
                Need::Names(names) => names.iter().all(|name| self.has_kept(name) || may_come(name)),
            }
    }

    fn is_expected(&self, name: &str) -> bool {
        self.spec.expected.contains(&name)
    }

    fn bearers(&self, name: &str) -> impl Iterator<Item = (Slot, Stands)> {
        self.parties
            .iter()
            .filter(move |(_, (party, _))| party.name == name)
            .map(|(slot, (_, stands))| (*slot, *stands))
    }

    fn is_owed_by_another(&self, slot: Slot) -> bool {
        let name = self.parties[&slot].0.name;
        self.is_expected(name) && self.bearers(name).any(|(other, _)| other != slot && self.owes(other))
    }

    /// How many signals may still come of those who are here: one for each expected name, however many bear it.
    fn promises_owed(&self) -> usize {
        let of = |slot| (self.parties[&slot].0.name, slot);
        let (named, others): (Vec<_>, Vec<_>) = self.owing().map(of).partition(|(name, _)| self.is_expected(name));
        named.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len() + others.len()
    }

    /// The expected names that nobody bears.
    pub(super) fn unfilled(&self) -> Vec<&'static str> {
        let bears = |stands| matches!(stands, Stands::Owes | Stands::Awaited | Stands::Missed | Stands::ToldLate);
        let is_borne = |name: &str| self.bearers(name).any(|(_, stands)| bears(stands));
        let is_unfilled = |name: &&str| !self.has_kept(name) && !self.excused.contains(*name) && !is_borne(name);
        self.spec.expected.iter().copied().filter(is_unfilled).collect()
    }

    fn has_kept(&self, name: &str) -> bool {
        self.signals.iter().any(|(slot, ..)| self.parties[slot].0.name == name)
    }

    fn put(&mut self, slot: Slot, stands: Stands) {
        self.parties.get_mut(&slot).unwrap().1 = stands;
    }

    pub(super) fn stands(&self, slot: Slot) -> Option<Stands> {
        self.parties.get(&slot).map(|(_, stands)| *stands)
    }

    pub(super) fn owes(&self, slot: Slot) -> bool {
        matches!(self.stands(slot), Some(Stands::Owes | Stands::Awaited))
    }

    pub(super) fn takes_part(&self, slot: Slot) -> bool {
        !matches!(self.stands(slot), None | Some(Stands::Lost | Stands::Left))
    }

    pub(super) fn owing(&self) -> impl Iterator<Item = Slot> + '_ {
        self.parties.keys().copied().filter(|slot| self.owes(*slot))
    }

    /// Who is named when it closes now.
    pub(super) fn missing(&self) -> Vec<Slot> {
        let done = |slot: &Slot| matches!(self.parties[slot].1, Stands::Kept | Stands::Covered | Stands::Left);
        let vetoed = |slot: &Slot| matches!(self.end, Some(End::Vetoed(by, _)) if by == *slot);
        self.parties.keys().copied().filter(|slot| !done(slot) && !vetoed(slot)).collect()
    }

    /// The first instant at which something will happen if nothing is said; `None` when it is over.
    pub(super) fn next_deadline(&self) -> Option<Ms> {
        let same = |other: &Self| {
            other.end == self.end && self.parties.keys().all(|slot| self.owes(*slot) == other.owes(*slot))
        };
        let passes = |instant: &Ms| {
            let mut other = self.clone();
            other.pass(*instant);
            !same(&other)
        };
        self.end.is_none().then(|| (self.now..).find(passes).unwrap())
    }
}
