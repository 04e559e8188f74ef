//! A worker whose server says nothing, though it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use convoke::prelude::*;
use convoke::transport::{Abilities, BoxFuture, Delivery, Memory, MemoryQueue, Pulse, Source, TransportError};
use convoke::{Worker, WorkerHandle};

use super::deliveries::{OrderPlaced, order, put};
use crate::common::{SECOND, ms, settled, sleep};

/// A connection that may be a black hole: then a receive ends after a time-out of ours, and brings nothing.
struct Hole {
    queue: MemoryQueue,
    pulse: Option<Pulse>,
    is_black: Arc<AtomicBool>,
}

impl Source for Hole {
    fn name(&self) -> &'static str {
        "hole"
    }

    fn abilities(&self) -> Abilities {
        Source::abilities(&self.queue)
    }

    fn open(&mut self, prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>> {
        self.queue.open(prefetch)
    }

    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<Delivery>, TransportError>> {
        Box::pin(async move {
            if self.is_black.load(Ordering::Relaxed) {
                sleep(SECOND).await;
                return Ok(Vec::new());
            }
            let lent = self.queue.receive(most).await?;
            if let Some(pulse) = &self.pulse {
                pulse.beat();
            }
            Ok(lent)
        })
    }

    fn pulse(&self) -> Option<Pulse> {
        self.pulse.clone()
    }
}

async fn start(bus: &EventBus, knows: bool) -> (WorkerHandle, MemoryQueue, Arc<AtomicBool>) {
    let (queue, is_black) = (Memory::queue("orders"), Arc::new(AtomicBool::new(false)));
    let pulse = knows.then(|| Pulse::new(15 * SECOND));
    let source = Hole { queue: queue.clone(), pulse, is_black: is_black.clone() };
    let worker = Worker::new(source, bus).concurrency(1).prefetch(0).start().await.unwrap();
    (worker, queue, is_black)
}

#[convoke::test]
async fn a_server_that_is_silent_is_not_healthy_however_often_we_time_out() {
    let bus = EventBus::default();
    let (worker, _queue, is_black) = start(&bus, true).await;
    sleep(600 * SECOND).await;
    let health = worker.health();
    assert!(health.healthy && health.connected && health.since_progress <= SECOND, "{health:?}");
    is_black.store(true, Ordering::Relaxed);
    sleep(13 * SECOND).await;
    assert!(worker.health().healthy);
    sleep(3 * SECOND).await;
    let health = worker.health();
    assert_eq!((health.healthy, health.connected), (false, false), "{health:?}");
    assert_eq!(health.to_string(), "hole makes no progress: 0 in flight, 0 here");
    // A pause is no word either, but nobody asks any more.
    worker.pause().await.unwrap();
    settled().await;
    assert!(worker.health().healthy);
    worker.resume().await.unwrap();
    sleep(20 * SECOND).await;
    assert!(!worker.health().healthy);
    is_black.store(false, Ordering::Relaxed);
    sleep(3 * SECOND).await;
    assert!(worker.health().healthy && worker.health().connected);
    drop(worker);
}

#[convoke::test]
async fn whom_nobody_asks_may_be_silent() {
    let bus = EventBus::default();
    let (worker, queue, is_black) = start(&bus, true).await;
    let _slow = bus.on(async |_: Arc<OrderPlaced>| sleep(25 * SECOND).await);
    put(&queue, [order(1)]).await;
    sleep(2 * SECOND).await;
    is_black.store(true, Ordering::Relaxed);
    sleep(20 * SECOND).await;
    assert!(worker.health().healthy, "the one slot is taken: {:?}", worker.health());
    sleep(14 * SECOND).await;
    assert!(worker.health().healthy, "it is asked since 9 s: {:?}", worker.health());
    sleep(10 * SECOND).await;
    assert!(!worker.health().healthy, "{:?}", worker.health());
    drop(worker);
}

#[convoke::test]
async fn where_the_source_cannot_tell_each_receive_is_a_word() {
    let bus = EventBus::default();
    let (worker, _queue, is_black) = start(&bus, false).await;
    is_black.store(true, Ordering::Relaxed);
    sleep(600 * SECOND).await;
    assert!(worker.health().healthy && worker.health().since_progress < 2 * SECOND);
    drop(worker);
}

#[convoke::test]
async fn a_server_that_is_away_is_found_out_within_fifteen_seconds() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let worker = Worker::new(queue.clone(), &bus).start().await.unwrap();
    sleep(100 * SECOND).await;
    queue.set_reachable(false);
    sleep(ms(16_100)).await;
    assert!(!worker.health().healthy, "{:?}", worker.health());
    queue.set_reachable(true);
    sleep(40 * SECOND).await;
    assert!(worker.health().healthy, "{:?}", worker.health());
    drop(worker);
}
