//! Of a round what the model in `rounds/model` does not look at.

use std::rc::Rc;
use std::time::Duration;

use super::people::Who;
use super::policy::{Close, LateJoin, OnLost, OnTimeout, OnVeto, Release, Rules};
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
    Round::open(Rc::new(rules), vec![Standing::Owing; emitters.len()], Rc::new(terms), None)
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

#[test]
fn so_many_vetoes_are_tolerated_and_a_share_of_the_parties_to_the_last_one() {
    for (on_veto, vetoes, parties, tolerated) in [
        (OnVeto::Cancel, 1, 9, false),
        (OnVeto::Tolerate(0), 1, 9, false),
        (OnVeto::Tolerate(2), 2, 2, true),
        (OnVeto::Tolerate(2), 3, 9, false),
        (OnVeto::TolerateShare(0), 1, 9, false),
        (OnVeto::TolerateShare(33), 1, 3, false),
        (OnVeto::TolerateShare(34), 1, 3, true),
        (OnVeto::TolerateShare(50), 2, 4, true),
        (OnVeto::TolerateShare(50), 3, 5, false),
        (OnVeto::TolerateShare(100), 5, 5, true),
        (OnVeto::TolerateShare(100), usize::MAX, usize::MAX, true),
    ] {
        assert_eq!(on_veto.tolerates(vetoes, || parties), tolerated, "{on_veto:?}: {vetoes} of {parties}");
    }
}

#[test]
fn a_round_to_which_everybody_says_no_is_out_of_reach_and_not_resolved() {
    let bearing = |close, late_join| {
        move |rules: &mut Rules<u32>| {
            rules.on_veto = OnVeto::Tolerate(9);
            rules.on_timeout = OnTimeout::DeliverPartial;
            (rules.close, rules.late_join) = (close, late_join);
        }
    };
    let veto = |round: &mut Round<u32>, slot| round.handle(ms(1), Input::Veto(slot, "no".into()));
    for (close, late_join) in [
        (Close::Released, LateJoin::ThisRound),
        (Close::Released, LateJoin::NextRound),
        (Close::Deadline, LateJoin::NextRound),
    ] {
        let mut round = round(bearing(close, late_join), &[None, None, None]);
        assert!(veto(&mut round, 0) && round.handle(ms(1), Input::Leave(1)));
        assert!(round.verdict().is_none());
        assert!(veto(&mut round, 2));
        assert_eq!(round.verdict(), Some(&Verdict::OutOfReach), "{close:?}, {late_join:?}");
    }
    // Somebody may still join, until the deadline.
    let mut round = round(bearing(Close::Deadline, LateJoin::ThisRound), &[None]);
    assert!(veto(&mut round, 0));
    assert!(round.handle(ms(99), Input::Tick));
    assert!(!round.handle(ms(100), Input::Tick));
    assert_eq!(round.verdict(), Some(&Verdict::OutOfReach), "nothing is to be delivered, not even in part");
}

#[test]
fn a_required_name_that_has_vetoed_is_not_unknown() {
    let required = |rules: &mut Rules<u32>| {
        rules.release = Release::required(["a", "b"]).0;
        rules.on_veto = OnVeto::Tolerate(1);
    };
    let mut round = round(required, &[Some(0), None]);
    round.emit(ms(1), 1, 7);
    assert_eq!(unknown(&round), [1]);
    assert!(round.handle(ms(2), Input::Veto(0, "no".into())));
    assert_eq!((round.standing_of(0), unknown(&round)), (Standing::Vetoed, vec![1]));
    assert_eq!(round.vetoes().len(), 1);
}

#[test]
fn a_heartbeat_counts_from_the_first_deadline_also_when_it_comes_again() {
    let mut round = round(|rules| rules.max_heartbeat = ms(30), &[]);
    let own = Terms { deadline: Some(ms(10)), ..Terms::default() };
    assert!(round.handle(ms(5), Input::Join(0, own, who())) && round.handle(ms(5), Input::Join(1, own, who())));
    assert_eq!(round.next_deadline(), Some(ms(15)));
    for until in [20, 40, 99] {
        assert!(round.handle(ms(6), Input::Heartbeat(0, ms(until))));
    }
    assert_eq!((round.terms()[0].1.deadline, round.next_deadline()), (Some(ms(45)), Some(ms(15))));
    // Who comes back has the deadline of who comes back, and what was gained before is gone.
    assert!(round.handle(ms(7), Input::Leave(0)) && round.handle(ms(8), Input::Join(0, own, who())));
    assert_eq!(round.terms()[0].1.deadline, Some(ms(18)));
    assert!(round.handle(ms(9), Input::Heartbeat(0, ms(99))));
    assert_eq!(round.terms()[0].1.deadline, Some(ms(48)));
}
