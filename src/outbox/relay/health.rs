//! How a relay is, for a probe on any thread.
//!
//! `track.rs, batch.rs, renewing.rs → Stats → RelayProbe → RelayHealth`

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::engine::COUNTED;
use super::meter::Meter;
use crate::outbox::OutboxFigures;
use crate::transport::TransportError;

/// The health of a relay.
///
/// A relay is healthy if events do not wait for longer than its [`lag_within`](super::Relay::lag_within), and if it has
/// heard from the database within that time. A server that takes nothing makes it unhealthy after that time, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RelayHealth {
    /// The name of the outbox.
    pub outbox: String,
    /// Whether events leave in time.
    pub healthy: bool,
    /// Whether the database and the servers answered when they were last asked.
    pub connected: bool,
    /// Whether the relay has ended, or has not begun yet.
    pub ended: bool,
    /// For how long the oldest event has waited that this relay has, or the oldest of all when they were last counted.
    pub lag: Duration,
    /// How many of the 16 lanes of the outbox this relay has: the share that it publishes.
    pub lanes: usize,
    /// How many events wait, counted every 15 s up to 10,000.
    pub ready: u64,
    /// How many events are dead letters, counted in the same way; one that this relay makes counts at once.
    pub dead: u64,
    /// How many events are parked behind them, counted in the same way as the dead letters.
    pub parked: u64,
    /// How many events this relay has had confirmed.
    pub sent: u64,
    /// What the database or a server said last, if that was an error.
    pub trouble: Option<String>,
}

impl fmt::Display for RelayHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self {
            Self { ended: true, .. } => "does not run",
            Self { healthy: false, .. } => "lags behind",
            Self { connected: false, .. } => "waits for the database or a server",
            _ => "is working",
        };
        write!(f, "{} {state}: events wait for up to {:?}", self.outbox, self.lag)?;
        match &self.trouble {
            Some(trouble) => write!(f, "; {trouble}"),
            None => Ok(()),
        }
    }
}

/// Tells how a relay is, on any thread. Created by [`Relay::probe`](super::Relay::probe).
#[derive(Clone)]
pub struct RelayProbe(pub(super) Arc<Stats>);

impl RelayProbe {
    /// Returns how the relay is now.
    pub fn health(&self) -> RelayHealth {
        self.0.health()
    }
}

impl fmt::Debug for RelayProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RelayProbe").field(&self.health()).finish()
    }
}

/// What a relay counts.
pub(super) struct Stats {
    name: Arc<str>,
    lag_within: Duration,
    meter: Meter,
    running: AtomicBool,
    sent: AtomicU64,
    lanes: AtomicUsize,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Of each track, how old the oldest row was that it has, and when that was.
    working: Vec<Option<(Instant, Duration)>>,
    /// Since when the database has not answered.
    lost: Option<Instant>,
    database: Option<String>,
    server: Option<String>,
    figures: OutboxFigures,
    /// When that was counted.
    counted: Option<Instant>,
    /// When nothing was there for somebody who looked.
    idle: Option<Instant>,
}

impl Stats {
    pub(super) fn new(name: &Arc<str>, lag_within: Duration) -> Self {
        Self {
            name: name.clone(),
            lag_within,
            meter: Meter::new(name),
            running: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            lanes: AtomicUsize::new(0),
            seen: Mutex::default(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self) {
        *self.seen() = Seen::default();
        self.running.store(true, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.lanes(0);
        self.running.store(false, Ordering::Relaxed);
    }

    pub(super) fn lanes(&self, lanes: usize) {
        self.lanes.store(lanes, Ordering::Relaxed);
    }

    /// A track has rows, of which the oldest is so old.
    pub(super) fn working(&self, track: usize, oldest: Option<Duration>) {
        self.set(track, oldest.map(|oldest| (Instant::now(), oldest)));
    }

    /// A track has looked, and nothing was there.
    pub(super) fn idle(&self, track: usize) {
        self.set(track, None);
        self.seen().idle = Some(Instant::now());
    }

    fn set(&self, track: usize, oldest: Option<(Instant, Duration)>) {
        let mut seen = self.seen();
        if seen.working.len() <= track {
            seen.working.resize(track + 1, None);
        }
        if let Some(there) = seen.working.get_mut(track) {
            *there = oldest;
        }
    }

    /// So many have left, or a server has failed.
    pub(super) fn sent(&self, events: u64, trouble: Option<&TransportError>) {
        self.sent.fetch_add(events, Ordering::Relaxed);
        self.meter.sent(events);
        let mut seen = self.seen();
        if trouble.is_some() || seen.server.is_some() {
            seen.server = trouble.map(ToString::to_string);
        }
    }

    /// So many have died: they count at once, and not only when all are counted again.
    pub(super) fn dead(&self, events: usize) {
        self.meter.dead(events);
        let figures = &mut self.seen().figures;
        figures.dead = COUNTED.min(figures.dead.saturating_add(events as u64));
    }

    pub(super) fn parked(&self, events: usize) {
        self.meter.parked(events);
        let figures = &mut self.seen().figures;
        figures.parked = COUNTED.min(figures.parked.saturating_add(events as u64));
    }

    pub(super) fn counted(&self, figures: OutboxFigures) {
        self.meter.figures(&figures);
        let mut seen = self.seen();
        seen.figures = figures;
        seen.counted = Some(Instant::now());
    }

    pub(super) fn lost_database(&self, error: &TransportError) {
        let mut seen = self.seen();
        if seen.lost.is_none() {
            log::warn!(target: "convoke::relay", "{error}; it is tried again");
            seen.lost = Some(Instant::now());
        }
        seen.database = Some(error.to_string());
    }

    pub(super) fn has_database(&self) {
        let mut seen = self.seen();
        if seen.lost.is_some() {
            log::warn!(target: "convoke::relay", "{}: the database is back", self.name);
            (seen.lost, seen.database) = (None, None);
        }
    }

    pub(super) fn health(&self) -> RelayHealth {
        let seen = self.seen();
        let now = Instant::now();
        let of_track = |(when, oldest): &(Instant, Duration)| now.duration_since(*when).saturating_add(*oldest);
        let working = seen.working.iter().flatten().map(of_track).max();
        // Rows may wait in lanes that no relay has yet.
        let counted = seen.counted.filter(|counted| seen.idle.is_none_or(|idle| idle < *counted));
        let counted = counted.and_then(|counted| Some(now.duration_since(counted) + seen.figures.oldest?));
        let lost = seen.lost.map(|lost| now.duration_since(lost));
        let lag = [working, counted, lost].into_iter().flatten().max().unwrap_or_default();
        let running = self.running.load(Ordering::Relaxed);
        RelayHealth {
            outbox: self.name.to_string(),
            healthy: running && lag <= self.lag_within,
            connected: running && seen.database.is_none() && seen.server.is_none(),
            ended: !running,
            lag,
            lanes: self.lanes.load(Ordering::Relaxed),
            ready: seen.figures.ready,
            dead: seen.figures.dead,
            parked: seen.figures.parked,
            sent: self.sent.load(Ordering::Relaxed),
            trouble: seen.database.clone().or_else(|| seen.server.clone()),
        }
    }
}
