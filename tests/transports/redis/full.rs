//! A server that is full: what fills it can be drained.

use std::collections::BTreeSet;
use std::time::Duration;

use convoke::transport::{ErrorKind, Packet, Source};

use super::{ask, count, next, orders, packets, publish, server, until};

#[tokio::test]
async fn a_worker_starts_and_drains_while_the_server_is_full() {
    let server = server().await;
    let redis = orders(&server).await.unwrap();
    redis.clone().open(1).await.unwrap();
    let mut late = Packet::new("late", "");
    late.delay = Duration::from_millis(1);
    publish(&redis, &packets(50)).await;
    publish(&redis, &[late]).await;
    ask(&server, &["CONFIG", "SET", "maxmemory", "1"]).await;

    // A process of its own would know no more than this.
    let mut worker = orders(&server).deadline(Duration::from_secs(1)).await.unwrap();
    worker.open(10).await.unwrap();
    let mut seen = BTreeSet::new();
    while seen.len() < 50 {
        let delivery = next(&mut worker).await;
        seen.insert(delivery.packet().id.clone());
        delivery.ack().await.unwrap();
    }
    assert_eq!(count(&server, &["XLEN", "orders"]).await, 0);
    assert_eq!(worker.publish_one().await, Some(ErrorKind::Unreachable));
    // What cannot be added now waits, and keeps nobody from receiving.
    assert_eq!(worker.receive(1).await.unwrap().len(), 0);

    ask(&server, &["CONFIG", "SET", "maxmemory", "0"]).await;
    let delivery = next(&mut worker).await;
    assert_eq!(delivery.packet().id, "late");
    delivery.ack().await.unwrap();
    until(async || count(&server, &["EXISTS", "orders:delayed"]).await == 0).await;
}

/// What comes of a publish.
trait PublishOne {
    async fn publish_one(&self) -> Option<ErrorKind>;
}

impl PublishOne for convoke::transport::Redis {
    async fn publish_one(&self) -> Option<ErrorKind> {
        use convoke::transport::Publisher;
        self.publish(&packets(1)).await.remove(0).err().map(|error| error.kind())
    }
}
