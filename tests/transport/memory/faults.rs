//! Faults of a server that a test can play, and the load.

use super::*;

#[convoke::test]
async fn a_full_queue_refuses_loudly_and_takes_again_when_there_is_room() {
    let queue = Memory::queue("orders").capacity(2);
    let packets = ["1", "2", "3"].map(packet);
    let taken = queue.publish(&packets).await;
    assert!(taken[0].is_ok() && taken[1].is_ok());
    let error = taken[2].clone().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(
        error.to_string(),
        "memory:orders: 2 packets are in orders and no more fit: receive some, or set `.capacity(…)`"
    );
    let mut subscriber = subscriber(&queue).await;
    let lent = next(&mut subscriber).await;
    assert_eq!(kind(publish_one(&queue, packet("3")).await), ErrorKind::Unreachable, "what is lent may come back");
    lent.ack().await.unwrap();
    publish_one(&queue, packet("3")).await.unwrap();
}

#[convoke::test]
async fn a_default_group_that_nobody_reads_holds_up_no_other() {
    let queue = Memory::queue("orders").capacity(2);
    let mut billing = subscriber(&queue.group("billing")).await;
    for id in ["1", "2", "3", "4"] {
        publish(&queue, [packet(id)]).await;
        comes(&mut billing, id, Duration::ZERO).await.ack().await.unwrap();
    }
    assert_eq!(queue.waiting(), 2);
    let mut late = subscriber(&queue).await;
    assert_eq!(ids(&at_once(&mut late).await), ["3", "4"]);
    // From now on somebody reads it.
    assert_eq!(kind(publish_one(&queue, packet("5")).await), ErrorKind::Unreachable);
}

#[convoke::test]
async fn what_was_published_within_the_window_is_not_delivered_again() {
    let queue = Memory::queue("orders").deduplicate(SECOND * 10);
    assert!(Publisher::abilities(&queue).deduplicates);
    let mut subscriber = subscriber(&queue).await;
    publish(&queue, [packet("1"), packet("1"), packet("2"), Packet::new("", "a"), Packet::new("", "b")]).await;
    for delivery in at_once(&mut subscriber).await {
        delivery.ack().await.unwrap();
    }
    assert_eq!((queue.published(), queue.waiting(), queue.lent()), (4, 0, 0));
    tokio::time::sleep(SECOND * 9).await;
    publish(&queue, [packet("1")]).await;
    assert_eq!(queue.waiting(), 0);
    tokio::time::sleep(SECOND).await;
    publish(&queue, [packet("1")]).await;
    assert_eq!(queue.waiting(), 1);
}

#[convoke::test]
async fn during_an_outage_everything_is_unreachable_and_afterwards_works_again() {
    let queue = Memory::queue("orders");
    let mut subscriber = subscriber(&queue).await;
    publish(&queue, [packet("1")]).await;
    let lent = next(&mut subscriber).await;
    let other = queue.clone();
    let end = async {
        tokio::task::yield_now().await;
        other.set_reachable(false);
    };
    let (waiting, ()) = tokio::join!(subscriber.receive(1), end);
    assert_eq!(kind(waiting), ErrorKind::Unreachable, "who waits hears of it");
    assert_eq!(kind(publish_one(&queue, packet("2")).await), ErrorKind::Unreachable);
    assert_eq!(kind(subscriber.receive(1).await), ErrorKind::Unreachable);
    assert_eq!(kind(subscriber.backlog().await), ErrorKind::Unreachable);
    assert_eq!(kind(queue.clone().open(1).await), ErrorKind::Unreachable);
    assert_eq!(kind(queue.dead_letters().open(1).await), ErrorKind::Unreachable);
    assert_eq!(kind(lent.ack().await), ErrorKind::Unreachable);

    queue.set_reachable(true);
    publish(&queue, [packet("3")]).await;
    comes(&mut subscriber, "3", Duration::ZERO).await.ack().await.unwrap();
    comes(&mut subscriber, "1", LEASE).await.ack().await.unwrap();
}

#[convoke::test]
async fn some_publishes_fail_and_the_next_is_taken() {
    let queue = Memory::queue("orders");
    queue.fail_next(2);
    let taken = queue.publish(&["1", "2", "3"].map(packet)).await;
    assert_eq!(taken.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(queue.packets(), ["3"].map(packet));
}

#[convoke::test]
async fn a_kill_leaves_what_is_durable_and_nothing_else() {
    for durable in [false, true] {
        let mut abilities = Publisher::abilities(&Memory::queue("any"));
        abilities.durable = durable;
        let queue = Memory::queue("orders").with_abilities(abilities);
        let mut subscriber = subscriber(&queue).await;
        publish(&queue, ["1", "2"].map(packet)).await;
        let lent = next(&mut subscriber).await;
        queue.kill();
        assert_eq!(kind(publish_one(&queue, packet("3")).await), ErrorKind::Unreachable);
        queue.set_reachable(true);
        assert_eq!(kind(lent.ack().await), ErrorKind::Lost);
        assert_eq!(queue.waiting(), if durable { 2 } else { 0 });
        publish(&queue, [packet("3")]).await;
        let there = at_once(&mut subscriber).await;
        assert_eq!(ids(&there), if durable { vec!["2", "1", "3"] } else { vec!["3"] });
    }
}

#[convoke::test]
async fn a_restricted_queue_refuses_what_that_server_would() {
    let mut abilities = Abilities::default();
    abilities.delay = Some(SECOND * 900);
    abilities.priority = 9;
    abilities.max_attributes = 1;
    abilities.max_bytes = 100;
    let queue = Memory::queue("orders").with_abilities(abilities);
    assert_eq!(Source::abilities(&queue), abilities);
    let bad = |change: fn(&mut Packet)| {
        let mut packet = packet("bad");
        change(&mut packet);
        packet
    };
    let packets = [
        bad(|packet| packet.delay = SECOND * 901),
        bad(|packet| packet.priority = 10),
        bad(|packet| packet.body = vec![0; 101]),
        bad(|packet| packet.attributes = [("a", "1"), ("b", "2")].into_iter().collect()),
        packet("good"),
    ];
    let kinds: Vec<_> = queue.publish(&packets).await.into_iter().map(|taken| taken.err().map(|e| e.kind())).collect();
    let (unsupported, too_large) = (Some(ErrorKind::Unsupported), Some(ErrorKind::TooLarge));
    assert_eq!(kinds, [unsupported, unsupported, too_large, too_large, None]);
    assert_eq!(kind(queue.group("billing").open(1).await), ErrorKind::Unsupported);

    // It has no leases, holds no retry back, and has nowhere to put dead letters.
    let mut subscriber = subscriber(&queue).await;
    let delivery = next(&mut subscriber).await;
    assert_eq!(delivery.lease(), None);
    delivery.retry_after(SECOND * 60).await.unwrap();
    let delivery = comes(&mut subscriber, "good", Duration::ZERO).await;
    assert_eq!(kind(delivery.dead_letter(DeadReason::Rejected, Vec::new()).await), ErrorKind::Unsupported);
    assert_eq!(comes(&mut subscriber, "good", Duration::ZERO).await.attempt(), 3);
}

#[convoke::test]
async fn a_receive_that_is_dropped_loses_nothing_and_wakes_another() {
    let queue = Memory::queue("orders").wait(SECOND * 20);
    let (mut one, mut other) = (subscriber(&queue).await, subscriber(&queue).await);
    let start = Instant::now();
    let publisher = queue.clone();
    let publishing = async {
        tokio::time::sleep(SECOND).await;
        publish(&publisher, [packet("1")]).await;
    };
    // Woken and dropped in the same turn.
    let dropping = async {
        let mut waiting = std::pin::pin!(one.receive(1));
        let _ = timeout(Duration::ZERO, &mut waiting).await;
        publishing.await;
    };
    let (received, ()) = tokio::join!(other.receive(1), dropping);
    assert_eq!((ids(&received.unwrap()), start.elapsed()), (vec!["1"], SECOND));
}

#[convoke::test]
async fn ten_thousand_of_many_keys_over_many_subscribers_come_once_and_in_order() {
    let queue = Memory::queue("orders");
    let packets = (0..10_000).map(|number: u32| of_key(&number.to_string(), &(number % 97).to_string()));
    publish(&queue, packets).await;
    let mut last = vec![None; 97];
    let mut subscribers = Vec::new();
    for _ in 0..50 {
        subscribers.push(subscriber(&queue).await);
    }
    let mut count = 0;
    while queue.waiting() > 0 {
        for subscriber in &mut subscribers {
            for delivery in at_once(subscriber).await {
                let number: usize = delivery.packet().id.parse().unwrap();
                assert!(last[number % 97].replace(number).is_none_or(|before| before + 97 == number));
                delivery.ack().await.unwrap();
                count += 1;
            }
        }
    }
    assert_eq!(count, 10_000);
}

#[convoke::test]
async fn what_is_taken_out_of_hand_arrives_and_what_is_not_taken_stays_as_it_was() {
    let queue = Memory::queue("orders").capacity(1);
    let mut packets = ["1", "2"].map(packet);
    packets[1].attributes.insert("color", "red");
    let whole = packets.clone();
    queue.fail_next(1);
    let taken = queue.publish_in_hand(&mut packets).await;
    assert_eq!((taken[0].is_ok(), taken[1].is_ok()), (false, true));
    assert_eq!((&packets[0], queue.packets()), (&whole[0], whole[1..].to_vec()));
    let mut subscriber = subscriber(&queue).await;
    next(&mut subscriber).await.ack().await.unwrap();
    // By way of whoever only passes it on.
    let shared = std::sync::Arc::new(queue.clone());
    assert!(shared.publish_in_hand(&mut packets[..1]).await.iter().all(Result::is_ok));
    assert_eq!(queue.packets(), whole[..1]);
}

#[convoke::test]
async fn what_was_lent_and_is_dead_or_comes_again_is_whole() {
    let queue = Memory::queue("orders");
    let mut one = packet("1");
    one.attributes.insert("color", "red");
    publish(&queue, [one.clone()]).await;
    let mut subscriber = subscriber(&queue).await;
    next(&mut subscriber).await.retry_after(Duration::ZERO).await.unwrap();
    let again = next(&mut subscriber).await;
    assert_eq!((again.packet(), again.attempt()), (&one, 2));
    again.dead_letter(convoke::transport::DeadReason::Permanent, vec!["no".into()]).await.unwrap();
    let dead = queue.dead_letters().packets();
    assert_eq!((dead.len(), &dead[0].body, dead[0].attributes.text("color")), (1, &one.body, Some("red")));
}
