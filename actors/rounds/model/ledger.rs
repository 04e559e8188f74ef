//! A broker, as its documentation has it: who is a member, which rounds there were, and what everybody must be told.
//! Everything that is done here takes effect at once and entirely.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::course::History;
use super::spec::{End, Ms, Party, Said, Spec, Stands, Told};
use crate::rounds::round::{LateJoin, OnLost, Slot};

pub(super) type Key = Option<&'static str>;

/// A person may be many emitters, one after the other, all of the same id.
pub(super) type Person = usize;

/// A round by its key and how many of that key came before it.
pub(super) type Name = (Key, usize);

/// A pledge by whose it is, in which of its memberships, and for which round.
pub(super) type Promise = (Person, u32, Name);

/// What was done.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Join {
        person: Person,
        deadline: Option<Ms>,
        weight: u32,
        asked: bool,
    },
    Leave(Person),
    Lose(Person),
    Emit(Person, Key, u32),
    Veto(Person, Key),
    Keep(Promise, u32),
    Refuse(Promise),
    Drop(Promise),
    /// Asks for so much more time.
    Beat(Promise, Ms),
    Abort(Key),
    SetTimeout(Ms),
    Advance(Ms),
}

/// What a signal, a veto or a pledge that was kept is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Nothing,
    Outcome(Name),
    AlreadyKept(Name),
    Vetoed(Name),
    Late(Name),
    NotJoined,
    NoRound,
}

#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) person: Person,
    party: Party,
    asked: bool,
    pub(super) present: bool,
    memberships: u32,
    /// Kept, missed, late, last, vetoed.
    pub(super) record: [u64; 5],
}

#[derive(Clone, Debug)]
pub(super) struct OneRound {
    pub(super) name: Name,
    pub(super) opened: Ms,
    pub(super) history: History,
    /// When it closed.
    pub(super) closed: Option<Ms>,
    asked: bool,
    waiting: Vec<usize>,
    held_back: Vec<Signal>,
}

#[derive(Clone, Debug)]
struct Signal {
    ticket: usize,
    slot: Slot,
    key: Key,
    payload: u32,
}

#[derive(Clone, Debug)]
struct Debt {
    round: Name,
    debtors: BTreeSet<Slot>,
    until: Ms,
}

#[derive(Clone, Debug)]
pub(super) struct Ledger {
    /// Of the rounds that open from now on.
    pub(super) spec: Spec,
    pub(super) late_window: Option<Ms>,
    pub(super) now: Ms,
    /// By slot: in the order in which each person first came.
    pub(super) members: Vec<Member>,
    pub(super) rounds: Vec<OneRound>,
    debts: BTreeMap<Key, Debt>,
    pub(super) answers: Vec<Answer>,
    pub(super) promises: BTreeSet<Promise>,
    /// What the last joining said.
    pub(super) joined: bool,
    /// What the last heartbeat said.
    pub(super) beat: bool,
    /// Those that have asked for more time when theirs was over.
    beat_late: BTreeSet<Promise>,
    given_back: VecDeque<Signal>,
}

impl Ledger {
    pub(super) fn new(spec: Spec, late_window: Option<Ms>) -> Self {
        Self {
            spec,
            late_window,
            now: 0,
            members: Vec::new(),
            rounds: Vec::new(),
            debts: BTreeMap::new(),
            answers: Vec::new(),
            promises: BTreeSet::new(),
            joined: false,
            beat: false,
            beat_late: BTreeSet::new(),
            given_back: VecDeque::new(),
        }
    }

    pub(super) fn slot(&self, person: Person) -> Option<Slot> {
        self.members.iter().position(|member| member.person == person).map(|slot| slot as Slot)
    }

    pub(super) fn is_present(&self, person: Person) -> bool {
        self.members.iter().any(|member| member.person == person && member.present)
    }

    pub(super) fn open(&self) -> impl Iterator<Item = &OneRound> {
        self.rounds.iter().filter(|round| round.closed.is_none())
    }

    fn open_of(&mut self, key: Key) -> Option<&mut OneRound> {
        self.rounds.iter_mut().find(|round| round.closed.is_none() && round.name.0 == key)
    }

    pub(super) fn perform(&mut self, deed: &Deed) {
        match *deed {
            Deed::Join { person, deadline, weight, asked } => self.join(person, deadline, weight, asked),
            Deed::Leave(person) => self.give_up(person, Said::Leaves),
            Deed::Lose(person) => self.give_up(person, Said::IsLost),
            Deed::Emit(person, key, payload) => {
                let (ticket, slot) = (self.ticket(), self.slot(person).unwrap());
                self.submit(Signal { ticket, slot, key, payload });
            }
            Deed::Veto(person, key) => {
                let (ticket, slot) = (self.ticket(), self.slot(person).unwrap());
                self.answers[ticket] = Answer::NoRound;
                let now = self.now;
                if let Some(round) = self.open_of(key).filter(|round| round.history.course().takes_part(slot)) {
                    round.say(now, Said::Vetoes(slot, "no"));
                    round.waiting.push(ticket);
                    self.answers[ticket] = Answer::Nothing;
                }
            }
            Deed::Keep(promise, payload) => {
                let ticket = self.ticket();
                self.keep(ticket, promise, payload);
            }
            Deed::Refuse(promise) => self.answer_for(promise, |slot| Said::Vetoes(slot, "not I")),
            Deed::Beat(promise, more) => self.beat(promise, more),
            Deed::Drop(promise) => self.answer_for(promise, Said::IsLost),
            Deed::Abort(key) => {
                let now = self.now;
                if let Some(round) = self.open_of(key) {
                    round.say(now, Said::Aborts("enough"));
                }
            }
            Deed::SetTimeout(timeout) => self.spec.timeout = timeout,
            Deed::Advance(wait) => {
                for _ in 0..wait {
                    self.now += 1;
                    let now = self.now;
                    self.rounds
                        .iter_mut()
                        .filter(|round| round.closed.is_none())
                        .for_each(|round| round.say(now, Said::Ticks));
                    self.settle();
                }
            }
        }
        self.settle();
    }

    fn ticket(&mut self) -> usize {
        self.answers.push(Answer::Nothing);
        self.answers.len() - 1
    }

    fn join(&mut self, person: Person, deadline: Option<Ms>, weight: u32, asked: bool) {
        let comes_back = self.slot(person).is_some() && self.spec.on_lost == OnLost::Wait;
        let too_late = self.open().next().is_some() && self.spec.late_join == LateJoin::Rejected && !comes_back;
        self.joined = !self.is_present(person) && !too_late;
        if !self.joined {
            return;
        }
        let party = Party { name: super::brokers::NAMES[person], deadline, weight };
        let slot = self.slot(person).unwrap_or_else(|| {
            let record = [0; 5];
            self.members.push(Member { person, party, asked, present: true, memberships: 0, record });
            self.members.len() as Slot - 1
        });
        let member = &mut self.members[slot as usize];
        (member.party, member.asked, member.present) = (party, asked, true);
        member.memberships += 1;
        let promise = (person, member.memberships);
        if self.spec.late_join == LateJoin::ThisRound || comes_back {
            for round in self.rounds.iter_mut().filter(|round| round.closed.is_none()) {
                round.say(self.now, Said::Joins(slot, party));
                if asked && round.history.course().owes(slot) {
                    self.promises.insert((promise.0, promise.1, round.name));
                }
            }
        }
    }

    fn give_up(&mut self, person: Person, said: fn(Slot) -> Said) {
        let slot = self.slot(person).unwrap();
        self.members[slot as usize].present = false;
        for debt in self.debts.values_mut() {
            debt.debtors.remove(&slot);
        }
        for round in self.rounds.iter_mut().filter(|round| round.closed.is_none()) {
            round.say(self.now, said(slot));
        }
    }

    /// A signal that reaches the broker: by itself, or given back by a round that did not take it.
    fn submit(&mut self, signal: Signal) {
        let Signal { ticket, slot, key, payload } = signal;
        let now = self.now;
        if !self.members[slot as usize].present {
            self.answers[ticket] = Answer::NotJoined;
        } else if let Some(round) = self.open_of(key) {
            round.say(now, Said::Emits(slot, payload));
            let (told, name) = (round.history.course().told.unwrap(), round.name);
            match told {
                Told::Taken { .. } => round.waiting.push(ticket),
                Told::NextRound | Told::Over => round.held_back.push(signal),
                _ => {}
            }
            self.answers[ticket] = match told {
                Told::AlreadyKept => Answer::AlreadyKept(name),
                Told::Vetoed => Answer::Vetoed(name),
                Told::Late => {
                    self.members[slot as usize].record[2] += 1;
                    Answer::Late(name)
                }
                Told::Gone => Answer::NotJoined,
                Told::Taken { .. } | Told::NextRound | Told::Over => Answer::Nothing,
            };
        } else if let Some(late) = self.owed(key, slot) {
            self.members[slot as usize].record[2] += 1;
            self.answers[ticket] = Answer::Late(late);
        } else {
            self.debts.remove(&key);
            let name = (key, self.rounds.iter().filter(|round| round.name.0 == key).count());
            let present = (0..).zip(&self.members).filter(|(_, member)| member.present);
            let opened_with = present.map(|(slot, member)| (slot, member.party)).collect();
            let history = History { spec: self.spec.clone(), opened_with, said: Vec::new() };
            let mut round = OneRound {
                name,
                opened: now,
                history,
                closed: None,
                asked: false,
                waiting: vec![ticket],
                held_back: Vec::new(),
            };
            round.say(now, Said::Emits(slot, payload));
            self.rounds.push(round);
        }
        self.close_what_has_ended();
    }

    /// The round for which a signal that would open one is late; each is late once.
    fn owed(&mut self, key: Key, slot: Slot) -> Option<Name> {
        let debt = self.debts.get_mut(&key).filter(|debt| debt.until >= self.now)?;
        debt.debtors.remove(&slot).then_some(debt.round)
    }

    fn keep(&mut self, ticket: usize, promise: Promise, payload: u32) {
        let (person, membership, name) = promise;
        self.promises.remove(&promise);
        let slot = self.slot(person).unwrap();
        let member = &mut self.members[slot as usize];
        let holds = member.present && member.memberships == membership;
        let round = self.rounds.iter().find(|round| round.name == name).unwrap();
        if round.closed.is_some() {
            self.answers[ticket] = Answer::Late(name);
            if holds {
                member.record[2] += 1;
                if let Some(debt) = self.debts.get_mut(&name.0).filter(|debt| debt.round == name) {
                    debt.debtors.remove(&slot);
                }
            }
        } else if holds {
            self.submit(Signal { ticket, slot, key: name.0, payload });
        } else {
            self.answers[ticket] = Answer::NotJoined;
        }
    }

    fn answer_for(&mut self, promise: Promise, said: impl Fn(Slot) -> Said) {
        let (person, membership, name) = promise;
        self.promises.remove(&promise);
        let slot = self.slot(person).unwrap();
        let member = &self.members[slot as usize];
        if member.present && member.memberships == membership {
            let now = self.now;
            let open = self.rounds.iter_mut().find(|round| round.name == name && round.closed.is_none());
            open.into_iter().for_each(|round| round.say(now, said(slot)));
        }
    }

    fn beat(&mut self, promise: Promise, more: Ms) {
        let (person, membership, name) = promise;
        let slot = self.slot(person).unwrap();
        let member = &self.members[slot as usize];
        let holds = member.present && member.memberships == membership;
        let now = self.now;
        let open = self.rounds.iter_mut().find(|round| round.name == name && round.closed.is_none());
        self.beat = open.is_some() && !self.beat_late.contains(&promise);
        if let (true, Some(round)) = (self.beat, open) {
            if holds {
                let until = now + more - round.opened;
                round.say(now, Said::Beats(slot, until));
            }
            let missed = matches!(round.history.course().stands(slot), Some(Stands::Missed | Stands::ToldLate));
            if !holds || missed {
                self.beat_late.insert(promise);
            }
        }
    }

    fn settle(&mut self) {
        self.close_what_has_ended();
        while let Some(signal) = self.given_back.pop_front() {
            self.submit(signal);
        }
        // A round asks once it has heard whatever was there when it opened.
        for round in self.rounds.iter_mut().filter(|round| round.closed.is_none() && !round.asked) {
            round.asked = true;
            for slot in round.history.course().owing() {
                let member = &self.members[slot as usize];
                if member.present && member.asked {
                    self.promises.insert((member.person, member.memberships, round.name));
                }
            }
        }
    }

    fn close_what_has_ended(&mut self) {
        for round in self.rounds.iter_mut().filter(|round| round.closed.is_none()) {
            let course = round.history.course();
            let Some(end) = &course.end else { continue };
            round.closed = Some(self.now);
            for ticket in round.waiting.drain(..) {
                self.answers[ticket] = Answer::Outcome(round.name);
            }
            let time_was_over =
                matches!(end, End::TimedOut | End::Idle | End::Partial | End::NoMember { timed_out: true });
            let mut debtors = BTreeSet::new();
            for (slot, (_, stands)) in &course.parties {
                let record = &mut self.members[*slot as usize].record;
                match stands {
                    Stands::Kept => record[0] += 1,
                    Stands::Vetoed => record[4] += 1,
                    Stands::Missed | Stands::ToldLate => record[1] += 1,
                    Stands::Owes | Stands::Awaited if time_was_over => record[1] += 1,
                    _ => {}
                }
                if course.owes(*slot) || *stands == Stands::Missed {
                    debtors.insert(*slot);
                }
            }
            if let End::Vetoed(slot, _) = end {
                self.members[*slot as usize].record[4] += 1;
            }
            if matches!(end, End::Resolved | End::Partial)
                && let [_, .., (last, ..)] = course.signals[..]
            {
                self.members[last as usize].record[3] += 1;
            }
            if !debtors.is_empty() {
                let until = self.now + self.late_window.unwrap_or(self.spec.timeout);
                self.debts.insert(round.name.0, Debt { round: round.name, debtors, until });
            }
            // Before whatever came after them.
            for signal in round.held_back.drain(..).rev() {
                self.given_back.push_front(signal);
            }
        }
    }
}

impl OneRound {
    fn say(&mut self, now: Ms, said: Said) {
        self.history.said.push((now - self.opened, said));
    }
}
