//! That no job is passed over, whatever rank it has and however it becomes ready: also where others that came later have been lent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::sleep;

use super::room::{HOUR, Room, again, done, job, later, numbers, of_key, over, payloads, released, wanted};
use crate::tasks::TaskDatabase;
use crate::tasks::{Loan, NewJob, State, Wanted};

const SHORT: Duration = Duration::from_millis(20);

fn urgent(payload: &str, head_start: Duration) -> NewJob {
    NewJob { head_start, ..job(payload) }
}

/// Lends and ends some, so that what is looked for next is behind them.
async fn others_are_done<D: TaskDatabase>(room: &Room<D>, times: usize) {
    for place in 0..times {
        room.add([urgent(&format!("other {place}"), HOUR / 2), job("another")]).await;
        let loans = room.lend(&wanted(2)).await;
        assert_eq!(payloads(&loans), [format!("other {place}"), "another".to_owned()]);
        assert!(room.lend(&wanted(10)).await.is_empty());
        room.settle(loans.iter().map(|loan| done(loan, Duration::ZERO))).await;
    }
}

pub(super) async fn what_commits_late_is_lent_before_what_has_a_higher_rank<D: TaskDatabase>(room: &Room<D>) {
    for round in 0..6 {
        others_are_done(room, 1).await;
        // In SQLite and in memory nobody else writes meanwhile.
        let mut work = room.jobs.begin().await.unwrap();
        let late = vec![job("late"), urgent("urgent", HOUR), later("soon", SHORT), of_key("k", "of a key")];
        room.jobs.add_within(late, work.connection()).await.unwrap();
        if room.is_shared {
            others_are_done(room, 3).await;
            sleep(SHORT * (round % 3)).await;
            assert!(room.lend(&wanted(10)).await.is_empty());
        }
        work.commit().await.unwrap();
        room.add([job("new")]).await;
        sleep(SHORT).await;
        let mut loans = room.lend(&wanted(10)).await;
        assert_eq!(loans.len(), 5, "{:?}", payloads(&loans));
        loans.retain(|loan| !loan.payload.contains("key"));
        assert_eq!(payloads(&loans)[..2], ["urgent", "late"], "in round {round}");
        room.settle(loans.iter().map(|loan| done(loan, Duration::ZERO))).await;
        let of_key = room.lend(&wanted(10)).await;
        assert!(of_key.is_empty(), "{of_key:?}");
    }
}

pub(super) async fn whatever_becomes_ready_again_is_in_its_place<D: TaskDatabase>(room: &Room<D>) {
    let names = ["given back", "lost", "failed", "cancelled", "retried", "due"];
    room.add(names[..5].iter().map(|name| job(name))).await;
    room.add([later("due", SHORT)]).await;
    let loans = room.lend(&wanted(5)).await;
    let held: BTreeMap<String, Loan> = payloads(&loans).into_iter().zip(loans).collect();
    // Only now, or a machine that takes its time has lost it before all are lent.
    let lost = &held["lost"];
    room.jobs.renew(&[(lost.id, lost.attempt)], SHORT).await.unwrap();
    assert_eq!(room.settle([released(&held["given back"])]).await, [true]);
    let first = room.lend(&wanted(1)).await;
    assert_eq!(payloads(&first), ["given back"]);
    for place in 0..5 {
        room.add([urgent(&place.to_string(), HOUR)]).await;
        let loans = room.lend(&wanted(1)).await;
        assert_eq!(payloads(&loans), [place.to_string()]);
        room.settle(loans.iter().map(|loan| done(loan, Duration::ZERO))).await;
    }
    room.settle([released(&first[0])]).await;
    sleep(SHORT * 2).await;
    let ends = [
        again(&held["failed"], Duration::ZERO, "no"),
        over(&held["retried"], State::Failed, None, HOUR),
        over(&held["cancelled"], State::Cancelled, None, HOUR),
    ];
    assert_eq!(room.settle(ends).await, [true; 3]);
    assert!(room.jobs.retry(held["retried"].id).await.unwrap());
    assert!(room.jobs.retry(held["cancelled"].id).await.unwrap());
    room.add([job("new")]).await;
    let mut came = Vec::new();
    for _ in 0..3 {
        came.extend(payloads(&room.lend(&wanted(10)).await));
    }
    // What was given back, was lost or has become due is in its old place; the others are as if they were new.
    assert_eq!(came.len(), 7, "{came:?}");
    let place = |name: &str| came.iter().position(|came| came == name).unwrap();
    for old in ["given back", "lost", "due"] {
        for new in ["failed", "retried", "cancelled", "new"] {
            assert!(place(old) < place(new), "{came:?}");
        }
    }
    // One that waits for its turn, and is cancelled.
    let ids = numbers(&room.add([of_key("k", "a"), of_key("k", "b")]).await);
    room.jobs.cancel(ids[1]).await.unwrap();
    let loans = room.lend(&wanted(10)).await;
    assert_eq!(loans.iter().filter(|loan| loan.is_cancelled).map(|loan| loan.id).collect::<Vec<_>>(), [ids[1]]);
}

/// By chance, as a seed has it; each time all that has to be there is lent by one that asks for all.
pub(super) async fn whatever_is_ready_is_lent<D: TaskDatabase>(room: &Room<D>) {
    let mut chance = fastrand::Rng::with_seed(7);
    // What is to be lent, what was, and what is over and may be retried.
    let (mut waits, mut held, mut over_jobs) = (BTreeSet::<i64>::new(), Vec::<Loan>::new(), Vec::<i64>::new());
    let another = room.another().await;
    for step in 0..400 {
        let head = [Duration::ZERO, SHORT, HOUR / 60, HOUR][chance.usize(..4)];
        let jobs: Vec<_> = (0..chance.usize(1..4))
            .map(|_| match chance.u8(..6) {
                0 => NewJob { head_start: head, ..later("later", SHORT) },
                1 => NewJob { head_start: head, ..of_key(["a", "b", "c"][chance.usize(..3)], "of a key") },
                2 => NewJob {
                    unique: super::room::unique(&format!("unique {step} {}", chance.u32(..))).unique,
                    ..urgent("unique", head)
                },
                _ => urgent("urgent", head),
            })
            .collect();
        match chance.u8(..10) {
            0..=2 => waits.extend(numbers(&room.add(jobs).await)),
            3 => {
                // One that commits late.
                let mut work = room.jobs.begin().await.unwrap();
                let added = numbers(&room.jobs.add_within(jobs, work.connection()).await.unwrap());
                if room.is_shared {
                    for _ in 0..chance.u8(..4) {
                        let loans = room.lend(&wanted(1)).await;
                        loans.iter().for_each(|loan| waits.retain(|id| *id != loan.id));
                        held.extend(loans);
                    }
                }
                match chance.bool() {
                    true => {
                        work.commit().await.unwrap();
                        waits.extend(added);
                    }
                    false => work.rollback().await.unwrap(),
                }
            }
            4 | 5 => {
                let jobs = if chance.bool() { &room.jobs } else { &another };
                let loans = jobs.lend(&wanted(chance.usize(1..6))).await.unwrap().jobs;
                loans.iter().for_each(|loan| waits.retain(|id| *id != loan.id));
                held.extend(loans);
            }
            6 | 7 if !held.is_empty() => {
                let loan = held.swap_remove(chance.usize(..held.len()));
                let ending = match chance.u8(..5) {
                    0 => again(&loan, Duration::ZERO, "no"),
                    1 => again(&loan, SHORT, "no"),
                    2 => released(&loan),
                    3 => over(&loan, State::Failed, None, HOUR),
                    _ => done(&loan, Duration::ZERO),
                };
                match &ending.how {
                    crate::tasks::How::Over { state: State::Failed, .. } => over_jobs.push(loan.id),
                    crate::tasks::How::Over { .. } => {}
                    _ => waits.extend([loan.id]),
                }
                assert_eq!(room.settle([ending]).await, [true]);
            }
            8 if !over_jobs.is_empty() => {
                let id = over_jobs.swap_remove(chance.usize(..over_jobs.len()));
                assert!(room.jobs.retry(id).await.unwrap());
                waits.insert(id);
            }
            9 => {
                if let Some(id) = waits.iter().nth(chance.usize(..waits.len().max(1))).copied() {
                    room.jobs.cancel(id).await.unwrap();
                }
            }
            _ => {
                // A worker that is gone: its leases end.
                let short = Wanted { lease: Duration::from_millis(1), ..wanted(2) };
                waits.extend(room.lend(&short).await.iter().map(|loan| loan.id));
            }
        }
        if step % 20 == 19 {
            sleep(SHORT + Duration::from_millis(5)).await;
            let jobs = if chance.bool() { &room.jobs } else { &another };
            // What is of a key without a limit is looked for now and then, and where less was there than was wanted.
            let mut loans = jobs.lend(&wanted(500)).await.unwrap().jobs;
            loans.extend(jobs.lend(&wanted(500)).await.unwrap().jobs);
            let mut lent: Vec<_> = loans.iter().map(|loan| loan.id).collect();
            lent.sort_unstable();
            assert_eq!(lent, waits.iter().copied().collect::<Vec<_>>(), "at step {step}");
            waits.clear();
            held.extend(loans);
        }
    }
}
