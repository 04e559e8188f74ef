//! The one task of a worker: what comes is handled, many at a time, until it is told to end.
//!
//! `fetch.rs → arrivals → turns/ → handling.rs (each a future here) → WorkerReport`

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::select;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::{Instant, timeout_at};

use super::account::{Copies, Drained, Meter, Stats, WorkerReport};
use super::fetch::{Arrival, Orders, fetch};
use super::handling::{Arrived, Tally, Waits, handle};
use super::kept::Kept;
use super::options::Options;
use super::reading::Look;
use super::turns::{Ahead, Gate, Keys, Lanes, Load, Pace};
use crate::__private::{Living, Shown};
use crate::EventBus;
use crate::transport::{Packet, Parking, Source};

/// How long it may take in the end to give back what is here and to say goodbye to the server; less, if a fifth of the time
/// to drain is.
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
    pub(crate) gate: Rc<Gate>,
    pub(crate) pace: Option<Pace>,
    pub(crate) meter: Meter,
    pub(crate) keys: Keys,
    pub(crate) load: Rc<Load>,
    pub(crate) ahead: Ahead,
    /// What it holds back for dead letters, if it does.
    pub(crate) parking: Option<Parking>,
    pub(crate) copies: Copies,
    /// Verdicts that the server could not be told.
    pub(crate) kept: Kept,
    /// How many dead letters that nobody takes may wait here: so many that others come through.
    pub(crate) graves: Semaphore,
    /// Nothing is to be waited for.
    pub(crate) hurried: Flag,
    /// By when all is over, once it drains.
    end_by: Cell<Option<Instant>>,
}

impl Shared {
    /// How often a packet may be tried.
    pub(crate) fn attempts(&self, packet: &Packet) -> u32 {
        let own = self.options.handles.as_ref().and_then(|handles| handles.attempts(packet));
        own.unwrap_or_else(|| self.options.retry.max_attempts())
    }

    /// By when the last words are spoken that begin now.
    fn last_words(&self) -> Instant {
        let end = Instant::now() + LAST_WORDS;
        self.end_by.get().map_or(end, |end_by| end_by.min(end))
    }
}

/// Is raised once, and seen by all who wait for it.
#[derive(Default)]
pub(crate) struct Flag {
    is_raised: Cell<bool>,
    news: Notify,
}

impl Flag {
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
            stats: Arc::new(Stats::new(name.clone(), options.progress_within, source.pulse())),
            meter: Meter::new(&name),
            name,
            bus,
            orders: receiver,
            slots: Semaphore::new(options.concurrency.min(Semaphore::MAX_PERMITS)),
            pace: options.rate.map(|(count, within)| Pace::new(count, within)),
            keys: Keys::default(),
            gate: Rc::new(Gate::new(options.total())),
            load: Rc::new(Load::new(options.max_bytes_here)),
            ahead: Ahead::new(options.concurrency, options.prefetch),
            parking: source.parking().filter(|_| options.parks),
            copies: Copies::default(),
            kept: Kept::default(),
            // As many as are fetched at a time find room beside them.
            graves: Semaphore::new((options.concurrency - 1).min(options.total() / 2).min(Semaphore::MAX_PERMITS)),
            hurried: Flag::default(),
            end_by: Cell::new(None),
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

    /// Works until it is told to drain, and has. Returns the source too, which can be opened again.
    pub(crate) async fn run(self) -> (WorkerReport, S) {
        let Self { mut source, shared, orders } = self;
        let _living = Living::new(|| format!("the worker of `{}`", Shown::name(&shared.name)));
        // Whoever gives orders holds the other end: when all are gone, it drains.
        drop(orders);
        let (arrive, arrived) = mpsc::unbounded_channel();
        let whole = {
            let fetching = fetch(&mut source, &shared, arrive);
            work(&shared, fetching, arrived).await
        };
        if timeout_at(shared.last_words(), source.close()).await.is_err() {
            log::warn!(target: "convoke::worker", "{}: the server did not say goodbye in time", shared.name);
        }
        shared.stats.end();
        (shared.stats.report(Drained { whole, took: shared.stats.draining_for() }), source)
    }
}

/// Works until all that has come has ended; returns whether it could be finished.
async fn work(
    shared: &Rc<Shared>,
    fetching: impl Future<Output = ()>,
    mut arrived: mpsc::UnboundedReceiver<Arrival>,
) -> bool {
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
                Some(arrival) => working.push(handle(shared.clone(), arrive(shared, arrival, &mut lanes, &mut copies))),
                None => all_here = true,
            },
            Some(()) = working.next(), if !working.is_empty() => {}
            () = &mut fetching, if !fetched => fetched = true,
            () = &mut ending, if end.is_none() => {
                end = Some(());
                // A second signal leaves less time than there was.
                shared.end_by.set(Some(shared.last_words()));
                shared.hurried.raise();
                // What had come and nobody has looked at is given back too.
                while let Ok(arrival) = arrived.try_recv() {
                    working.push(handle(shared.clone(), arrive(shared, arrival, &mut lanes, &mut copies)));
                }
                arrived.close();
                // A part of the time that is left is for the goodbye. What has not ended by then is counted as lost.
                let now = Instant::now();
                let until = now + shared.last_words().saturating_duration_since(now) * 3 / 4;
                let rest = async { while working.next().await.is_some() {} };
                let _ = timeout_at(until, rest).await;
                working.clear();
                (fetched, all_here) = (true, true);
            }
        }
    }
    end.is_none()
}

fn arrive(shared: &Rc<Shared>, arrival: Arrival, lanes: &mut Lanes, copies: &mut Lanes) -> Arrived {
    let Arrival { delivery, room, alone } = arrival;
    let tally = Tally::begin(shared);
    let waits = Waits::begin(shared);
    let mut look = Look::at(delivery.packet(), shared);
    let (turn, copy) = (lanes.enter(look.key.take()), copies.enter(look.id.take()));
    Arrived { delivery: Box::new(delivery), look, turn, copy, room, alone, tally, waits }
}

/// Ready when the time to drain is over, or a second signal has come.
async fn ending(shared: &Shared) {
    let mut orders = shared.orders.clone();
    let drain = orders.wait_for(|order| *order >= Order::Drain).await.map(|order| *order);
    shared.end_by.set(Instant::now().checked_add(shared.options.drain_timeout));
    shared.stats.drain();
    shared.gate.drain();
    if drain.is_ok_and(|order| order == Order::Hurry) {
        return;
    }
    let hurried = async {
        if orders.wait_for(|order| *order == Order::Hurry).await.is_err() {
            // Nobody can tell any more.
            std::future::pending::<()>().await;
        }
    };
    match shared.end_by.get() {
        Some(end_by) => {
            let last_words = LAST_WORDS.min(shared.options.drain_timeout / 5);
            drop(timeout_at(end_by - last_words, hurried).await);
        }
        None => hurried.await,
    }
}
