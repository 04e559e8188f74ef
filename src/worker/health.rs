//! How a worker is, for a probe on any thread: by what it gets done, not by being there.
//!
//! `fetch.rs, handling.rs → Stats → WorkerHealth, WorkerReport`

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::engine::Drained;
use super::report::WorkerReport;

/// What a worker counts.
pub(crate) struct Stats {
    name: Arc<str>,
    began: Instant,
    progress_within: Duration,
    /// When there was progress last, in milliseconds since it began; the same of the drain, plus one.
    progress: AtomicU64,
    draining: AtomicU64,
    connected: AtomicBool,
    paused: AtomicBool,
    ended: AtomicBool,
    received: AtomicU64,
    done: AtomicU64,
    duplicates: AtomicU64,
    ignored: AtomicU64,
    retried: AtomicU64,
    dead: AtomicU64,
    released: AtomicU64,
    lost: AtomicU64,
    heard: AtomicU64,
}

/// How a worker is.
///
/// It is healthy if it makes progress: it has heard from the server, even that nothing waits, or has settled a delivery,
/// within its [`progress_within`](crate::Worker::progress_within). Listeners that hang, a server that is gone, and a loop
/// that stands still are all the same to it; being paused is no fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WorkerHealth {
    /// The name of its source.
    pub source: String,
    /// Whether there was progress within the bound.
    pub healthy: bool,
    /// Whether the server answered when it was asked last.
    pub connected: bool,
    /// Whether it was told to pause.
    pub paused: bool,
    /// Whether it has ended.
    pub ended: bool,
    /// How long ago there was progress.
    pub since_progress: Duration,
    /// How many deliveries are being heard.
    pub in_flight: u64,
    /// How many are here, those that are being heard among them.
    pub here: u64,
}

impl fmt::Display for WorkerHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self {
            Self { ended: true, .. } => "has ended",
            Self { healthy: false, .. } => "makes no progress",
            Self { paused: true, .. } => "is paused",
            Self { connected: false, .. } => "waits for the server",
            _ => "is working",
        };
        write!(f, "{} {state}: {} in flight, {} here", self.source, self.in_flight, self.here)
    }
}

impl Stats {
    pub(crate) fn new(name: Arc<str>, progress_within: Duration) -> Self {
        Self {
            name,
            began: Instant::now(),
            progress_within,
            progress: AtomicU64::new(0),
            draining: AtomicU64::new(0),
            connected: AtomicBool::new(true),
            paused: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            received: AtomicU64::new(0),
            done: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
            ignored: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            dead: AtomicU64::new(0),
            released: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            heard: AtomicU64::new(0),
        }
    }

    fn millis(&self) -> u64 {
        self.began.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
    }

    pub(crate) fn progress(&self) {
        self.progress.store(self.millis(), Ordering::Relaxed);
    }

    pub(crate) fn set_connected(&self, connected: bool) {
        self.connected.store(connected, Ordering::Relaxed);
    }

    pub(crate) fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
        // Whoever goes on after a pause has not stood still meanwhile.
        self.progress();
    }

    pub(crate) fn received(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn begin(&self) {
        self.heard.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn finish(&self) {
        self.heard.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn settled(&self, how: &str) {
        let count = match how {
            "done" => &self.done,
            "duplicate" => &self.duplicates,
            "ignored" => &self.ignored,
            "retried" => &self.retried,
            "dead" => &self.dead,
            "released" => &self.released,
            _ => &self.lost,
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.progress();
    }

    pub(crate) fn drain(&self) {
        self.draining.store(self.millis() + 1, Ordering::Relaxed);
    }

    pub(crate) fn draining_for(&self) -> Duration {
        match self.draining.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_millis((self.millis() + 1).saturating_sub(since)),
        }
    }

    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub(crate) fn health(&self) -> WorkerHealth {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let settled =
            [&self.done, &self.duplicates, &self.ignored, &self.retried, &self.dead, &self.released, &self.lost];
        let settled = settled.into_iter().map(get).sum::<u64>();
        let since_progress = Duration::from_millis(self.millis().saturating_sub(get(&self.progress)));
        let (paused, ended) = (self.paused.load(Ordering::Relaxed), self.ended.load(Ordering::Relaxed));
        let (in_flight, here) = (get(&self.heard), get(&self.received).saturating_sub(settled));
        // With nothing here, a pause is all there is to do.
        let resting = paused && here == 0;
        WorkerHealth {
            source: self.name.to_string(),
            healthy: !ended && (resting || since_progress <= self.progress_within),
            connected: self.connected.load(Ordering::Relaxed),
            paused,
            ended,
            since_progress,
            in_flight,
            here,
        }
    }

    pub(crate) fn report(&self, drained: Drained) -> WorkerReport {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        WorkerReport {
            source: self.name.to_string(),
            received: get(&self.received),
            done: get(&self.done),
            duplicates: get(&self.duplicates),
            ignored: get(&self.ignored),
            retried: get(&self.retried),
            dead: get(&self.dead),
            released: get(&self.released),
            lost: get(&self.lost),
            drained: drained.whole,
            took: drained.took,
        }
    }
}
