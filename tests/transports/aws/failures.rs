//! What is lost, away, not there or not allowed, and what is said of it.

use super::*;

#[tokio::test]
async fn what_is_not_there_is_missing_and_creating_it_is_said() {
    let server = server().await;
    let config = server.config();
    for name in ["orders", "orders.fifo"] {
        let error = Sqs::queue(name).config(&config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
        let error = Sns::topic(name).config(&config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
    }
    let topic = Sns::topic("orders").config(&config).create_if_missing().await.unwrap();
    for name in ["orders", topic.arn()] {
        assert_eq!(Sns::topic(name).config(&config).await.unwrap().arn(), topic.arn());
    }
    let unknown = format!("{}-not", topic.arn());
    assert_eq!(Sns::topic(unknown).config(&config).await.unwrap_err().kind(), ErrorKind::Missing);
    // What is there stays as it is, and is found by another lease.
    orders(&config).dead_letter_queue("orders-dead").redrive_policy(5).await.unwrap();
    let found = orders(&config).lease(Duration::from_secs(3)).await.unwrap();
    assert!(Source::abilities(&found).dead_letters, "the queue's own policy names one");
    assert!(Sqs::queue("orders").config(&config).await.is_ok());

    // Somebody deletes it.
    let client = aws_sdk_sqs::Client::new(&config);
    let url = client.get_queue_url().queue_name("orders").send().await.unwrap().queue_url.unwrap();
    client.delete_queue().queue_url(url).send().await.unwrap();
    let error = found.publish(&packets(1)).await.remove(0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
    let mut plain = found.clone();
    plain.open(1).await.unwrap();
    publish(&found, &packets(1)).await;
}

#[tokio::test]
async fn settings_that_contradict_each_other_are_errors_before_anything_is_sent() {
    let config = config("http://127.0.0.1:9");
    let wrong = [
        orders(&config).lease(Duration::ZERO),
        orders(&config).lease(Duration::from_millis(1500)),
        orders(&config).lease(Duration::from_secs(12 * 60 * 60 + 1)),
        orders(&config).wait(Duration::from_secs(21)),
        orders(&config).group_id("all"),
        orders(&config).redrive_policy(3),
        orders(&config).dead_letter_queue("dead").redrive_policy(0),
    ];
    for builder in wrong {
        assert_eq!(builder.await.unwrap_err().kind(), ErrorKind::Unsupported);
    }
    let error = Sns::topic("events").config(&config).group_id("all").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_receive_that_is_dropped_and_a_close_lose_nothing() {
    let server = server().await;
    let config = server.config();
    for fifo in [false, true] {
        let builder = || if fifo { orders(&config).fifo() } else { orders(&config) };
        let mut queue = builder().lease(Duration::from_secs(600)).wait(Duration::from_secs(5)).await.unwrap();
        queue.open(10).await.unwrap();
        let mut other = queue.clone();
        // Its poll goes on without it.
        assert!(timeout(Duration::from_millis(200), queue.receive(10)).await.is_err());
        publish(&queue, &packets(5)).await;
        assert_eq!(drain(&mut queue, 5).await.len(), 5);

        assert!(timeout(Duration::from_millis(200), queue.receive(10)).await.is_err());
        queue.close().await.unwrap();
        assert_eq!(queue.receive(1).await.unwrap_err().kind(), ErrorKind::Closed);
        publish(&queue, &packets(10)[5..]).await;
        // What its last poll still gets goes back, though the lease is ten minutes.
        other.open(10).await.unwrap();
        assert_eq!(drain(&mut other, 5).await.len(), 5);
        drop(queue);

        publish(&other, &packets(20)[10..]).await;
        let lent = other.receive(3).await.unwrap();
        assert!(!lent.is_empty() && lent.len() <= 3);
        drop(lent);
        drop(other);
        let mut last = builder().await.unwrap();
        last.open(10).await.unwrap();
        assert_eq!(drain(&mut last, 10).await.len(), 10);
        assert_empty(&config, if fifo { "orders.fifo" } else { "orders" }).await;
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_is_a_repetition_or_an_error() {
    let server = server().await;
    let config = server.config();
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    for fifo in [false, true] {
        let builder = if fifo { orders(&config).fifo() } else { orders(&config) };
        let mut queue = builder.endpoint(proxy.endpoint()).deadline(Duration::from_secs(6)).await.unwrap();
        queue.open(10).await.unwrap();
        // Once: the client tries again, and the packet is there; in a standard queue twice.
        proxy.aim("AmazonSQS.SendMessageBatch", Fault::LoseAnswer, 1);
        publish(&queue, &packets(1)).await;
        assert_eq!(drain(&mut queue, if fifo { 1 } else { 2 }).await[0], "body 0");
        // Always: an error, though it is there.
        proxy.aim("AmazonSQS.SendMessageBatch", Fault::LoseAnswer, usize::MAX);
        let error = queue.publish(&packets(2)[1..]).await.remove(0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
        proxy.aim("", Fault::LoseAnswer, 0);
        assert!(drain(&mut queue, 1).await.iter().all(|body| body == "body 1"));
        while !queue.receive(10).await.unwrap().is_empty() {}
    }
}

#[tokio::test]
async fn an_acknowledgement_that_is_lost_is_an_error_and_it_comes_again() {
    let server = server().await;
    let config = server.config();
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    let queue = orders(&config).endpoint(proxy.endpoint()).lease(Duration::from_secs(2));
    let mut queue = queue.deadline(Duration::from_secs(2)).await.unwrap();
    queue.open(10).await.unwrap();
    publish(&queue, &packets(1)).await;
    for fault in [Fault::LoseRequest, Fault::Silence] {
        let delivery = next(&mut queue).await;
        proxy.aim("AmazonSQS.DeleteMessageBatch", fault, usize::MAX);
        let error = timeout(LONG, delivery.ack()).await.unwrap().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Lost), "{error}");
        proxy.aim("", fault, 0);
        if fault == Fault::LoseRequest {
            assert_eq!(next(&mut queue).await.attempt(), 2);
        }
    }
}

#[tokio::test]
async fn a_server_that_is_gone_or_silent_is_an_error_in_time_and_works_again() {
    let server = server().await;
    let Some(ours) = server.ours() else { return };
    let config = server.config();
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    let short = |builder: SqsBuilder| builder.endpoint(proxy.endpoint()).deadline(Duration::from_secs(2));
    let mut queue = short(orders(&config)).await.unwrap();
    queue.open(10).await.unwrap();
    let in_time = async |queue: &mut Sqs| {
        let results = timeout(LONG, queue.publish(&packets(100))).await.unwrap();
        assert!(
            results.iter().all(|result| result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unreachable))
        );
        let error = timeout(LONG, queue.receive(10)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
        let error = timeout(LONG, queue.open(10)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    };
    proxy.aim("AmazonSQS", Fault::Silence, usize::MAX);
    in_time(&mut queue).await;
    proxy.aim("", Fault::Silence, 0);
    ours.kill().await;
    in_time(&mut queue).await;
    assert_eq!(timeout(LONG, short(orders(&config))).await.unwrap().unwrap_err().kind(), ErrorKind::Unreachable);

    ours.start().await;
    // It has forgotten the queue, and says so.
    assert_eq!(queue.publish(&packets(1)).await[0].as_ref().unwrap_err().kind(), ErrorKind::Missing);
    queue.open(10).await.unwrap();
    publish(&queue, &packets(1)).await;
    assert_eq!(drain(&mut queue, 1).await, ["body 0"]);
}

#[tokio::test]
async fn no_credentials_and_no_region_are_said_so() {
    let none = SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest());
    let none = none.build();
    let error = Sqs::queue("orders").config(&none).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("AWS_REGION"), "{error}");
    let none = none.to_builder().region(aws_config::Region::new("eu-central-1")).endpoint_url("http://127.0.0.1:9");
    let none = none.http_client(aws_smithy_http_client::Builder::new().build_http()).build();
    for error in
        [Sqs::queue("orders").config(&none).await.unwrap_err(), Sns::topic("events").config(&none).await.unwrap_err()]
    {
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("AWS_ACCESS_KEY_ID"), "{error}");
    }
}

/// Over TLS with what does not speak it, and over the client that could.
#[tokio::test]
async fn a_client_with_tls_is_made_where_none_is_given() {
    let server = server().await;
    let mut bare = server.config().to_builder();
    bare.set_http_client(None);
    let bare = bare.build();
    let mut queue = orders(&bare).await.unwrap();
    publish(&queue, &packets(1)).await;
    queue.open(1).await.unwrap();
    assert_eq!(drain(&mut queue, 1).await, ["body 0"]);
    let secure = server.endpoint().replace("http:", "https:");
    let error =
        timeout(LONG, orders(&bare).endpoint(secure).deadline(Duration::from_secs(3))).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    const CANARY: &str = "canary-of-aws";
    listen();
    let server = server().await;
    let account = server.config();
    let secret = aws_sdk_sqs::config::Credentials::new("000000000007", CANARY, Some(CANARY.to_owned()), None, CANARY);
    let secret = aws_sdk_sqs::config::SharedCredentialsProvider::new(secret);
    let config = account.to_builder().credentials_provider(secret).build();
    let builder = orders(&config);
    let mut shown = vec![format!("{builder:?}")];
    let mut queue = builder.await.unwrap();
    queue.open(1).await.unwrap();
    let mut packet = Packet::new("id", CANARY);
    packet.attributes.insert("authorization", CANARY);
    publish(&queue, &[packet]).await;
    let delivery = next(&mut queue).await;
    shown.push(format!("{queue:?} {delivery:?}"));
    shown.push(format!("{:?}", delivery.dead_letter(DeadReason::Broken, Vec::new()).await));

    let password = format!("http://user:{CANARY}@127.0.0.1:9");
    let there = format!("{password}/1/orders");
    let builder = Sqs::queue(&there).config(&account).deadline(Duration::from_secs(2));
    shown.push(format!("{builder:?} {:?}", builder.clone().await));
    let builder = Sqs::queue("orders").config(&account).endpoint(&password).deadline(Duration::from_secs(2));
    shown.push(format!("{builder:?} {:?}", builder.clone().await));
    let builder = Sns::topic("orders").config(&account).endpoint(&password).deadline(Duration::from_secs(2));
    shown.push(format!("{builder:?} {:?}", builder.clone().await));
    let mut bad = Packet::new("id", CANARY);
    bad.attributes.insert(format!("{CANARY} ä"), CANARY);
    shown.push(format!("{:?}", queue.publish(&[bad]).await));
    shown.push(logged_by_us());
    for shown in shown {
        assert!(!shown.contains(CANARY), "{shown}");
    }
}

/// Real AWS: with credentials in the environment, and `CONVOKE_TEST_AWS=1` to say that it may cost something.
#[tokio::test]
async fn the_real_sns_and_sqs_do_what_is_said_of_them() {
    if std::env::var("CONVOKE_TEST_AWS").as_deref() != Ok("1") {
        let how = "only with CONVOKE_TEST_AWS=1, credentials and a region: it may cost something";
        return super::super::not_asked_for("aws itself", how);
    }
    let name = format!("convoke-{}", convoke::Uuid::now_v7().simple());
    let queue = Sqs::queue(&name).fifo().dead_letter_queue(format!("{name}-dead")).create_if_missing();
    let mut queue = queue.await.unwrap();
    let topic = Sns::topic(&name).fifo().create_if_missing().await.unwrap();
    let subscription = topic.subscribe(&queue).await.unwrap();
    assert_eq!(topic.subscribe(&queue).await.unwrap(), subscription);
    queue.open(10).await.unwrap();
    for packet in strange() {
        let publishers: [&dyn Publisher; 2] = [&topic, &queue.clone()];
        for (at, publisher) in publishers.into_iter().enumerate() {
            let mut packet = packet.clone();
            packet.id.push_str(&at.to_string());
            publisher.publish(std::slice::from_ref(&packet)).await.remove(0).unwrap();
            let delivery = next(&mut queue).await;
            assert_eq!(delivery.packet().body, packet.body);
            assert_eq!(delivery.packet().attributes, packet.attributes);
            assert_eq!(delivery.packet().key, packet.key);
            delivery.ack().await.unwrap();
        }
    }
    let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    aws_sdk_sns::Client::new(&config).delete_topic().topic_arn(topic.arn()).send().await.unwrap();
    let client = aws_sdk_sqs::Client::new(&config);
    for name in [format!("{name}.fifo"), format!("{name}-dead.fifo")] {
        let url = client.get_queue_url().queue_name(name).send().await.unwrap().queue_url.unwrap();
        client.delete_queue().queue_url(url).send().await.unwrap();
    }
}
