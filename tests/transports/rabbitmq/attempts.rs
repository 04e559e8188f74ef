//! What counts as an attempt: what came back without a word, and nothing that was given back.

use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::ShortString;

use super::*;

/// Is lent all there is, and dies of it.
async fn die(server: &RabbitMqServer, name: &str, count: usize) {
    use futures_util::StreamExt;
    let connection = Connection::connect(server.url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.basic_qos(count.try_into().unwrap(), BasicQosOptions::default()).await.unwrap();
    let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut consumer = channel.basic_consume(name.into(), ShortString::default(), options, arguments).await.unwrap();
    for _ in 0..count {
        timeout(LONG, consumer.next()).await.unwrap().unwrap().unwrap();
    }
    connection.close(200, "for a test".into()).await.unwrap();
}

#[tokio::test]
async fn what_whoever_had_it_died_of_is_another_attempt_on_queues_of_either_kind() {
    let server = server().await;
    for is_classic in [false, true] {
        let name = fresh("deaths");
        let builder = queue(server, &name);
        let mut orders = if is_classic { builder.classic() } else { builder }.await.unwrap();
        publish(&orders, &packets(1)).await;
        let mut attempts = Vec::new();
        for _ in 0..4 {
            let delivery = next(&mut orders).await;
            attempts.push(delivery.attempt());
            // Given back as often as anybody likes: put off, paused, drained.
            delivery.release().await.unwrap();
            let delivery = next(&mut orders).await;
            orders.stop_lending().await.unwrap();
            delivery.release().await.unwrap();
            until(async || orders.clone().backlog().await.unwrap() == Some(1)).await;
            die(server, &name, 1).await;
        }
        assert_eq!(attempts, [1, 2, 3, 4], "classic: {is_classic}");
        let delivery = next(&mut orders).await;
        assert_eq!((delivery.attempt(), delivery.packet()), (5, &packets(1)[0]));
        // The attempt that comes after a failure counts on.
        delivery.retry_after(Duration::ZERO).await.unwrap();
        let delivery = next(&mut orders).await;
        assert_eq!(delivery.attempt(), 6);
        delivery.ack().await.unwrap();
        nothing_comes(&mut orders).await;
    }
}

#[tokio::test]
async fn what_nobody_received_is_given_back_at_the_attempt_that_it_was() {
    let server = server().await;
    for is_classic in [false, true] {
        let name = fresh("unseen");
        let builder = queue(server, &name);
        let mut orders = if is_classic { builder.classic() } else { builder }.await.unwrap();
        publish(&orders, &packets(8)).await;
        die(server, &name, 8).await;
        for _ in 0..12 {
            orders.open(8).await.unwrap();
            let delivery = next(&mut orders).await;
            orders.stop_lending().await.unwrap();
            delivery.release().await.unwrap();
        }
        for _ in 0..8 {
            let delivery = next(&mut orders).await;
            assert_eq!(delivery.attempt(), 2, "classic: {is_classic}");
            delivery.ack().await.unwrap();
        }
        nothing_comes(&mut orders).await;
    }
}

/// As it was made with a limit, and everything else as we make it.
fn limited(dead: &str, limit: Option<i32>) -> FieldTable {
    let mut arguments = FieldTable::default();
    for (name, value) in [
        ("x-queue-type", "quorum"),
        ("x-dead-letter-exchange", ""),
        ("x-dead-letter-routing-key", dead),
        ("x-dead-letter-strategy", "at-least-once"),
        ("x-overflow", "reject-publish"),
    ] {
        arguments.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    if let Some(limit) = limit {
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(limit));
    }
    arguments
}

#[tokio::test]
async fn the_limit_of_the_server_is_beyond_every_attempt_or_it_is_said() {
    let server = server().await;
    listen();
    let options = QueueDeclareOptions::durable();
    let said = |name: &str, what: &str| {
        logged().lines().any(|line| line.contains(&format!("rabbitmq:{name}: ")) && line.contains(what))
    };

    // What we make.
    let name = fresh("limit");
    let mut orders = queue(server, &name).await.unwrap();
    let same = limited(&format!("{name}-dead"), Some(110));
    stranger(server).await.queue_declare(name.as_str().into(), options, same).await.unwrap();
    orders.attempts(100);
    orders.open(1).await.unwrap();
    assert!(!said(&name, "x-delivery-limit"));
    orders.attempts(101);
    orders.open(1).await.unwrap();
    assert!(said(&name, "after 110 lendings") && said(&name, "101 attempts need 111"));

    // What somebody else has made.
    let name = fresh("limit");
    let lower = limited(&format!("{name}-dead"), Some(5));
    stranger(server).await.queue_declare(name.as_str().into(), options, lower).await.unwrap();
    let mut orders = queue(server, &name).await.unwrap();
    orders.attempts(3);
    orders.open(1).await.unwrap();
    assert!(said(&name, "make the queue with `x-delivery-limit` 13"));
    publish(&orders, &packets(1)).await;
    next(&mut orders).await.ack().await.unwrap();
}
