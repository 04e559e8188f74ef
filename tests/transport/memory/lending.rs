//! What is lent, and what becomes of it.

use super::*;

#[convoke::test]
async fn what_is_published_comes_as_it_was_and_in_its_order() {
    let queue = Memory::queue("orders");
    let mut rich = packet("1");
    rich.topic = "orders/placed".to_owned();
    rich.attributes.insert("entityName", "Bestellung ü 😀");
    rich.attributes.insert("empty", "");
    publish(&queue, [rich.clone(), packet("2"), packet("3")]).await;
    assert_eq!((queue.waiting(), queue.lent(), queue.published()), (3, 0, 3));

    let mut subscriber = subscriber(&queue).await;
    let deliveries = at_once(&mut subscriber).await;
    assert_eq!(ids(&deliveries), ["1", "2", "3"]);
    assert_eq!((deliveries[0].packet(), deliveries[0].attempt()), (&rich, 1));
    assert_eq!((deliveries[0].source(), deliveries[0].lease()), ("memory:orders", Some(LEASE)));
    assert_eq!((queue.waiting(), queue.lent()), (0, 3));
    for delivery in deliveries {
        delivery.ack().await.unwrap();
    }
    assert_eq!((queue.waiting(), queue.lent()), (0, 0));
}

#[convoke::test]
async fn two_queues_of_one_name_are_two_queues() {
    let queue = Memory::queue("orders");
    publish(&queue, [packet("1")]).await;
    assert_eq!((queue.waiting(), Memory::queue("orders").waiting()), (1, 0));
}

#[convoke::test]
async fn a_receive_that_waits_is_woken_and_one_for_nothing_ends_after_its_wait() {
    let queue = Memory::queue("orders").wait(SECOND * 7);
    let mut subscriber = subscriber(&queue).await;
    let start = Instant::now();
    assert!(subscriber.receive(1).await.unwrap().is_empty());
    assert_eq!(start.elapsed(), SECOND * 7);

    let publisher = queue.clone();
    let later = async {
        tokio::time::sleep(SECOND * 2).await;
        publish(&publisher, [packet("1")]).await;
    };
    let start = Instant::now();
    let (received, ()) = tokio::join!(subscriber.receive(1), later);
    assert_eq!((ids(&received.unwrap()), start.elapsed()), (vec!["1"], SECOND * 2));
}

#[convoke::test]
async fn a_packet_with_a_delay_comes_when_it_is_over() {
    let queue = Memory::queue("orders").wait(SECOND * 20);
    let mut subscriber = subscriber(&queue).await;
    let mut late = packet("late");
    late.delay = SECOND * 5;
    publish(&queue, [late, packet("now")]).await;
    comes(&mut subscriber, "now", Duration::ZERO).await.ack().await.unwrap();
    assert_eq!(queue.waiting(), 1);
    comes(&mut subscriber, "late", SECOND * 5).await.ack().await.unwrap();
}

#[convoke::test]
async fn a_sooner_delay_wakes_who_waits_for_a_later_one() {
    let queue = Memory::queue("orders").wait(SECOND * 20);
    let (mut one, mut other) = (subscriber(&queue).await, subscriber(&queue).await);
    let delayed = |id: &str, by| {
        let mut packet = packet(id);
        packet.delay = by;
        packet
    };
    publish(&queue, [delayed("later", SECOND * 10)]).await;
    let publisher = queue.clone();
    let start = Instant::now();
    let first = async {
        // Whoever was told of the sooner one leaves: the other one has to know.
        let _ = timeout(SECOND * 2, one.receive(1)).await;
    };
    let second = async {
        let received = other.receive(1).await.unwrap();
        assert_eq!((ids(&received), start.elapsed()), (vec!["sooner"], SECOND * 5));
    };
    let publishing = async {
        tokio::time::sleep(SECOND).await;
        publish(&publisher, [delayed("sooner", SECOND * 4)]).await;
    };
    tokio::join!(first, second, publishing);
}

#[convoke::test]
async fn what_is_retried_comes_again_after_its_time_as_another_attempt() {
    let queue = Memory::queue("orders");
    let mut subscriber = subscriber(&queue).await;
    publish(&queue, [packet("1")]).await;
    for attempt in 1..=5 {
        let delivery = next(&mut subscriber).await;
        assert_eq!(delivery.attempt(), attempt);
        delivery.retry_after(SECOND * attempt * 100).await.unwrap();
        comes(&mut subscriber, "1", SECOND * attempt * 100).await.release().await.unwrap();
    }
}

#[convoke::test]
async fn what_is_retried_at_once_goes_behind_the_others_and_what_is_released_to_its_place() {
    let queue = Memory::queue("orders");
    let mut subscriber = subscriber(&queue).await;
    publish(&queue, ["1", "2", "3"].map(packet)).await;
    next(&mut subscriber).await.release().await.unwrap();
    let first = comes(&mut subscriber, "1", Duration::ZERO).await;
    assert_eq!(first.attempt(), 1);
    first.retry_after(Duration::ZERO).await.unwrap();
    assert_eq!(ids(&at_once(&mut subscriber).await), ["2", "3", "1"]);
}

#[convoke::test]
async fn a_dropped_delivery_comes_back_and_was_no_attempt() {
    let queue = Memory::queue("orders");
    let mut subscriber = subscriber(&queue).await;
    publish(&queue, [packet("1")]).await;
    drop(next(&mut subscriber).await);
    let again = comes(&mut subscriber, "1", Duration::ZERO).await;
    assert_eq!(again.attempt(), 1);
}

#[convoke::test]
async fn nothing_of_a_key_comes_while_an_earlier_one_is_out() {
    let queue = Memory::queue("orders");
    let mut subscriber = subscriber(&queue).await;
    publish(&queue, [of_key("a1", "a"), of_key("b1", "b"), of_key("a2", "a"), of_key("b2", "b"), packet("none")]).await;
    let mut first = at_once(&mut subscriber).await;
    assert_eq!(ids(&first), ["a1", "b1", "none"]);
    assert!(at_once(&mut subscriber).await.is_empty(), "a1 and b1 are lent");

    // Waiting for its retry, it still holds up the next one of its key, and no other key.
    first.remove(0).retry_after(SECOND * 9).await.unwrap();
    first.remove(0).ack().await.unwrap();
    let b2 = comes(&mut subscriber, "b2", Duration::ZERO).await;
    assert!(at_once(&mut subscriber).await.is_empty(), "a1 waits for its retry");
    let a1 = comes(&mut subscriber, "a1", SECOND * 9).await;
    assert!(at_once(&mut subscriber).await.is_empty(), "a1 is lent again");
    a1.dead_letter(DeadReason::Permanent, Vec::new()).await.unwrap();
    comes(&mut subscriber, "a2", Duration::ZERO).await.ack().await.unwrap();
    b2.ack().await.unwrap();
}

#[convoke::test]
async fn a_delayed_packet_holds_up_what_comes_behind_it_in_its_key() {
    let queue = Memory::queue("orders");
    let mut subscriber = subscriber(&queue).await;
    let mut first = of_key("1", "a");
    first.delay = SECOND * 3;
    let mut second = of_key("2", "a");
    second.delay = SECOND * 5;
    publish(&queue, [first, second, of_key("3", "a")]).await;
    comes(&mut subscriber, "1", SECOND * 3).await.ack().await.unwrap();
    comes(&mut subscriber, "2", SECOND * 2).await.ack().await.unwrap();
    comes(&mut subscriber, "3", Duration::ZERO).await.ack().await.unwrap();
}

#[convoke::test]
async fn without_order_keys_mean_nothing() {
    let queue = Memory::queue("orders").with_abilities(Abilities::default());
    let mut subscriber = subscriber(&queue).await;
    publish(&queue, [of_key("1", "a"), of_key("2", "a")]).await;
    assert_eq!(ids(&at_once(&mut subscriber).await), ["1", "2"]);
}

#[convoke::test]
async fn the_highest_priority_comes_first_and_in_one_priority_the_first() {
    let queue = Memory::queue("orders");
    let of = |id: &str, priority| {
        let mut packet = packet(id);
        packet.priority = priority;
        packet
    };
    publish(&queue, [of("low", 0), of("high", 255), of("mid", 7), of("high too", 255)]).await;
    assert_eq!(ids(&at_once(&mut subscriber(&queue).await).await), ["high", "high too", "mid", "low"]);
}

#[convoke::test]
async fn each_group_gets_everything_and_those_of_one_group_share() {
    let queue = Memory::queue("orders");
    let (billing, shipping) = (queue.group("billing"), queue.group("shipping"));
    assert_eq!(Source::name(&billing), "memory:orders/billing");
    publish(&billing, ["1", "2"].map(packet)).await;

    let (mut one, mut other) = (subscriber(&billing).await, subscriber(&billing).await);
    let (first, second) = (next(&mut one).await, next(&mut other).await);
    assert_eq!((first.packet().id.as_str(), second.packet().id.as_str()), ("1", "2"));
    assert_eq!(ids(&at_once(&mut subscriber(&shipping).await).await), ["1", "2"]);
    assert_eq!((billing.waiting(), shipping.waiting(), queue.waiting()), (0, 2, 2), "those of shipping were dropped");
}

#[convoke::test]
async fn a_group_made_later_begins_with_what_the_default_one_still_has() {
    let queue = Memory::queue("orders");
    publish(&queue, ["1", "2", "3"].map(packet)).await;
    let mut subscriber_of_all = subscriber(&queue).await;
    next(&mut subscriber_of_all).await.ack().await.unwrap();
    next(&mut subscriber_of_all).await.retry_after(SECOND * 60).await.unwrap();

    let late = queue.group("late");
    let deliveries = at_once(&mut subscriber(&late).await).await;
    assert_eq!(ids(&deliveries), ["2", "3"]);
    assert!(deliveries.iter().all(|delivery| delivery.attempt() == 1));
    assert_eq!(queue.group("late").lent(), 2, "the same group");
}

#[convoke::test]
async fn a_dead_letter_has_its_record_and_is_redriven() {
    let queue = Memory::queue("orders").deduplicate(SECOND * 60);
    let mut subscriber = subscriber(&queue).await;
    let mut poison = of_key("1", "a");
    poison.priority = 3;
    poison.attributes.insert("entityName", "Order");
    publish(&queue, [poison.clone()]).await;
    next(&mut subscriber).await.retry_after(Duration::ZERO).await.unwrap();
    let errors = vec!["no such order".to_owned(), "404".to_owned()];
    next(&mut subscriber).await.dead_letter(DeadReason::Exhausted, errors.clone()).await.unwrap();
    assert_eq!((queue.waiting(), queue.lent()), (0, 0));

    let dead = queue.dead_letters();
    assert_eq!((Source::name(&dead), dead.waiting()), ("memory:orders-dead", 1));
    let record = DeadLetterRecord::of(&dead.packets()[0]).unwrap();
    assert_eq!((record.reason, record.attempts, &*record.source), (DeadReason::Exhausted, 2, "memory:orders"));
    assert_eq!(record.errors, errors);
    assert_eq!(dead.packets()[0].body, poison.body);

    // Its id was there a moment ago, which must not swallow it.
    let redriven = redrive(&mut queue.dead_letters(), &queue, usize::MAX).await.unwrap();
    assert_eq!((redriven.moved, redriven.kept, dead.waiting()), (1, 0, 0));
    let again = next(&mut subscriber).await;
    assert_ne!(again.packet().id, poison.id, "a new one");
    poison.id = again.packet().id.clone();
    assert_eq!((again.packet(), again.attempt()), (&poison, 1));
}

#[convoke::test]
async fn a_queue_is_not_redriven_into_itself() {
    let queue = Memory::queue("orders");
    publish(&queue, [packet("1")]).await;
    let error = redrive(&mut queue.clone(), &queue, usize::MAX).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().starts_with("memory:orders: it would be redriven into itself"), "{error}");
    assert_eq!((queue.waiting(), queue.lent(), queue.published()), (1, 0, 1));
}

#[convoke::test]
async fn of_a_key_one_publish_takes_nothing_behind_what_it_did_not_take_if_it_says_so() {
    for takes_in_order in [false, true] {
        let queue = Memory::queue("orders");
        let mut abilities = Publisher::abilities(&queue);
        abilities.takes_in_order = takes_in_order;
        let queue = queue.with_abilities(abilities);
        queue.fail_next(1);
        let packets = [of_key("1", "a"), of_key("2", "b"), of_key("3", "a"), packet("4")];
        let taken: Vec<_> = queue.publish(&packets).await.iter().map(Result::is_ok).collect();
        assert_eq!(taken, [false, true, !takes_in_order, true]);
    }
}

#[convoke::test]
async fn a_lease_that_runs_out_gives_the_delivery_to_another_and_the_receipt_is_worth_nothing() {
    let queue = Memory::queue("orders").lease(SECOND * 10);
    let (mut one, mut other) = (subscriber(&queue).await, subscriber(&queue).await);
    publish(&queue, [packet("1")]).await;
    let mut stale = next(&mut one).await;
    let again = comes(&mut other, "1", SECOND * 10).await;
    assert_eq!(again.attempt(), 2);
    assert_eq!(kind(stale.extend(SECOND).await), ErrorKind::Lost);
    assert_eq!(kind(stale.ack().await), ErrorKind::Lost);
    assert_eq!((queue.waiting(), queue.lent()), (0, 1), "the stale receipt has changed nothing");
    again.ack().await.unwrap();
}

#[convoke::test]
async fn a_lease_has_run_out_though_nobody_has_looked() {
    let queue = Memory::queue("orders").lease(SECOND * 10);
    let mut subscriber = subscriber(&queue).await;
    publish(&queue, [packet("1")]).await;
    let stale = next(&mut subscriber).await;
    tokio::time::sleep(SECOND * 10).await;
    assert_eq!(kind(stale.ack().await), ErrorKind::Lost);
    assert_eq!(queue.waiting(), 1);
}

#[convoke::test]
async fn an_extended_lease_lasts_from_then() {
    let queue = Memory::queue("orders").lease(SECOND * 10);
    let (mut one, mut other) = (subscriber(&queue).await, subscriber(&queue).await);
    publish(&queue, [packet("1")]).await;
    let mut delivery = next(&mut one).await;
    for _ in 0..10 {
        tokio::time::sleep(SECOND * 9).await;
        delivery.extend(SECOND * 10).await.unwrap();
    }
    assert!(at_once(&mut other).await.is_empty());
    // It may also end sooner, and who waits is told.
    let watching = async { comes(&mut other, "1", SECOND * 3).await };
    let shortening = async {
        tokio::time::sleep(SECOND).await;
        delivery.extend(SECOND * 2).await.unwrap();
    };
    let (again, ()) = tokio::join!(watching, shortening);
    assert_eq!((again.attempt(), kind(delivery.ack().await)), (2, ErrorKind::Lost));
}

#[convoke::test]
async fn a_subscriber_has_no_more_than_its_prefetch_at_once() {
    let queue = Memory::queue("orders").lease(SECOND * 5).wait(SECOND * 20);
    publish(&queue, ["1", "2", "3", "4"].map(packet)).await;
    let mut subscriber = queue.clone();
    subscriber.open(2).await.unwrap();
    let mut first = at_once(&mut subscriber).await;
    assert_eq!(ids(&first), ["1", "2"]);
    assert!(at_once(&mut subscriber).await.is_empty());
    first.remove(0).ack().await.unwrap();
    let third = comes(&mut subscriber, "3", Duration::ZERO).await;
    // A lease that has run out makes room as well.
    comes(&mut subscriber, "4", SECOND * 5).await.ack().await.unwrap();
    assert_eq!(kind(third.ack().await), ErrorKind::Lost);
}

#[convoke::test]
async fn whoever_is_closed_is_lent_nothing_and_has_nothing_any_more() {
    let queue = Memory::queue("orders");
    let (mut one, mut other) = (subscriber(&queue).await, subscriber(&queue).await);
    publish(&queue, ["1", "2"].map(packet)).await;
    let lent = next(&mut one).await;
    let kept = next(&mut other).await;
    one.close().await.unwrap();
    assert_eq!(kind(one.receive(1).await), ErrorKind::Closed);
    assert_eq!(kind(lent.ack().await), ErrorKind::Lost);
    assert_eq!(comes(&mut other, "1", Duration::ZERO).await.attempt(), 2);
    kept.ack().await.unwrap();
    one.open(1).await.unwrap();
    comes(&mut one, "1", Duration::ZERO).await.ack().await.unwrap();
}

#[convoke::test]
async fn what_a_dropped_subscriber_was_lent_comes_after_its_lease_or_at_once_if_there_is_none() {
    let leased = Memory::queue("leased").lease(SECOND * 10);
    let connected = Memory::queue("connected").with_abilities(Abilities::default());
    for (queue, wait) in [(leased, SECOND * 10), (connected, Duration::ZERO)] {
        let mut gone = subscriber(&queue).await;
        publish(&queue, [packet("1")]).await;
        let lent = next(&mut gone).await;
        drop(gone);
        comes(&mut subscriber(&queue).await, "1", wait).await.ack().await.unwrap();
        assert_eq!(kind(lent.ack().await), ErrorKind::Lost);
    }
}
