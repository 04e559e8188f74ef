//! What commits together is there together, and a key is one transaction's at a time.

use std::collections::HashSet;

use convoke::prelude::*;
use convoke::transport::{ErrorKind, Memory, MemoryDatabase, Publisher};
use convoke::{Outbox, OutboxError, Outgoing, SqlValue};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::common::{SECOND, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/moved")]
struct Moved {
    order: u32,
    step: u32,
}

fn moved(order: u32, step: u32) -> Moved {
    Moved { order, step }
}

async fn shop(db: &MemoryDatabase) -> Outbox<MemoryDatabase> {
    db.outbox("Shop").ordered_by(|event| event.payload.get("order").map(ToString::to_string)).await.unwrap()
}

fn kind(error: OutboxError) -> ErrorKind {
    match error {
        OutboxError::Transport(error) => error.kind(),
        error => panic!("{error}"),
    }
}

async fn ready(outbox: &Outbox<MemoryDatabase>) -> u64 {
    outbox.figures().await.unwrap().ready
}

#[convoke::test]
async fn a_mark_and_the_events_of_a_transaction_are_there_together_or_not_at_all() {
    let db = Memory::database();
    let (outbox, inbox) = (shop(&db).await, db.inbox("billing").await.unwrap());
    let mut tx = db.begin().await.unwrap();
    inbox.mark_in(&mut tx, "7").await.unwrap();
    outbox.publish_all(&mut tx, [moved(1, 1), moved(2, 1)].map(Outgoing::new)).await.unwrap();
    assert_eq!((inbox.seen("7").await.unwrap(), ready(&outbox).await), (false, 0));
    drop(tx);
    assert_eq!((inbox.seen("7").await.unwrap(), ready(&outbox).await), (false, 0));

    let mut tx = db.begin().await.unwrap();
    inbox.mark_in(&mut tx, "7").await.unwrap();
    outbox.publish(&mut tx, moved(1, 1)).await.unwrap();
    tx.commit().await.unwrap();
    // By another handle too.
    assert_eq!((db.inbox("billing").seen("7").await.unwrap(), ready(&shop(&db).await).await), (true, 1));
    assert_eq!(ready(&shop(&Memory::database()).await).await, 0);
}

#[convoke::test]
async fn a_second_transaction_that_publishes_the_same_key_waits_for_the_first() {
    let db = Memory::database();
    let outbox = shop(&db).await;
    let mut first = db.begin().await.unwrap();
    outbox.publish(&mut first, moved(1, 1)).await.unwrap();
    let start = Instant::now();
    let second = async {
        let mut tx = db.begin().await.unwrap();
        // Another key is nobody's, and the outbox of another name has keys of its own.
        outbox.publish(&mut tx, moved(2, 1)).await.unwrap();
        let other = db.outbox("Other").ordered_by(|_| Some("1".to_owned())).await.unwrap();
        other.publish(&mut tx, moved(1, 1)).await.unwrap();
        assert!(start.elapsed() < SECOND);
        outbox.publish(&mut tx, moved(1, 3)).await.unwrap();
        tx.commit().await.unwrap();
        start.elapsed()
    };
    let first = async {
        sleep(5 * SECOND).await;
        outbox.publish(&mut first, moved(1, 2)).await.unwrap();
        first.commit().await.unwrap();
    };
    let (waited, ()) = tokio::join!(second, first);
    assert_eq!(waited, 5 * SECOND);

    let queue = Memory::queue("moves");
    let bus = EventBus::default();
    let relay = outbox.relay(Route::new("Shop/*", queue.clone())).supervised(&bus).await.unwrap();
    sleep(SECOND).await;
    let steps: Vec<_> = queue.packets().iter().filter(|packet| packet.key.as_deref() == Some("1")).map(step).collect();
    assert_eq!(steps, [1, 2, 3]);
    assert_eq!(queue.packets().len(), 4);
    relay.stop().await;
}

fn step(packet: &convoke::transport::Packet) -> u64 {
    let envelope = convoke::codec::read(packet, convoke::EnvelopeLimits::default()).unwrap();
    envelope.payload["step"].as_u64().unwrap()
}

#[convoke::test]
async fn a_deadlock_is_an_error_by_name_and_so_is_a_key_that_is_held_for_too_long() {
    let db = Memory::database().deadline(10 * SECOND);
    let outbox = shop(&db).await;
    let (mut one, mut other) = (db.begin().await.unwrap(), db.begin().await.unwrap());
    outbox.publish(&mut one, moved(1, 1)).await.unwrap();
    outbox.publish(&mut other, moved(2, 1)).await.unwrap();
    let start = Instant::now();
    let closes = async {
        sleep(SECOND).await;
        let error = outbox.publish(&mut other, moved(1, 2)).await.unwrap_err();
        assert!(error.to_string().contains("memory outbox Shop: deadlock: "), "{error}");
        assert_eq!(kind(error), ErrorKind::Unreachable);
        // Nothing of it is there, and nothing more can be.
        assert_eq!(kind(outbox.publish(&mut other, moved(3, 1)).await.unwrap_err()), ErrorKind::Refused);
        other.rollback().await.unwrap();
    };
    let (waited, ()) = tokio::join!(outbox.publish(&mut one, moved(2, 2)), closes);
    waited.unwrap();
    assert!(start.elapsed() < 2 * SECOND);

    let mut late = db.begin().await.unwrap();
    let start = Instant::now();
    let error = outbox.publish(&mut late, moved(1, 9)).await.unwrap_err();
    assert!(error.to_string().contains("for longer than the deadline"), "{error}");
    assert_eq!((kind(error), start.elapsed()), (ErrorKind::Unreachable, 10 * SECOND));
    drop(late);
    one.commit().await.unwrap();
    assert_eq!(ready(&outbox).await, 2);
}

/// By one call each, no two of them wait for each other.
#[convoke::test]
async fn many_keys_of_one_call_are_locked_in_one_order() {
    let db = Memory::database();
    let outbox = shop(&db).await;
    let publish = async |orders: Vec<u32>| {
        for _ in 0..20 {
            let mut tx = db.begin().await.unwrap();
            outbox.publish_all(&mut tx, orders.iter().map(|order| Outgoing::new(moved(*order, 1)))).await.unwrap();
            sleep(SECOND).await;
            tx.commit().await.unwrap();
        }
    };
    tokio::join!(publish(vec![1, 2, 3]), publish(vec![3, 2, 1]), publish(vec![2, 3, 1, 2]));
    assert_eq!(ready(&outbox).await, 20 * 10);
}

#[convoke::test]
async fn what_is_no_statement_of_an_outbox_in_memory_is_refused() {
    let db = Memory::database();
    let outbox = shop(&db).await;
    let mut tx = db.begin().await.unwrap();
    let mut statement = outbox.statement(moved(1, 1)).unwrap();
    let kinds: HashSet<_> = statement.values.iter().map(SqlValue::kind).collect();
    assert_eq!((statement.values.len(), kinds), (6, HashSet::from(["text", "bytea"])));
    tx.run(statement.clone()).await.unwrap();
    statement.values.pop();
    assert_eq!(tx.run(statement).await.unwrap_err().kind(), ErrorKind::Refused);
    tx.commit().await.unwrap();
    assert_eq!(ready(&outbox).await, 1);
    let queue = db.queue("moves");
    assert_eq!(Publisher::name(&queue), "memory:moves");
}
