//! What a relay measures; its names and labels are in the table of `src/guide/production.md`.
//!
//! `health.rs → Meter → the recorder of the crate metrics`

use std::sync::Arc;

use crate::__private::{Count, Level};
use crate::outbox::OutboxFigures;

/// The handles of one relay, looked up once.
pub(crate) struct Meter {
    sent: Count,
    dead: Count,
    parked: Count,
    waiting: [Level; 3],
    lag: Level,
}

impl Meter {
    pub(crate) fn new(outbox: &Arc<str>) -> Self {
        let events = |result| {
            let labels = [("outbox", &**outbox), ("result", result)];
            Count::new("convoke_outbox_events_total", "Events of an outbox, by what became of them", &labels)
        };
        let waiting = |state| {
            let labels = [("outbox", &**outbox), ("state", state)];
            Level::new("convoke_outbox_waiting", "Events that are in an outbox", &labels)
        };
        let lag = "For how long the oldest event of an outbox has waited";
        Self {
            sent: events("sent"),
            dead: events("dead"),
            parked: events("parked"),
            waiting: ["ready", "dead", "parked"].map(waiting),
            lag: Level::new("convoke_outbox_lag_seconds", lag, &[("outbox", &**outbox)]),
        }
    }

    pub(crate) fn sent(&self, events: u64) {
        self.sent.add(events);
    }

    pub(crate) fn dead(&self, events: usize) {
        self.dead.add(events as u64);
    }

    pub(crate) fn parked(&self, events: usize) {
        self.parked.add(events as u64);
    }

    pub(crate) fn figures(&self, figures: &OutboxFigures) {
        for (level, count) in self.waiting.iter().zip([figures.ready, figures.dead, figures.parked]) {
            level.set(count);
        }
        self.lag.set_time(figures.oldest.unwrap_or_default());
    }
}
