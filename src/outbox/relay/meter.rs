//! What a relay measures, for whatever recorder of the crate `metrics` is installed; nothing without that feature.
//!
//! | name | kind | labels |
//! |---|---|---|
//! | `convoke_outbox_events_total` | counter | `outbox`, `result`: `sent`, `dead`, `parked` |
//! | `convoke_outbox_waiting` | gauge | `outbox`, `state`: `ready`, `dead`, `parked`; counted every 15 s, up to 10,000 |
//! | `convoke_outbox_lag_seconds` | gauge | `outbox`: for how long the oldest event has waited, looked at every 15 s |

#[cfg(feature = "metrics")]
mod recorded {
    use std::sync::Arc;

    use metrics::{Counter, Gauge, Unit};

    use crate::outbox::OutboxFigures;

    const EVENTS: &str = "convoke_outbox_events_total";
    const WAITING: &str = "convoke_outbox_waiting";
    const LAG: &str = "convoke_outbox_lag_seconds";

    /// The handles of one relay, looked up once.
    pub(crate) struct Meter {
        sent: Counter,
        dead: Counter,
        parked: Counter,
        waiting: [Gauge; 3],
        lag: Gauge,
    }

    impl Meter {
        pub(crate) fn new(outbox: &Arc<str>) -> Self {
            metrics::describe_counter!(EVENTS, "Events of an outbox, by what became of them");
            metrics::describe_gauge!(WAITING, "Events that are in an outbox");
            metrics::describe_gauge!(LAG, Unit::Seconds, "For how long the oldest event of an outbox has waited");
            let events = |result| metrics::counter!(EVENTS, "outbox" => outbox.clone(), "result" => result);
            let waiting = |state| metrics::gauge!(WAITING, "outbox" => outbox.clone(), "state" => state);
            Self {
                sent: events("sent"),
                dead: events("dead"),
                parked: events("parked"),
                waiting: ["ready", "dead", "parked"].map(waiting),
                lag: metrics::gauge!(LAG, "outbox" => outbox.clone()),
            }
        }

        pub(crate) fn sent(&self, events: u64) {
            self.sent.increment(events);
        }

        pub(crate) fn dead(&self, events: usize) {
            self.dead.increment(events.try_into().unwrap_or(u64::MAX));
        }

        pub(crate) fn parked(&self, events: usize) {
            self.parked.increment(events.try_into().unwrap_or(u64::MAX));
        }

        pub(crate) fn figures(&self, figures: &OutboxFigures) {
            for (gauge, count) in self.waiting.iter().zip([figures.ready, figures.dead, figures.parked]) {
                gauge.set(count as f64);
            }
            self.lag.set(figures.oldest.unwrap_or_default().as_secs_f64());
        }
    }
}

#[cfg(not(feature = "metrics"))]
mod recorded {
    use std::sync::Arc;

    use crate::outbox::OutboxFigures;

    /// Measures nothing.
    pub(crate) struct Meter;

    impl Meter {
        pub(crate) fn new(_outbox: &Arc<str>) -> Self {
            Self
        }

        pub(crate) fn sent(&self, _events: u64) {}

        pub(crate) fn dead(&self, _events: usize) {}

        pub(crate) fn parked(&self, _events: usize) {}

        pub(crate) fn figures(&self, _figures: &OutboxFigures) {}
    }
}

pub(crate) use recorded::Meter;
