//! A worker and what its process died of: an attempt is what was heard, and nobody is taken along.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use convoke::codec::{Codec, Wire};
use convoke::prelude::*;
use convoke::transport::{
    Abilities, BoxFuture, DeadLetterRecord, DeadReason, Delivery, Memory, MemoryQueue, Packet, Publisher, Receipt,
    Settlement, Source, TransportError, UNHEARD_ATTEMPTS,
};
use convoke::{Envelope, Retry, Worker};
use serde::{Deserialize, Serialize};

use crate::common::{SECOND, ms, settled, sleep};

/// Events that are done, but for one.
#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "jobs/queued")]
struct Queued {
    id: u64,
}

fn job(id: u64) -> Packet {
    Wire.write(&Envelope::new(Metadata::of::<Queued>(), serde_json::json!({ "id": id })))
}

async fn put(queue: &MemoryQueue, packets: impl IntoIterator<Item = Packet>) {
    let packets: Vec<_> = packets.into_iter().collect();
    for taken in queue.publish(&packets).await {
        taken.unwrap();
    }
}

/// Waits until nothing waits, is lent or is held back.
async fn emptied(queue: &MemoryQueue) {
    while queue.waiting() + queue.lent() > 0 {
        sleep(ms(10)).await;
    }
}

fn dead(queue: &MemoryQueue) -> Vec<(DeadLetterRecord, u64)> {
    let letters = queue.dead_letters().packets();
    let read = |letter: &Packet| {
        let envelope = Envelope::from_slice(&letter.body).unwrap();
        (DeadLetterRecord::of(letter).unwrap(), envelope.payload["id"].as_u64().unwrap())
    };
    letters.iter().map(read).collect()
}

fn retry(attempts: u32) -> Retry {
    Retry::exponential(SECOND).attempts(attempts)
}

/// A queue as a process sees it that can die: from then on nothing that it has had is settled, and it hears nothing.
struct Mortal {
    queue: MemoryQueue,
    is_dead: Arc<AtomicBool>,
    /// Whether the server has a place for marks.
    marks: bool,
    /// The most deliveries that were lent to it at once, and how often one was lent when it died.
    told: Arc<AtomicUsize>,
}

impl Mortal {
    fn new(queue: &MemoryQueue) -> Self {
        Self { queue: queue.clone(), is_dead: Arc::default(), marks: true, told: Arc::default() }
    }
}

impl Source for Mortal {
    fn name(&self) -> &str {
        Source::name(&self.queue)
    }

    fn abilities(&self) -> Abilities {
        Source::abilities(&self.queue)
    }

    fn attempts(&mut self, most: u32) {
        self.told.store(most as usize, Ordering::Relaxed);
    }

    fn open(&mut self, prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>> {
        self.queue.open(prefetch)
    }

    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<Delivery>, TransportError>> {
        Box::pin(async move {
            let lent = self.queue.receive(most).await?;
            if self.is_dead.load(Ordering::Relaxed) {
                lent.into_iter().for_each(std::mem::forget);
                return std::future::pending().await;
            }
            let wrap = |lent: Delivery| {
                let (source, packet) = (lent.source().to_owned(), lent.packet().clone());
                let (attempt, lease, marked) = (lent.attempt(), lent.lease().unwrap(), lent.is_marked());
                let grip = Grip { lent: Some(lent), is_dead: self.is_dead.clone(), marks: self.marks };
                Delivery::new(source, packet, attempt, grip).with_lease(lease).with_mark(marked)
            };
            Ok(lent.into_iter().map(wrap).collect())
        })
    }
}

/// Lets go of nothing once the process is dead.
struct Grip {
    lent: Option<Delivery>,
    is_dead: Arc<AtomicBool>,
    marks: bool,
}

impl Receipt for Grip {
    fn settle(mut self: Box<Self>, how: Settlement) -> BoxFuture<'static, Result<(), TransportError>> {
        if self.is_dead.load(Ordering::Relaxed) {
            return Box::pin(std::future::pending());
        }
        let lent = self.lent.take().unwrap();
        Box::pin(lent.settle(how))
    }

    fn extend(&mut self, by: Duration) -> BoxFuture<'_, Result<(), TransportError>> {
        if self.is_dead.load(Ordering::Relaxed) {
            return Box::pin(std::future::pending());
        }
        Box::pin(self.lent.as_mut().unwrap().extend(by))
    }

    fn mark(&mut self) -> BoxFuture<'_, Result<bool, TransportError>> {
        if self.marks { Box::pin(self.lent.as_mut().unwrap().mark()) } else { Box::pin(async { Ok(false) }) }
    }
}

impl Drop for Grip {
    fn drop(&mut self) {
        // A delivery that is dropped is given back, which the dead do not.
        std::mem::forget(self.lent.take().filter(|_| self.is_dead.load(Ordering::Relaxed)));
    }
}

/// What became of a queue over as many processes as it took.
struct Told {
    heard: BTreeMap<u64, usize>,
    deaths: usize,
    /// How many others were being heard when the process died the last time.
    beside: usize,
}

/// Has workers work on a queue, one after another, each until it dies of a poison or the queue is empty.
async fn processes(
    queue: &MemoryQueue,
    poison: fn(u64) -> bool,
    marks: bool,
    set: impl Fn(Worker<Mortal>) -> Worker<Mortal>,
) -> Told {
    let mut told = Told { heard: BTreeMap::new(), deaths: 0, beside: 0 };
    loop {
        let (bus, source) = (EventBus::default(), Mortal { marks, ..Mortal::new(queue) });
        let is_dead = source.is_dead.clone();
        let heard: Rc<RefCell<BTreeMap<u64, usize>>> = Rc::default();
        let (now, beside) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let _hears = bus.on({
            let (heard, is_dead, now, beside) = (heard.clone(), is_dead.clone(), now.clone(), beside.clone());
            async move |job: Arc<Queued>| {
                if is_dead.load(Ordering::Relaxed) {
                    return;
                }
                *heard.borrow_mut().entry(job.id).or_default() += 1;
                now.set(now.get() + 1);
                sleep(ms(10 + job.id)).await;
                now.set(now.get() - 1);
                if poison(job.id) {
                    beside.set(now.get());
                    is_dead.store(true, Ordering::Relaxed);
                }
            }
        });
        let worker = set(Worker::new(source, &bus)).drain_timeout(Duration::ZERO).start().await.unwrap();
        while !is_dead.load(Ordering::Relaxed) && queue.waiting() + queue.lent() > 0 {
            sleep(ms(10)).await;
        }
        drop(worker);
        sleep(20 * SECOND).await;
        for (id, times) in heard.take() {
            *told.heard.entry(id).or_default() += times;
        }
        if !is_dead.load(Ordering::Relaxed) {
            return told;
        }
        told.deaths += 1;
        told.beside = beside.get();
        assert!(told.deaths < 100, "it dies for ever: {:?}, {:?}", told.heard, dead(queue));
    }
}

#[convoke::test]
async fn a_poison_takes_nobody_along() {
    for (concurrency, prefetch) in [(1, 1), (1, 16), (16, 16), (4, 0)] {
        let queue = Memory::queue("jobs").lease(10 * SECOND);
        put(&queue, (0..10).map(job)).await;
        let set = |worker: Worker<Mortal>| worker.concurrency(concurrency).prefetch(prefetch).retry(retry(3));
        let told = processes(&queue, |id| id == 4, true, set).await;
        let letters = dead(&queue);
        let case = format!("{concurrency} at once, {prefetch} ahead: {:?}, {letters:?}", told.heard);
        assert_eq!(letters.len(), 1, "{case}");
        let (record, id) = &letters[0];
        assert_eq!((*id, record.reason, record.attempts), (4, DeadReason::Exhausted, 3), "{case}");
        assert!(record.errors[0].contains("nothing else was heard"), "{case}");
        // Three attempts, and once alone.
        assert_eq!((told.deaths, told.heard[&4], told.beside), (4, 4, 0), "{case}");
        assert_eq!(told.heard.len(), 10, "{case}");
    }
}

#[convoke::test]
async fn two_poisons_take_nobody_along_and_one_attempt_is_enough() {
    let queue = Memory::queue("jobs").lease(10 * SECOND);
    put(&queue, (0..40).map(job)).await;
    let told = processes(&queue, |id| id == 4 || id == 17, true, |worker| worker.retry(Retry::never())).await;
    let mut ids: Vec<_> = dead(&queue).into_iter().map(|(record, id)| (id, record.attempts)).collect();
    ids.sort_unstable();
    assert_eq!((ids, told.heard.len()), (vec![(4, 1), (17, 1)], 40), "{:?}", told.heard);
    assert!(told.deaths <= 4, "{}", told.deaths);
}

/// A server that cannot remember whom it was that was heard alone.
#[convoke::test]
async fn without_a_mark_it_is_heard_alone_only_so_often() {
    let queue = Memory::queue("jobs").lease(10 * SECOND);
    put(&queue, (0..10).map(job)).await;
    let told = processes(&queue, |id| id == 4, false, |worker| worker.retry(retry(3))).await;
    let letters = dead(&queue);
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!((letters[0].1, letters[0].0.attempts, told.heard.len()), (4, 3, 10));
    assert_eq!((told.deaths, told.beside), (3 + UNHEARD_ATTEMPTS as usize, 0));
    assert!(letters[0].0.errors[0].starts_with("it was lent 13 times"), "{letters:?}");
}

/// Lends all that waits so often without a word.
async fn abandon(queue: &MemoryQueue, times: u32) {
    let mut source = queue.clone();
    source.open(1_000).await.unwrap();
    for _ in 0..times {
        source.receive(1_000).await.unwrap().into_iter().for_each(std::mem::forget);
        sleep(11 * SECOND).await;
    }
}

#[convoke::test]
async fn what_was_never_heard_is_heard_once_more_and_fails_with_its_own_error() {
    let (queue, bus) = (Memory::queue("jobs").lease(10 * SECOND), EventBus::default());
    let _fails = bus.on((|job: &Queued| if job.id == 1 { Err("no") } else { Ok(()) }).named("fails"));
    put(&queue, [job(1), job(2)]).await;
    abandon(&queue, 5).await;
    let worker = Worker::new(queue.clone(), &bus).retry(retry(3)).start().await.unwrap();
    emptied(&queue).await;
    let report = worker.drain().await.unwrap();
    let letters = dead(&queue);
    assert_eq!((report.done, report.dead, report.retried), (1, 1, 0), "{report}");
    assert_eq!((letters[0].0.reason, letters[0].0.attempts), (DeadReason::Exhausted, 3));
    assert_eq!(letters[0].0.errors, ["`fails` failed: no"]);
}

#[convoke::test]
async fn beside_a_suspect_nothing_is_heard_and_nothing_waits() {
    let (queue, bus) = (Memory::queue("jobs").lease(10 * SECOND), EventBus::default());
    let now = Rc::new(Cell::new(0));
    let _slow = bus.on({
        let (now, queue) = (now.clone(), queue.clone());
        async move |job: Arc<Queued>| {
            now.set(now.get() + 1);
            // These were lent too often.
            if job.id < 3 {
                assert_eq!((now.get(), queue.lent()), (1, 1));
            }
            sleep(5 * SECOND).await;
            now.set(now.get() - 1);
        }
    });
    put(&queue, (0..3).map(job)).await;
    abandon(&queue, 4).await;
    put(&queue, (3..60).map(job)).await;
    let worker = Worker::new(queue.clone(), &bus).retry(retry(3)).start().await.unwrap();
    emptied(&queue).await;
    let report = worker.drain().await.unwrap();
    assert_eq!((report.done, report.dead, report.lost), (60, 0, 0), "{report}");
}

#[convoke::test]
async fn a_suspect_that_is_given_back_is_heard_by_the_next() {
    let (queue, bus) = (Memory::queue("jobs").lease(10 * SECOND), EventBus::default());
    let _hangs = bus.on((async |_: Arc<Queued>| sleep(3_600 * SECOND).await).timeout(7_200 * SECOND));
    put(&queue, [job(1)]).await;
    abandon(&queue, 4).await;
    let worker = Worker::new(queue.clone(), &bus).retry(retry(3)).drain_timeout(SECOND).start().await.unwrap();
    sleep(SECOND).await;
    assert_eq!(worker.health().in_flight, 1);
    assert_eq!(worker.drain().await.unwrap().released, 1);
    // Who gives it back has not died of it.
    let (other, done) = (EventBus::default(), Rc::new(Cell::new(0)));
    let _done = other.on({
        let done = done.clone();
        move |_: &Queued| done.set(done.get() + 1)
    });
    let worker = Worker::new(queue.clone(), &other).retry(retry(3)).start().await.unwrap();
    emptied(&queue).await;
    drop(worker);
    assert_eq!((done.get(), dead(&queue).len()), (1, 0));
}

#[convoke::test]
async fn a_source_is_told_how_often_a_delivery_is_heard() {
    let queue = Memory::queue("jobs");
    let source = Mortal::new(&queue);
    let told = source.told.clone();
    let worker = Worker::new(Box::new(source), &EventBus::default()).retry(retry(7)).start().await.unwrap();
    settled().await;
    drop(worker);
    assert_eq!(told.load(Ordering::Relaxed), 7);
}
