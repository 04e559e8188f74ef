//! How many deliveries a worker fetches ahead where nobody has said: more while they are quick, and none that others could begin.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use convoke::Worker;
use convoke::prelude::*;
use convoke::transport::{Abilities, BoxFuture, Delivery, Memory, MemoryQueue, Source, TransportError};

use super::deliveries::{OrderPlaced, emptied, order, put};
use crate::common::{Notes, SECOND, ms, settled, sleep};

/// Lends as many as it is asked for, and says how many it was told that may be.
struct Elastic(MemoryQueue, Arc<AtomicUsize>);

impl Source for Elastic {
    fn name(&self) -> &str {
        Source::name(&self.0)
    }

    fn abilities(&self) -> Abilities {
        Source::abilities(&self.0)
    }

    fn open(&mut self, prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>> {
        self.1.store(prefetch, Ordering::Relaxed);
        self.0.open(1_000)
    }

    fn lend_up_to(&mut self, deliveries: usize) -> BoxFuture<'_, Result<bool, TransportError>> {
        self.1.store(deliveries, Ordering::Relaxed);
        Box::pin(async { Ok(true) })
    }

    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<Delivery>, TransportError>> {
        self.0.receive(most)
    }

    fn stop_lending(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        self.0.stop_lending()
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        self.0.close()
    }
}

fn elastic(queue: &MemoryQueue) -> (Elastic, Arc<AtomicUsize>) {
    let told = Arc::new(AtomicUsize::new(0));
    (Elastic(queue.clone(), told.clone()), told)
}

/// Notes which orders begin; each takes as long as it says, in milliseconds.
fn listen(bus: &EventBus, takes: impl Fn(u64) -> u64 + 'static) -> (Notes<u64>, impl Sized) {
    let begun = Notes::new();
    let guard = bus.on({
        let begun = begun.clone();
        async move |order: Arc<OrderPlaced>| {
            begun.add(order.id);
            sleep(ms(takes(order.id))).await;
        }
    });
    (begun, guard)
}

#[convoke::test]
async fn more_are_fetched_ahead_while_they_are_quick() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let (_, _quick) = listen(&bus, |_| 1);
    let (source, told) = elastic(&queue);
    put(&queue, (0..200).map(order)).await;
    let worker = Worker::new(source, &bus).concurrency(1).start().await.unwrap();
    assert_eq!(told.load(Ordering::Relaxed), 2, "as many ahead as at a time, at first");
    emptied(&queue).await;
    assert_eq!(told.load(Ordering::Relaxed), 17);
    assert_eq!(worker.drain().await.unwrap().done, 200);
}

#[convoke::test]
async fn what_waits_behind_one_that_takes_long_goes_to_others_and_comes_back_no_sooner() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let (begun, _slow) = listen(&bus, |id| if id == 150 { 30_000 } else { 1 });
    let (source, told) = elastic(&queue);
    put(&queue, (0..200).map(order)).await;
    let worker = Worker::new(source, &bus).concurrency(1).start().await.unwrap();
    while !begun.take().contains(&150) {
        sleep(ms(1)).await;
    }
    assert_eq!(told.load(Ordering::Relaxed), 17);
    sleep(SECOND * 3).await;
    settled().await;
    // It holds what it did at first: the one that is heard, and one.
    assert_eq!((told.load(Ordering::Relaxed), queue.lent()), (2, 2));
    let mut other = queue.clone();
    other.open(100).await.unwrap();
    for delivery in other.receive(100).await.unwrap() {
        assert_eq!(delivery.attempt(), 1, "what is given back has had no attempt");
        delivery.ack().await.unwrap();
    }
    sleep(SECOND * 40).await;
    assert_eq!((queue.waiting(), queue.lent()), (0, 0));
    // Quick as they are, no more are fetched ahead for a while.
    put(&queue, (200..300).map(order)).await;
    emptied(&queue).await;
    assert_eq!(told.load(Ordering::Relaxed), 2);
    sleep(SECOND * 30).await;
    put(&queue, (300..400).map(order)).await;
    emptied(&queue).await;
    assert_eq!(told.load(Ordering::Relaxed), 17);
    let report = worker.drain().await.unwrap();
    assert_eq!((report.retried, report.dead, report.lost), (0, 0, 0), "{report}");
}

#[convoke::test]
async fn a_number_that_was_set_stays() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let (_, _quick) = listen(&bus, |_| 0);
    let (source, told) = elastic(&queue);
    put(&queue, (0..200).map(order)).await;
    let worker = Worker::new(source, &bus).concurrency(2).prefetch(3).start().await.unwrap();
    emptied(&queue).await;
    assert_eq!(told.load(Ordering::Relaxed), 5);
    assert_eq!(worker.drain().await.unwrap().done, 200);
}

#[convoke::test]
async fn a_pause_and_a_drain_come_through_while_it_is_given_back() {
    for after in [0, 990, 1_000, 1_010, 2_000] {
        let (queue, bus) = (Memory::queue("orders"), EventBus::default());
        let (begun, _slow) = listen(&bus, |id| if id == 150 { 5_000 } else { 1 });
        let (source, _) = elastic(&queue);
        put(&queue, (0..200).map(order)).await;
        let worker = Worker::new(source, &bus).concurrency(1).start().await.unwrap();
        while !begun.take().contains(&150) {
            sleep(ms(1)).await;
        }
        sleep(ms(after)).await;
        worker.pause().await.unwrap();
        sleep(ms(100)).await;
        assert_eq!(queue.lent(), 1, "{after}");
        worker.resume().await.unwrap();
        emptied(&queue).await;
        let report = worker.drain().await.unwrap();
        assert_eq!((report.done, report.lost), (200, 0), "{after}: {report}");
    }
}
