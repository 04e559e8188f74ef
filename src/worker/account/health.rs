//! How a worker is, for a probe on any thread: by what it gets done, not by being there.
//!
//! `fetch.rs, handling.rs → Stats → WorkerHealth, WorkerReport`

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::report::WorkerReport;
use crate::transport::{ParkingFigures, Pulse};

/// What became of the drain: whether all that was being heard was finished, and how long that took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drained {
    pub(crate) whole: bool,
    pub(crate) took: Duration,
}

/// What a worker counts.
pub(crate) struct Stats {
    name: Arc<str>,
    began: Instant,
    progress_within: Duration,
    /// When the server said something last, if the source can tell.
    pulse: Option<Pulse>,
    /// Since when it is waited for a word of the server, in milliseconds since it began, plus one; 0 while it is not asked.
    asked: AtomicU64,
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
    kept: AtomicU64,
    in_place: AtomicU64,
    heard: AtomicU64,
    /// What the server has said last: how many dead letters are in their places, and how many are parked behind them.
    letters: AtomicU64,
    parked: AtomicU64,
}

/// How long a server may be silent whose source cannot tell when it spoke: a receive waits for 20 s at most.
const SILENCE: Duration = Duration::from_secs(30);

/// The health of a worker.
///
/// A worker is healthy if it makes progress: within its [`progress_within`](crate::Worker::progress_within) it has
/// heard from the server, even if only that nothing waits, or it has settled a delivery. Listeners that hang, a server
/// that is gone, and a loop that stands still all make it unhealthy. Being paused does not.
///
/// A server that is asked and says nothing makes the worker unhealthy sooner: within 15 s, or, for a server that
/// answers after a wait of its own, as SQS does, 10 s after that wait. A timeout in this process does not count as an
/// answer. While the worker has no room for more deliveries, it does not ask the server, and a silent server does not
/// make it unhealthy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WorkerHealth {
    /// The name of the worker's source.
    pub source: String,
    /// Whether the worker has made progress in time.
    pub healthy: bool,
    /// Whether the server answered the last request.
    pub connected: bool,
    /// Whether the worker is paused.
    pub paused: bool,
    /// Whether the worker has ended.
    pub ended: bool,
    /// How long ago the worker last made progress.
    pub since_progress: Duration,
    /// The number of deliveries whose listeners are running.
    pub in_flight: u64,
    /// The number of deliveries that the worker has, including those whose listeners are running.
    pub here: u64,
    /// The number of dead letters that hold back their keys at the server, for a worker that [parks](crate::Worker::park).
    /// The server is asked every 15 s, and answers up to 10,000.
    pub dead_in_place: u64,
    /// The number of deliveries that are parked behind those, as the server has answered last, up to 10,000.
    pub parked: u64,
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
        write!(f, "{} {state}: {} in flight, {} here", self.source, self.in_flight, self.here)?;
        if self.dead_in_place > 0 {
            write!(f, ", {} dead in their places, {} parked behind them", self.dead_in_place, self.parked)?;
        }
        Ok(())
    }
}

impl Stats {
    pub(crate) fn new(name: Arc<str>, progress_within: Duration, pulse: Option<Pulse>) -> Self {
        Self {
            name,
            began: Instant::now(),
            progress_within,
            pulse,
            asked: AtomicU64::new(0),
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
            kept: AtomicU64::new(0),
            in_place: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            letters: AtomicU64::new(0),
            parked: AtomicU64::new(0),
        }
    }

    fn millis(&self) -> u64 {
        self.began.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
    }

    pub(crate) fn progress(&self) {
        self.progress.store(self.millis(), Ordering::Relaxed);
    }

    /// It waits for a word of the server from now on, if it does not already.
    pub(crate) fn ask(&self) {
        if self.asked.load(Ordering::Relaxed) == 0 {
            self.asked.store(self.millis() + 1, Ordering::Relaxed);
        }
    }

    /// It waits for no word.
    pub(crate) fn rest(&self) {
        self.asked.store(0, Ordering::Relaxed);
    }

    /// A receive has brought something, or no error at least: that is word of the server unless the source knows better.
    pub(crate) fn answered(&self, is_empty: bool) {
        if self.pulse.is_none() || !is_empty {
            self.progress();
            self.asked.store(self.millis() + 1, Ordering::Relaxed);
        }
    }

    /// How long it has waited for a word of the server, and whether that is too long.
    fn silence(&self) -> Option<(Duration, bool)> {
        let asked = self.asked.load(Ordering::Relaxed).checked_sub(1)?;
        let waited = Duration::from_millis(self.millis().saturating_sub(asked));
        Some(match &self.pulse {
            Some(pulse) => {
                let waited = waited.min(pulse.since());
                (waited, waited > pulse.silence())
            }
            None => (waited, waited > SILENCE),
        })
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

    /// A verdict could not be stored, and is kept.
    pub(crate) fn kept(&self) {
        self.kept.fetch_add(1, Ordering::Relaxed);
    }

    /// A dead letter stays in its place.
    pub(crate) fn parked(&self) {
        self.in_place.fetch_add(1, Ordering::Relaxed);
        self.letters.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn set_parked(&self, figures: ParkingFigures) {
        self.letters.store(figures.dead, Ordering::Relaxed);
        self.parked.store(figures.parked, Ordering::Relaxed);
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
        let silence = self.silence();
        let since_progress = Duration::from_millis(self.millis().saturating_sub(get(&self.progress)));
        // Where nothing waits, a word of the server is all the progress that there can be.
        let since_progress = silence.map_or(since_progress, |(silent, _)| since_progress.min(silent));
        let is_silent = silence.is_some_and(|(_, too_long)| too_long);
        let (paused, ended) = (self.paused.load(Ordering::Relaxed), self.ended.load(Ordering::Relaxed));
        let (in_flight, here) = (get(&self.heard), get(&self.received).saturating_sub(settled));
        // With nothing here, a pause is all there is to do.
        let resting = paused && here == 0;
        WorkerHealth {
            source: self.name.to_string(),
            healthy: !ended && (resting || since_progress <= self.progress_within && !is_silent),
            connected: self.connected.load(Ordering::Relaxed) && !is_silent,
            paused,
            ended,
            since_progress,
            in_flight,
            here,
            dead_in_place: get(&self.letters),
            parked: get(&self.parked),
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
            kept: get(&self.kept),
            in_place: get(&self.in_place),
            drained: drained.whole,
            took: drained.took,
        }
    }
}
