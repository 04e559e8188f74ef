//! A server that cannot be reached, says nothing, or has lost the queue.

use super::*;
use crate::transports::servers::proxy::{Fault, Proxy};

/// What a silence may take to be known, and what it may take until the server is heard again.
const KNOWN: Duration = Duration::from_secs(15);

async fn proxied(server: &RabbitMqServer) -> (Proxy, String) {
    let address = server.url().rsplit('@').next().unwrap().split('/').next().unwrap();
    let proxy = Proxy::start(address).await.unwrap();
    let url = format!("amqp://guest:guest@{}/%2f", proxy.endpoint().trim_start_matches("http://"));
    (proxy, url)
}

#[tokio::test]
async fn a_server_that_says_nothing_is_known_in_time_and_heard_again() {
    let server = server().await;
    let (proxy, url) = proxied(server).await;
    let name = fresh("silent");
    let mut orders = RabbitMq::queue(&name).at(&url).create_if_missing().await.unwrap();
    let direct = queue(server, &name).await.unwrap();
    let pulse = Source::pulse(&orders).unwrap();
    orders.open(10).await.unwrap();
    // A server that has nothing to say is asked, and answers.
    let end = Instant::now() + Duration::from_secs(6);
    while Instant::now() < end {
        assert!(orders.receive(10).await.unwrap().is_empty());
    }
    assert!(pulse.since() < pulse.silence() / 2);

    // Nothing passes any more, and nobody is told; new connections do.
    let forgotten = Instant::now();
    proxy.forget();
    publish(&direct, &packets(1)).await;
    let delivery = next(&mut orders).await;
    assert!(forgotten.elapsed() < KNOWN, "it was heard again after {:?}", forgotten.elapsed());
    assert!(pulse.since() < Duration::from_secs(1));
    delivery.ack().await.unwrap();

    // Nor do new ones.
    let silent = Instant::now();
    proxy.aim("", Fault::Silence, usize::MAX);
    let error = timeout(KNOWN, async {
        loop {
            if let Err(error) = orders.receive(10).await {
                return error;
            }
        }
    });
    assert_eq!(error.await.expect("nobody has noticed").kind(), ErrorKind::Unreachable);
    // A time-out of our own is no word of the server.
    for _ in 0..3 {
        assert!(orders.receive(10).await.is_err());
    }
    assert!(pulse.since() > pulse.silence(), "{:?} after {:?}", pulse.since(), silent.elapsed());
}

/// A server of its own, that is away for seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_publish_outlives_a_restart_of_the_server() {
    let server = match RabbitMqServer::own().await {
        Ok(server) => server,
        Err(missing) if std::env::var_os(crate::transports::servers::rabbitmq::URL).is_some() => {
            return println!("skipped: {missing}");
        }
        Err(missing) => panic!("{missing}"),
    };
    // As long as a restart takes on any machine; it is 30 s unless it is told.
    let mut orders = queue(&server, "restarted").deadline(LONG).await.unwrap();
    let events = RabbitMq::exchange("restarted").at(server.url()).deadline(LONG).create_if_missing().await.unwrap();
    let mut bound = queue(&server, "bound").bound_to("restarted", "**").await.unwrap();
    publish(&orders, &packets(1)).await;
    publish(&events, &packets(1)).await;
    let ours = server.ours().unwrap();
    ours.kill().await;
    let publishing = tokio::spawn({
        let (orders, events) = (orders.clone(), events.clone());
        async move {
            let all = packets(10);
            let (one, other) = tokio::join!(orders.publish(&all), events.publish(&all));
            [one, other].concat()
        }
    });
    // Refused at once, and no reason to give up.
    sleep(Duration::from_secs(3)).await;
    assert!(!publishing.is_finished());
    ours.start().await;
    for taken in publishing.await.unwrap() {
        taken.unwrap();
    }
    drain(&mut orders, 10).await;
    drain(&mut bound, 10).await;

    // Not for ever.
    ours.kill().await;
    let hasty = queue(&server, "restarted").deadline(Duration::from_secs(2));
    let asked = Instant::now();
    let error = hasty.await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unreachable && asked.elapsed() < QUICK);
    ours.start().await;
}

#[tokio::test]
async fn a_queue_that_somebody_deletes_is_made_again() {
    let server = server().await;
    let (name, exchange) = (fresh("remade"), fresh("events"));
    let events = RabbitMq::exchange(&exchange).at(server.url()).deadline(LONG).create_if_missing().await.unwrap();
    let mut orders = queue(server, &name).bound_to(&exchange, "orders/*").await.unwrap();
    let channel = stranger(server).await;
    let delete = async |name: &str| {
        channel.queue_delete(name.into(), QueueDeleteOptions::default()).await.unwrap();
    };

    // While it is published to.
    delete(&name).await;
    publish(&orders, &packets(3)).await;
    drain(&mut orders, 3).await;
    // While it is received from, bindings and all.
    delete(&name).await;
    until(async || orders.receive(1).await.is_ok_and(|found| found.is_empty())).await;
    let mut placed = Packet::new("placed", "{}");
    placed.topic = "orders/placed".to_owned();
    publish(&events, &[placed]).await;
    let delivery = next(&mut orders).await;
    assert_eq!(delivery.packet().id, "placed");
    // And that of its dead letters.
    delete(&format!("{name}-dead")).await;
    delivery.dead_letter(DeadReason::Rejected, Vec::new()).await.unwrap();
    let mut dead = orders.dead_letters().unwrap().await.unwrap();
    assert_eq!(next(&mut dead).await.packet().id, "placed");
}

/// A header by which a stranger had the server put copies elsewhere does so once.
#[tokio::test]
async fn a_retry_and_a_dead_letter_go_to_nobody_else() {
    let server = server().await;
    let (name, copies) = (fresh("addressed"), fresh("copies"));
    let mut orders = queue(server, &name).await.unwrap();
    let mut copied = queue(server, &copies).await.unwrap();
    let mut to = lapin::types::FieldArray::default();
    to.push(AMQPValue::LongString(copies.as_str().into()));
    let mut headers = FieldTable::default();
    headers.insert("CC".into(), AMQPValue::FieldArray(to.clone()));
    headers.insert("BCC".into(), AMQPValue::FieldArray(to));
    headers.insert("kept".into(), AMQPValue::Boolean(true));
    let properties = BasicProperties::default().with_headers(headers).with_message_id("id".into());
    let options = BasicPublishOptions::default();
    let channel = stranger(server).await;
    let confirm = channel.basic_publish("".into(), name.as_str().into(), options, b"{}", properties).await.unwrap();
    confirm.await.unwrap();
    next(&mut copied).await.ack().await.unwrap();

    for delay in [Duration::ZERO, Duration::from_millis(50)] {
        next(&mut orders).await.retry_after(delay).await.unwrap();
    }
    next(&mut orders).await.release().await.unwrap();
    let delivery = next(&mut orders).await;
    assert_eq!(delivery.packet().attributes.text("kept"), Some("true"));
    delivery.dead_letter(DeadReason::Rejected, Vec::new()).await.unwrap();
    let mut dead = orders.dead_letters().unwrap().await.unwrap();
    redrive(&mut dead, &orders, 1).await.unwrap();
    next(&mut orders).await.ack().await.unwrap();
    nothing_comes(&mut copied).await;
}
