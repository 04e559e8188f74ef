//! What is heard by somebody who takes nothing.

use convoke::look::ServerKind;
use convoke::transport::{ErrorKind, Packet, Publisher, RabbitMq, Source};
use tokio::time::Instant;

use super::place::name;
use super::{LONG, Place, bodies, drain, look, open, packet, publish};

async fn heard(tail: &mut convoke::look::Tail, count: usize) -> Vec<String> {
    let (end, mut all) = (Instant::now() + LONG, Vec::<Packet>::new());
    while all.len() < count && Instant::now() < end {
        all.extend(tail.next().await.unwrap());
    }
    all.into_iter().map(|packet| String::from_utf8(packet.body).unwrap()).collect()
}

pub(super) async fn what_comes_is_heard_and_nothing_is_taken(place: &Place) {
    let name = name("orders");
    let mut queue = open(place, &name).await;
    let server = look(place, &name).await;
    match place.server().server() {
        ServerKind::Sqs => {
            let error = server.tail(&name).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.to_string().contains("receives"), "{error}");
            return;
        }
        ServerKind::RabbitMq => return of_an_exchange(place, &name).await,
        _ => {}
    }
    publish(&queue, &[packet(0)]).await;
    let mut tail = server.tail(&name).await.unwrap();
    assert!(tail.next().await.unwrap().is_empty(), "what was there before is not new");
    for id in 1..=40 {
        publish(&queue, &[packet(id)]).await;
    }
    assert_eq!(heard(&mut tail, 40).await, bodies(1..=40));
    let many: Vec<_> = (41..=2_100).map(packet).collect();
    publish(&queue, &many).await;
    assert_eq!(heard(&mut tail, many.len()).await, bodies(41..=2_100));
    assert!(tail.next().await.unwrap().is_empty(), "each is heard once");
    queue.open(100).await.unwrap();
    assert_eq!(drain(&mut queue).await, bodies(0..=2_100));
}

async fn of_an_exchange(place: &Place, name: &str) {
    let server = look(place, name).await;
    let error = server.tail(name).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("exchange"), "{error}");
    let address = place.server();
    let (exchange, bound) = (format!("{name}-events"), format!("{name}-bound"));
    let events = RabbitMq::exchange(exchange.as_str()).at(address.url()).create_if_missing().await.unwrap();
    let bound = RabbitMq::queue(bound).at(address.url()).bound_to(exchange.as_str(), "orders/*").create_if_missing();
    let mut bound = bound.await.unwrap();
    let mut tail = server.tail(&exchange).await.unwrap();
    let packets: Vec<_> = (1..=50)
        .map(|id| {
            let mut packet = packet(id);
            packet.topic = "orders/placed".to_owned();
            packet
        })
        .collect();
    for taken in events.publish(&packets).await {
        taken.unwrap();
    }
    assert_eq!(heard(&mut tail, 50).await, bodies(1..=50));
    bound.open(100).await.unwrap();
    let mut there = 0;
    while there < 50 {
        let some = bound.receive(100).await.unwrap();
        assert!(!some.is_empty(), "{there} of 50");
        there += some.len();
        for delivery in some {
            delivery.ack().await.unwrap();
        }
    }
}
