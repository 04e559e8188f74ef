//! What a subscriber that pauses gives back: what it holds, and what an open poll of it still brings.

use super::*;

/// Long enough for whatever is stranded to be seen: nothing comes again by itself.
const LEASE: Duration = Duration::from_secs(600);

/// How soon others have it on a machine that has other things to do; it is meant to be a second.
const SOON: Duration = Duration::from_secs(5);

/// Waits until so many are lent, by the server's count.
async fn lent(config: &SdkConfig, queue: &str, count: usize) {
    use aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessagesNotVisible as Lent;
    let client = aws_sdk_sqs::Client::new(config);
    let url = client.get_queue_url().queue_name(queue).send().await.unwrap().queue_url.unwrap();
    let deadline = Instant::now() + LONG;
    loop {
        let there = client.get_queue_attributes().queue_url(&url).attribute_names(Lent).send().await.unwrap();
        let there = there.attributes.unwrap().remove(&Lent).unwrap();
        if there == count.to_string() {
            return;
        }
        assert!(Instant::now() < deadline, "{there} are lent, and not {count}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_nobody_has_received_is_given_back_at_once() {
    let server = server().await;
    for fifo in [false, true] {
        let config = server.config();
        let builder = if fifo { orders(&config).fifo().group_id("all") } else { orders(&config) };
        let mut paused = builder.lease(LEASE).wait(Duration::from_secs(20)).await.unwrap();
        let mut other = paused.clone();
        paused.open(10).await.unwrap();
        other.open(10).await.unwrap();
        let name = if fifo { "orders.fifo" } else { "orders" };
        if fifo {
            publish(&paused, &packets(10)).await;
            let mut heard = paused.receive(10).await.unwrap();
            assert_eq!(heard.len(), 1, "the others wait for it");
            lent(&config, name, 10).await;
            paused.stop_lending().await.unwrap();
            lent(&config, name, 1).await;
            heard.remove(0).ack().await.unwrap();
        } else {
            // The receive is dropped, and its poll goes on without it.
            assert!(timeout(Duration::from_millis(100), paused.receive(10)).await.is_err());
            publish(&paused, &packets(10)).await;
            lent(&config, name, 10).await;
            paused.stop_lending().await.unwrap();
            lent(&config, name, 0).await;
        }
        let start = Instant::now();
        let left = if fifo { 9 } else { 10 };
        let bodies = drain(&mut other, left).await;
        assert!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
        if fifo {
            assert_eq!(bodies, (1..10).map(|n| format!("body {n}")).collect::<Vec<_>>());
        }
        assert_empty(&config, name).await;
    }
}

#[tokio::test]
async fn what_an_open_poll_of_who_pauses_brings_goes_to_others_at_once() {
    let server = server().await;
    for fifo in [false, true] {
        let config = server.config();
        let builder = if fifo { orders(&config).fifo() } else { orders(&config) };
        let mut paused = builder.lease(LEASE).wait(Duration::from_secs(20)).await.unwrap();
        let mut other = paused.clone();
        paused.open(10).await.unwrap();
        assert!(timeout(Duration::from_millis(300), paused.receive(10)).await.is_err());
        paused.stop_lending().await.unwrap();
        let start = Instant::now();
        // Nobody else asks yet: the server lends it to the poll that is open.
        publish(&other, &packets(10)).await;
        other.open(10).await.unwrap();
        assert_eq!(drain(&mut other, 10).await.len(), 10);
        assert!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
        assert_empty(&config, if fifo { "orders.fifo" } else { "orders" }).await;
    }
}

/// What a server lends to a process that is gone comes again after its lease, and not before.
#[tokio::test]
async fn who_ends_does_so_when_its_open_poll_has_ended() {
    let server = server().await;
    let config = server.config();
    let mut other = orders(&config).lease(LEASE).wait(Duration::from_secs(3)).await.unwrap();
    let builder = Sqs::queue("orders").config(&config).lease(LEASE).wait(Duration::from_secs(3));
    let process = std::thread::spawn(|| {
        let process = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        process.block_on(async {
            let mut queue = builder.await.unwrap();
            queue.open(10).await.unwrap();
            assert!(timeout(Duration::from_millis(300), queue.receive(10)).await.is_err());
            queue.close().await.unwrap();
        });
    });
    while !process.is_finished() {
        sleep(Duration::from_millis(20)).await;
    }
    process.join().unwrap();
    let start = Instant::now();
    publish(&other, &packets(10)).await;
    other.open(10).await.unwrap();
    assert_eq!(drain(&mut other, 10).await.len(), 10);
    assert!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
    assert_empty(&config, "orders").await;
}

#[tokio::test]
async fn who_goes_on_takes_up_the_poll_that_is_still_open() {
    let server = server().await;
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    let config = server.config();
    let queue = orders(&config).endpoint(proxy.endpoint()).lease(LEASE).wait(Duration::from_secs(20));
    let mut queue = queue.await.unwrap();
    let there = orders(&config).await.unwrap();
    queue.open(10).await.unwrap();
    for round in 0..2 {
        assert!(timeout(Duration::from_millis(300), queue.receive(10)).await.is_err());
        queue.stop_lending().await.unwrap();
        // Nothing has come meanwhile, so there is nothing to ask for anew.
        assert!(timeout(Duration::from_millis(100), queue.receive(10)).await.is_err());
        assert_eq!(proxy.seen("AmazonSQS.ReceiveMessage"), 1 + round);
        publish(&there, &packets(round + 1)[round..]).await;
        let delivery = next(&mut queue).await;
        assert_eq!((body(&delivery), delivery.attempt()), (format!("body {round}"), 1));
        delivery.ack().await.unwrap();
    }
}
