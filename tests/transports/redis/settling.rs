//! Leases, attempts and dead letters.

use super::*;

#[tokio::test]
async fn a_stale_receipt_is_told_so_and_does_not_settle_what_others_have() {
    let server = server().await;
    let redis = orders(&server).lease(Duration::from_millis(200)).await.unwrap();
    publish(&redis, &packets(1)).await;
    let (mut one, mut two) = (redis.clone(), redis.clone());
    one.open(1).await.unwrap();
    two.open(1).await.unwrap();
    let mut stale = next(&mut one).await;
    let mut taken = next(&mut two).await;
    assert_eq!(taken.attempt(), 2);
    taken.extend(LONG).await.unwrap();
    assert_eq!(stale.extend(LONG).await.unwrap_err().kind(), ErrorKind::Lost);
    assert_eq!(stale.ack().await.unwrap_err().kind(), ErrorKind::Lost);
    assert_eq!(count(&server, &["XLEN", "orders"]).await, 1);
    taken.ack().await.unwrap();
    assert_eq!(count(&server, &["XLEN", "orders"]).await, 0);
    assert_eq!(count(&server, &["EXISTS", "orders:due:orders"]).await, 0);
}

#[tokio::test]
async fn a_lease_lasts_longer_than_the_usual_one_if_it_is_told_to() {
    let server = server().await;
    let redis = orders(&server).lease(Duration::from_millis(200)).await.unwrap();
    publish(&redis, &packets(1)).await;
    let (mut one, mut two) = (redis.clone(), redis.clone());
    one.open(1).await.unwrap();
    two.open(1).await.unwrap();
    let mut held = next(&mut one).await;
    held.extend(LONG).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(1);
    while Instant::now() < deadline {
        assert!(timeout(Duration::from_millis(100), two.receive(1)).await.is_err(), "it was lent twice");
    }
    // Less than the usual one counts as well.
    held.extend(Duration::from_millis(1)).await.unwrap();
    assert_eq!(next(&mut two).await.attempt(), 2);
    assert_eq!(held.ack().await.unwrap_err().kind(), ErrorKind::Lost);
}

#[tokio::test]
async fn attempts_and_what_waits_survive_a_kill_of_the_server() {
    let server = server().await;
    let ours = server.ours().unwrap();
    let mut redis = orders(&server).await.unwrap();
    redis.open(10).await.unwrap();
    let mut late = Packet::new("late", "late");
    late.delay = Duration::from_secs(2);
    publish(&redis, &[Packet::new("now", "now"), late]).await;
    let first = next(&mut redis).await;
    assert_eq!(first.packet().id, "now");
    first.release().await.unwrap();
    let first = next(&mut redis).await;
    assert_eq!(first.attempt(), 1, "what is given back was no attempt");
    let started = Instant::now();
    first.retry_after(Duration::from_secs(2)).await.unwrap();
    ours.kill().await;
    ours.start().await;
    let mut left = BTreeMap::new();
    while left.len() < 2 {
        let delivery = next(&mut redis).await;
        // By the server's clock, which may be behind ours by what it takes to ask.
        assert!(started.elapsed() > Duration::from_millis(1500), "it came early");
        left.insert(delivery.packet().id.clone(), delivery.attempt());
        delivery.ack().await.unwrap();
    }
    assert_eq!(left, BTreeMap::from([("late".to_owned(), 1), ("now".to_owned(), 2)]));
    for key in ["orders:delayed", "orders:due:orders"] {
        assert_eq!(count(&server, &["EXISTS", key]).await, 0);
    }
}

#[tokio::test]
async fn what_waits_for_another_attempt_comes_although_its_time_was_deleted() {
    let server = server().await;
    let mut redis = orders(&server).lease(Duration::from_millis(400)).await.unwrap();
    redis.open(1).await.unwrap();
    publish(&redis, &packets(1)).await;
    next(&mut redis).await.retry_after(Duration::from_secs(3600)).await.unwrap();
    assert_eq!(count(&server, &["DEL", "orders:due:orders"]).await, 1);
    let delivery = next(&mut redis).await;
    assert_eq!(delivery.attempt(), 2);
    delivery.ack().await.unwrap();
}

#[tokio::test]
async fn a_dead_letter_is_in_its_stream_and_nowhere_else() {
    let server = server().await;
    let mut redis = orders(&server).group("billing").await.unwrap();
    redis.open(1).await.unwrap();
    publish(&redis, &packets(1)).await;
    next(&mut redis).await.dead_letter(DeadReason::Permanent, vec!["boom".to_owned()]).await.unwrap();
    assert_eq!(count(&server, &["XLEN", "orders"]).await, 0);
    let mut dead = Redis::stream("orders-dead").at(server.url()).create_if_missing().await.unwrap();
    dead.open(1).await.unwrap();
    let letter = next(&mut dead).await;
    let record = DeadLetterRecord::of(letter.packet()).unwrap();
    assert_eq!(
        (record.reason, record.source.as_str(), record.attempts),
        (DeadReason::Permanent, "redis:orders/billing", 1)
    );
    assert_eq!((letter.packet().id.as_str(), &letter.packet().body[..]), ("id-0", &b"body 0"[..]));
    letter.release().await.unwrap();
    dead.close().await.unwrap();
    let redriven = convoke::transport::redrive(&mut dead, &redis, 10).await.unwrap();
    assert_eq!((redriven.moved, redriven.kept), (1, 0));
    let again = next(&mut redis).await;
    assert_eq!((again.packet(), again.attempt()), (&packets(1)[0], 1));
    again.ack().await.unwrap();
}
