//! What is left of what fails.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;

use super::fixture::Fixture;
use super::room::{Room, by_key, closing, judge, signaled};
use crate::durable::store::{Enrolled, Kept, Next, Party, Place, Ruling};

pub(super) async fn a_judge_that_panics_leaves_nothing<F: Fixture>(room: &Room<'_, F>) {
    room.rounds.add_consumer("audit").await.unwrap();
    let b = room.signal("b").await;
    let panics = judge(|place, case| match place {
        0 => Some(signaled(case, room.rules)),
        1 => Some(closing(case, true)),
        _ => panic!("a predicate has failed"),
    });
    let places = [by_key("a"), by_key("b"), by_key("c")];
    let worked = AssertUnwindSafe(room.rounds.work(&places, &panics)).catch_unwind().await;
    assert!(worked.is_err(), "it has panicked");
    assert!(room.seen("a").await.is_none());
    assert_eq!((room.at("b").await.id, room.rows("b").await.len(), room.heard("audit").await), (b, 1, 0));
    // And nothing is held.
    room.signal("a").await;
    room.close("b", true).await;
    assert_eq!(room.heard("audit").await, 1);
}

pub(super) async fn a_work_that_is_dropped_leaves_nothing<F: Fixture>(room: &Room<'_, F>) {
    room.rounds.add_consumer("audit").await.unwrap();
    let (mut dropped, mut done) = (0, 0);
    for turn in 0..60 {
        let (new, old) = (format!("new {turn}"), format!("old {turn}"));
        let id = room.signal(&old).await;
        let heard = room.heard("audit").await;
        let both = judge(|place, case| match place {
            0 => Some(signaled(case, room.rules)),
            _ => Some(closing(case, true)),
        });
        let places = [by_key(&new), by_key(&old)];
        {
            // It is polled so many times, and then dropped: between any two of its statements.
            let mut work = room.rounds.work(&places, &both);
            let mut polls = 0;
            let some = std::future::poll_fn(|cx| {
                polls += 1;
                match work.poll_unpin(cx) {
                    _ if polls > turn => std::task::Poll::Ready(None),
                    std::task::Poll::Ready(worked) => std::task::Poll::Ready(Some(worked)),
                    std::task::Poll::Pending => std::task::Poll::Pending,
                }
            });
            if some.await.is_some_and(|worked| worked.is_ok()) {
                done += 1;
            } else {
                dropped += 1;
            }
        }
        // All of it is there, or nothing. What was given up may be under way for a moment: whoever comes behind it waits for that.
        room.rounds.work(&places, &judge(|_, _| None)).await.unwrap();
        let is_done = room.seen(&new).await.is_some();
        if !is_done {
            assert_eq!((room.at(&old).await.id, room.rows(&old).await.len()), (id, 1));
        } else {
            assert_eq!((room.past(&old).await.id, room.rows(&new).await.len()), (id, 1));
        }
        assert_eq!(room.heard("audit").await, heard + u64::from(is_done));
        // And nobody holds it any more.
        room.signal(&old).await;
        room.signal(&new).await;
    }
    assert!(dropped > 0, "{dropped} were dropped, {done} done");
}

pub(super) async fn a_statement_that_fails_leaves_nothing<F: Fixture>(room: &Room<'_, F>) {
    room.rounds.add_consumer("audit").await.unwrap();
    for key in ["changed", "noted", "closed", "lapsed", "amended"] {
        room.signal(key).await;
    }
    room.close("amended", true).await;
    let places = ["made", "changed", "noted", "closed", "lapsed", "amended"].map(by_key);
    let (outcome, heard) = (room.past("amended").await.outcome, room.heard("audit").await);
    let all = judge(|place, case| {
        Some(match place {
            0 | 2 => signaled(case, room.rules),
            1 => Ruling { next: Next::Waits { look_at: 1, due_at: 1 }, ..Ruling::default() },
            3 => closing(case, true),
            4 => Ruling { next: Next::Lapses, ..Ruling::default() },
            _ => Ruling { amends: Some("{}".into()), ..Ruling::default() },
        })
    });
    let mut before = room.rounds.open(0, 10).await.unwrap();
    for write in 0.. {
        let Some(mend) = room.break_write(write).await else { break };
        let failed = room.rounds.work(&places, &all).await;
        assert!(failed.is_err(), "write {write} was broken, and nobody has noticed");
        mend().await;
        assert_eq!(room.rounds.open(0, 10).await.unwrap(), before, "write {write}");
        assert_eq!((room.past("amended").await.outcome, room.heard("audit").await), (outcome.clone(), heard));
    }
    // All of them are statements of this one.
    room.rounds.work(&places, &all).await.unwrap();
    let after = room.rounds.open(0, 10).await.unwrap();
    assert_ne!(after, before);
    before.clear();
    assert_eq!((after.len(), &*room.past("amended").await.outcome, room.heard("audit").await), (3, "{}", heard + 1));
}

pub(super) async fn what_somebody_works_on_is_passed_over_by_its_number<F: Fixture>(room: &Room<'_, F>) {
    room.rounds.add_consumer("audit").await.unwrap();
    let (held, free) = (room.signal("held").await, room.signal("free").await);
    // The key of the packet is held, so who closes waits with the round in hand.
    let Some(transaction) = room.hold(&room.rounds.outbox_of("audit"), "held").await else { return };
    let (another, asked, looks) = (room.another().await, AtomicUsize::new(0), AtomicUsize::new(0));
    let close = judge(|_, case| {
        asked.fetch_add(1, Ordering::Relaxed);
        Some(closing(case, true))
    });
    let places = [by_key("held")];
    let work = room.rounds.work(&places, &close);
    let beside = async {
        room.until(async || asked.load(Ordering::Relaxed) > 0).await;
        // What the judge has said is on its way to where it waits.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let look = judge(|place, _| {
            looks.fetch_add(place, Ordering::Relaxed);
            None
        });
        another.work(&[Place::Round(held), Place::Round(free)], &look).await.unwrap();
        assert_eq!(looks.load(Ordering::Relaxed), 1, "one is passed over, and the other is not");
        let noted = judge(|_, case| Some(signaled(case, room.rules)));
        another.work(&[by_key("free")], &noted).await.unwrap();
        drop(transaction);
    };
    let (worked, ()) = tokio::join!(work, beside);
    worked.unwrap();
    assert_eq!((room.past("held").await.id, room.heard("audit").await), (held, 1));
}

pub(super) async fn what_was_replaced_has_its_broker_again<F: Fixture>(room: &Room<'_, F>) {
    room.rounds.add_consumer("audit").await.unwrap();
    let chair = Party { name: "the chair".into(), terms: "{\"a\":'1'}".into(), asked: true };
    room.rounds.add_party(&chair).await.unwrap();
    room.rounds.add_party(&Party { name: "nobody".into(), ..chair.clone() }).await.unwrap();
    assert!(room.rounds.remove_party("nobody").await.unwrap());
    for key in ["a", "a", "b"] {
        room.signal(key).await;
    }
    room.close("b", true).await;
    if !room.replace().await {
        return;
    }
    let add = judge(|_, case| Some(signaled(case, room.rules)));
    let places = [by_key("a")];
    // It is opened anew by what comes next.
    room.until(async || room.rounds.work(&places, &add).await.is_ok()).await;
    assert_eq!(room.rows("a").await.len(), 1, "the round is another one");
    assert_eq!(room.rounds.enroll("others", false).await.unwrap(), Enrolled::Other("{\"release\":\"all\"}".into()));
    assert!(room.rounds.history("b", i64::MAX, 1).await.unwrap().is_empty());
    // Who has not opened it before sees the same.
    let another = room.another().await;
    let Some(Kept::Open(_, rules, _)) = another.history("a", i64::MAX, 1).await.unwrap().pop() else {
        panic!("it is not there")
    };
    assert_eq!(&*rules, "{\"release\":\"all\"}");
    assert!(another.consumers().await.unwrap().iter().map(|name| &**name).eq(["audit"]));
    assert_eq!(another.parties().await.unwrap(), [chair]);
    room.close("a", true).await;
    assert_eq!(room.heard("audit").await, 1);
}
