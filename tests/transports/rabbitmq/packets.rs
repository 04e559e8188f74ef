//! What is published, routed, held back and delivered.

use super::*;

#[tokio::test]
async fn what_is_published_comes_whole() {
    let server = server().await;
    let mut orders = queue(server, &fresh("whole")).await.unwrap();
    let mut packet = Packet::new("an id", vec![0, 1, 2, 255]);
    packet.topic = "orders/placed".to_owned();
    packet.key = Some("käy".to_owned());
    let attributes: Vec<(&str, Attribute)> = vec![
        ("text", "\u{1F980}".into()),
        ("empty", "".into()),
        ("number", (-7_i64).into()),
        ("large", u64::MAX.into()),
        ("list", ["a", ""].into()),
        ("x-death", "not of the server".into()),
    ];
    packet.attributes = attributes.into_iter().collect();
    let mut empty = Packet::default();
    empty.attributes.insert("only", "an attribute");
    let mut large = Packet::new("large", vec![7; 1_000_000]);
    large.attributes.insert("large", "x".repeat(100_000));
    let all = [packet, empty, large];
    publish(&orders, &all).await;
    orders.open(10).await.unwrap();
    for expected in all {
        let delivery = next(&mut orders).await;
        assert_eq!((delivery.packet() == &expected, delivery.attempt(), delivery.lease()), (true, 1, None));
        delivery.ack().await.unwrap();
    }
    nothing_comes(&mut orders).await;
    orders.close().await.unwrap();
    assert_eq!(orders.backlog().await.unwrap(), Some(0));
}

#[tokio::test]
async fn a_packet_that_no_queue_gets_fails_alone() {
    let server = server().await;
    let (name, bound) = (fresh("events"), fresh("bound"));
    let events = RabbitMq::exchange(&name).at(server.url()).deadline(LONG).create_if_missing().await.unwrap();
    queue(server, &bound).bound_to(&name, "orders/*").await.unwrap();
    let mut orders = RabbitMq::queue(&bound).at(server.url()).deadline(LONG).await.unwrap();
    let packets: Vec<_> = (0..700)
        .map(|n| {
            let mut packet = Packet::new(format!("id-{n}"), format!("body {}", n % 3));
            packet.topic = if n % 7 == 3 { "nobody/hears" } else { "orders/placed" }.to_owned();
            packet
        })
        .collect();
    let taken = events.publish(&packets).await;
    let failed: Vec<_> = (0..700).filter(|n| taken[*n].is_err()).collect();
    assert_eq!(failed, (0..700).filter(|n| n % 7 == 3).collect::<Vec<_>>());
    let error = taken[3].clone().unwrap_err();
    assert_eq!((error.kind(), error.at()), (ErrorKind::Unroutable, format!("rabbitmq:{name}").as_str()));
    assert!(error.to_string().contains("`nobody.hears`"), "{error}");
    assert_eq!(drain(&mut orders, 600).await.len(), 600);

    // A queue that is gone, and that we may not make.
    let channel = stranger(server).await;
    channel.queue_delete(bound.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    let error = orders.publish(&packets[..1]).await.remove(0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unroutable);
    until(async || {
        let mut orders = orders.clone();
        orders.open(1).await.is_err_and(|error| error.kind() == ErrorKind::Missing)
    })
    .await;
    assert_eq!(orders.backlog().await.unwrap_err().kind(), ErrorKind::Missing);
    let outcome = timeout(LONG, async {
        loop {
            if let Err(error) = orders.receive(1).await
                && error.kind() == ErrorKind::Missing
            {
                return error;
            }
        }
    });
    assert!(outcome.await.unwrap().to_string().contains("create_if_missing"));
}

#[tokio::test]
async fn a_queue_gets_what_its_patterns_choose() {
    let server = server().await;
    let name = fresh("topics");
    let events = RabbitMq::exchange(&name).at(server.url()).deadline(LONG).create_if_missing().await.unwrap();
    let topics = ["orders", "orders/placed", "orders/placed/late", "orders/v1.2", "orders/v1/2", "a#b/late", "late"];
    let cases: [(&[&str], &[&str]); 6] = [
        (&["orders/*"], &["orders/placed", "orders/v1.2"]),
        (&["orders/**"], &["orders", "orders/placed", "orders/placed/late", "orders/v1.2", "orders/v1/2"]),
        (&["**/late"], &["orders/placed/late", "a#b/late", "late"]),
        (&["orders/v1.2"], &["orders/v1.2"]),
        (&["**"], &topics),
        // An overlap delivers once.
        (&["orders/*", "*/placed", "late"], &["orders/placed", "orders/v1.2", "late"]),
    ];
    let mut queues = Vec::new();
    for (patterns, expected) in cases {
        let mut builder = queue(server, &fresh("bound"));
        for pattern in patterns {
            builder = builder.bound_to(&name, *pattern);
        }
        queues.push((builder.await.unwrap(), patterns, expected));
    }
    let packets: Vec<_> = topics
        .iter()
        .map(|topic| {
            let mut packet = Packet::new(*topic, "{}");
            packet.topic = (*topic).to_owned();
            packet
        })
        .collect();
    publish(&events, &packets).await;
    for (mut queue, patterns, expected) in queues {
        let seen = drain(&mut queue, expected.len()).await;
        assert_eq!(seen, expected.iter().map(|topic| (*topic).to_owned()).collect(), "{patterns:?}");
        assert_eq!(queue.backlog().await.unwrap(), Some(0), "{patterns:?}");
    }
}

#[tokio::test]
async fn a_retry_comes_after_its_delay_and_is_counted() {
    let server = server().await;
    for (kind, builder) in
        [("quorum", queue(server, &fresh("retry"))), ("classic", queue(server, &fresh("retry")).classic())]
    {
        let mut orders = builder.await.unwrap();
        publish(&orders, &packets(1)).await;
        let delays = [0, 90, 100, 400].map(Duration::from_millis);
        for (before, delay) in (1..).zip(delays) {
            let delivery = next(&mut orders).await;
            assert_eq!((delivery.attempt(), delivery.packet()), (before, &packets(1)[0]), "{kind}");
            // Another subscriber: what was counted is on the server.
            orders.close().await.unwrap();
            orders = orders.clone();
            let asked = Instant::now();
            delivery.retry_after(delay).await.unwrap();
            until(async || orders.backlog().await.unwrap() == Some(1)).await;
            assert!(asked.elapsed() >= delay, "{kind}: after {:?} and not {delay:?}", asked.elapsed());
        }
        let delivery = next(&mut orders).await;
        assert_eq!(delivery.attempt(), 5, "{kind}");
        delivery.ack().await.unwrap();
        nothing_comes(&mut orders).await;
    }
}

#[tokio::test]
async fn a_packet_is_held_back_and_an_unused_delay_queue_goes() {
    let server = server().await;
    let name = fresh("delayed");
    let builder = queue(server, &name).classic().delay_queues_expire_after(Duration::from_secs(1));
    let mut orders = builder.await.unwrap();
    let mut later = packets(2);
    later[0].delay = Duration::from_millis(900);
    let asked = Instant::now();
    publish(&orders, &later).await;
    let (delayed, kept) = (format!("{name}.retry.1000"), name.clone());
    let delivery = next(&mut orders).await;
    assert_eq!(delivery.packet().id, "id-1");
    delivery.ack().await.unwrap();
    let delivery = next(&mut orders).await;
    assert!(delivery.packet().id == "id-0" && asked.elapsed() >= Duration::from_millis(900));
    assert_eq!(delivery.attempt(), 1);
    delivery.ack().await.unwrap();
    // To look for it would keep it: the list of all does not.
    if server.ours().is_some() {
        until(async || !server.control(&["list_queues", "name"]).await.contains(&delayed)).await;
        assert!(server.control(&["list_queues", "name"]).await.contains(&kept));
        // And it is made again.
        let mut later = packets(1);
        later[0].id = "again".to_owned();
        later[0].delay = Duration::from_secs(1);
        publish(&orders, &later).await;
        drain(&mut orders, 1).await;
    }
    let mut too_long = packets(1);
    too_long[0].delay = Duration::from_secs(8 * 24 * 60 * 60);
    assert_eq!(orders.publish(&too_long).await.remove(0).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_delay_queue_that_somebody_deletes_is_made_again() {
    let server = server().await;
    let name = fresh("deleted");
    let mut orders = queue(server, &name).await.unwrap();
    publish(&orders, &packets(1)).await;
    next(&mut orders).await.retry_after(Duration::from_millis(200)).await.unwrap();
    let delivery = next(&mut orders).await;
    let channel = stranger(server).await;
    channel.queue_delete(format!("{name}.retry.200").into(), QueueDeleteOptions::default()).await.unwrap();
    delivery.retry_after(Duration::from_millis(200)).await.unwrap();
    let delivery = next(&mut orders).await;
    assert_eq!(delivery.attempt(), 3);
    delivery.ack().await.unwrap();
}

#[tokio::test]
async fn a_message_of_a_stranger_is_read_and_retried_whole() {
    let server = server().await;
    let name = fresh("foreign");
    let mut orders = queue(server, &name).await.unwrap();
    let mut headers = FieldTable::default();
    headers.insert("flag".into(), AMQPValue::Boolean(true));
    headers.insert("bytes".into(), AMQPValue::ByteArray(vec![0xff, b'a'].into()));
    headers.insert("inner".into(), AMQPValue::FieldTable(FieldTable::default()));
    headers.insert("nothing".into(), AMQPValue::Void);
    headers.insert("x-delivery-count".into(), AMQPValue::LongString("a lie".into()));
    headers.insert("convoke-attempt".into(), AMQPValue::LongLongInt(-5));
    headers.insert("convoke-attributes".into(), AMQPValue::LongString("[[[".into()));
    let properties = BasicProperties::default()
        .with_headers(headers)
        .with_content_type("text/plain".into())
        .with_expiration("60000".into())
        .with_user_id("guest".into());
    let channel = stranger(server).await;
    let options = BasicPublishOptions::default();
    let confirm = channel.basic_publish("".into(), name.as_str().into(), options, b"\xff\0", properties).await.unwrap();
    confirm.await.unwrap();
    let options = BasicPublishOptions::default();
    let bare = channel.basic_publish("".into(), name.as_str().into(), options, b"", BasicProperties::default());
    bare.await.unwrap().await.unwrap();
    for delay in [Duration::from_millis(50), Duration::ZERO] {
        let delivery = next(&mut orders).await;
        let seen: Vec<_> = delivery.packet().attributes.iter().map(|(name, value)| (name, value.text())).collect();
        if delivery.packet().body.is_empty() {
            assert!(seen.is_empty() && delivery.packet().id.is_empty());
            delivery.ack().await.unwrap();
            let delivery = next(&mut orders).await;
            assert_eq!((delivery.packet().body.as_slice(), delivery.attempt()), (&b"\xff\0"[..], 2));
            delivery.ack().await.unwrap();
            return;
        }
        let expected = [("bytes", "\u{fffd}a"), ("content-type", "text/plain"), ("flag", "true"), ("inner", "{}")];
        assert_eq!(seen, expected.map(|(name, value)| (name, value.to_owned())));
        assert_eq!((delivery.packet().body.as_slice(), delivery.attempt()), (&b"\xff\0"[..], 1));
        delivery.retry_after(delay).await.unwrap();
    }
    panic!("the bare message did not come");
}

#[tokio::test]
async fn many_publish_through_one_handle() {
    let server = server().await;
    let mut orders = queue(server, &fresh("many")).in_flight(50).await.unwrap();
    let tasks: Vec<_> = (0..20)
        .map(|task| {
            let orders = orders.clone();
            tokio::spawn(async move {
                for n in 0..50 {
                    publish(&orders, &[Packet::new(format!("{task}-{n}"), "{}")]).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(drain(&mut orders, 1000).await.len(), 1000);
}
