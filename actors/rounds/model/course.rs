//! One round, as its documentation has it: a list of what was said to it and when, from which everything else is
//! worked out anew at every question, one millisecond after the other. No counters, no caches, no cleverness.

use std::collections::{BTreeMap, BTreeSet};

use super::spec::{End, Ms, Need, Party, Said, Spec, Stands, Told};
use crate::rounds::round::{Close, LateJoin, OnLost, OnTimeout, OnVeto, RepeatEmit, Slot};

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
    pub(super) vetoes: Vec<(Slot, &'static str)>,
    pub(super) end: Option<End>,
    /// The expected names whose last bearer was lost, where the policy is to go on without it.
    excused: BTreeSet<&'static str>,
    /// What the last signal was told.
    pub(super) told: Option<Told>,
    /// When the last signal came.
    last_signal: Ms,
    /// How long each had before any heartbeat.
    at_first: BTreeMap<Slot, Ms>,
    now: Ms,
}

impl History {
    pub(super) fn course(&self) -> Course<'_> {
        let parties = self.opened_with.iter().map(|(slot, party)| (*slot, (*party, Stands::Owes))).collect();
        let mut course = Course {
            spec: &self.spec,
            parties,
            signals: Vec::new(),
            vetoes: Vec::new(),
            end: None,
            excused: BTreeSet::new(),
            told: None,
            last_signal: 0,
            at_first: self.opened_with.iter().filter_map(|(slot, party)| Some((*slot, party.deadline?))).collect(),
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
                    let is_answered =
                        self.is_expected(party.name) && (self.has_kept(party.name) || self.has_vetoed(party.name));
                    self.excused.remove(party.name);
                    self.parties.insert(slot, (party, if is_answered { Stands::Covered } else { Stands::Owes }));
                    self.at_first.remove(&slot);
                    self.at_first.extend(party.deadline.map(|deadline| (slot, deadline)));
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
                if self.takes_part(slot) && !self.is_vetoed(slot) {
                    self.veto(slot, reason);
                }
            }
            Said::Beats(slot, until) => self.beat(slot, until),
            Said::Aborts(reason) => self.end = Some(End::Aborted(reason)),
            Said::Orphans => self.end = Some(End::Orphaned),
            Said::Ticks => {}
        }
    }

    fn veto(&mut self, slot: Slot, reason: &'static str) {
        let name = self.parties[&slot].0.name;
        let shared = self.is_expected(name);
        let same = |course: &Self, other: Slot| other == slot || shared && course.parties[&other].0.name == name;
        let (before, rest): (Vec<_>, Vec<_>) = self.signals.iter().copied().partition(|signal| same(self, signal.0));
        let count = self.vetoes.len() + 1;
        let is_tolerated = match self.spec.on_veto {
            OnVeto::Cancel => false,
            OnVeto::Tolerate(most) => count <= most,
            OnVeto::TolerateShare(percent) => count * 100 <= self.count_parties() * usize::from(percent),
        };
        if !is_tolerated || !before.is_empty() && rest.is_empty() {
            self.end = Some(End::Vetoed(slot, reason));
            return;
        }
        self.signals = rest;
        if shared {
            let bearers: Vec<_> = self.bearers(name).filter(|(_, stands)| *stands != Stands::Left).collect();
            bearers.into_iter().for_each(|(other, _)| self.put(other, Stands::Covered));
        }
        self.put(slot, Stands::Vetoed);
        self.vetoes.push((slot, reason));
        self.decide();
    }

    /// Each expected name once, but for those without which the round goes on, and whoever else takes part.
    fn count_parties(&self) -> usize {
        let names = self.spec.expected.iter().filter(|name| !self.excused.contains(*name)).count();
        let others = self.parties.keys().filter(|slot| !self.is_expected(self.parties[slot].0.name));
        names + others.filter(|slot| self.takes_part(**slot)).count()
    }

    fn beat(&mut self, slot: Slot, until: Ms) {
        if let (true, Some(first)) = (self.owes(slot), self.at_first.get(&slot)) {
            let most = self.spec.max_heartbeat.map_or(Ms::MAX, |gain| first + gain).min(self.spec.timeout);
            let deadline = &mut self.parties.get_mut(&slot).unwrap().0.deadline;
            *deadline = (*deadline).max(Some(until.min(most)));
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
            Some(Stands::Kept | Stands::Covered | Stands::Vetoed) => match self.spec.repeat {
                RepeatEmit::NextRound => return Told::NextRound,
                _ if self.is_vetoed(slot) => return Told::Vetoed,
                RepeatEmit::Rejected => return Told::AlreadyKept,
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
        self.last_signal = at;
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
        let last = self.last_signal;
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
            _ if matches!(self.spec.need, Need::All) && self.is_refused() => End::OutOfReach,
            OnTimeout::DeliverPartial => End::Partial,
            OnTimeout::Cancel => end,
        });
    }

    fn decide(&mut self) {
        if self.spec.close == Close::Released && self.is_released() {
            self.end = Some(End::Resolved);
        } else if !self.is_in_reach() {
            self.end = Some(match self.spec.need {
                Need::All if !self.unfilled().is_empty() => End::NoMember { timed_out: false },
                _ => End::OutOfReach,
            });
        }
    }

    fn is_released(&self) -> bool {
        match &self.spec.need {
            Need::All => self.is_everyone_done() && !self.is_refused(),
            Need::NobodyOwes => self.promises_owed() + self.unfilled().len() == 0,
            Need::AtLeast(quorum) => self.signals.len() >= *quorum,
            Need::Names(names) => names.iter().all(|name| self.has_kept(name)),
            Need::Sum(least) => self.signals.iter().map(|(_, _, payload)| payload).sum::<u32>() >= *least,
            Need::OneOrTwo => self.has_kept("a") || self.has_kept("b") && self.has_kept("c"),
            Need::Weight(least) => {
                self.signals.iter().map(|(slot, ..)| u64::from(self.parties[slot].0.weight)).sum::<u64>() >= *least
            }
            Need::Says(least) => {
                let said = self.signals.iter().find(|(slot, ..)| self.parties[slot].0.name == "a");
                let owes = self.unfilled().contains(&"a") || self.bearers("a").any(|(slot, _)| self.owes(slot));
                said.is_some_and(|(_, _, payload)| payload >= least) || self.has_vetoed("b") && !owes
            }
        }
    }

    fn is_everyone_done(&self) -> bool {
        let is_done = |stands| !matches!(stands, Stands::Owes | Stands::Awaited | Stands::Missed | Stands::ToldLate);
        self.parties.values().all(|(_, stands)| is_done(*stands)) && self.unfilled().is_empty()
    }

    /// Everyone is done, and everyone who has answered has vetoed.
    fn is_refused(&self) -> bool {
        self.is_everyone_done() && self.signals.is_empty() && !self.vetoes.is_empty()
    }

    fn is_in_reach(&self) -> bool {
        let may_come = |name: &str| self.owing().any(|slot| self.parties[&slot].0.name == name);
        let may_join = self.spec.late_join == LateJoin::ThisRound;
        match &self.spec.need {
            Need::All if may_join => self.spec.close == Close::Deadline || !self.is_refused(),
            Need::All => self.unfilled().is_empty() && !self.is_refused(),
            Need::NobodyOwes | Need::Sum(_) | Need::OneOrTwo | Need::Weight(_) | Need::Says(_) => true,
            Need::AtLeast(quorum) => may_join || self.signals.len() + self.promises_owed() >= *quorum,
            Need::Names(names) => names.iter().all(|name| {
                // Who joins under an expected name that has vetoed cannot speak for it any more.
                let may_join = may_join && !(self.is_expected(name) && self.has_vetoed(name));
                may_join || self.has_kept(name) || may_come(name)
            }),
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
        let is_answered = |name: &str| self.has_kept(name) || self.has_vetoed(name);
        let is_unfilled = |name: &&str| !is_answered(name) && !self.excused.contains(*name) && !is_borne(name);
        self.spec.expected.iter().copied().filter(is_unfilled).collect()
    }

    fn has_kept(&self, name: &str) -> bool {
        self.signals.iter().any(|(slot, ..)| self.parties[slot].0.name == name)
    }

    /// Whether somebody of this name has vetoed.
    fn has_vetoed(&self, name: &str) -> bool {
        self.vetoes.iter().any(|(slot, _)| self.parties[slot].0.name == name)
    }

    /// Whether it has vetoed, or another has for its expected name.
    fn is_vetoed(&self, slot: Slot) -> bool {
        let name = self.parties[&slot].0.name;
        self.stands(slot) == Some(Stands::Vetoed) || self.is_expected(name) && self.has_vetoed(name)
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
        let has_answered = |stands| matches!(stands, Stands::Kept | Stands::Covered | Stands::Vetoed);
        let done = |slot: &Slot| has_answered(self.parties[slot].1) || self.parties[slot].1 == Stands::Left;
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
