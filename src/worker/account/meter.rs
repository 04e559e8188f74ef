//! What a worker measures, for whatever recorder of the crate `metrics` is installed; nothing without that feature.
//!
//! | name | kind | labels |
//! |---|---|---|
//! | `convoke_worker_deliveries_total` | counter | `source`, `result`: `done`, `duplicate`, `ignored`, `retried`, `dead`, `released`, `lost` |
//! | `convoke_worker_duration_seconds` | histogram | `source`: how long the listeners took |
//! | `convoke_worker_in_flight` | gauge | `source` |
//! | `convoke_worker_lag_seconds` | histogram | `source`: from when the event was published to when it is heard |
//! | `convoke_worker_backlog` | gauge | `source`: how many wait on the server, asked every 15 s |
//! | `convoke_worker_dead_in_place` | gauge | `source`: how many dead letters hold back their keys, asked every 15 s |
//! | `convoke_worker_parked` | gauge | `source`: how many are parked behind them |

#[cfg(feature = "metrics")]
mod recorded {
    use std::cell::Cell;
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use metrics::{Counter, Gauge, Histogram, Unit};
    use tokio::time::Instant;

    use crate::Metadata;
    use crate::transport::ParkingFigures;

    const DELIVERIES: &str = "convoke_worker_deliveries_total";
    const DURATION: &str = "convoke_worker_duration_seconds";
    const IN_FLIGHT: &str = "convoke_worker_in_flight";
    const LAG: &str = "convoke_worker_lag_seconds";
    const BACKLOG: &str = "convoke_worker_backlog";
    const DEAD_IN_PLACE: &str = "convoke_worker_dead_in_place";
    const PARKED: &str = "convoke_worker_parked";

    /// The handles of one worker, looked up once.
    pub(crate) struct Meter {
        source: Arc<str>,
        done: Counter,
        duration: Histogram,
        in_flight: Gauge,
        lag: Histogram,
        backlog: Gauge,
        asked: Cell<Option<Instant>>,
    }

    impl Meter {
        pub(crate) fn new(source: &Arc<str>) -> Self {
            metrics::describe_counter!(DELIVERIES, "Deliveries that have ended, by how they did");
            metrics::describe_histogram!(DURATION, Unit::Seconds, "How long the listeners took for a delivery");
            metrics::describe_gauge!(IN_FLIGHT, "Deliveries that are being heard");
            metrics::describe_histogram!(LAG, Unit::Seconds, "From when an event was published to when it is heard");
            metrics::describe_gauge!(BACKLOG, "Deliveries that wait on the server");
            Self {
                done: metrics::counter!(DELIVERIES, "source" => source.clone(), "result" => "done"),
                duration: metrics::histogram!(DURATION, "source" => source.clone()),
                in_flight: metrics::gauge!(IN_FLIGHT, "source" => source.clone()),
                lag: metrics::histogram!(LAG, "source" => source.clone()),
                backlog: metrics::gauge!(BACKLOG, "source" => source.clone()),
                asked: Cell::new(None),
                source: source.clone(),
            }
        }

        pub(crate) fn now(&self) -> Option<Instant> {
            Some(Instant::now())
        }

        pub(crate) fn begin(&self) {
            self.in_flight.increment(1.0);
        }

        pub(crate) fn finish(&self, began: Option<Instant>) {
            self.in_flight.decrement(1.0);
            if let Some(began) = began {
                self.duration.record(began.elapsed());
            }
        }

        pub(crate) fn settled(&self, result: &'static str) {
            if result == "done" {
                self.done.increment(1);
            } else {
                metrics::counter!(DELIVERIES, "source" => self.source.clone(), "result" => result).increment(1);
            }
        }

        /// A clock that is ahead of ours gives none.
        pub(crate) fn lag(&self, metadata: &Metadata) {
            self.lag.record(SystemTime::now().duration_since(metadata.time).unwrap_or_default());
        }

        pub(crate) fn is_time_for_backlog(&self, every: Duration) -> bool {
            let is_time = self.asked.get().is_none_or(|asked| asked.elapsed() >= every);
            if is_time {
                self.asked.set(Some(Instant::now()));
            }
            is_time
        }

        pub(crate) fn backlog(&self, waiting: u64) {
            self.backlog.set(waiting as f64);
        }

        /// Only of workers that park.
        pub(crate) fn parked(&self, figures: ParkingFigures) {
            metrics::describe_gauge!(DEAD_IN_PLACE, "Dead letters that hold back their keys");
            metrics::describe_gauge!(PARKED, "Deliveries that are parked behind dead letters");
            metrics::gauge!(DEAD_IN_PLACE, "source" => self.source.clone()).set(figures.dead as f64);
            metrics::gauge!(PARKED, "source" => self.source.clone()).set(figures.parked as f64);
        }
    }
}

#[cfg(not(feature = "metrics"))]
mod recorded {
    use std::sync::Arc;

    use tokio::time::Instant;

    use crate::Metadata;
    use crate::transport::ParkingFigures;

    /// Measures nothing.
    pub(crate) struct Meter;

    impl Meter {
        pub(crate) fn new(_source: &Arc<str>) -> Self {
            Self
        }

        pub(crate) fn now(&self) -> Option<Instant> {
            None
        }

        pub(crate) fn begin(&self) {}

        pub(crate) fn finish(&self, _began: Option<Instant>) {}

        pub(crate) fn settled(&self, _result: &'static str) {}

        pub(crate) fn lag(&self, _metadata: &Metadata) {}

        pub(crate) fn parked(&self, _figures: ParkingFigures) {}
    }
}

pub(crate) use recorded::Meter;
