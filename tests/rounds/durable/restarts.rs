//! What outlives a process: here the handles of a broker, which are dropped and made anew.

use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Memory, MemoryDatabase};
use convoke::{Durable, DurableError};
use tokio::time::sleep;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn pairs(db: &MemoryDatabase) -> Durable<u32> {
    Broker::new(2 * DAY).expects(["a", "b"]).durable(db, "pairs").await.unwrap()
}

#[convoke::test]
async fn a_round_goes_on_where_it_was() {
    let db = Memory::database();
    let round = {
        let pairs = pairs(&db).await;
        let a = Emitter::join(&pairs, "a").await.unwrap();
        a.emit_for(7, 1).committed().await.unwrap()
    };
    sleep(DAY).await;
    let pairs = pairs(&db).await;
    let b = Emitter::join(&pairs, "b").await.unwrap();
    let outcome = b.emit_for(7, 2).await.unwrap();
    assert_eq!((outcome.round(), outcome.payloads()), (round, &[1, 2][..]));
    assert_eq!(outcome.elapsed().as_secs(), DAY.as_secs());
}

#[convoke::test]
async fn an_outcome_is_told_whoever_asks_and_whenever() {
    let db = Memory::database();
    let round = {
        let pairs = pairs(&db).await;
        let a = Emitter::join(&pairs, "a").await.unwrap();
        a.emit_for(7, 1).committed().await.unwrap()
    };
    // Nobody lives at the deadline; whoever comes next keeps it.
    sleep(3 * DAY).await;
    let pairs = pairs(&db).await;
    let outcome = pairs.outcome(round).await.unwrap();
    assert_eq!(outcome.cause().unwrap().to_string(), "timed out; missing b");
    assert_eq!(pairs.outcome_for(7).await.unwrap().round(), round);
    assert!(matches!(pairs.outcome_for(8).await.unwrap_err(), DurableError::NoRound));
    // It is kept for 30 days.
    sleep(31 * DAY).await;
    assert!(matches!(pairs.outcome(round).await.unwrap_err(), DurableError::NoRound));
    assert_eq!(pairs.figures().await.unwrap().over, 0);
}

#[convoke::test]
async fn who_waits_in_one_process_hears_what_another_has_closed() {
    let db = Memory::database();
    let (here, there) = (pairs(&db).await, pairs(&db).await);
    let a = Emitter::join(&here, "a").await.unwrap();
    let b = Emitter::join(&there, "b").await.unwrap();
    let waits = a.emit_for(7, 1);
    sleep(DAY).await;
    let closed = b.emit_for(7, 2).await.unwrap();
    let heard = waits.await.unwrap();
    assert_eq!((heard.round(), heard.payloads()), (closed.round(), &[1, 2][..]));
}

#[convoke::test]
async fn the_end_of_a_guard_takes_nobody_from_a_round() {
    let db = Memory::database();
    let pairs = pairs(&db).await;
    let a = Emitter::join(&pairs, "a").await.unwrap();
    let b = Emitter::join(&pairs, "b").await.unwrap();
    let waits = a.emit_for(7, 1);
    sleep(DAY).await;
    drop(b);
    sleep(DAY / 2).await;
    let b = Emitter::join(&pairs, "b").await.unwrap();
    assert!(b.emit_for(7, 2).await.unwrap().is_resolved());
    assert!(waits.await.unwrap().is_resolved());
}
