//! Streams, groups and consumers.

use super::*;

#[tokio::test]
async fn what_is_published_comes_whole_and_is_deleted_when_it_is_done() {
    let server = server().await;
    let mut redis = orders(&server).await.unwrap();
    redis.open(10).await.unwrap();
    let mut packet = Packet::new("id", vec![0, 1, 2, 255]);
    packet.topic = "orders/placed".to_owned();
    packet.key = Some("käy".to_owned());
    packet.attributes.insert("text", "");
    packet.attributes.insert("number", 7_u64);
    packet.attributes.insert("list", ["a", "b"]);
    publish(&redis, std::slice::from_ref(&packet)).await;
    assert_eq!(redis.backlog().await.unwrap(), Some(1));
    let delivery = next(&mut redis).await;
    assert_eq!((delivery.packet(), delivery.attempt(), delivery.source()), (&packet, 1, "redis:orders"));
    assert_eq!(redis.backlog().await.unwrap(), Some(0));
    delivery.ack().await.unwrap();
    assert_eq!(count(&server, &["XLEN", "orders"]).await, 0);
    assert!(Source::abilities(&redis).durable);
    redis.close().await.unwrap();
    assert_eq!(consumers(&server, "orders", "orders").await, BTreeSet::new());
    assert_eq!(redis.receive(1).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn what_the_dead_have_left_is_claimed_and_their_names_go() {
    let server = server().await;
    let redis = orders(&server).lease(Duration::from_millis(300)).await.unwrap();
    publish(&redis, &packets(20)).await;
    let mut dead = redis.clone();
    dead.open(20).await.unwrap();
    let mut lent = 0;
    while lent < 20 {
        let all = dead.receive(20).await.unwrap();
        lent += all.len();
        all.into_iter().for_each(std::mem::forget);
    }
    let names = consumers(&server, "orders", "orders").await;
    assert_eq!(names.len(), 1);
    drop(dead);
    let mut alive = redis.clone();
    alive.open(20).await.unwrap();
    for _ in 0..20 {
        let delivery = next(&mut alive).await;
        assert!(delivery.attempt() >= 2);
        delivery.ack().await.unwrap();
    }
    until(async || {
        let _ = timeout(Duration::from_millis(300), alive.receive(1)).await;
        consumers(&server, "orders", "orders").await.is_disjoint(&names)
    })
    .await;
    assert_eq!(count(&server, &["XLEN", "orders"]).await, 0);
}

#[tokio::test]
async fn nothing_is_deleted_that_a_slow_group_still_needs() {
    let server = server().await;
    let mut fast = orders(&server).group("fast").await.unwrap();
    let mut slow = orders(&server).group("slow").await.unwrap();
    fast.open(100).await.unwrap();
    slow.open(100).await.unwrap();
    publish(&fast, &packets(100)).await;
    for _ in 0..100 {
        next(&mut fast).await.ack().await.unwrap();
    }
    // Not delivered to the slow one yet.
    assert_eq!(count(&server, &["XLEN", "orders"]).await, 100);
    let mut held = Vec::new();
    while held.len() < 60 {
        held.push(next(&mut slow).await);
    }
    // Pending, and not.
    for delivery in held.drain(..).enumerate().filter(|(n, _)| n % 2 == 0).map(|(_, delivery)| delivery) {
        delivery.ack().await.unwrap();
    }
    until(async || count(&server, &["XLEN", "orders"]).await == 70).await;
    let mut seen = BTreeSet::new();
    while seen.len() < 70 {
        let delivery = next(&mut slow).await;
        seen.insert(delivery.packet().id.clone());
        delivery.ack().await.unwrap();
    }
    assert_eq!(count(&server, &["XLEN", "orders"]).await, 0);
}

#[tokio::test]
async fn what_a_group_that_is_gone_has_left_is_trimmed() {
    let server = server().await;
    let mut stays = orders(&server).group("stays").await.unwrap();
    let mut goes = orders(&server).group("goes").await.unwrap();
    stays.open(100).await.unwrap();
    goes.open(100).await.unwrap();
    publish(&stays, &packets(30)).await;
    for _ in 0..20 {
        next(&mut stays).await.ack().await.unwrap();
    }
    let held = next(&mut stays).await;
    goes.close().await.unwrap();
    ask(&server, &["XGROUP", "DESTROY", "orders", "goes"]).await;
    // The ten that nobody has seen or settled stay.
    until(async || {
        let _ = timeout(Duration::from_millis(200), stays.receive(1))
            .await
            .map(|all| all.map(|all| all.into_iter().for_each(std::mem::forget)));
        count(&server, &["XLEN", "orders"]).await == 10
    })
    .await;
    held.ack().await.unwrap();
}

#[tokio::test]
async fn every_subscriber_is_a_consumer_of_its_own() {
    let server = server().await;
    let redis = orders(&server).await.unwrap();
    let mut all = Vec::new();
    for _ in 0..20 {
        let mut one = redis.clone();
        one.open(1).await.unwrap();
        publish(&redis, &packets(1)).await;
        let held = next(&mut one).await;
        all.push((one, held));
    }
    assert_eq!(consumers(&server, "orders", "orders").await.len(), 20);
    for (mut one, held) in all {
        held.ack().await.unwrap();
        one.close().await.unwrap();
    }
    assert_eq!(consumers(&server, "orders", "orders").await, BTreeSet::new());
}

#[tokio::test]
async fn what_a_cancelled_receive_has_read_is_not_lost() {
    let server = server().await;
    let mut redis = orders(&server).await.unwrap();
    redis.open(10).await.unwrap();
    assert!(timeout(Duration::from_millis(50), redis.receive(10)).await.is_err());
    publish(&redis, &packets(3)).await;
    let mut seen = BTreeSet::new();
    while seen.len() < 3 {
        for delivery in redis.receive(10).await.unwrap() {
            assert_eq!(delivery.attempt(), 1);
            seen.insert(delivery.packet().id.clone());
            delivery.ack().await.unwrap();
        }
    }
    // Read for one who is gone: closing gives it back, untouched.
    assert!(timeout(Duration::from_millis(50), redis.receive(10)).await.is_err());
    publish(&redis, &packets(1)).await;
    redis.close().await.unwrap();
    let mut other = redis.clone();
    other.open(1).await.unwrap();
    let delivery = next(&mut other).await;
    assert_eq!(delivery.attempt(), 1);
    delivery.ack().await.unwrap();
}
