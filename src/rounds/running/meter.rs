//! What a process measures of a durable broker; its names and labels are in the table of `src/guide/production.md`.
//!
//! `telling.rs, engine.rs, deliver.rs → Meter, Deliveries → the recorder of the crate metrics`

use std::time::Duration;

use super::bench::Ask;
use crate::__private::rounds::{End, Ending};
use crate::__private::{Count, Level, Spread};
use crate::durable::store::RoundFigures;

/// How often it is counted what is there, and beyond what nobody counts.
pub(super) const COUNT_EVERY: Duration = Duration::from_secs(15);
pub(super) const COUNTED: u64 = 10_000;

/// How a round may end: the labels `outcome` and `cause`.
const ENDS: [(&str, &str); 9] = [
    ("resolved", "none"),
    ("partial", "none"),
    ("cancelled", "timed_out"),
    ("cancelled", "idle"),
    ("cancelled", "lost"),
    ("cancelled", "vetoed"),
    ("cancelled", "out_of_reach"),
    ("cancelled", "aborted"),
    ("cancelled", "no_rule"),
];

/// Where an end stands there.
fn place(end: &End) -> usize {
    match end {
        End::Resolved => 0,
        End::Partial => 1,
        End::TimedOut => 2,
        End::Idle => 3,
        End::Lost(_) => 4,
        End::Vetoed(..) => 5,
        End::OutOfReach => 6,
        End::Aborted(_) | End::AbortedBy(..) => 7,
        End::NoRule(_) => 8,
    }
}

/// The label of a round that is not over.
const STATES: [&str; 3] = ["open", "awaited", "aside"];

/// What a process measures of a durable broker.
pub(super) struct Meter {
    committed: Count,
    refused: Count,
    failed: Count,
    closed: [Count; ENDS.len()],
    took: Spread,
    aside: Count,
    rounds: [Level; STATES.len()],
    overdue: Level,
}

impl Meter {
    pub(super) fn new(broker: &str) -> Self {
        let of = [("broker", broker)];
        let signals = |result| {
            let labels = [("broker", broker), ("result", result)];
            Count::new("convoke_durable_signals_total", "Signals of this process, by what became of them", &labels)
        };
        let closed = |(outcome, cause)| {
            let labels = [("broker", broker), ("outcome", outcome), ("cause", cause)];
            Count::new("convoke_durable_rounds_closed_total", "Rounds that this process has closed", &labels)
        };
        let rounds = |state| {
            let labels = [("broker", broker), ("state", state)];
            Level::new("convoke_durable_rounds", "Rounds that are not over", &labels)
        };
        let aside = "Rounds that this process has set aside, for nobody could decide them";
        let overdue = "For how long the round has waited that is due for the longest time";
        Self {
            committed: signals("committed"),
            refused: signals("refused"),
            failed: signals("failed"),
            closed: ENDS.map(closed),
            took: Spread::new("convoke_durable_rounds_duration_seconds", "How long rounds were open", &of),
            aside: Count::new("convoke_durable_rounds_aside_total", aside, &of),
            rounds: STATES.map(rounds),
            overdue: Level::new("convoke_durable_rounds_overdue_seconds", overdue, &of),
        }
    }

    /// If this was a signal, it is a row now, or is refused.
    pub(super) fn answered(&self, ask: &Ask, is_refused: bool) {
        if let Ask::Signal { .. } = ask {
            if is_refused { &self.refused } else { &self.committed }.add(1);
        }
    }

    /// The database was not there for what of these is a signal, or has refused it.
    pub(super) fn unwritten<'a>(&self, asks: impl IntoIterator<Item = &'a Ask>) {
        self.failed.add(asks.into_iter().filter(|ask| matches!(ask, Ask::Signal { .. })).count() as u64);
    }

    pub(super) fn closed(&self, ending: &Ending) {
        if let Some(closed) = self.closed.get(place(&ending.end)) {
            closed.add(1);
        }
        self.took.record(Duration::from_micros(ending.elapsed));
    }

    pub(super) fn set_aside(&self) {
        self.aside.add(1);
    }

    pub(super) fn counted(&self, figures: &RoundFigures) {
        for (level, count) in self.rounds.iter().zip([figures.open, figures.awaited, figures.aside]) {
            level.set(count);
        }
        self.overdue.set_time(figures.overdue.unwrap_or_default());
    }
}

/// What becomes of a round that is handed to a consumer of this process: the label `result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handed {
    Done,
    /// It has failed, and is handed the round again.
    Retried,
    /// It is a dead letter.
    Dead,
    /// The consumer has left, and another process may have one.
    Released,
}

/// The label of each, in their order.
const RESULTS: [&str; 4] = ["done", "retried", "dead", "released"];

/// What is measured of one consumer.
pub(super) struct Deliveries([Count; RESULTS.len()]);

impl Deliveries {
    pub(super) fn new(broker: &str, consumer: &str) -> Self {
        Self(RESULTS.map(|result| {
            let labels = [("broker", broker), ("consumer", consumer), ("result", result)];
            Count::new("convoke_durable_deliveries_total", "Rounds that were handed to consumers", &labels)
        }))
    }

    pub(super) fn handed(&self, how: Handed) {
        if let Some(handed) = self.0.get(how as usize) {
            handed.add(1);
        }
    }
}
