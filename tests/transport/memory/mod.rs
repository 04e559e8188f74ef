//! The queue in this process: every ability, in virtual time, and every way in which a test can play a server's faults.

/// What is lent, and what becomes of it.
mod lending;
/// Faults of a server that a test can play, and the load.
mod faults;
/// Queues and inboxes of a database in this process, and its transactions.
mod database;

use std::time::Duration;

use convoke::transport::{
    Abilities, DeadLetterRecord, DeadReason, Delivery, ErrorKind, Memory, MemoryQueue, Packet, Publisher, Source,
    TransportError, redrive,
};
use tokio::time::{Instant, timeout};

const SECOND: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_secs(30);

fn packet(id: &str) -> Packet {
    Packet::new(id, format!("body of {id}"))
}

fn of_key(id: &str, key: &str) -> Packet {
    let mut packet = packet(id);
    packet.key = Some(key.to_owned());
    packet
}

async fn publish(queue: &MemoryQueue, packets: impl IntoIterator<Item = Packet>) {
    let packets: Vec<_> = packets.into_iter().collect();
    for taken in queue.publish(&packets).await {
        taken.unwrap();
    }
}

async fn publish_one(queue: &MemoryQueue, packet: Packet) -> Result<(), TransportError> {
    queue.publish(&[packet]).await.remove(0)
}

async fn subscriber(queue: &MemoryQueue) -> MemoryQueue {
    let mut subscriber = queue.clone();
    subscriber.open(1000).await.unwrap();
    subscriber
}

/// The next one, however long that takes in virtual time.
async fn next(subscriber: &mut MemoryQueue) -> Delivery {
    let first = async {
        loop {
            if let Some(delivery) = subscriber.receive(1).await.unwrap().pop() {
                return delivery;
            }
        }
    };
    timeout(SECOND * 60 * 60, first).await.expect("nothing came")
}

/// The next one, which must be this one, after exactly this long.
#[track_caller]
fn comes<'a>(subscriber: &'a mut MemoryQueue, id: &'a str, wait: Duration) -> impl Future<Output = Delivery> + use<'a> {
    let caller = std::panic::Location::caller();
    async move {
        let start = Instant::now();
        let delivery = next(subscriber).await;
        assert_eq!((delivery.packet().id.as_str(), start.elapsed()), (id, wait), "{caller}");
        delivery
    }
}

/// What can be had now, by id.
async fn at_once(subscriber: &mut MemoryQueue) -> Vec<Delivery> {
    let start = Instant::now();
    let deliveries = timeout(Duration::ZERO, subscriber.receive(1000)).await.unwrap_or(Ok(Vec::new())).unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    deliveries
}

fn ids(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery.packet().id.as_str()).collect()
}

fn kind<T: std::fmt::Debug>(result: Result<T, TransportError>) -> ErrorKind {
    result.unwrap_err().kind()
}
