//! What a worker measures; its names and labels are in the table of `src/guide/production.md`.
//!
//! `handling.rs, fetch.rs → Meter → the recorder of the crate metrics`

use std::cell::{Cell, OnceCell};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::__private::{Count, IS_MEASURED, Level, Spread};
use crate::Metadata;
use crate::transport::ParkingFigures;

/// How a delivery may end: the label `result`.
const RESULTS: [&str; 7] = ["done", "duplicate", "ignored", "retried", "dead", "released", "lost"];

/// The handles of one worker, looked up once.
pub(crate) struct Meter {
    source: Arc<str>,
    deliveries: [Count; RESULTS.len()],
    duration: Spread,
    in_flight: Level,
    lag: Spread,
    /// Once the server has told it.
    backlog: OnceCell<Level>,
    asked: Cell<Option<Instant>>,
    /// Of workers that park: how many are dead in their places, and how many are parked.
    parked: OnceCell<(Level, Level)>,
}

impl Meter {
    pub(crate) fn new(source: &Arc<str>) -> Self {
        let of = [("source", &**source)];
        let deliveries = |result| {
            let labels = [("source", &**source), ("result", result)];
            Count::new("convoke_worker_deliveries_total", "Deliveries that have ended, by how they did", &labels)
        };
        Self {
            deliveries: RESULTS.map(deliveries),
            duration: Spread::new("convoke_worker_duration_seconds", "How long the listeners took for a delivery", &of),
            in_flight: Level::new("convoke_worker_in_flight", "Deliveries that are being heard", &of),
            lag: Spread::new("convoke_worker_lag_seconds", "From when an event was published to when it is heard", &of),
            backlog: OnceCell::new(),
            asked: Cell::new(None),
            parked: OnceCell::new(),
            source: source.clone(),
        }
    }

    pub(crate) fn now(&self) -> Option<Instant> {
        IS_MEASURED.then(Instant::now)
    }

    pub(crate) fn begin(&self) {
        self.in_flight.up();
    }

    pub(crate) fn finish(&self, began: Option<Instant>) {
        self.in_flight.down();
        if let Some(began) = began {
            self.duration.record(began.elapsed());
        }
    }

    pub(crate) fn settled(&self, result: &'static str) {
        let counts = RESULTS.iter().zip(&self.deliveries).find(|(name, _)| **name == result);
        if let Some((_, count)) = counts.filter(|_| IS_MEASURED) {
            count.add(1);
        }
    }

    /// A clock that is ahead of ours gives none.
    pub(crate) fn lag(&self, metadata: &Metadata) {
        if IS_MEASURED {
            self.lag.record(SystemTime::now().duration_since(metadata.time).unwrap_or_default());
        }
    }

    pub(crate) fn is_time_for_backlog(&self, every: Duration) -> bool {
        let is_time = IS_MEASURED && self.asked.get().is_none_or(|asked| asked.elapsed() >= every);
        if is_time {
            self.asked.set(Some(Instant::now()));
        }
        is_time
    }

    pub(crate) fn backlog(&self, waiting: u64) {
        let of = [("source", &*self.source)];
        let new = || Level::new("convoke_worker_backlog", "Deliveries that wait on the server", &of);
        self.backlog.get_or_init(new).set(waiting);
    }

    /// Only of workers that park.
    pub(crate) fn parked(&self, figures: ParkingFigures) {
        let of = [("source", &*self.source)];
        let new = || {
            let dead = Level::new("convoke_worker_dead_in_place", "Dead letters that hold back their keys", &of);
            (dead, Level::new("convoke_worker_parked", "Deliveries that are parked behind dead letters", &of))
        };
        let (dead, parked) = self.parked.get_or_init(new);
        dead.set(figures.dead);
        parked.set(figures.parked);
    }
}
