//! What does not get in twice.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::room::{HOUR, Room, again, done, job, numbers, over, unique, wanted};
use crate::tasks::TaskDatabase;
use crate::tasks::{Added, Hold, NewJob, State};

fn held(key: &str, time: Option<Duration>, running: bool) -> NewJob {
    NewJob { unique: Some(Hold { key: key.into(), time, running }), ..job(key) }
}

pub(super) async fn of_a_unique_key_there_is_one_that_is_not_over<D: TaskDatabase>(room: &Room<D>) {
    let first = room.add_one(unique("a")).await;
    assert_eq!(room.add([unique("a")]).await, [Added::Existing(first)]);
    room.add_one(unique("b")).await;
    let loans = room.lend(&wanted(1)).await;
    assert_eq!(room.add([unique("a")]).await, [Added::Existing(first)]);
    room.settle([again(&loans[0], Duration::ZERO, "no")]).await;
    assert_eq!(room.add([unique("a")]).await, [Added::Existing(first)]);
    let loans = room.lend(&wanted(10)).await;
    let loan = loans.iter().find(|loan| loan.id == first).unwrap();
    // However long its result is kept.
    room.settle([done(loan, HOUR)]).await;
    let second = room.add_one(unique("a")).await;
    assert!(second > first);
}

pub(super) async fn of_one_batch_the_first_has_the_key<D: TaskDatabase>(room: &Room<D>) {
    let there = room.add_one(unique("b")).await;
    let added = room.add([unique("a"), job("x"), unique("b"), unique("a"), job("y"), unique("c")]).await;
    let [Added::New(a), Added::New(x), Added::Existing(b), Added::Existing(again), Added::New(y), Added::New(c)] =
        added[..]
    else {
        panic!("{added:?}")
    };
    assert_eq!((again, b), (a, there));
    assert!(a < x && x < y && y < c, "{added:?}");
    let lent: Vec<_> = room.lend(&wanted(10)).await.iter().map(|loan| loan.id).collect();
    assert_eq!(lent, [there, a, x, y, c]);
}

pub(super) async fn a_key_is_held_for_its_time<D: TaskDatabase>(room: &Room<D>) {
    let long = room.add_one(held("long", Some(HOUR), true)).await;
    let short = room.add_one(held("short", Some(Duration::from_millis(20)), true)).await;
    let loans = room.lend(&wanted(10)).await;
    assert_eq!(room.settle(loans.iter().map(|loan| done(loan, Duration::ZERO))).await, [true, true]);
    assert_eq!(room.add([held("long", Some(HOUR), true)]).await, [Added::Existing(long)]);
    assert_eq!(room.state(long).await, Some(State::Done));
    room.until(async || matches!(room.add([unique("short")]).await[..], [Added::New(id)] if id > short)).await;
    // Not before it is over, however short its time is.
    let loans = room.lend(&wanted(10)).await;
    assert_eq!(room.add([unique("short")]).await, [Added::Existing(loans[0].id)]);
}

pub(super) async fn a_key_that_is_held_while_it_waits_is_free_once_it_is_lent<D: TaskDatabase>(room: &Room<D>) {
    let first = room.add_one(held("a", None, false)).await;
    assert_eq!(room.add([held("a", None, false)]).await, [Added::Existing(first)]);
    let loans = room.lend(&wanted(10)).await;
    let second = room.add_one(held("a", None, false)).await;
    // The first waits once more, and does not have the key any more.
    assert_eq!(room.settle([again(&loans[0], Duration::ZERO, "no")]).await, [true]);
    assert_eq!(room.add([held("a", None, false)]).await, [Added::Existing(second)]);
    assert_eq!(room.lend(&wanted(10)).await.len(), 2);
    // For an hour it is held anyway.
    let timed = room.add_one(held("b", Some(HOUR), false)).await;
    assert_eq!(room.lend(&wanted(10)).await.len(), 1);
    assert_eq!(room.add([held("b", None, false)]).await, [Added::Existing(timed)]);
}

pub(super) async fn who_adds_at_the_same_time_waits_for_the_commit<D: TaskDatabase>(room: &Room<D>) {
    for commits in [true, false] {
        let key = format!("{commits}");
        let mut work = room.jobs.begin().await.unwrap();
        let first = room.jobs.add_within(vec![unique(&key)], work.connection()).await.unwrap();
        let jobs = room.another().await;
        let job = unique(&key);
        let second = actix_rt::spawn(async move { jobs.add(vec![job]).await.unwrap() });
        // However far it has come by then.
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert!(!second.is_finished());
        match commits {
            true => work.commit().await.unwrap(),
            false => work.rollback().await.unwrap(),
        }
        match (&second.await.unwrap()[..], commits) {
            ([Added::Existing(id)], true) => assert_eq!([*id], numbers(&first)[..]),
            ([Added::New(_)], false) => {}
            (other, _) => panic!("{other:?}"),
        }
    }
}

pub(super) async fn batches_in_any_order_do_not_wait_for_each_other<D: TaskDatabase>(room: &Room<D>) {
    for round in 0..10 {
        let keys: Vec<_> = (0..20).map(|key| format!("{round} {key}")).collect();
        let adding = (0..6).map(|who| {
            let (jobs, mut keys) = (room.jobs.clone(), keys.clone());
            if who % 2 == 0 {
                keys.reverse();
            }
            keys.rotate_left(who * 3);
            async move {
                let added = jobs.add(keys.iter().map(|key| unique(key)).collect()).await.unwrap();
                keys.into_iter().zip(added).collect::<Vec<_>>()
            }
        });
        let added: Vec<_> = join_all(adding).await.into_iter().flatten().collect();
        for key in &keys {
            let of_key: Vec<_> = added.iter().filter(|(has, _)| has == key).map(|(_, added)| *added).collect();
            let new: Vec<_> = of_key.iter().filter(|added| matches!(added, Added::New(_))).collect();
            assert_eq!(new.len(), 1, "{of_key:?}");
            let ids = numbers(&of_key);
            assert!(ids.iter().all(|id| *id == ids[0]), "{of_key:?}");
        }
    }
}

pub(super) async fn a_job_is_tried_once_more_unless_another_has_its_key<D: TaskDatabase>(room: &Room<D>) {
    let first = room.add_one(unique("a")).await;
    let loans = room.lend(&wanted(1)).await;
    room.settle([over(&loans[0], State::Failed, Some("no"), HOUR)]).await;
    let second = room.add_one(unique("a")).await;
    assert!(!room.jobs.retry(first).await.unwrap());
    assert_eq!(room.state(first).await, Some(State::Failed));
    let loans = room.lend(&wanted(10)).await;
    assert_eq!(loans.iter().map(|loan| loan.id).collect::<Vec<_>>(), [second]);
    room.settle([done(&loans[0], Duration::ZERO)]).await;
    assert!(room.jobs.retry(first).await.unwrap());
    // It has its key again.
    assert_eq!(room.add([unique("a")]).await, [Added::Existing(first)]);
    let jobs: Arc<_> = room.jobs.clone();
    assert!(!jobs.retry(first).await.unwrap());
}
