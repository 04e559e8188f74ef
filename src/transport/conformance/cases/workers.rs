//! Workers over the transport: what they leave to others when they pause or drain, and what they die of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::super::{
    Case, Fault, Lab, PATIENCE, Verdict, cases, ensure, ensure_eq, failed, in_time, join_error, name, names, need,
};
use super::pauses::gets;
use crate::codec::{Codec, Wire};
use crate::transport::{
    Abilities, BoxFuture, DeadLetterRecord, DeadReason, Delivery, Memory, MemoryQueue, Packet, Pulse, Receipt,
    Settlement, Source, TransportError,
};
use crate::worker::WorkerHandle;
use crate::{Envelope, EventBus, JsonEvent, Metadata, Retry, Worker};

pub(super) const CASES: &[Case] = cases!(false;
    a_paused_worker_leaves_to_others_what_it_does_not_hear,
    a_draining_worker_leaves_to_others_what_it_does_not_hear,
    a_worker_that_dies_of_one_event_takes_no_other_along,
    a_worker_that_hears_many_at_once_and_dies_of_one_takes_no_other_along,
);

const TOPIC: &str = "conformance/jobs";

/// How many events there are, and which of them workers die of.
const JOBS: u64 = 10;
const POISON: u64 = 4;

/// For how long nothing is heard where all is done: longer than the leases here.
const QUIET: Duration = Duration::from_secs(8);

/// How often each is tried.
const ATTEMPTS: u32 = 3;

fn jobs() -> Vec<Packet> {
    let job = |number: u64| {
        let mut metadata = Metadata::new("ConformanceJob");
        metadata.topic = TOPIC.into();
        Wire.write(&Envelope::new(metadata, json!({ "number": number })))
    };
    (0..JOBS).map(job).collect()
}

fn number(event: &JsonEvent) -> u64 {
    event["number"].as_u64().unwrap_or(u64::MAX)
}

/// What a worker and the case that watches it have in common.
#[derive(Default)]
struct Watch {
    begun: AtomicUsize,
    /// Which of them it was.
    first: AtomicU64,
    /// The listeners may end.
    open: AtomicBool,
    news: Notify,
}

async fn a_paused_worker_leaves_to_others_what_it_does_not_hear(lab: &Lab<'_>) -> Verdict {
    leaves(lab, |worker| {
        Box::pin(async {
            worker.pause().await.map_err(|error| error.to_string())?;
            Ok(Some(worker))
        })
    })
    .await
}

async fn a_draining_worker_leaves_to_others_what_it_does_not_hear(lab: &Lab<'_>) -> Verdict {
    leaves(lab, |worker| {
        // It is ready when it has ended, which is when its listener has.
        drop(actix::spawn(worker.drain()));
        Box::pin(async { Ok(None) })
    })
    .await
}

type Stopped = Result<Option<WorkerHandle>, String>;
type Stop = fn(WorkerHandle) -> std::pin::Pin<Box<dyn Future<Output = Stopped>>>;

async fn leaves(lab: &Lab<'_>, stop: Stop) -> Verdict {
    let channel = lab.channel().await?;
    let packets = jobs();
    channel.send(&packets).await?;
    let (watch, stopped) = (Arc::<Watch>::default(), Arc::new(Notify::new()));
    let mut worker = one_at_a_time((channel.subscribe)(""), stop, watch.clone(), stopped.clone());
    tokio::select! {
        ended = &mut worker => return ended.map_err(|error| Fault::Failed(join_error(error)))?.and(failed("it has ended")),
        stopped = in_time("a worker", stopped.notified()) => stopped?,
    }
    // One of them is still being heard, and stays so.
    let heard = watch.begun.load(Ordering::Relaxed);
    ensure_eq(&heard, &1, "events that are heard at the same time, one at a time")?;
    let mut left: BTreeSet<String> = names(&packets).into_iter().collect();
    let first = usize::try_from(watch.first.load(Ordering::Relaxed)).ok().and_then(|first| packets.get(first));
    let Some(first) = first else { return failed("an event was heard that nobody has sent") };
    left.remove(&name(first));
    let result = gets(&channel, left).await;
    watch.open.store(true, Ordering::Relaxed);
    watch.news.notify_waiters();
    match in_time("the end of a worker", worker).await? {
        Ok(ended) => ended?,
        Err(error) => return failed(join_error(error)),
    }
    result
}

/// A worker of one slot whose listener does not end before it may; it is stopped as soon as that has begun.
fn one_at_a_time(
    source: Box<dyn Source>,
    stop: Stop,
    watch: Arc<Watch>,
    stopped: Arc<Notify>,
) -> JoinHandle<Result<(), Fault>> {
    actix::spawn(async move {
        let fault = |error: &dyn std::fmt::Display| Fault::Failed(error.to_string());
        let bus = EventBus::default();
        let hears = watch.clone();
        let slow = async move |event: Arc<JsonEvent>| {
            hears.first.store(number(&event), Ordering::Relaxed);
            hears.begun.fetch_add(1, Ordering::Relaxed);
            hears.news.notify_waiters();
            loop {
                let news = hears.news.notified();
                if hears.open.load(Ordering::Relaxed) {
                    return;
                }
                news.await;
            }
        };
        let _listens = bus.on_topic(TOPIC, slow).map_err(|error| fault(&error))?;
        let worker = Worker::new(source, &bus).concurrency(1).prefetch(JOBS as usize).retry(Retry::never());
        let worker = worker.dead_letter(Memory::queue("dead")).drain_timeout(PATIENCE);
        let worker = worker.start().await.map_err(|error| fault(&error))?;
        loop {
            let news = watch.news.notified();
            if watch.begun.load(Ordering::Relaxed) > 0 {
                break;
            }
            if timeout(PATIENCE, news).await.is_err() {
                return failed(format!("nothing was heard in {PATIENCE:?}"));
            }
        }
        let probe = worker.probe();
        let worker = stop(worker).await.map_err(|error| fault(&error))?;
        stopped.notify_one();
        let end = Instant::now() + PATIENCE;
        while probe().here > 0 && Instant::now() < end {
            sleep(Duration::from_millis(10)).await;
        }
        drop(worker);
        while !probe().ended {
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    })
}

async fn a_worker_that_dies_of_one_event_takes_no_other_along(lab: &Lab<'_>) -> Verdict {
    dies(lab, 1).await
}

async fn a_worker_that_hears_many_at_once_and_dies_of_one_takes_no_other_along(lab: &Lab<'_>) -> Verdict {
    dies(lab, 16).await
}

/// Has workers start one after another, each of which dies of the same event, until all are done or dead.
async fn dies(lab: &Lab<'_>, concurrency: usize) -> Verdict {
    let lease = Duration::from_secs(2);
    let channel = lab.channel_with(|wants| wants.lease = lease).await?;
    need(channel.lends().lease.is_some(), "lease, by whose end comes again what a process had that is gone")?;
    channel.send(&jobs()).await?;
    let (letters, heard) = (Memory::queue("dead"), Arc::<Mutex<BTreeMap<u64, usize>>>::default());
    let mut deaths = 0_u32;
    loop {
        lab.note(format!("{deaths} workers had died: {heard:?}"));
        let worker = mortal((channel.subscribe)(""), concurrency, letters.clone(), heard.clone());
        let has_died = match worker.await {
            Ok(ended) => ended?,
            Err(error) => return failed(join_error(error)),
        };
        if !has_died {
            break;
        }
        deaths += 1;
        ensure(deaths < 40, || format!("it has died {deaths} times of one event: {heard:?}"))?;
    }
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let dead = letters.packets();
    let records: Vec<_> = dead.iter().filter_map(DeadLetterRecord::of).collect();
    ensure(records.len() == 1, || format!("{} are dead, and one was to be: {records:?}, {heard:?}", records.len()))?;
    let (record, wanted) = (&records[0], (DeadReason::Exhausted, ATTEMPTS));
    ensure_eq(&(record.reason, record.attempts), &wanted, "the record of what they died of")?;
    let number = Envelope::from_slice(&dead[0].body).ok().and_then(|envelope| envelope.payload["number"].as_u64());
    ensure_eq(&number, &Some(POISON), "what is dead")?;
    ensure_eq(&(heard.len() as u64), &JOBS, "how many were heard")?;
    channel.subscriber().await?.expect_nothing(lease + Duration::from_secs(1)).await?;
    Ok(format!("it died {deaths} times"))
}

/// A worker whose process is as good as gone when it hears one event: it settles nothing that it has. Says whether it has
/// died; if not, nothing came any more.
fn mortal(
    source: Box<dyn Source>,
    concurrency: usize,
    letters: MemoryQueue,
    heard: Arc<Mutex<BTreeMap<u64, usize>>>,
) -> JoinHandle<Result<bool, Fault>> {
    actix::spawn(async move {
        let fault = |error: &dyn std::fmt::Display| Fault::Failed(error.to_string());
        let (bus, life) = (EventBus::default(), Arc::<Life>::default());
        let (hears, noted) = (life.clone(), heard.clone());
        let listens = async move |event: Arc<JsonEvent>| {
            let number = number(&event);
            if hears.is_over() {
                return;
            }
            *heard.lock().unwrap_or_else(PoisonError::into_inner).entry(number).or_default() += 1;
            // So that others are heard at the same time.
            sleep(Duration::from_millis(20)).await;
            if number == POISON {
                hears.end();
            }
        };
        let _listens = bus.on_topic(TOPIC, listens).map_err(|error| fault(&error))?;
        let source = Mortal { source, life: life.clone() };
        let retry = Retry::never().attempts(ATTEMPTS);
        let mut worker = Worker::new(source, &bus).concurrency(concurrency).retry(retry).dead_letter(letters.clone());
        worker.open().await.map_err(|error| fault(&error))?;
        let engine = worker.into_engine();
        let stats = engine.stats();
        let orders = engine.orders();
        let quiet = async {
            // Longer than any lease, with nothing here.
            let (mut seen, mut since) = (0, Instant::now());
            while since.elapsed() < QUIET {
                sleep(Duration::from_millis(50)).await;
                let heard = noted.lock().unwrap_or_else(PoisonError::into_inner).values().sum::<usize>();
                let now = heard + letters.waiting();
                if now != seen || stats.health().here > 0 {
                    (seen, since) = (now, Instant::now());
                }
            }
        };
        let has_died = tokio::select! {
            () = life.over() => true,
            () = quiet => false,
            _ = engine.run() => return failed("a worker has ended by itself"),
        };
        drop(orders);
        Ok(has_died)
    })
}

/// Whether a process is there.
#[derive(Default)]
struct Life {
    is_over: AtomicBool,
    news: Notify,
}

impl Life {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.news.notify_waiters();
    }

    async fn over(&self) {
        loop {
            let news = self.news.notified();
            if self.is_over() {
                return;
            }
            news.await;
        }
    }
}

/// A source whose process may be gone: what it has lent by then is settled by nobody.
struct Mortal {
    source: Box<dyn Source>,
    life: Arc<Life>,
}

impl Source for Mortal {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn abilities(&self) -> Abilities {
        self.source.abilities()
    }

    fn attempts(&mut self, most: u32) {
        self.source.attempts(most);
    }

    fn open(&mut self, prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>> {
        self.source.open(prefetch)
    }

    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<Delivery>, TransportError>> {
        Box::pin(async move {
            let lent = self.source.receive(most).await?;
            Ok(lent.into_iter().map(|lent| Grip::on(lent, &self.life)).collect())
        })
    }

    fn stop_lending(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        self.source.stop_lending()
    }

    fn pulse(&self) -> Option<Pulse> {
        self.source.pulse()
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        self.source.close()
    }
}

/// Holds a delivery as a process does: once that is gone, nobody gives it back.
struct Grip {
    lent: Option<Delivery>,
    life: Arc<Life>,
}

impl Grip {
    fn on(lent: Delivery, life: &Arc<Life>) -> Delivery {
        let (source, packet) = (lent.source().to_owned(), lent.packet().clone());
        let (attempt, lease, is_marked, place) = (lent.attempt(), lent.lease(), lent.is_marked(), lent.place());
        let grip = Self { lent: Some(lent), life: life.clone() };
        let delivery = Delivery::new(source, packet, attempt, grip).with_mark(is_marked);
        let delivery = place.into_iter().fold(delivery, |delivery, (at, redriven)| delivery.with_place(at, redriven));
        match lease {
            Some(lease) => delivery.with_lease(lease),
            None => delivery,
        }
    }

    fn lent(&mut self) -> Option<&mut Delivery> {
        self.lent.as_mut().filter(|_| !self.life.is_over())
    }
}

impl Receipt for Grip {
    fn settle(mut self: Box<Self>, how: Settlement) -> BoxFuture<'static, Result<(), TransportError>> {
        Box::pin(async move {
            match self.lent.take_if(|_| !self.life.is_over()) {
                Some(lent) => lent.settle(how).await,
                None => std::future::pending().await,
            }
        })
    }

    fn extend(&mut self, by: Duration) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async move {
            match self.lent() {
                Some(lent) => lent.extend(by).await,
                None => std::future::pending().await,
            }
        })
    }

    fn mark(&mut self) -> BoxFuture<'_, Result<bool, TransportError>> {
        Box::pin(async move {
            match self.lent() {
                Some(lent) => lent.mark().await,
                None => std::future::pending().await,
            }
        })
    }
}

impl Drop for Grip {
    fn drop(&mut self) {
        if self.life.is_over() {
            std::mem::forget(self.lent.take());
        }
    }
}
