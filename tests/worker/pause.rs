//! A worker that pauses or drains: what it does not hear is there for others, at once and in order.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use convoke::codec::{Codec, Wire};
use convoke::prelude::*;
use convoke::transport::{
    Abilities, BoxFuture, Delivery, ErrorKind, Memory, MemoryQueue, Packet, Publisher, Source, TransportError,
};
use convoke::{Envelope, MemoryInbox, Retry, Worker};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::common::{Notes, SECOND, ms, settled, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "jobs/queued", entity_id = of)]
struct Queued {
    id: u64,
    of: u64,
}

fn job(id: u64, of: u64) -> Packet {
    let mut metadata = Metadata::of::<Queued>();
    metadata.entity_id = Some(of.to_string().into());
    let mut packet = Wire.write(&Envelope::new(metadata, serde_json::json!({ "id": id, "of": of })));
    packet.key = Some(of.to_string());
    packet
}

/// One that waits for no other.
fn free(id: u64) -> Packet {
    without_key(job(id, 0))
}

fn without_key(mut packet: Packet) -> Packet {
    packet.key = None;
    packet
}

async fn put(queue: &MemoryQueue, packets: impl IntoIterator<Item = Packet>) {
    let packets: Vec<_> = packets.into_iter().collect();
    for taken in queue.publish(&packets).await {
        taken.unwrap();
    }
}

async fn emptied(queue: &MemoryQueue) {
    while queue.waiting() + queue.lent() > 0 {
        sleep(ms(10)).await;
    }
}

fn by_entity(envelope: &Envelope) -> Option<String> {
    envelope.metadata.entity_id.as_deref().map(str::to_owned)
}

/// A bus whose listener takes so many seconds, and what it has begun.
fn slow(seconds: u32) -> (EventBus, Notes<u64>, impl Sized) {
    let (bus, notes) = (EventBus::default(), Notes::new());
    let begins = notes.clone();
    let listens = bus.on((async move |job: Arc<Queued>| {
        begins.add(job.id);
        sleep(seconds * SECOND).await;
    })
    .timeout(3_600 * SECOND));
    (bus, notes, listens)
}

#[convoke::test]
async fn paused_it_gives_back_what_it_does_not_hear() {
    let (queue, (bus, begun, _hears)) = (Memory::queue("jobs"), slow(100));
    put(&queue, (0..10).map(free)).await;
    let worker = Worker::new(queue.clone(), &bus).concurrency(2).prefetch(6).start().await.unwrap();
    settled().await;
    assert_eq!((queue.waiting(), queue.lent()), (2, 8));
    worker.pause().await.unwrap();
    settled().await;
    let report = worker.report();
    assert_eq!((queue.waiting(), queue.lent(), report.released), (8, 2, 6), "{report}");
    // Another worker has all of them, as first attempts and while the first one is still at work.
    let (other, done, _hears) = slow(0);
    let another = Worker::new(queue.clone(), &other).retry(Retry::never()).start().await.unwrap();
    let began = Instant::now();
    while queue.waiting() > 0 {
        sleep(ms(10)).await;
    }
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    sleep(3_600 * SECOND).await;
    let report = another.drain().await.unwrap();
    assert_eq!((report.done, report.dead, done.take().len()), (8, 0, 8), "{report}");
    assert_eq!((begun.take(), worker.report().done), (vec![0, 1], 2));
    let health = worker.health();
    assert!(health.healthy && health.paused && health.here == 0, "{health}");
    // And on it goes.
    worker.resume().await.unwrap();
    put(&queue, [free(10)]).await;
    emptied(&queue).await;
    assert_eq!(worker.drain().await.unwrap().done, 3);
}

#[convoke::test]
async fn paused_longer_than_a_lease_nothing_dies_unheard() {
    let (queue, (bus, begun, _hears)) = (Memory::queue("jobs").lease(10 * SECOND), slow(50));
    put(&queue, (0..10).map(free)).await;
    let set = |bus| Worker::new(queue.clone(), bus).concurrency(1).prefetch(9).retry(Retry::never());
    let worker = set(&bus).start().await.unwrap();
    settled().await;
    for _ in 0..3 {
        worker.pause().await.unwrap();
        sleep(60 * SECOND).await;
        worker.resume().await.unwrap();
        sleep(SECOND).await;
    }
    emptied(&queue).await;
    let report = worker.drain().await.unwrap();
    assert_eq!((report.done, report.dead, report.lost), (10, 0, 0), "{report}");
    assert_eq!((begun.take(), queue.dead_letters().waiting()), ((0..10).collect(), 0));
}

#[convoke::test]
async fn what_waits_for_its_turn_its_copy_or_the_pace_is_given_back_too() {
    for drains in [false, true] {
        let (queue, (bus, begun, _hears)) = (Memory::queue("jobs"), slow(100));
        // A key of the worker's own: the server lends all of them at once.
        let one = free(1);
        put(&queue, [free(0), one.clone(), one, free(2), free(3)]).await;
        let worker =
            Worker::new(queue.clone(), &bus).deduplicate(MemoryInbox::new(3_600 * SECOND)).rate_limit(1, 10 * SECOND);
        let even = |envelope: &Envelope| Some((envelope.payload["id"].as_u64()? % 2).to_string());
        let worker = worker.ordered_by(even).start().await.unwrap();
        sleep(15 * SECOND).await;
        assert_eq!((begun.take(), queue.lent()), (vec![0, 1], 5));
        let began = Instant::now();
        if drains {
            let probe = worker.probe();
            let ended = actix::spawn(worker.drain());
            settled().await;
            assert_eq!((queue.waiting(), queue.lent(), probe().here), (3, 2, 2));
            let report = ended.await.unwrap().unwrap();
            // The two that are heard take longer than the drain may.
            assert_eq!((report.done, report.released, report.drained), (0, 5, false), "{report}");
            continue;
        }
        worker.pause().await.unwrap();
        settled().await;
        assert_eq!((queue.waiting(), queue.lent(), began.elapsed()), (3, 2, ms(0)));
        // Who has waited for the pace and was given back has taken no turn of it: two to come, one a copy.
        worker.resume().await.unwrap();
        emptied(&queue).await;
        assert_eq!((begun.take(), began.elapsed().as_secs()), (vec![2, 3], 205));
        let report = worker.drain().await.unwrap();
        assert_eq!((report.done, report.duplicates), (4, 1), "{report}");
    }
}

#[convoke::test]
async fn over_pauses_a_key_is_heard_in_order_and_one_at_a_time() {
    let (queue, bus) = (Memory::queue("jobs"), EventBus::default());
    // As a server that lends what is behind in its own order, and has it wait here.
    let keeps = Lends(queue.clone(), Arc::default());
    let heard: Rc<RefCell<BTreeMap<u64, Vec<u64>>>> = Rc::default();
    let at_work: Rc<RefCell<BTreeMap<u64, u32>>> = Rc::default();
    let _slow = bus.on({
        let (heard, at_work) = (heard.clone(), at_work.clone());
        async move |job: Arc<Queued>| {
            let now = {
                let mut at_work = at_work.borrow_mut();
                let now = at_work.entry(job.of).or_default();
                *now += 1;
                *now
            };
            assert_eq!(now, 1, "{job:?} has overtaken one of its key");
            sleep(ms(700)).await;
            heard.borrow_mut().entry(job.of).or_default().push(job.id);
            *at_work.borrow_mut().entry(job.of).or_default() -= 1;
        }
    });
    put(&queue, (0..60).map(|id| without_key(job(id, id % 3)))).await;
    let worker = Worker::new(keeps, &bus).concurrency(8).retry(Retry::never()).ordered_by(by_entity);
    let worker = worker.start().await.unwrap();
    let mut wait = 0;
    while queue.waiting() + queue.lent() > 0 {
        wait = (wait + 170) % 1_000;
        sleep(ms(wait)).await;
        worker.pause().await.unwrap();
        sleep(ms(wait / 3)).await;
        worker.resume().await.unwrap();
    }
    let report = worker.drain().await.unwrap();
    assert_eq!((report.done, report.dead), (60, 0), "{report}");
    assert!(report.released > 100, "{report}");
    for (of, ids) in heard.borrow().iter() {
        assert_eq!(ids, &(0..60).filter(|id| id % 3 == *of).collect::<Vec<_>>());
    }
}

/// Counts how often it was told to stop, and answers as the test wants.
#[derive(Clone)]
struct Lends(MemoryQueue, Arc<Told>);

#[derive(Default)]
struct Told {
    stops: AtomicUsize,
    hangs: AtomicUsize,
    fails: AtomicUsize,
}

impl Source for Lends {
    fn name(&self) -> &str {
        Source::name(&self.0)
    }

    fn abilities(&self) -> Abilities {
        Source::abilities(&self.0)
    }

    fn open(&mut self, prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>> {
        self.0.open(prefetch)
    }

    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<Delivery>, TransportError>> {
        self.0.receive(most)
    }

    fn stop_lending(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async {
            self.1.stops.fetch_add(1, Ordering::Relaxed);
            if self.1.hangs.load(Ordering::Relaxed) > 0 {
                std::future::pending::<()>().await;
            }
            if self.1.fails.load(Ordering::Relaxed) > 0 {
                return Err(TransportError::new(ErrorKind::Unreachable, "memory:jobs", "it is not there"));
            }
            Ok(())
        })
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        self.0.close()
    }
}

#[convoke::test]
async fn the_server_is_told_to_stop_once_for_each_pause_and_drain() {
    let (queue, (bus, _, _hears)) = (Memory::queue("jobs"), slow(0));
    let source = Lends(queue.clone(), Arc::default());
    let told = source.1.clone();
    let stops = || told.stops.load(Ordering::Relaxed);
    let worker = Worker::new(source.clone(), &bus).start().await.unwrap();
    settled().await;
    assert_eq!(stops(), 0);
    worker.pause().await.unwrap();
    settled().await;
    assert_eq!(stops(), 1);
    worker.resume().await.unwrap();
    settled().await;
    worker.pause().await.unwrap();
    settled().await;
    // Whoever is paused has been stopped.
    worker.drain().await.unwrap();
    assert_eq!(stops(), 2);
    let worker = Worker::new(source, &bus).start().await.unwrap();
    settled().await;
    worker.drain().await.unwrap();
    assert_eq!(stops(), 3);
}

#[convoke::test]
async fn a_server_that_does_not_stop_is_waited_for_and_no_longer_than_that() {
    for (hangs, waits) in [(1, 3), (0, 0)] {
        let (queue, (bus, begun, _hears)) = (Memory::queue("jobs"), slow(100));
        put(&queue, (0..10).map(free)).await;
        let source = Lends(queue.clone(), Arc::default());
        source.1.hangs.store(hangs, Ordering::Relaxed);
        source.1.fails.store(1, Ordering::Relaxed);
        let worker = Worker::new(source, &bus).concurrency(1).prefetch(9).start().await.unwrap();
        settled().await;
        let began = Instant::now();
        let drained = actix::spawn(worker.drain());
        while queue.lent() > 1 {
            sleep(ms(10)).await;
        }
        assert_eq!((began.elapsed().as_secs(), begun.take()), (waits, vec![0]));
        assert_eq!(drained.await.unwrap().unwrap().released, 10);
    }
}

#[convoke::test]
async fn a_pause_that_is_taken_back_at_once_loses_nothing() {
    let (queue, bus) = (Memory::queue("jobs"), EventBus::default());
    let done = Rc::new(Cell::new(0));
    let _done = bus.on({
        let done = done.clone();
        async move |_: Arc<Queued>| {
            sleep(ms(30)).await;
            done.set(done.get() + 1);
        }
    });
    put(&queue, (0..200).map(free)).await;
    let worker = Worker::new(queue.clone(), &bus).concurrency(2).prefetch(10).start().await.unwrap();
    while queue.waiting() + queue.lent() > 0 {
        let (paused, resumed) = tokio::join!(worker.pause(), worker.resume());
        paused.and(resumed).unwrap();
        sleep(ms(7)).await;
    }
    let report = worker.drain().await.unwrap();
    assert_eq!((report.done, done.get(), report.lost), (200, 200, 0), "{report}");
}
