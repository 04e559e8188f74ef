//! The one task of a worker: what comes is handled, many at a time, until it is told to end.
//!
//! `fetch.rs → arrivals → lanes.rs → handling.rs (each a future here) → WorkerReport`

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::select;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::{Instant, timeout};

use super::Options;
use super::fetch::{Arrival, Orders, fetch};
use super::handling::handle;
use super::health::Stats;
use super::lanes::Lanes;
use super::meter::Meter;
use super::pace::Pace;
use super::report::WorkerReport;
use super::unburied::Unburied;
use crate::transport::Source;
use crate::{EventBus, codec};

/// How long it may take in the end to give back what is here, and to say goodbye to the server.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What a worker is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    Run,
    Pause,
    /// Take nothing new, and finish what is being heard.
    Drain,
    /// Wait for nothing.
    Hurry,
}

/// What the parts of a worker have in common, on its one thread.
pub(crate) struct Shared {
    pub(crate) name: Arc<str>,
    pub(crate) bus: EventBus,
    pub(crate) options: Options,
    pub(crate) orders: Orders,
    pub(crate) stats: Arc<Stats>,
    /// Of those that may be heard at the same time.
    pub(crate) slots: Semaphore,
    pub(crate) pace: Option<Pace>,
    pub(crate) meter: Meter,
    pub(crate) unburied: Unburied,
    /// Nothing new is to begin.
    pub(crate) draining: Flag,
    /// Nothing is to be waited for.
    pub(crate) hurried: Flag,
}

/// Is raised once, and seen by all who wait for it.
#[derive(Default)]
pub(crate) struct Flag {
    is_raised: Cell<bool>,
    news: Notify,
}

impl Flag {
    pub(crate) fn is_raised(&self) -> bool {
        self.is_raised.get()
    }

    pub(crate) async fn raised(&self) {
        let news = self.news.notified();
        if !self.is_raised.get() {
            news.await;
        }
    }

    fn raise(&self) {
        self.is_raised.set(true);
        self.news.notify_waiters();
    }
}

/// A worker that is ready to run.
pub(crate) struct Engine<S> {
    source: S,
    shared: Rc<Shared>,
    orders: watch::Sender<Order>,
}

impl<S: Source> Engine<S> {
    pub(crate) fn new(source: S, bus: EventBus, options: Options) -> Self {
        let (orders, receiver) = watch::channel(Order::Run);
        let name: Arc<str> = source.name().into();
        let shared = Shared {
            stats: Arc::new(Stats::new(name.clone(), options.progress_within)),
            meter: Meter::new(&name),
            name,
            bus,
            orders: receiver,
            slots: Semaphore::new(options.concurrency.min(Semaphore::MAX_PERMITS)),
            pace: options.rate.map(|(count, within)| Pace::new(count, within)),
            unburied: Unburied::default(),
            draining: Flag::default(),
            hurried: Flag::default(),
            options,
        };
        Self { source, shared: Rc::new(shared), orders }
    }

    pub(crate) fn stats(&self) -> Arc<Stats> {
        self.shared.stats.clone()
    }

    pub(crate) fn orders(&self) -> watch::Sender<Order> {
        self.orders.clone()
    }

    /// Works until it is told to drain, and has.
    pub(crate) async fn run(self) -> WorkerReport {
        let Self { mut source, shared, orders } = self;
        // Whoever gives orders holds the other end: when all are gone, it drains.
        drop(orders);
        let options = &shared.options;
        let total = options.concurrency.saturating_add(options.prefetch.unwrap_or_default());
        let room = Arc::new(Semaphore::new(total.min(Semaphore::MAX_PERMITS)));
        let (arrive, arrived) = mpsc::unbounded_channel();
        let ended = {
            let fetching = fetch(&mut source, &shared, room, arrive);
            work(&shared, fetching, arrived).await
        };
        if timeout(LAST_WORDS, source.close()).await.is_err() {
            log::warn!(target: "convoke::worker", "{}: the server did not say goodbye within {LAST_WORDS:?}", shared.name);
        }
        shared.stats.end();
        shared.stats.report(ended)
    }
}

/// What became of the drain: whether all that was being heard was finished, and how long that took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drained {
    pub(crate) whole: bool,
    pub(crate) took: Duration,
}

async fn work(
    shared: &Rc<Shared>,
    fetching: impl Future<Output = ()>,
    mut arrived: mpsc::UnboundedReceiver<Arrival>,
) -> Drained {
    let mut fetching = pin!(fetching);
    let mut ending = pin!(ending(shared));
    let (mut fetched, mut all_here, mut end) = (false, false, None);
    // By key, and by id: copies of one event that are here at once come one after the other too.
    let (mut lanes, mut copies) = (Lanes::default(), Lanes::default());
    let mut working = FuturesUnordered::new();
    while !(fetched && all_here && working.is_empty()) {
        select! {
            biased;
            arrival = arrived.recv(), if !all_here => match arrival {
                Some((delivery, permit)) => {
                    shared.stats.received();
                    let read = codec::read(delivery.packet(), shared.options.limits);
                    let key = shared.options.key.as_ref().zip(read.as_ref().ok());
                    let turn = lanes.enter(key.and_then(|(key, envelope)| key(envelope)));
                    let id = shared.options.inbox.as_ref().and(read.as_ref().ok());
                    let copy = copies.enter(id.map(|envelope| envelope.metadata.identity()));
                    working.push(handle(shared.clone(), delivery, read, turn, copy, permit));
                }
                None => all_here = true,
            },
            Some(()) = working.next(), if !working.is_empty() => {}
            () = &mut fetching, if !fetched => fetched = true,
            () = &mut ending, if end.is_none() => {
                end = Some(());
                shared.hurried.raise();
                // What is given back now has this much time for it.
                let rest = async { while working.next().await.is_some() {} };
                let _ = timeout(LAST_WORDS, rest).await;
                working.clear();
                fetched = true;
                // What had come and nobody has looked at is given back as it is dropped.
                arrived.close();
            }
        }
    }
    let took = shared.stats.draining_for();
    Drained { whole: end.is_none(), took }
}

/// Ready when the time to drain is over, or a second signal has come.
async fn ending(shared: &Shared) {
    let mut orders = shared.orders.clone();
    let drain = orders.wait_for(|order| *order >= Order::Drain).await.map(|order| *order);
    shared.stats.drain();
    shared.draining.raise();
    if drain.is_ok_and(|order| order == Order::Hurry) {
        return;
    }
    let hurried = async {
        if orders.wait_for(|order| *order == Order::Hurry).await.is_err() {
            // Nobody can tell any more.
            std::future::pending::<()>().await;
        }
    };
    let limit = Instant::now().checked_add(shared.options.drain_timeout);
    match limit {
        Some(limit) => drop(tokio::time::timeout_at(limit, hurried).await),
        None => hurried.await,
    }
}
