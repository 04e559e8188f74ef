//! What the server takes back is lost, and not done.

use super::*;

/// Two seconds for a listener, and the server looks every second; from 4.3 on it looks when it is time.
const IMPATIENT: &str = "-rabbit consumer_timeout 2000 -rabbit channel_tick_interval 1000";

async fn what_took_too_long_is_lost(server: RabbitMqServer) {
    let mut orders = queue(&server, "slow").await.unwrap();
    publish(&orders, &packets(3)).await;
    orders.open(2).await.unwrap();
    let mut held = Vec::new();
    while held.len() < 2 {
        held.append(&mut orders.receive(2).await.unwrap());
    }
    // Nobody asks for more: both are worked on.
    let mut other = orders.clone();
    let again = next(&mut other).await;
    assert_eq!(again.packet().id, "id-2");
    again.ack().await.unwrap();
    other.open(2).await.unwrap();
    let mut again = next(&mut other).await;
    while again.packet().id != held[0].packet().id {
        again.ack().await.unwrap();
        again = next(&mut other).await;
    }
    assert_eq!(again.attempt(), 2);

    for late in held {
        let error = late.ack().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Lost, "{error}");
        assert!(error.to_string().contains("consumer_timeout") && error.to_string().contains("listener"), "{error}");
        assert!(!error.to_string().contains("password"), "{error}");
    }
    // Whoever asks goes on, over another channel.
    again.ack().await.unwrap();
    drop(other);
    publish(&orders, &packets(1)).await;
    drain(&mut orders, 1).await;
    until(async || orders.backlog().await.unwrap() == Some(0)).await;
}

#[tokio::test]
async fn what_took_longer_than_the_server_waits_is_lost() {
    what_took_too_long_is_lost(RabbitMqServer::configured(IMPATIENT).await.unwrap()).await;
}

/// It ends the consumer, keeps the channel, and takes late acknowledgements without a word.
#[tokio::test]
async fn what_took_longer_than_the_server_waits_is_lost_on_4_3() {
    if !super::is_newer_asked_for() {
        return println!("not tried: only with `tests/run --full`");
    }
    what_took_too_long_is_lost(RabbitMqServer::newer(IMPATIENT).await.unwrap()).await;
}

#[tokio::test]
async fn what_was_lent_of_a_deleted_queue_is_lost() {
    let server = server().await;
    let name = fresh("gone");
    let mut orders = queue(server, &name).await.unwrap();
    publish(&orders, &packets(1)).await;
    let delivery = next(&mut orders).await;
    stranger(server).await.queue_delete(name.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    // The word of it may come later than that of the other connection.
    sleep(Duration::from_millis(500)).await;
    let error = delivery.ack().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lost);
    assert!(error.to_string().contains(&format!("the queue `{name}` was deleted")), "{error}");
}

#[tokio::test]
async fn quorum_queues_of_4_3_deliver_the_higher_priorities_first() {
    if !super::is_newer_asked_for() {
        return println!("not tried: only with `tests/run --full`");
    }
    let server = RabbitMqServer::newer("").await.unwrap();
    let mut orders = queue(&server, "priorities").priorities(31).await.unwrap();
    assert_eq!(Source::abilities(&orders).priority, 31);
    let mut some = packets(5);
    for (packet, priority) in some.iter_mut().zip([0, 31, 9, 31, 3]) {
        packet.priority = priority;
    }
    publish(&orders, &some).await;
    // What somebody publishes without one is a 4.
    let (options, properties) =
        (BasicPublishOptions::default(), BasicProperties::default().with_message_id("x".into()));
    let channel = stranger(&server).await;
    let bare = channel.basic_publish("".into(), "priorities".into(), options, b"", properties).await.unwrap();
    bare.await.unwrap();
    let mut seen = Vec::new();
    orders.open(1).await.unwrap();
    for _ in 0..6 {
        let delivery = next(&mut orders).await;
        seen.push(delivery.packet().id.clone());
        delivery.ack().await.unwrap();
    }
    assert_eq!(seen, ["id-1", "id-3", "id-2", "x", "id-4", "id-0"]);
    let error = queue(&server, "priorities").priorities(32).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unsupported && error.to_string().contains("0 to 31"), "{error}");
}
