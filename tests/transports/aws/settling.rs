//! Delays, attempts, groups and dead letters.

use super::*;

#[tokio::test]
async fn a_delay_is_kept_and_one_that_is_too_long_is_refused() {
    let server = server().await;
    let config = server.config();
    let mut queue = orders(&config).await.unwrap();
    let fifo = orders(&config).fifo().await.unwrap();
    let after = |seconds: u64| {
        let mut packet = Packet::new(seconds.to_string(), seconds.to_string());
        packet.delay = Duration::from_secs(seconds);
        packet
    };
    let results = queue.publish(&[after(1), after(900), after(901)]).await;
    assert!(results[0].is_ok() && results[1].is_ok());
    assert_eq!(results[2].as_ref().unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(fifo.publish(&[after(1)]).await[0].as_ref().unwrap_err().kind(), ErrorKind::Unsupported);
    queue.open(10).await.unwrap();
    let start = Instant::now();
    assert_eq!(body(&next(&mut queue).await), "1");
    assert!(start.elapsed() > Duration::from_millis(500), "it came too early");
    assert_eq!(queue.backlog().await.unwrap(), Some(1));
}

#[tokio::test]
async fn attempts_are_counted_by_the_server_and_a_release_is_none() {
    let server = server().await;
    let config = server.config();
    for fifo in [false, true] {
        let queue = if fifo { orders(&config).fifo() } else { orders(&config) };
        let mut queue = queue.lease(Duration::from_secs(2)).await.unwrap();
        queue.open(10).await.unwrap();
        publish(&queue, &packets(1)).await;
        next(&mut queue).await.release().await.unwrap();
        let delivery = next(&mut queue).await;
        assert_eq!(delivery.attempt(), 1);
        drop(delivery);
        let delivery = next(&mut queue).await;
        assert_eq!(delivery.attempt(), 1);
        delivery.retry_after(Duration::from_millis(1)).await.unwrap();
        // Another handle counts with the server, as another process would.
        let mut other = if fifo { orders(&config).fifo() } else { orders(&config) }.await.unwrap();
        other.open(10).await.unwrap();
        let delivery = next(&mut other).await;
        assert_eq!(delivery.attempt(), 4);
        delivery.retry_after(Duration::ZERO).await.unwrap();
        // This one is lent for 2 s, and its lease runs out.
        let lost = next(&mut queue).await;
        assert_eq!(lost.attempt(), 3);
        let mut again = next(&mut queue).await;
        assert_eq!(again.attempt(), 4);
        assert_eq!(lost.ack().await.unwrap_err().kind(), ErrorKind::Lost);
        for _ in 0..3 {
            again.extend(Duration::from_secs(2)).await.unwrap();
            sleep(Duration::from_secs(1)).await;
        }
        again.ack().await.unwrap();
        assert_empty(&config, if fifo { "orders.fifo" } else { "orders" }).await;
    }
}

#[tokio::test]
async fn a_fifo_queue_hands_out_one_of_each_group_and_a_retry_holds_up_its_group() {
    let server = server().await;
    let config = server.config();
    let mut queue = orders(&config).fifo().await.unwrap();
    queue.open(100).await.unwrap();
    let keyed = |key: &str, n: usize| {
        let mut packet = Packet::new(format!("{key}{n}"), format!("{key}{n}"));
        packet.key = Some(key.to_owned());
        packet
    };
    let all: Vec<_> = (0..8).flat_map(|n| [keyed("a", n), keyed("b", n)]).collect();
    publish(&queue, &all).await;
    publish(&queue, &all).await; // known by their ids

    let (mut seen, mut failed) = (Vec::new(), false);
    let deadline = Instant::now() + LONG;
    while seen.len() < 16 {
        assert!(Instant::now() < deadline, "only {seen:?} came");
        let lent = queue.receive(100).await.unwrap();
        let keys: BTreeSet<_> = lent.iter().map(|delivery| delivery.packet().key.clone()).collect();
        assert_eq!(keys.len(), lent.len(), "two of a key at once");
        for delivery in lent {
            if body(&delivery) == "a3" && !failed {
                failed = true;
                delivery.retry_after(Duration::from_secs(1)).await.unwrap();
                continue;
            }
            assert_eq!(delivery.attempt(), if body(&delivery) == "a3" { 2 } else { 1 }, "{}", body(&delivery));
            seen.push(body(&delivery));
            delivery.ack().await.unwrap();
        }
    }
    for key in ["a", "b"] {
        let of: Vec<_> = seen.iter().filter(|body| body.starts_with(key)).cloned().collect();
        assert_eq!(of, (0..8).map(|n| format!("{key}{n}")).collect::<Vec<_>>());
    }
    assert_empty(&config, "orders.fifo").await;
}

#[tokio::test]
async fn who_waits_for_its_group_stays_lent_while_the_first_is_extended() {
    let server = server().await;
    let mut queue = orders(&server.config()).fifo().group_id("all").lease(Duration::from_secs(2)).await.unwrap();
    queue.open(10).await.unwrap();
    publish(&queue, &packets(3)).await;
    let mut first = next(&mut queue).await;
    for _ in 0..4 {
        sleep(Duration::from_secs(1)).await;
        first.extend(Duration::from_secs(2)).await.unwrap();
    }
    first.ack().await.unwrap();
    for n in [1, 2] {
        let delivery = next(&mut queue).await;
        assert_eq!((body(&delivery), delivery.attempt()), (format!("body {n}"), 1));
        assert!(delivery.lease().unwrap() > Duration::from_millis(500));
        delivery.ack().await.unwrap();
    }
}

#[tokio::test]
async fn dead_letters_keep_all_and_a_fifo_queue_takes_them_twice_within_its_window() {
    let server = server().await;
    let config = server.config();
    for fifo in [false, true] {
        let builder = || if fifo { orders(&config).fifo() } else { orders(&config) };
        let mut queue = builder().dead_letter_queue("orders-dead").await.unwrap();
        let dead = Sqs::queue("orders-dead").config(&config).wait(WAIT);
        let mut dead = if fifo { dead.fifo() } else { dead }.await.unwrap();
        queue.open(10).await.unwrap();
        let mut letters = strange();
        for n in 0..2 {
            letters[0].attributes.insert(format!("more{n}"), "x");
        }
        letters[0].attributes.remove("none");
        for letter in letters {
            publish(&queue, std::slice::from_ref(&letter)).await;
            for _ in 0..2 {
                let delivery = next(&mut queue).await;
                assert_eq!(delivery.attempt(), 1);
                delivery.dead_letter(DeadReason::Rejected, vec!["no".to_owned()]).await.unwrap();
                let moved = redrive(&mut dead, &queue, 10).await.unwrap();
                assert_eq!((moved.moved, moved.kept), (1, 0));
            }
            let delivery = next(&mut queue).await;
            assert_eq!(delivery.packet().body, letter.body);
            assert_eq!(delivery.packet().attributes, letter.attributes);
            if fifo {
                assert_eq!(delivery.packet().key, letter.key);
            }
            delivery.dead_letter(DeadReason::Exhausted, vec!["why".to_owned()]).await.unwrap();
            dead.open(1).await.unwrap();
            let there = next(&mut dead).await;
            let record = DeadLetterRecord::of(there.packet()).unwrap();
            assert_eq!(
                (record.reason, record.errors, record.attempts),
                (DeadReason::Exhausted, vec!["why".to_owned()], 1)
            );
            there.ack().await.unwrap();
        }
        assert_empty(&config, if fifo { "orders.fifo" } else { "orders" }).await;
    }
}

#[tokio::test]
async fn a_dead_letter_without_a_queue_is_an_error_and_not_lost() {
    let server = server().await;
    // A queue of dead letters has none of its own.
    let queue = Sqs::queue("orders-dead").config(&server.config()).wait(WAIT).create_if_missing();
    let mut queue = queue.lease(Duration::from_secs(1)).await.unwrap();
    assert!(Source::abilities(&queue).demand("sqs", Demand::DeadLetters).is_err());
    queue.open(1).await.unwrap();
    publish(&queue, &packets(1)).await;
    let error = next(&mut queue).await.dead_letter(DeadReason::Broken, Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    next(&mut queue).await.ack().await.unwrap();
}

#[tokio::test]
async fn what_sqs_itself_has_moved_is_redriven_too() {
    let server = server().await;
    let config = server.config();
    let mut queue = orders(&config).fifo().dead_letter_queue("orders-dead").redrive_policy(2).await.unwrap();
    let mut dead = Sqs::queue("orders-dead.fifo").config(&config).wait(WAIT).await.unwrap();
    queue.open(1).await.unwrap();
    dead.open(1).await.unwrap();
    publish(&queue, &packets(1)).await;
    for _ in 0..2 {
        next(&mut queue).await.retry_after(Duration::ZERO).await.unwrap();
    }
    assert!(queue.receive(1).await.unwrap().is_empty());
    let deadline = Instant::now() + LONG;
    while redrive(&mut dead, &queue, 1).await.unwrap().moved == 0 {
        assert!(Instant::now() < deadline, "it was never moved");
    }
    let delivery = next(&mut queue).await;
    assert_eq!((body(&delivery).as_str(), delivery.attempt()), ("body 0", 1));
    delivery.ack().await.unwrap();
}
