//! Connections that are dead without a word, and servers that refuse them.

use super::*;

/// How much longer than it has to a machine that has other things to do may take.
const BUSY: Duration = Duration::from_secs(4);

#[tokio::test]
async fn who_was_forgotten_by_a_nat_hears_again_within_its_wait_and_five_seconds() {
    let server = server().await;
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    let config = server.config();
    let there = orders(&config).await.unwrap();
    let mut queue = orders(&config).endpoint(proxy.endpoint()).lease(Duration::from_secs(600)).await.unwrap();
    queue.open(100).await.unwrap();
    // Many acknowledgements at once, so that several connections wait in the pool.
    publish(&there, &packets(100)).await;
    let mut lent = Vec::new();
    while lent.len() < 100 {
        lent.extend(queue.receive(100).await.unwrap());
    }
    for acked in futures_util::future::join_all(lent.into_iter().map(Delivery::ack)).await {
        acked.unwrap();
    }
    // It waits at the server. On a busy machine a question that it asked before may end now, with nothing.
    while let Ok(received) = timeout(Duration::from_millis(300), queue.receive(10)).await {
        assert!(received.unwrap().is_empty());
    }
    proxy.forget();
    let start = Instant::now();
    publish(&there, &packets(101)[100..]).await;
    // As a worker does: what the server had lent to the connection that was forgotten comes after its lease.
    let error = loop {
        if let Err(error) = queue.receive(100).await {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    queue.open(100).await.unwrap();
    publish(&there, &packets(102)[101..]).await;
    // Those that were open beside it are no further errors.
    let delivery = loop {
        if let Some(delivery) = queue.receive(100).await.unwrap().pop() {
            break delivery;
        }
    };
    let took = start.elapsed();
    assert!(took < WAIT + Duration::from_secs(5) + BUSY, "it took {took:?}");
    timeout(BUSY, delivery.ack()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_owes_a_word_within_its_wait_and_ten_seconds() {
    let server = server().await;
    let config = server.config();
    let queue = Sqs::queue("orders").config(&config).create_if_missing().await.unwrap();
    // Nine of them are waited for by itself: with five that it owes an answer, it hears again within 15 s.
    assert_eq!(queue.pulse().unwrap().silence(), Duration::from_secs(9 + 10));
    let queue = orders(&config).wait(Duration::from_secs(20)).await.unwrap();
    assert_eq!(queue.pulse().unwrap().silence(), Duration::from_secs(20 + 10));
}

#[tokio::test]
async fn a_time_out_of_our_own_is_no_word_from_the_server() {
    let server = server().await;
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    let config = server.config();
    let queue = orders(&config).endpoint(proxy.endpoint()).deadline(Duration::from_secs(4));
    let mut queue = queue.await.unwrap();
    let pulse = queue.pulse().unwrap();
    queue.open(10).await.unwrap();
    let asked = Instant::now();
    assert!(queue.receive(1).await.unwrap().is_empty());
    assert!(pulse.since() < asked.elapsed(), "an answer that nothing waits is one");
    publish(&queue, &packets(1)).await;
    let delivery = next(&mut queue).await;
    proxy.aim("", Fault::Silence, usize::MAX);
    let silent = Instant::now();
    assert_eq!(queue.receive(1).await.unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(queue.open(1).await.unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(delivery.ack().await.unwrap_err().kind(), ErrorKind::Unreachable);
    assert!(pulse.since() >= silent.elapsed(), "{:?}", pulse.since());
    proxy.aim("", Fault::Silence, 0);
    let asked = Instant::now();
    queue.open(1).await.unwrap();
    assert!(pulse.since() <= asked.elapsed());
}

#[tokio::test]
async fn a_publisher_outlives_a_restart_of_its_server() {
    let server = server().await;
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    for fifo in [false, true] {
        let config = server.config();
        let (topic, queue) = (Sns::topic("events").config(&config).create_if_missing(), orders(&config));
        let (topic, queue) = if fifo { (topic.fifo(), queue.fifo()) } else { (topic, queue) };
        let topic = topic.endpoint(proxy.endpoint()).await.unwrap();
        let mut queue = queue.endpoint(proxy.endpoint()).await.unwrap();
        topic.subscribe(&queue).await.unwrap();
        proxy.refuse().await;
        let keyed = |from: usize| {
            let mut packets = packets(from + 25).split_off(from);
            packets.iter_mut().for_each(|packet| packet.key = Some("all".to_owned()));
            packets
        };
        let (first, second) = (keyed(0), keyed(100));
        let published = async { tokio::join!(queue.publish(&first), topic.publish(&second)) };
        // Longer than the client repeats by itself.
        let (published, ()) = tokio::join!(published, async {
            sleep(Duration::from_secs(5)).await;
            proxy.accept().await.unwrap();
        });
        for result in published.0.into_iter().chain(published.1) {
            result.unwrap();
        }
        queue.open(10).await.unwrap();
        // None twice: what was refused has not arrived.
        let bodies = drain(&mut queue, 50).await;
        assert_eq!(bodies.iter().collect::<BTreeSet<_>>().len(), 50);
        assert_empty(&config, if fifo { "orders.fifo" } else { "orders" }).await;
    }
}

#[tokio::test]
async fn a_publisher_gives_up_a_server_that_stays_away_at_its_deadline() {
    let server = server().await;
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    let config = server.config();
    for fifo in [false, true] {
        let queue = if fifo { orders(&config).fifo() } else { orders(&config) };
        let queue = queue.endpoint(proxy.endpoint()).deadline(Duration::from_secs(4)).await.unwrap();
        proxy.refuse().await;
        let start = Instant::now();
        // Ten requests, in a FIFO queue one after the other.
        let results = queue.publish(&packets(100)).await;
        assert!(start.elapsed() < Duration::from_secs(4) + BUSY, "it took {:?}", start.elapsed());
        for result in results {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::Unreachable);
        }
        proxy.accept().await.unwrap();
    }
}

#[actix::test]
async fn a_worker_behind_a_black_hole_is_not_healthy_and_hears_again_when_it_is_gone() {
    let server = server().await;
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    let config = server.config();
    let (there, queue) = (orders(&config).await.unwrap(), orders(&config).endpoint(proxy.endpoint()).await.unwrap());
    let bus = convoke::EventBus::default();
    let worker = convoke::Worker::new(queue, &bus).start().await.unwrap();
    let until = async |is_so: fn(&convoke::WorkerHealth) -> bool, limit: Duration| {
        let start = Instant::now();
        while !is_so(&worker.health()) {
            assert!(start.elapsed() < limit, "after {limit:?} it says that {}", worker.health());
            sleep(Duration::from_millis(50)).await;
        }
        start.elapsed()
    };
    until(|health| health.connected && health.healthy, LONG).await;
    let asked = proxy.seen("AmazonSQS.ReceiveMessage");
    while proxy.seen("AmazonSQS.ReceiveMessage") == asked {
        sleep(Duration::from_millis(20)).await;
    }
    proxy.aim("", Fault::Silence, usize::MAX);
    let took = until(|health| !health.healthy, WAIT + Duration::from_secs(10) + BUSY).await;
    println!("not healthy after {took:?}");
    proxy.aim("", Fault::Silence, 0);
    until(|health| health.healthy && health.connected, LONG).await;
    publish(&there, &[Packet::new("id", "no event")]).await;
    let start = Instant::now();
    while worker.report().dead == 0 {
        assert!(start.elapsed() < LONG, "it hears nothing: {:?}", worker.report());
        sleep(Duration::from_millis(50)).await;
    }
    worker.drain().await.unwrap();
}
