//! What is published and delivered: bytes, attributes, batches, names and filters.

use super::*;

#[tokio::test]
async fn what_is_published_comes_whole_and_is_deleted_when_it_is_done() {
    let (server, topics) = (server().await, [false, true]);
    for fifo in topics {
        let config = server.config();
        let queue = if fifo { orders(&config).fifo() } else { orders(&config) };
        let mut queue = queue.await.unwrap();
        queue.open(10).await.unwrap();
        for packet in strange() {
            publish(&queue, std::slice::from_ref(&packet)).await;
            let delivery = next(&mut queue).await;
            let there = delivery.packet();
            assert_eq!(there.body, packet.body);
            assert_eq!(there.attributes, packet.attributes);
            if fifo {
                assert_eq!((&there.id, &there.key), (&packet.id, &packet.key));
            }
            assert_eq!(delivery.attempt(), 1);
            delivery.ack().await.unwrap();
        }
        assert_empty(&config, if fifo { "orders.fifo" } else { "orders" }).await;
    }
}

#[tokio::test]
async fn what_sns_delivers_is_read_raw_and_wrapped() {
    let server = server().await;
    for (raw, fifo) in [(true, false), (false, false), (true, true), (false, true)] {
        let config = server.config();
        let (topic, queue) = (Sns::topic("events").config(&config).create_if_missing(), orders(&config));
        let (topic, queue) = if fifo { (topic.fifo(), queue.fifo()) } else { (topic, queue) };
        let (topic, mut queue) = (topic.await.unwrap(), queue.await.unwrap());
        topic.subscribe(&queue).raw(raw).await.unwrap();
        queue.open(10).await.unwrap();
        for packet in strange() {
            publish(&topic, std::slice::from_ref(&packet)).await;
            let delivery = next(&mut queue).await;
            assert_eq!(delivery.packet().body, packet.body, "raw {raw}");
            assert_eq!(delivery.packet().attributes, packet.attributes, "raw {raw}");
            if fifo {
                assert_eq!(delivery.packet().key, packet.key, "raw {raw}");
            }
            delivery.ack().await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_only_looks_like_a_notification_stays_as_it_is() {
    let server = server().await;
    let mut queue = orders(&server.config()).await.unwrap();
    queue.open(10).await.unwrap();
    for text in [
        r#"{"Type":"SubscriptionConfirmation","TopicArn":"arn","MessageId":"m","SubscribeURL":"http://127.0.0.1:9/","Message":"\"Notification\""}"#,
        r#"{"Type":"Notification","TopicArn":"arn","MessageId":"m"}"#,
        r#"{"Type":"Notification","TopicArn":"arn","#,
        r#"["Notification",{"TopicArn":1}]"#,
    ] {
        publish(&queue, &[Packet::new("id", text)]).await;
        let delivery = next(&mut queue).await;
        assert_eq!(body(&delivery), text);
        delivery.ack().await.unwrap();
    }
}

#[tokio::test]
async fn batches_are_filled_and_what_is_too_large_fails_alone() {
    let server = server().await;
    let config = server.config();
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    let mut queue = orders(&config).endpoint(proxy.endpoint()).await.unwrap();
    // Counts the requests: a fault that happens to none would count none.
    let requests = async |packets: &[Packet]| {
        let before = proxy.seen("AmazonSQS.SendMessageBatch");
        let results = queue.publish(packets).await;
        (proxy.seen("AmazonSQS.SendMessageBatch") - before, results)
    };
    let of = |bytes: usize| Packet::new("id", vec![b'x'; bytes]);
    let (count, results) = requests(&[of(MAX_BYTES)]).await;
    assert!(count == 1 && results[0].is_ok());
    let (count, results) = requests(&[of(MAX_BYTES - 1), of(1)]).await;
    assert!(count == 1 && results.iter().all(Result::is_ok));
    let (count, results) = requests(&[of(MAX_BYTES - 1), of(2)]).await;
    assert!(count == 2 && results.iter().all(Result::is_ok));
    let (count, results) = requests(&[of(1), of(MAX_BYTES + 1), of(1)]).await;
    assert!(count == 1 && results[0].is_ok() && results[2].is_ok());
    assert_eq!(results[1].as_ref().unwrap_err().kind(), ErrorKind::TooLarge);
    // As base64 it is too large.
    let (count, results) = requests(&[Packet::new("id", vec![0; MAX_BYTES])]).await;
    assert!(count == 0 && results[0].as_ref().unwrap_err().kind() == ErrorKind::TooLarge);
    let (count, results) = requests(&packets(11)).await;
    assert!(count == 2 && results.iter().all(Result::is_ok));
    let (count, results) = requests(&[]).await;
    assert!(count == 0 && results.is_empty());
    queue.open(10).await.unwrap();
    assert_eq!(drain(&mut queue, 7 + 11).await.len(), 18);
    assert_empty(&config, "orders").await;
}

#[tokio::test]
async fn ten_attributes_pass_and_eleven_are_refused_before_they_are_sent() {
    let server = server().await;
    let config = server.config();
    let queue = orders(&config).await.unwrap();
    let topic = Sns::topic("events").config(&config).create_if_missing().await.unwrap();
    let with = |count: usize, body: &[u8]| {
        let mut packet = Packet::new("id", body);
        packet.attributes = (0..count).map(|n| (format!("a{n}"), "x")).collect();
        packet
    };
    let publishers: [&dyn Publisher; 2] = [&queue, &topic];
    for publisher in publishers {
        let results = publisher.publish(&[with(10, b"x"), with(11, b"x"), with(9, b"\xff"), with(10, b"\xff")]).await;
        assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
        for at in [1, 3] {
            assert_eq!(results[at].as_ref().unwrap_err().kind(), ErrorKind::TooLarge);
        }
    }
}

#[tokio::test]
async fn names_that_are_not_taken_are_refused_before_they_are_sent() {
    let server = server().await;
    let queue = orders(&server.config()).await.unwrap();
    for name in ["", "ä", "a b", ".a", "a.", "a..b", "AWS.a", "amazon.a", &"a".repeat(257)] {
        let mut packet = Packet::new("id", "x");
        packet.attributes.insert(name, "x");
        let error = queue.publish(&[packet]).await.remove(0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}");
    }
    let mut packet = Packet::new("id", "x");
    packet.attributes.insert("a".repeat(256), "x");
    publish(&queue, &[packet]).await;
}

#[tokio::test]
async fn filter_policies_choose_by_attributes_and_can_be_changed() {
    let server = server().await;
    let config = server.config();
    let topic = Sns::topic("events").config(&config).create_if_missing().await.unwrap();
    let mut placed = Sqs::queue("placed").config(&config).wait(WAIT).create_if_missing().await.unwrap();
    let mut users = Sqs::queue("users").config(&config).wait(WAIT).create_if_missing().await.unwrap();
    let first = topic.subscribe(&placed).filter("eventName", ["OrderPlaced"]).filter("entityName", ["Order"]).await;
    let again = topic.subscribe(&placed).filter("eventName", ["OrderPlaced"]).filter("entityName", ["Order"]).await;
    assert_eq!(first.unwrap(), again.unwrap());
    topic.subscribe(&users).filter_policy(r#"{"age":[{"numeric":[">=",18]}],"tags":["b"]}"#).unwrap().await.unwrap();
    let error = topic.subscribe(&users).filter_policy("[]").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);

    let mut order = Packet::new("1", "order");
    order.attributes = [("eventName", "OrderPlaced"), ("entityName", "Order")].into_iter().collect();
    let mut other = Packet::new("2", "other");
    other.attributes = [("eventName", "OrderPlaced"), ("entityName", "Invoice")].into_iter().collect();
    let mut user = Packet::new("3", "user");
    user.attributes.insert("age", 18_u64);
    user.attributes.insert("tags", ["a", "b"]);
    let mut child = Packet::new("4", "child");
    child.attributes.insert("age", 17_u64);
    child.attributes.insert("tags", ["a", "b"]);
    let all = [other, child, order, user];
    publish(&topic, &all).await;
    placed.open(10).await.unwrap();
    users.open(10).await.unwrap();
    assert_eq!(drain(&mut placed, 1).await, ["order"]);
    assert_eq!(drain(&mut users, 1).await, ["user"]);

    // Without a filter it gets everything from now on.
    topic.subscribe(&placed).await.unwrap();
    publish(&topic, &all).await;
    let seen: BTreeSet<_> = drain(&mut placed, 4).await.into_iter().collect();
    assert_eq!(seen.len(), 4);
    assert_empty(&config, "placed").await;
}

#[tokio::test]
async fn an_event_of_ours_travels_over_a_topic() {
    let server = server().await;
    let config = server.config();
    let topic = Sns::topic("events").config(&config).create_if_missing().await.unwrap();
    let mut queue = orders(&config).await.unwrap();
    topic.subscribe(&queue).raw(false).filter("eventName", ["OrderPlaced"]).await.unwrap();
    let wire =
        br#"{"metadata":{"entityName":"Order","publisherName":"Shop","eventName":"OrderPlaced"},"payload":{"id":7}}"#;
    let envelope = convoke::Envelope::from_slice(wire).unwrap();
    publish(&topic, &[Wire.write(&envelope)]).await;
    queue.open(1).await.unwrap();
    let delivery = next(&mut queue).await;
    let read = convoke::codec::read(delivery.packet(), convoke::EnvelopeLimits::default()).unwrap();
    assert_eq!(read.metadata.id, envelope.metadata.id);
    delivery.ack().await.unwrap();
}

#[tokio::test]
async fn a_thousand_come_over_several_polls_at_once() {
    let server = server().await;
    let config = server.config();
    let mut queue = orders(&config).await.unwrap();
    publish(&queue, &packets(1000)).await;
    queue.open(100).await.unwrap();
    let seen: BTreeSet<_> = drain(&mut queue, 1000).await.into_iter().collect();
    assert_eq!(seen.len(), 1000);
    assert_empty(&config, "orders").await;
}
