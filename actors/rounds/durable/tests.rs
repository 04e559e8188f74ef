//! What a course makes of rows.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::{Charter, Course, Early, End, PartyTerms, Predicates, Said, Told, Word};
use crate::rounds::round::{Needed, OnLost, OnTimeout, Rules};

const SECOND: Duration = Duration::from_secs(1);

/// What a row says.
#[derive(Clone, Copy, Debug)]
struct Line(u32, &'static str, Word<'static>);

const YES: Word<'static> = Word::Signal("1");

fn party(deadline: u32) -> Word<'static> {
    Word::Party(PartyTerms::new(Some(SECOND * deadline), false))
}

/// The rules of three who have ten seconds.
fn charter(change: impl FnOnce(&mut Rules<u32>)) -> Arc<Charter> {
    let mut rules = Rules::new(10 * SECOND);
    rules.expected = ["a", "b", "c"].map(Arc::from).into();
    change(&mut rules);
    Arc::new(Charter::of(&rules, None, OnLost::Wait, Early::Opens).unwrap())
}

fn begun(charter: &Arc<Charter>) -> Box<dyn Course> {
    <dyn Course>::begin(charter, &Predicates::of(&Needed::<u32>::All)).unwrap()
}

fn say(course: &mut dyn Course, Line(at, name, word): Line) -> Told {
    course.say(Said { name, at: SECOND * at, weight: 1, token: Uuid::nil(), word }).unwrap()
}

fn names(names: &[Arc<str>]) -> Vec<&str> {
    names.iter().map(|name| &**name).collect()
}

#[test]
fn a_round_that_can_do_without_a_party_goes_on_after_its_deadline() {
    let charter = charter(|rules| rules.release = Needed::AtLeast(2));
    let mut course = begun(&charter);
    assert_eq!(course.next_deadline(), Some(10 * SECOND));
    say(&mut *course, Line(0, "c", party(3)));
    assert_eq!(course.next_deadline(), Some(3 * SECOND));
    assert_eq!(say(&mut *course, Line(1, "a", YES)), Told::Taken);
    course.tick(3 * SECOND).unwrap();
    assert_eq!((course.next_deadline(), course.missing().len()), (Some(10 * SECOND), 1));
    assert_eq!(say(&mut *course, Line(4, "c", YES)), Told::Late);
    assert_eq!(say(&mut *course, Line(5, "b", YES)), Told::Taken);
    let ending = course.ending(0, 5 * SECOND).unwrap();
    assert_eq!((&ending.end, names(&ending.missing)), (&End::Resolved, vec!["c"]));
}

#[test]
fn a_round_that_needs_all_ends_at_the_first_deadline_of_a_party() {
    for (on_timeout, end) in [(OnTimeout::Cancel, End::TimedOut), (OnTimeout::DeliverPartial, End::Partial)] {
        let mut course = begun(&charter(|rules| rules.on_timeout = on_timeout));
        say(&mut *course, Line(0, "b", party(5)));
        say(&mut *course, Line(0, "c", party(3)));
        say(&mut *course, Line(1, "a", YES));
        course.tick(3 * SECOND).unwrap();
        let ending = course.ending(0, 3 * SECOND).unwrap();
        assert_eq!((&ending.end, names(&ending.missing)), (&end, vec!["b", "c"]));
    }
}

#[test]
fn a_party_that_has_kept_its_promise_has_no_deadline_any_more() {
    let mut course = begun(&charter(|_| {}));
    say(&mut *course, Line(0, "c", party(3)));
    // It may be a row before the round was opened.
    say(&mut *course, Line(0, "c", YES));
    assert_eq!(course.next_deadline(), Some(10 * SECOND));
    let mut other_order = begun(&charter(|_| {}));
    say(&mut *other_order, Line(0, "c", YES));
    say(&mut *other_order, Line(0, "c", party(3)));
    assert_eq!(other_order.next_deadline(), Some(10 * SECOND));
}

#[test]
fn where_nobody_is_expected_a_known_party_takes_part_from_the_opening() {
    let charter = charter(|rules| {
        rules.expected = Arc::default();
        rules.release = Needed::AtLeast(2);
    });
    let mut course = begun(&charter);
    say(&mut *course, Line(0, "late", party(3)));
    say(&mut *course, Line(1, "a", YES));
    assert_eq!((names(&course.missing()), course.next_deadline()), (vec!["late"], Some(3 * SECOND)));
    assert_eq!(say(&mut *course, Line(4, "late", YES)), Told::Late);
}

#[test]
fn what_is_said_at_a_deadline_counts_and_what_is_said_behind_it_does_not() {
    let charter = charter(|rules| rules.release = Needed::AtLeast(2));
    let (moment, no) = (Duration::from_micros(1), Word::Veto("no"));
    let said = |at: Duration, word| {
        let mut course = begun(&charter);
        say(&mut *course, Line(0, "c", party(3)));
        say(&mut *course, Line(1, "a", YES));
        course
            .say(Said { name: if at > 4 * SECOND { "b" } else { "c" }, at, weight: 1, token: Uuid::nil(), word })
            .unwrap()
    };
    for (at, behind) in [(10 * SECOND, Told::Over), (3 * SECOND, Told::Late)] {
        assert_eq!(said(at - moment, YES), Told::Taken);
        assert_eq!(said(at, YES), Told::Taken, "in a tie the order decides");
        assert_eq!(said(at + moment, YES), behind);
    }
    assert_eq!((said(10 * SECOND, no), said(10 * SECOND + moment, no)), (Told::Taken, Told::Over));
}

#[test]
fn whoever_works_out_the_same_rows_comes_to_the_same_ending() {
    let charter = charter(|rules| rules.release = Needed::AtLeast(2));
    let rows = [
        Line(0, "a", party(2)),
        Line(0, "c", party(3)),
        Line(1, "b", YES),
        // By now the deadline of one party is over, and of the other at that very moment not.
        Line(3, "c", YES),
    ];
    // One has looked at each of its deadlines, the other only at the end.
    let (mut watched, mut asleep) = (begun(&charter), begun(&charter));
    for row in rows {
        while let Some(deadline) = watched.next_deadline().filter(|deadline| *deadline < SECOND * row.0) {
            watched.tick(deadline).unwrap();
        }
        assert_eq!(say(&mut *watched, row), say(&mut *asleep, row), "{row:?}");
    }
    let ended = (watched.ending(7, 3 * SECOND), asleep.ending(7, 3 * SECOND));
    assert_eq!(ended.0, ended.1);
    assert_eq!(names(&ended.0.unwrap().missing), ["a"]);
}

#[test]
fn whoever_was_asked_and_is_lost_is_waited_for_or_not() {
    for (on_lost, end) in
        [(OnLost::Wait, None), (OnLost::Cancel, Some(End::Lost("b".into()))), (OnLost::Shrink, Some(End::Resolved))]
    {
        let mut rules = Rules::<u32>::new(10 * SECOND);
        rules.expected = ["a", "b"].map(Arc::from).into();
        let charter = Arc::new(Charter::of(&rules, None, on_lost, Early::Opens).unwrap());
        assert_eq!(Charter::read(&charter.to_text()).unwrap(), *charter);
        let mut course = begun(&charter);
        say(&mut *course, Line(1, "a", YES));
        assert_eq!(say(&mut *course, Line(2, "nobody", Word::Lost)), Told::Stranger);
        assert_eq!(say(&mut *course, Line(2, "a", Word::Lost)), Told::Nothing);
        assert_eq!(say(&mut *course, Line(3, "b", Word::Lost)), Told::Taken);
        assert_eq!(course.ending(0, 3 * SECOND).map(|ending| ending.end), end);
        if end.is_none() {
            assert_eq!((names(&course.missing()), course.payloads()), (vec!["b"], vec!["1".to_owned()]));
            assert_eq!(say(&mut *course, Line(4, "b", YES)), Told::Taken);
            assert!(course.ending(0, 4 * SECOND).unwrap().is_resolved());
        } else {
            assert_eq!(say(&mut *course, Line(4, "b", YES)), Told::Over);
        }
    }
}

#[test]
fn more_time_is_that_of_one_that_has_not_missed_its_own() {
    let charter = charter(|rules| {
        rules.release = Needed::AtLeast(2);
        rules.max_heartbeat = 5 * SECOND;
    });
    assert_eq!(Charter::read(&charter.to_text()).unwrap(), *charter);
    let mut course = begun(&charter);
    say(&mut *course, Line(0, "c", party(2)));
    assert_eq!(say(&mut *course, Line(1, "a", Word::Beat(4 * SECOND))), Told::Nothing, "it has none of its own");
    assert_eq!(say(&mut *course, Line(1, "c", Word::Beat(4 * SECOND))), Told::Taken);
    assert_eq!(course.next_deadline(), Some(4 * SECOND));
    // No further than heartbeats carry it.
    assert_eq!(say(&mut *course, Line(3, "c", Word::Beat(9 * SECOND))), Told::Taken);
    assert_eq!(course.next_deadline(), Some(7 * SECOND));
    // As one row it is the same, at the time of the first.
    let mut one_row = begun(&charter);
    say(&mut *one_row, Line(0, "c", party(2)));
    say(&mut *one_row, Line(1, "c", Word::Beat(9 * SECOND)));
    assert_eq!(one_row.next_deadline(), course.next_deadline());
    assert_eq!(say(&mut *course, Line(8, "c", Word::Beat(9 * SECOND))), Told::Late);
    assert_eq!(say(&mut *course, Line(8, "c", Word::Lost)), Told::Late);
}

#[test]
fn what_a_party_says_is_read_as_it_was_written() {
    for terms in
        [PartyTerms::default(), PartyTerms::new(Some(SECOND), true), PartyTerms::new(Some(Duration::MAX), false)]
    {
        assert_eq!(PartyTerms::read(&terms.to_text()).unwrap(), terms);
    }
    assert_eq!(PartyTerms::default().to_text(), "{}");
}
