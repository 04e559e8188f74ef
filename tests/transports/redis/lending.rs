//! What is lent and not heard is given back at once, and what is heard alone is marked until somebody says how that ended.

use std::time::Duration;

use convoke::transport::{DeadReason, Delivery, Redis, Source};
use tokio::time::{Instant, timeout};

use super::{ask, count, next, orders, packets, publish, server, until};

/// Another one gets everything within this time; the half of it is how often somebody looks.
const SECOND: Duration = Duration::from_secs(1);

const MARKS: &[&str] = &["EXISTS", "orders:marks:orders"];

/// A receive that is dropped while it waits leaves a read open at the server.
async fn leave_a_read_open(redis: &mut Redis) {
    assert!(timeout(Duration::from_millis(100), redis.receive(10)).await.is_err());
}

async fn all(source: &mut Redis, wanted: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    while all.len() < wanted {
        all.extend(source.receive(10).await.unwrap());
    }
    all
}

#[tokio::test]
async fn a_subscriber_that_stops_lending_leaves_nothing_on_the_wire() {
    let server = server().await;
    let redis = orders(&server).await.unwrap();
    let (mut paused, mut other) = (redis.clone(), redis.clone());
    paused.open(10).await.unwrap();
    other.open(10).await.unwrap();
    publish(&redis, &packets(1)).await;
    let held = next(&mut paused).await;

    // What the open read brings before.
    leave_a_read_open(&mut paused).await;
    publish(&redis, &packets(5)).await;
    paused.stop_lending().await.unwrap();
    let stopped = Instant::now();
    let first = all(&mut other, 5).await;
    assert!(stopped.elapsed() < SECOND, "it took {:?}", stopped.elapsed());
    // And after.
    publish(&redis, &packets(5)).await;
    let second = all(&mut other, 5).await;
    for delivery in first.into_iter().chain(second) {
        assert_eq!(delivery.attempt(), 1, "what nobody has heard was no attempt");
        delivery.ack().await.unwrap();
    }
    // To stop once more is nothing, what it holds it can settle, and it receives again.
    paused.stop_lending().await.unwrap();
    held.ack().await.unwrap();
    publish(&redis, &packets(1)).await;
    next(&mut paused).await.ack().await.unwrap();
    assert_eq!(count(&server, &["XLEN", "orders"]).await, 0);
}

#[tokio::test]
async fn a_subscriber_that_may_not_unblock_its_read_gives_back_what_it_brings() {
    let server = server().await;
    ask(&server, &["ACL", "SETUSER", "default", "-client"]).await;
    let redis = orders(&server).await.unwrap();
    let (mut paused, mut other) = (redis.clone(), redis.clone());
    paused.open(10).await.unwrap();
    other.open(10).await.unwrap();
    leave_a_read_open(&mut paused).await;
    publish(&redis, &packets(5)).await;
    paused.stop_lending().await.unwrap();
    let stopped = Instant::now();
    for delivery in all(&mut other, 5).await {
        assert_eq!(delivery.attempt(), 1);
        delivery.ack().await.unwrap();
    }
    assert!(stopped.elapsed() < SECOND, "it took {:?}", stopped.elapsed());
}

#[tokio::test]
async fn a_mark_is_there_until_it_is_settled() {
    let server = server().await;
    let lease = Duration::from_millis(200);
    let mut redis = orders(&server).lease(lease).await.unwrap();
    redis.open(10).await.unwrap();
    publish(&redis, &packets(1)).await;
    let mut dies = next(&mut redis).await;
    assert!(!dies.is_marked());
    assert!(dies.mark().await.unwrap());
    // Whoever hears it dies: it comes again after its lease.
    std::mem::forget(dies);
    let mut again = next(&mut redis).await;
    assert_eq!((again.is_marked(), again.attempt()), (true, 2));
    // To be extended is no end.
    again.extend(lease).await.unwrap();
    std::mem::forget(again);
    let again = next(&mut redis).await;
    assert!(again.is_marked());
    again.retry_after(Duration::ZERO).await.unwrap();
    assert_eq!(count(&server, MARKS).await, 0, "it has come to an end");

    let mut again = next(&mut redis).await;
    assert_eq!((again.is_marked(), again.attempt()), (false, 4));
    again.mark().await.unwrap();
    again.release().await.unwrap();
    assert_eq!(count(&server, MARKS).await, 0);

    let mut again = next(&mut redis).await;
    again.mark().await.unwrap();
    again.ack().await.unwrap();
    assert_eq!(count(&server, MARKS).await, 0);

    publish(&redis, &packets(1)).await;
    let mut poison = next(&mut redis).await;
    poison.mark().await.unwrap();
    poison.dead_letter(DeadReason::Exhausted, Vec::new()).await.unwrap();
    assert_eq!(count(&server, MARKS).await, 0);
}

#[tokio::test]
async fn a_mark_goes_with_what_somebody_else_has_acknowledged_or_deleted() {
    let server = server().await;
    let mut redis = orders(&server).lease(Duration::from_millis(200)).await.unwrap();
    redis.open(10).await.unwrap();
    for entry in ["1-1", "2-1"] {
        ask(&server, &["XADD", "orders", entry, "body", "b"]).await;
        let mut held = next(&mut redis).await;
        held.mark().await.unwrap();
        std::mem::forget(held);
        match entry {
            "1-1" => ask(&server, &["XACK", "orders", "orders", entry]).await,
            _ => ask(&server, &["XDEL", "orders", entry]).await,
        };
        until(async || {
            let _ = timeout(Duration::from_millis(100), redis.receive(1)).await;
            count(&server, MARKS).await == 0
        })
        .await;
    }
}

#[tokio::test]
async fn a_stale_receipt_marks_nothing() {
    let server = server().await;
    let redis = orders(&server).lease(Duration::from_millis(200)).await.unwrap();
    publish(&redis, &packets(1)).await;
    let (mut one, mut two) = (redis.clone(), redis.clone());
    one.open(1).await.unwrap();
    two.open(1).await.unwrap();
    let mut stale = next(&mut one).await;
    let taken = next(&mut two).await;
    assert_eq!(stale.mark().await.unwrap_err().kind(), convoke::transport::ErrorKind::Lost);
    assert_eq!(count(&server, MARKS).await, 0);
    taken.ack().await.unwrap();
}

#[tokio::test]
async fn the_queue_of_dead_letters_is_asked_for_by_its_queue() {
    let server = server().await;
    let mut redis = orders(&server).group("billing").await.unwrap();
    redis.open(1).await.unwrap();
    // Nothing has died yet.
    let mut dead = redis.dead_letters();
    dead.open(1).await.unwrap();
    assert_eq!(Source::name(&dead), "redis:orders-dead");
    publish(&redis, &packets(1)).await;
    next(&mut redis).await.dead_letter(DeadReason::Permanent, vec!["boom".to_owned()]).await.unwrap();
    assert_eq!(dead.backlog().await.unwrap(), Some(1));
    let redriven = convoke::transport::redrive(&mut dead, &redis, 10).await.unwrap();
    assert_eq!((redriven.moved, redriven.kept), (1, 0));
    next(&mut redis).await.ack().await.unwrap();
}
