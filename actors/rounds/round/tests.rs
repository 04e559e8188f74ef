//! Of a round what the model in `rounds/model` does not look at.

use std::rc::Rc;
use std::time::Duration;

use super::people::Who;
use super::policy::{LateJoin, OnLost, Release, Rules};
use super::round::Round;
use super::standing::{Place, Standing, Terms};
use super::verdict::{Abort, Decision, Input, Kept, Refusal, Verdict};

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A round of these emitters, all of whom owe, each with the place of the required name that it bears.
fn round(change: impl FnOnce(&mut Rules<u32>), emitters: &[Option<Place>]) -> Round<u32> {
    let mut rules = Rules::new(ms(100));
    change(&mut rules);
    let terms = |required: &Option<Place>| Terms { required: *required, ..Terms::default() };
    let terms = (0..).zip(emitters.iter().map(terms)).filter(|(_, terms)| terms.required.is_some()).collect();
    Round::open(Rc::new(rules), vec![Standing::Owing; emitters.len()], terms, None)
}

/// Somebody, where nobody asks who.
fn who() -> Who {
    Who { name: "somebody".into(), weight: 1 }
}

fn unknown(round: &Round<u32>) -> Vec<Place> {
    round.unknown().collect()
}

#[test]
fn a_required_name_is_unknown_as_long_as_nobody_has_kept_it_or_can_be_named_as_missing() {
    let required = |rules: &mut Rules<u32>| {
        rules.release = Release::required(["a", "b", "c"]).0;
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
    assert!(
        round.handle(
            ms(3),
            Input::Join(4, Terms { deadline: Some(ms(5)), required: Some(1), ..Terms::default() }, who())
        )
    );
    assert_eq!((unknown(&round), round.slots()), (vec![2], 5));
    assert!(round.handle(ms(3), Input::Join(3, Terms { required: Some(2), ..Terms::default() }, who())));
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
        rules.release = Release::required(["a"]).0;
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
    assert!(round.handle(ms(1), Input::Join(1, Terms::default(), who())));
    assert_eq!((round.standing_of(1), round.terms()), (Standing::Owing, &[][..]));
    let own = Terms { deadline: Some(ms(5)), ..Terms::default() };
    assert!(round.handle(ms(2), Input::Join(2, own, who())));
    assert_eq!(round.terms(), [(2, Terms { deadline: Some(ms(7)), ..own })]);
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
        (Verdict::NoMember { timed_out: false }, false, false),
        (Verdict::NoMember { timed_out: true }, false, true),
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
