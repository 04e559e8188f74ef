//! `round.rs` against the specification: any policies, any order of inputs, any times.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use super::course::{Course, History};
use super::spec::{End, Ms, Need, Party, Said, Spec, Stands, Told, ms};
use crate::rounds::round::{Abort, Decision, Input, Place, Refusal, Round, Slot, Standing, Terms, Verdict, Who};

const SLOTS: Slot = 5;

/// By slot; two of them bear the same name.
const NAMES: [&str; SLOTS as usize] = ["a", "b", "c", "d", "a"];

fn any_deadline() -> impl Strategy<Value = Option<Ms>> {
    prop_oneof![3 => Just(None), 1 => (0..12_u64).prop_map(Some)]
}

fn any_party() -> impl Strategy<Value = (Option<Ms>, u32)> {
    (any_deadline(), 0..4_u32)
}

/// The history of a round is the state of its model.
struct Model;

impl ReferenceStateMachine for Model {
    type State = History;
    type Transition = (Ms, Said);

    fn init_state() -> BoxedStrategy<History> {
        let parties = proptest::collection::btree_map(0..SLOTS, any_party(), 1..SLOTS as usize);
        (Spec::any(), parties)
            .prop_map(|(spec, parties)| {
                let party = |(slot, (deadline, weight))| (slot, Party { name: NAMES[slot as usize], deadline, weight });
                History { spec, opened_with: parties.into_iter().map(party).collect(), said: Vec::new() }
            })
            .boxed()
    }

    fn transitions(history: &History) -> BoxedStrategy<(Ms, Said)> {
        let now = history.said.last().map_or(0, |(at, _)| *at);
        let said = prop_oneof![
            10 => (0..SLOTS, 1..10_u32).prop_map(|(slot, payload)| Said::Emits(slot, payload)),
            3 => (0..SLOTS, any_party(), 0..4_usize).prop_map(|(slot, (deadline, weight), other)| {
                // Now and then it comes back under another name.
                let name = if other == 0 { "b" } else { NAMES[slot as usize] };
                Said::Joins(slot, Party { name, deadline, weight })
            }),
            2 => (0..SLOTS).prop_map(Said::Leaves),
            2 => (0..SLOTS).prop_map(Said::IsLost),
            4 => Just(Said::Ticks),
            3 => (0..=SLOTS, select(vec!["no", "never"])).prop_map(|(slot, reason)| Said::Vetoes(slot, reason)),
            2 => (0..=SLOTS, 0..20_u64).prop_map(|(slot, until)| Said::Beats(slot, until)),
            1 => prop_oneof![Just(Said::Aborts("asked")), Just(Said::Orphans)],
        ];
        let wait = prop_oneof![3 => Just(0), 3 => 1..3_u64, 1 => 3..12_u64];
        (wait.prop_map(move |wait| now + wait), said).boxed()
    }

    fn apply(mut history: History, said: &(Ms, Said)) -> History {
        history.said.push(said.clone());
        history
    }

    /// When a test is shrunk what was said before may be missing, but time still goes forward.
    fn preconditions(history: &History, (at, _): &(Ms, Said)) -> bool {
        history.said.last().is_none_or(|(last, _)| last <= at)
    }
}

fn terms(spec: &Spec, party: Party) -> Terms {
    let required = match &spec.need {
        Need::Names(names) => place(names, party.name),
        _ => None,
    };
    let expected = place(&spec.expected, party.name);
    Terms { deadline: party.deadline.map(ms), required, expected }
}

fn who(party: Party) -> Who {
    Who { name: party.name.into(), weight: party.weight }
}

fn place(names: &[&str], name: &str) -> Option<Place> {
    (0..).zip(names).find(|(_, other)| **other == name).map(|(place, _)| place)
}

fn standing(stands: Option<Stands>) -> Standing {
    match stands {
        None => Standing::Absent,
        Some(Stands::Owes) => Standing::Owing,
        Some(Stands::Awaited) => Standing::Awaited,
        Some(Stands::Kept) => Standing::Kept,
        Some(Stands::Covered) => Standing::Covered,
        Some(Stands::Vetoed) => Standing::Vetoed,
        Some(Stands::Missed) => Standing::Missed,
        Some(Stands::ToldLate) => Standing::ToldLate,
        Some(Stands::Lost) => Standing::Lost,
        Some(Stands::Left) => Standing::Left,
    }
}

fn verdict(end: &End) -> Verdict {
    match end {
        End::Resolved => Verdict::Resolved { partial: false },
        End::Partial => Verdict::Resolved { partial: true },
        End::TimedOut => Verdict::TimedOut,
        End::Idle => Verdict::Idle,
        End::Lost(slot) => Verdict::Lost(*slot),
        End::Vetoed(slot, reason) => Verdict::Vetoed(*slot, (*reason).into()),
        End::NoMember { timed_out } => Verdict::NoMember { timed_out: *timed_out },
        End::OutOfReach => Verdict::OutOfReach,
        End::Aborted(reason) => Verdict::Aborted(Abort::Asked((*reason).into())),
        End::Orphaned => Verdict::Aborted(Abort::SessionLost),
    }
}

fn decision(told: Told, payload: u32) -> Decision<u32> {
    match told {
        Told::Taken { instead_of } => Decision::Taken { replaced: instead_of },
        Told::AlreadyKept => Decision::Refused(payload, Refusal::AlreadyKept),
        Told::Vetoed => Decision::Refused(payload, Refusal::Vetoed),
        Told::Late => Decision::Refused(payload, Refusal::Late),
        Told::Gone => Decision::Refused(payload, Refusal::Gone),
        Told::NextRound => Decision::Deferred(payload),
        Told::Over => Decision::Over(payload),
    }
}

struct RealRound;

impl StateMachineTest for RealRound {
    type SystemUnderTest = Round<u32>;
    type Reference = Model;

    fn init_test(history: &History) -> Round<u32> {
        let present: BTreeMap<_, _> = history.opened_with.iter().collect();
        let end = present.last_key_value().map_or(0, |(slot, _)| **slot + 1);
        let owes = |slot| if present.contains_key(&slot) { Standing::Owing } else { Standing::Absent };
        let particular = |(slot, party): (&Slot, &Party)| (*slot, terms(&history.spec, *party));
        let particular = history.opened_with.iter().map(particular).filter(|(_, terms)| *terms != Terms::default());
        let somebody = |slot| present.get(&slot).map_or(Who { name: "nobody".into(), weight: 9 }, |party| who(**party));
        let rules = history.spec.rules();
        let people = rules.release.asks_who().then(|| Rc::new((0..end).map(somebody).collect()));
        Round::open(rules, (0..end).map(owes).collect(), Rc::new(particular.collect()), people)
    }

    fn apply(mut round: Round<u32>, history: &History, (at, said): (Ms, Said)) -> Round<u32> {
        let course = history.course();
        let input = match said {
            Said::Emits(slot, payload) => {
                let expected = decision(course.told.unwrap(), payload);
                assert_eq!(round.emit(ms(at), slot, payload), expected, "{history:#?}");
                return round;
            }
            Said::Joins(slot, party) => Input::Join(slot, terms(&history.spec, party), who(party)),
            Said::Leaves(slot) => Input::Leave(slot),
            Said::IsLost(slot) => Input::Lost(slot),
            Said::Vetoes(slot, reason) => Input::Veto(slot, Arc::from(reason)),
            Said::Beats(slot, until) => Input::Heartbeat(slot, ms(until)),
            Said::Aborts(reason) => Input::Abort(Abort::Asked(reason.into())),
            Said::Orphans => Input::Abort(Abort::SessionLost),
            Said::Ticks => Input::Tick,
        };
        round.handle(ms(at), input);
        round
    }

    fn check_invariants(round: &Round<u32>, history: &History) {
        let course: Course<'_> = history.course();
        assert_eq!(round.verdict(), course.end.as_ref().map(verdict).as_ref(), "{history:#?}");
        for slot in 0..=SLOTS {
            assert_eq!(round.standing_of(slot), standing(course.stands(slot)), "slot {slot} of {history:#?}");
        }
        let kept: Vec<_> = round.kept().iter().map(|kept| (kept.slot, kept.at)).collect();
        let signals: Vec<_> = course.signals.iter().map(|(slot, at, _)| (*slot, ms(*at))).collect();
        assert_eq!(kept, signals, "{history:#?}");
        let vetoes: Vec<_> = round.vetoes().iter().map(|veto| (veto.slot, &*veto.reason)).collect();
        assert_eq!(vetoes, course.vetoes, "{history:#?}");
        assert_eq!(round.owing().collect::<Vec<_>>(), course.owing().collect::<Vec<_>>());
        let unfilled: Vec<_> = round.unfilled().map(|name| history.spec.expected[name]).collect();
        assert_eq!(unfilled, course.unfilled(), "{history:#?}");
        assert_eq!(round.next_deadline(), course.next_deadline().map(ms), "{history:#?}");
    }

    fn teardown(mut round: Round<u32>, history: History) {
        let (_, payloads, _) = round.take_parts();
        let expected: Vec<_> = history.course().signals.iter().map(|(_, _, payload)| *payload).collect();
        assert_eq!(payloads, expected, "{history:#?}");
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_round_does_what_its_specification_says(sequential 1..40 => RealRound);
}
