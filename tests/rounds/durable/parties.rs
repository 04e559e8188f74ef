//! What parties say of themselves when they join.

use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Memory, MemoryDatabase};
use convoke::{Durable, DurableState, Early, Gathered};
use tokio::time::{Instant, sleep};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const BOARD: [&str; 3] = ["legal", "finance", "chair"];

async fn two_of_three(db: &MemoryDatabase) -> Durable<u32> {
    let broker = Broker::new(10 * DAY).expects(BOARD).release(Release::at_least(2));
    broker.durable(db, "approvals").await.unwrap()
}

#[convoke::test]
async fn a_deadline_of_its_own_is_kept_by_whoever_lives() {
    let db = Memory::database();
    {
        let approvals = two_of_three(&db).await;
        let _legal = Emitter::join(&approvals, Emitter::new("legal").deadline(DAY)).await.unwrap();
    }
    let approvals = two_of_three(&db).await;
    let chair = Emitter::join(&approvals, "chair").await.unwrap();
    let round = chair.emit_for(7, 1).committed().await.unwrap();
    let why = approvals.why(7).await.unwrap().unwrap();
    assert_eq!(why.due.duration_since(why.opened).unwrap(), DAY);
    // Nobody says anything, and whoever looks finds the next deadline there.
    sleep(2 * DAY).await;
    let why = approvals.why(7).await.unwrap().unwrap();
    assert_eq!(why.due.duration_since(why.opened).unwrap(), 10 * DAY);
    let legal = Emitter::join(&approvals, "legal").await.unwrap();
    let late = legal.emit_for(7, 2).committed().await.unwrap_err();
    assert_eq!(late, EmitError::Late { round, key: Some(7.into()) });
    let finance = Emitter::join(&approvals, "finance").await.unwrap();
    let outcome = finance.emit_for(7, 3).await.unwrap();
    assert_eq!((outcome.round(), outcome.payloads()), (round, &[1, 3][..]));
}

#[convoke::test]
async fn a_round_that_needs_all_ends_at_the_deadline_of_one() {
    let db = Memory::database();
    let approvals: Durable<u32> = Broker::new(10 * DAY).expects(BOARD).durable(&db, "approvals").await.unwrap();
    let legal = Emitter::join(&approvals, "legal").await.unwrap();
    let _chair = Emitter::join(&approvals, Emitter::new("chair").deadline(DAY)).await.unwrap();
    let began = Instant::now();
    let outcome = legal.emit_for(7, 1).await.unwrap();
    assert_eq!(outcome.cause().unwrap().to_string(), "timed out; missing finance, chair");
    assert_eq!(began.elapsed().as_secs(), DAY.as_secs());
}

#[convoke::test]
async fn a_deadline_is_that_of_rounds_that_open_from_then_on() {
    let db = Memory::database();
    let approvals = two_of_three(&db).await;
    let chair = Emitter::join(&approvals, "chair").await.unwrap();
    chair.emit_for("before", 1).committed().await.unwrap();
    let legal = Emitter::join(&approvals, Emitter::new("legal").deadline(DAY)).await.unwrap();
    chair.emit_for("behind", 1).committed().await.unwrap();
    // A name alone says nothing, and takes nothing back.
    let _again = Emitter::join(&approvals, "legal").await.unwrap();
    sleep(2 * DAY).await;
    assert!(legal.emit_for("before", 2).await.unwrap().is_resolved());
    let late = legal.emit_for("behind", 2).committed().await.unwrap_err();
    assert!(matches!(late, EmitError::Late { .. }), "{late}");
    let known = approvals.parties().await.unwrap();
    assert_eq!(known.iter().map(|party| (&*party.name, party.deadline)).collect::<Vec<_>>(), [("legal", Some(DAY))]);
    // Another one takes its place.
    let longer = Emitter::new("legal").deadline(3 * DAY);
    let _longer = Emitter::join(&approvals, longer).await.unwrap();
    chair.emit_for("longer", 1).committed().await.unwrap();
    assert!(approvals.forget_party("legal").await.unwrap());
    assert!(!approvals.forget_party("legal").await.unwrap());
    chair.emit_for("forgotten", 1).committed().await.unwrap();
    sleep(2 * DAY).await;
    assert!(legal.emit_for("longer", 2).await.unwrap().is_resolved());
    sleep(2 * DAY).await;
    assert!(legal.emit_for("forgotten", 2).await.unwrap().is_resolved());
    assert!(approvals.parties().await.unwrap().is_empty());
}

#[convoke::test]
async fn where_nobody_decides_the_deadline_of_a_party_ends_nothing() {
    let db = Memory::database();
    let rule = |name: &str| Release::when_named(name, 1, |gathered: &Gathered<'_, u32>| gathered.payloads().len() > 1);
    let decides: Durable<u32> = Broker::new(10 * DAY).release(rule("two")).durable(&db, "votes").await.unwrap();
    let round = decides.open(7).await.unwrap();
    let slow = Emitter::join(&decides, Emitter::new("slow").deadline(DAY)).await.unwrap();
    let a = Emitter::join(&decides, "a").await.unwrap();
    a.emit_for(8, 1).committed().await.unwrap();
    let both = (decides.why(7).await.unwrap().unwrap(), decides.why(8).await.unwrap().unwrap());
    assert!(both.0.due.duration_since(both.1.due).is_ok_and(|longer| longer > 8 * DAY));
    drop((a, slow, decides));
    let other: Durable<u32> =
        Broker::new(10 * DAY).release(rule("other")).durable(&db, "votes").replaces_rules().await.unwrap();
    sleep(5 * DAY).await;
    assert_eq!(other.why(8).await.unwrap().unwrap().state, DurableState::Open);
    let outcome = other.outcome_for(8).await.unwrap();
    assert_eq!(outcome.cause().unwrap().to_string(), "aborted: no process has rule two v1");
    assert_eq!(outcome.round(), other.outcome(outcome.round()).await.unwrap().round());
    assert!(other.outcome(round).await.unwrap().is_cancelled());
}

#[convoke::test]
async fn a_deadline_of_zero_is_none() {
    let db = Memory::database();
    let approvals = two_of_three(&db).await;
    let error = Emitter::join(&approvals, Emitter::new("legal").deadline(Duration::ZERO)).await.unwrap_err();
    assert!(error.to_string().contains("a timeout of zero"), "{error}");
    let error = Emitter::join(&approvals, Emitter::new("x".repeat(257)).deadline(DAY)).await.unwrap_err();
    assert!(error.to_string().contains("at most 256 bytes"), "{error}");
}

#[convoke::test]
async fn what_waits_with_the_opening_is_decided_by_it() {
    let db = Memory::database();
    let broker = Broker::new(DAY).expects(["a", "b"]);
    let pairs: Durable<u32> = broker.durable(&db, "pairs").early(Early::Waits(DAY)).await.unwrap();
    let a = Emitter::join(&pairs, "a").await.unwrap();
    let b = Emitter::join(&pairs, "b").await.unwrap();
    // All of it may be one transaction, in this order.
    let (first, second) = (a.emit_for(7, 1), b.emit_for(7, 2));
    let opened = pairs.open(7);
    let began = Instant::now();
    let (first, second, opened) = tokio::join!(first, second, opened);
    assert_eq!((first.unwrap().payloads(), second.unwrap().round()), (&[1, 2][..], opened.unwrap()));
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}
