//! The course of a durable round against the specification: any rules of one, any words, any times; and behind every word once more, by
//! whoever has nothing but the rows.
//!
//! `Spec → Charter → Course: say, tick → History::course says the same, and so does a Course of the rows alone`

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use uuid::Uuid;

use super::course::History;
use super::spec::{End, Ms, Need, Party, Said, Spec, Told, ms};
use crate::rounds::durable::{self, Charter, Course, Early, Ending, Predicates, Word};
use crate::rounds::round::{LateJoin, OnLost, RepeatEmit, Slot};

/// The last one is of nobody who is expected.
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
const WEIGHTS: [u32; NAMES.len()] = [1, 2, 0, 3, 1];

/// What is said to no round, and changes nothing.
const NOTHING: Said = Said::Leaves(99);

#[derive(Clone, Copy, Debug)]
enum Says {
    Signal(u32),
    Veto(&'static str),
    Abort,
    Nothing,
}

/// When, after so long; who; what, and how much that weighs.
type Line = (Ms, usize, Says, u32);

fn any_line() -> impl Strategy<Value = Line> {
    let says = prop_oneof![
        10 => (1..10_u32).prop_map(Says::Signal),
        3 => select(vec!["no", "never"]).prop_map(Says::Veto),
        1 => Just(Says::Abort),
        3 => Just(Says::Nothing),
    ];
    let wait = prop_oneof![3 => Just(0), 3 => 1..3_u64, 1 => 3..12_u64];
    (wait, 0..NAMES.len(), says, 0..4_u32)
}

/// The rules of a durable broker, and those of its rounds: whoever has a name that is expected or required is a party of its own, and
/// where names are expected nobody else joins.
fn durable_rules(mut spec: Spec) -> (Spec, Spec) {
    if matches!(spec.need, Need::All) && spec.expected.is_empty() {
        spec.expected = vec!["b", "a"];
    }
    if spec.repeat == RepeatEmit::NextRound {
        spec.repeat = RepeatEmit::Rejected;
    }
    (spec.late_join, spec.on_lost) = (LateJoin::ThisRound, OnLost::Wait);
    let late_join = if spec.expected.is_empty() { LateJoin::ThisRound } else { LateJoin::NextRound };
    let of_round = Spec { expected: Vec::new(), late_join, max_heartbeat: None, ..spec.clone() };
    (spec, of_round)
}

fn party(name: &'static str) -> Party {
    let place = NAMES.iter().position(|other| *other == name);
    Party { name, deadline: None, weight: place.map_or(1, |place| WEIGHTS[place]) }
}

/// A round as the specification has it.
struct Expected {
    history: History,
    names: Vec<&'static str>,
    /// Who has ended it, which the specification does not know; empty for somebody without a name.
    ended_by: &'static str,
}

impl Expected {
    fn is_over(&mut self, now: Ms) -> bool {
        self.history.said.push((now, NOTHING));
        self.history.course().end.is_some()
    }

    /// The slot of whoever may take part.
    fn slot(&mut self, now: Ms, name: &'static str) -> Option<Slot> {
        let known = self.names.iter().position(|known| *known == name);
        if known.is_none() && self.history.spec.late_join == LateJoin::ThisRound {
            self.names.push(name);
            let slot = self.names.len() - 1;
            self.history.said.push((now, Said::Joins(slot as Slot, party(name))));
            return Some(slot as Slot);
        }
        known.map(|slot| slot as Slot)
    }

    fn say(&mut self, now: Ms, name: &'static str, says: Says) -> durable::Told {
        if self.is_over(now) {
            return durable::Told::Over;
        }
        if matches!(says, Says::Abort) {
            self.ended_by = name;
            self.history.said.push((now, Said::Aborts("enough")));
            return durable::Told::Taken;
        }
        let Some(slot) = self.slot(now, name) else { return durable::Told::Stranger };
        match says {
            Says::Signal(payload) => {
                self.history.said.push((now, Said::Emits(slot, payload)));
                match self.history.course().told {
                    Some(Told::Taken { .. }) => durable::Told::Taken,
                    Some(Told::AlreadyKept) => durable::Told::AlreadyKept,
                    Some(Told::Vetoed) => durable::Told::Vetoed,
                    other => panic!("a durable round does not tell {other:?}"),
                }
            }
            Says::Veto(reason) => {
                let is_second = self.history.course().vetoes.iter().any(|(by, _)| *by == slot);
                self.history.said.push((now, Said::Vetoes(slot, reason)));
                if is_second { durable::Told::Vetoed } else { durable::Told::Taken }
            }
            Says::Abort | Says::Nothing => durable::Told::Taken,
        }
    }

    fn end(&self, end: &End) -> durable::End {
        let name = |slot: &Slot| Arc::from(self.names[*slot as usize]);
        match end {
            End::Resolved => durable::End::Resolved,
            End::Partial => durable::End::Partial,
            End::TimedOut | End::NoMember { .. } => durable::End::TimedOut,
            End::Idle => durable::End::Idle,
            End::Vetoed(slot, reason) => durable::End::Vetoed(name(slot), Arc::from(*reason)),
            End::OutOfReach => durable::End::OutOfReach,
            End::Aborted(reason) if self.ended_by.is_empty() => durable::End::Aborted(Arc::from(*reason)),
            End::Aborted(reason) => durable::End::AbortedBy(self.ended_by.into(), Arc::from(*reason)),
            End::Lost(_) | End::Orphaned => panic!("nothing of a row ends a round by {end:?}"),
        }
    }

    fn assert_is(&self, real: &dyn Course, ending: Option<&Ending>) {
        let course = self.history.course();
        let name = |slot: &Slot| self.names[*slot as usize];
        let kept: Vec<_> = course.signals.iter().map(|(slot, ..)| name(slot)).collect();
        assert!(real.kept().iter().map(|name| &**name).eq(kept), "{:#?}", self.history);
        assert_eq!(real.next_deadline(), course.next_deadline().map(ms), "{:#?}", self.history);
        assert_eq!(ending.map(|ending| ending.end.clone()), course.end.as_ref().map(|end| self.end(end)));
        let owing: Vec<_> = course.owing().map(|slot| name(&slot)).collect();
        assert!(real.missing().iter().map(|name| &**name).eq(owing), "{:#?}", self.history);
        let Some(ending) = ending else { return };
        let micros = |at: &Ms| at * 1_000;
        let signals = course.signals.iter().map(|(slot, at, said)| (name(slot), micros(at), said.to_string()));
        let there = ending.signals.iter().map(|sign| (&*sign.name, sign.at, sign.payload.clone()));
        assert_eq!(there.collect::<Vec<_>>(), signals.collect::<Vec<_>>(), "{:#?}", self.history);
        let vetoes: Vec<_> = course.vetoes.iter().map(|(slot, reason)| (name(slot), *reason)).collect();
        assert!(ending.vetoes.iter().map(|no| (&*no.name, &*no.reason)).eq(vetoes), "{:#?}", self.history);
        let missing: Vec<_> = course.missing().iter().map(name).collect();
        assert!(ending.missing.iter().map(|name| &**name).eq(missing), "{ending:?} of {:#?}", self.history);
    }
}

/// What stands in a row.
struct Row {
    name: &'static str,
    at: Duration,
    weight: u32,
    token: Uuid,
    says: Says,
}

impl Row {
    fn is_said(&self, course: &mut dyn Course) -> durable::Told {
        let Self { name, at, weight, token, says } = *self;
        let payload = match says {
            Says::Signal(payload) => payload.to_string(),
            _ => String::new(),
        };
        let word = match says {
            Says::Signal(_) => Word::Signal(&payload),
            Says::Veto(reason) => Word::Veto(reason),
            Says::Abort | Says::Nothing => Word::Abort("enough"),
        };
        course.say(durable::Said { name, at, weight, token, word }).unwrap()
    }
}

fn play(spec: Spec, lines: &[Line], varies: bool) {
    let (spec, of_round) = durable_rules(spec);
    let rules = spec.rules();
    let charter = Charter::of(&rules, None, OnLost::Wait, Early::default()).unwrap();
    let charter = Arc::new(Charter::read(&charter.to_text()).unwrap());
    let predicates = Predicates::of(&rules.release);
    let begin = || <dyn Course>::begin::<u32>(&charter, &predicates).unwrap();
    let mut names = spec.expected.clone();
    if let Need::Names(required) = &spec.need {
        names.extend(required.iter().filter(|name| !spec.expected.contains(name)));
    }
    let weighs = matches!(spec.need, Need::Weight(_));
    let opened_with = (0..).zip(&names).map(|(slot, name)| (slot, party(name))).collect();
    let mut expected =
        Expected { history: History { spec: of_round, opened_with, said: Vec::new() }, names, ended_by: "" };
    let (mut course, mut rows, mut now) = (begin(), Vec::new(), 0);
    for (number, (wait, name, says, weight)) in (1..).zip(lines) {
        now += wait;
        // The specification knows one weight of each party.
        let weight = if weighs && !varies { WEIGHTS[*name] } else { *weight };
        // Every other one who ends it does so without a name.
        let is_nameless = matches!(says, Says::Abort) && number % 2 == 0;
        let (name, token) = (if is_nameless { "" } else { NAMES[*name] }, Uuid::from_u128(number));
        let row = Row { name, at: ms(now), weight, token, says: *says };
        let mut is_row = false;
        if !matches!(says, Says::Nothing) {
            let told = row.is_said(&mut *course);
            if !(weighs && varies) {
                assert_eq!(told, expected.say(now, name, *says), "{:#?}", expected.history);
            }
            is_row = told == durable::Told::Taken;
        }
        course.tick(ms(now)).unwrap();
        expected.history.said.push((now, Said::Ticks));
        let ending = course.ending(0, ms(now));
        if !(weighs && varies) {
            expected.assert_is(&*course, ending.as_ref());
        }
        if matches!(says, Says::Abort) && is_row {
            return;
        }
        // Whoever has the rows alone comes to the same.
        rows.extend(is_row.then_some(row));
        let mut again = begin();
        for row in &rows {
            assert_eq!(row.is_said(&mut *again), durable::Told::Taken, "a row of {:#?}", expected.history);
        }
        again.tick(ms(now)).unwrap();
        assert_eq!(again.ending(0, ms(now)), ending, "as its rows have it: {spec:#?} {lines:#?}");
        assert_eq!((again.kept(), again.missing()), (course.kept(), course.missing()), "{spec:#?} {lines:#?}");
        assert_eq!(again.next_deadline(), course.next_deadline(), "{spec:#?} {lines:#?}");
        if ending.is_some() {
            return;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_durable_round_does_what_the_specification_says_and_as_its_rows_have_it(
        spec in Spec::any(), lines in proptest::collection::vec(any_line(), 1..25), varies: bool
    ) {
        play(spec, &lines, varies);
    }
}
