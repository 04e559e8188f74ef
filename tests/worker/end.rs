//! How a worker ends when the server is away, and what its report says of what it had.

use std::sync::Arc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{
    Abilities, BoxFuture, Delivery, Memory, MemoryQueue, Receipt, Settlement, Source, TransportError,
};
use convoke::{Shutdown, Worker, WorkerError, WorkerReport};

use super::deliveries::{OrderPlaced, order, put, settled_in};
use crate::common::{SECOND, ms, sleep};

/// A server that lends, and answers nothing else: neither a settlement nor a goodbye.
struct Mute(MemoryQueue);

impl Source for Mute {
    fn name(&self) -> &'static str {
        "mute"
    }

    fn abilities(&self) -> Abilities {
        Source::abilities(&self.0)
    }

    fn open(&mut self, prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>> {
        self.0.open(prefetch)
    }

    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<Delivery>, TransportError>> {
        Box::pin(async move {
            let lent = self.0.receive(most).await?;
            let wrap = |delivery: Delivery| {
                let (packet, attempt) = (delivery.packet().clone(), delivery.attempt());
                Delivery::new("mute", packet, attempt, Silent(delivery)).with_lease(4 * SECOND)
            };
            Ok(lent.into_iter().map(wrap).collect())
        })
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(std::future::pending())
    }
}

struct Silent(#[expect(dead_code, reason = "it is lent as long as this is there")] Delivery);

impl Receipt for Silent {
    fn settle(self: Box<Self>, _: Settlement) -> BoxFuture<'static, Result<(), TransportError>> {
        Box::pin(async move {
            let _lent = self;
            sleep(3_600 * SECOND).await;
            Ok(())
        })
    }

    fn extend(&mut self, _: Duration) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(std::future::pending())
    }
}

/// Both signals: the second so long after the first.
struct Signals(Duration, Duration);

impl Shutdown for Signals {
    fn into_signals(self) -> (impl Future<Output = ()>, impl Future<Output = ()>) {
        (sleep(self.0), sleep(self.1))
    }
}

/// Of 8 that are here, 2 are done and not acknowledged, 2 are being heard, and 4 wait.
async fn ended(drain: Option<Duration>, signals: impl Shutdown) -> WorkerReport {
    let (queue, bus) = (Memory::queue("orders").lease(86_400 * SECOND), EventBus::default());
    let hears = async |order: Arc<OrderPlaced>| {
        if order.id > 1 {
            sleep(3_000 * SECOND).await;
        }
    };
    let _hears = bus.on(hears.timeout(7_200 * SECOND));
    put(&queue, (0..8).map(order)).await;
    let mut worker = Worker::new(Mute(queue), &bus).concurrency(2).prefetch(6);
    if let Some(limit) = drain {
        worker = worker.drain_timeout(limit);
    }
    let report = worker.run_until(signals).await.unwrap();
    // What was begun goes on, and may end.
    sleep(7_200 * SECOND).await;
    report
}

#[convoke::test]
async fn the_end_takes_no_longer_than_its_deadline_and_all_is_counted() {
    for limit in [10 * SECOND, SECOND, 100 * SECOND, ms(10), Duration::ZERO] {
        let report = ended(Some(limit), sleep(SECOND)).await;
        assert!(report.took <= limit + ms(1) && !report.drained, "{limit:?}: {:?}, {report}", report.took);
        assert_eq!((report.received, settled_in(&report)), (8, 8), "{report}");
        assert_eq!((report.lost, report.released), (8, 0), "nobody has confirmed anything: {report}");
    }
}

#[convoke::test]
async fn unless_told_otherwise_it_ends_well_under_the_thirty_seconds_of_an_orchestrator() {
    let report = ended(None, sleep(SECOND)).await;
    assert!(report.took <= 20 * SECOND + ms(1), "{:?}", report.took);
}

#[convoke::test]
async fn a_second_signal_ends_it_at_once_whatever_the_server_says() {
    let report = ended(Some(3_600 * SECOND), Signals(SECOND, 3 * SECOND)).await;
    assert!((3 * SECOND..=8 * SECOND + ms(1)).contains(&report.took), "{:?}", report.took);
    assert_eq!((report.received, settled_in(&report)), (8, 8), "{report}");
}

#[convoke::test]
async fn a_hurried_end_counts_what_it_gives_back() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _hangs = bus.on((async |_: Arc<OrderPlaced>| sleep(300 * SECOND).await).timeout(3_600 * SECOND));
    put(&queue, (0..9).map(order)).await;
    let worker = Worker::new(queue.clone(), &bus).concurrency(3).prefetch(3);
    let report = worker.run_until(Signals(SECOND, 2 * SECOND)).await.unwrap();
    assert_eq!((report.received, report.released, report.lost, report.took), (6, 6, 0, 2 * SECOND), "{report}");
    assert_eq!((queue.waiting(), queue.lent()), (9, 0));
    sleep(300 * SECOND).await;
}

/// A server whose client panics whenever a delivery is settled.
struct Bomb(MemoryQueue);

impl Source for Bomb {
    fn name(&self) -> &'static str {
        "bomb"
    }

    fn abilities(&self) -> Abilities {
        Source::abilities(&self.0)
    }

    fn open(&mut self, prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>> {
        self.0.open(prefetch)
    }

    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<Delivery>, TransportError>> {
        Box::pin(async move {
            let lent = self.0.receive(most).await?;
            let wrap = |delivery: Delivery| {
                let (packet, attempt) = (delivery.packet().clone(), delivery.attempt());
                Delivery::new("bomb", packet, attempt, Fuse(delivery))
            };
            Ok(lent.into_iter().map(wrap).collect())
        })
    }
}

struct Fuse(#[expect(dead_code, reason = "it is lent as long as this is there")] Delivery);

impl Receipt for Fuse {
    fn settle(self: Box<Self>, _: Settlement) -> BoxFuture<'static, Result<(), TransportError>> {
        panic!("as told")
    }
}

#[convoke::test]
async fn a_receipt_that_panics_ends_the_worker_and_not_the_process() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _slow = bus.on(async |_: Arc<OrderPlaced>| sleep(SECOND).await);
    put(&queue, (0..8).map(order)).await;
    // One is settled and panics; while that unwinds, the others are dropped, and each panics too.
    let worker = Worker::new(Bomb(queue.clone()), &bus).concurrency(2).prefetch(6).start().await.unwrap();
    sleep(10 * SECOND).await;
    assert!(matches!(worker.drain().await, Err(WorkerError::Gone)));
    assert_eq!((queue.waiting(), queue.lent()), (8, 0), "and all is given back");
}
