//! How attempts end.

use std::time::Duration;

use super::room::{HOUR, Room, again, done, job, numbers, over, payloads, released, wanted};
use crate::tasks::TaskDatabase;
use crate::tasks::{Ending, State, Wanted};

pub(super) async fn what_is_done_is_gone_and_its_event_is_there<D: TaskDatabase>(room: &Room<D>) {
    assert!(room.settle([]).await.is_empty());
    let id = room.add_one(job("a")).await;
    let loans = room.lend(&wanted(1)).await;
    assert_eq!(room.state(id).await, Some(State::Running));
    assert_eq!(room.settle([done(&loans[0], Duration::ZERO)]).await, [true]);
    assert_eq!((room.state(id).await, room.events().await), (None, 1));
    // Whoever says so once more changes nothing, and neither does one who says it twice in one go.
    assert_eq!(room.settle([done(&loans[0], Duration::ZERO)]).await, [false]);
    room.add_one(job("b")).await;
    let loans = room.lend(&wanted(1)).await;
    let twice = [done(&loans[0], Duration::ZERO), done(&loans[0], Duration::ZERO)];
    assert_eq!(room.settle(twice).await, [true, false]);
    assert_eq!(room.events().await, 2);
    assert!(room.lend(&wanted(1)).await.is_empty());
}

pub(super) async fn what_is_kept_says_how_it_ended<D: TaskDatabase>(room: &Room<D>) {
    let ids = numbers(&room.add([job("a"), job("b"), job("c"), job("d")]).await);
    let loans = room.lend(&wanted(10)).await;
    let endings = [
        over(&loans[0], State::Done, Some("7"), HOUR),
        over(&loans[1], State::Failed, Some("no\u{0}\"'\\"), HOUR),
        over(&loans[2], State::Cancelled, None, HOUR),
        over(&loans[3], State::Done, None, Duration::from_millis(1)),
    ];
    assert_eq!(room.settle(endings).await, [true; 4]);
    assert_eq!(room.events().await, 4);
    let row = |id| async move { room.jobs.look(id).await.unwrap().unwrap() };
    let first = row(ids[0]).await;
    assert_eq!((first.state, first.text.as_deref(), first.attempt, first.attempts), (State::Done, Some("7"), 1, 3));
    assert_eq!((&*first.task, &*first.queue, &*first.payload), ("mail", "default", "\"a\""));
    let second = row(ids[1]).await;
    assert_eq!(second.state, State::Failed);
    assert!(second.text.unwrap().ends_with("\"'\\"));
    assert_eq!((row(ids[2]).await.state, row(ids[2]).await.text), (State::Cancelled, None));
    // Whoever asks too late finds nothing, deleted or not.
    room.until(async || room.state(ids[3]).await.is_none()).await;
    assert_eq!(room.jobs.prune(10).await.unwrap(), 1);
    assert_eq!(room.jobs.prune(10).await.unwrap(), 0);
    assert_eq!(room.state(ids[0]).await, Some(State::Done));
    assert!(room.lend(&wanted(10)).await.is_empty());
}

pub(super) async fn an_attempt_that_has_lost_its_job_ends_nothing<D: TaskDatabase>(room: &Room<D>) {
    room.add_one(job("a")).await;
    let short = Wanted { lease: Duration::from_millis(10), ..wanted(1) };
    let lost = room.lend(&short).await;
    let held = room.lend_some(&wanted(1)).await;
    for ending in
        [done(&lost[0], Duration::ZERO), done(&lost[0], HOUR), again(&lost[0], HOUR, "no"), released(&lost[0])]
    {
        assert_eq!(room.settle([ending]).await, [false]);
    }
    assert_eq!(room.events().await, 0);
    assert_eq!(room.settle([done(&lost[0], HOUR), done(&held[0], HOUR)]).await, [false, true]);
    assert_eq!(room.events().await, 1);
}

pub(super) async fn what_has_failed_comes_again_with_its_reason<D: TaskDatabase>(room: &Room<D>) {
    let id = room.add_one(job("a")).await;
    let first = room.lend(&wanted(1)).await;
    assert_eq!(room.settle([again(&first[0], HOUR, "the server is away")]).await, [true]);
    let row = room.jobs.look(id).await.unwrap().unwrap();
    assert_eq!((row.state, row.attempt, row.text.as_deref()), (State::Waiting, 1, Some("the server is away")));
    assert!(row.due_in.unwrap() > HOUR / 2);
    assert!(room.lend(&wanted(1)).await.is_empty());
    let second = room.add_one(job("b")).await;
    let loans = room.lend(&wanted(1)).await;
    room.settle([again(&loans[0], Duration::ZERO, "no\u{0}pe")]).await;
    let loans = room.lend(&wanted(1)).await;
    assert_eq!((loans[0].id, loans[0].attempt), (second, 2));
    assert!(loans[0].reason.as_deref().is_some_and(|reason| reason.starts_with("no") && reason.ends_with("pe")));
    room.settle([again(&loans[0], Duration::from_millis(10), "no")]).await;
    assert_eq!(room.lend_some(&wanted(1)).await[0].attempt, 3);
    assert_eq!(room.events().await, 0);
}

pub(super) async fn an_attempt_whose_function_was_not_called_does_not_count<D: TaskDatabase>(room: &Room<D>) {
    for (state, begun) in [(State::Cancelled, 0), (State::Failed, 0), (State::Failed, 1)] {
        let id = room.add_one(job("x")).await;
        for attempt in 0..=begun {
            let loan = room.lend_some(&wanted(1)).await.remove(0);
            assert_eq!((loan.id, loan.attempt), (id, attempt + 1));
            let ending = match attempt < begun {
                true => again(&loan, Duration::ZERO, "the server is away"),
                false => Ending { counts: false, ..over(&loan, state, Some("no"), HOUR) },
            };
            assert_eq!(room.settle([ending]).await, [true]);
        }
        let row = room.jobs.look(id).await.unwrap().unwrap();
        assert_eq!((row.state, row.attempt, row.attempts), (state, begun, 3));
        // Tried once more, it has all of them.
        assert!(room.jobs.retry(id).await.unwrap());
        let loan = room.lend_some(&wanted(1)).await.remove(0);
        assert_eq!((loan.id, loan.attempts - loan.attempt), (id, 2));
        room.settle([over(&loan, State::Done, None, Duration::ZERO)]).await;
    }
}

pub(super) async fn what_is_given_back_does_not_count<D: TaskDatabase>(room: &Room<D>) {
    let ids = numbers(&room.add([job("a"), job("b")]).await);
    let mut before = None;
    for _ in 0..5 {
        let loans = room.lend(&wanted(1)).await;
        // It has its old place.
        assert_eq!((loans[0].id, loans[0].attempts - loans[0].attempt), (ids[0], 2));
        if let Some(before) = before.replace(loans[0].clone()) {
            // Who gave it back does not have it any more, whoever else does.
            assert_eq!(room.settle([done(&before, Duration::ZERO)]).await, [false]);
        }
        assert_eq!(room.settle([released(&loans[0])]).await, [true]);
        let row = room.jobs.look(ids[0]).await.unwrap().unwrap();
        assert_eq!((row.state, row.attempt, row.attempts), (State::Waiting, 0, 3));
    }
}

pub(super) async fn some_end_and_others_do_not<D: TaskDatabase>(room: &Room<D>) {
    let ids = numbers(&room.add((0..6).map(|place| job(&place.to_string()))).await);
    let loans = room.lend(&wanted(6)).await;
    assert_eq!(room.settle([done(&loans[1], Duration::ZERO)]).await, [true]);
    let endings = [
        done(&loans[0], Duration::ZERO),
        done(&loans[1], Duration::ZERO),
        done(&loans[2], HOUR),
        again(&loans[3], Duration::ZERO, "no"),
        released(&loans[4]),
        over(&loans[5], State::Failed, Some("no"), Duration::ZERO),
    ];
    assert_eq!(room.settle(endings).await, [true, false, true, true, true, true]);
    assert_eq!(room.events().await, 4);
    let mut states = Vec::new();
    for id in &ids {
        states.push(room.state(*id).await);
    }
    use State::{Done, Waiting};
    assert_eq!(states, [None, None, Some(Done), Some(Waiting), Some(Waiting), None]);
}

pub(super) async fn a_transaction_ends_a_job_with_what_else_it_writes<D: TaskDatabase>(room: &Room<D>) {
    let first = room.add_one(job("a")).await;
    let loans = room.lend(&wanted(1)).await;
    let outboxes = room.outboxes();
    // What is rolled back has not ended.
    let mut work = room.jobs.begin().await.unwrap();
    room.jobs.add_within(vec![job("x")], work.connection()).await.unwrap();
    assert!(room.jobs.settle_within(done(&loans[0], Duration::ZERO), outboxes, work.connection()).await.unwrap());
    work.rollback().await.unwrap();
    assert_eq!((room.state(first).await, room.events().await), (Some(State::Running), 0));
    let mut work = room.jobs.begin().await.unwrap();
    room.jobs.add_within(vec![job("b")], work.connection()).await.unwrap();
    assert!(room.jobs.settle_within(done(&loans[0], Duration::ZERO), outboxes, work.connection()).await.unwrap());
    work.commit().await.unwrap();
    assert_eq!((room.state(first).await, room.events().await), (None, 1));
    assert_eq!(payloads(&room.lend(&wanted(10)).await), ["b"]);
    // Who has lost it is told so.
    let mut work = room.jobs.begin().await.unwrap();
    assert!(!room.jobs.settle_within(done(&loans[0], Duration::ZERO), outboxes, work.connection()).await.unwrap());
    work.rollback().await.unwrap();
    assert_eq!(room.events().await, 1);
}

pub(super) async fn many_end_at_once<D: TaskDatabase>(room: &Room<D>) {
    room.add((0..500).map(|place| job(&place.to_string()))).await;
    let loans = room.lend(&wanted(500)).await;
    assert_eq!(loans.len(), 500);
    let settled = room.settle(loans.iter().map(|loan| done(loan, Duration::ZERO))).await;
    assert_eq!((settled, room.events().await), (vec![true; 500], 500));
    assert_eq!(room.jobs.figures(&[], 10).await.unwrap().running, 0);
}
