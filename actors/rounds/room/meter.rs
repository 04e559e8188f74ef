//! What a broker measures of its rounds; its names and labels are in the table of `src/guide/production.md`.
//!
//! `broker opens, session closes → Meter → the recorder of the crate metrics`

use std::time::Duration;

use uuid::Uuid;

use crate::base::{Count, Level, Spread};
use crate::rounds::BrokerId;
use crate::rounds::round::{Abort, Verdict};

/// How a round may end: the labels `outcome` and `cause`.
const ENDS: [(&str, &str); 11] = [
    ("resolved", "none"),
    ("partial", "none"),
    ("cancelled", "timed_out"),
    ("cancelled", "idle"),
    ("cancelled", "lost"),
    ("cancelled", "vetoed"),
    ("cancelled", "no_member"),
    ("cancelled", "out_of_reach"),
    ("cancelled", "aborted"),
    ("cancelled", "broker_stopped"),
    ("cancelled", "session_lost"),
];

/// Where an end stands there.
fn place(verdict: &Verdict) -> usize {
    match verdict {
        Verdict::Resolved { partial: false } => 0,
        Verdict::Resolved { partial: true } => 1,
        Verdict::TimedOut => 2,
        Verdict::Idle => 3,
        Verdict::Lost(_) => 4,
        Verdict::Vetoed(..) => 5,
        Verdict::NoMember { .. } => 6,
        Verdict::OutOfReach => 7,
        Verdict::Aborted(Abort::Asked(_) | Abort::AskedBy(_)) => 8,
        Verdict::Aborted(Abort::BrokerStopped) => 9,
        Verdict::Aborted(Abort::SessionLost) => 10,
    }
}

/// What a broker measures. By default nothing.
#[derive(Default)]
pub(crate) struct Meter {
    opened: Count,
    closed: [Count; ENDS.len()],
    open: Level,
    took: Spread,
    late: Count,
}

impl Meter {
    pub(crate) fn new(broker: &BrokerId) -> Self {
        // Ids would be as many as there ever were brokers.
        let broker = if Uuid::parse_str(broker.as_str()).is_ok() { "unnamed" } else { broker.as_str() };
        let of = [("broker", broker)];
        let closed = |(outcome, cause)| {
            let labels = [("broker", broker), ("outcome", outcome), ("cause", cause)];
            Count::new("convoke_rounds_closed_total", "Rounds that have closed, by how and why", &labels)
        };
        Self {
            opened: Count::new("convoke_rounds_opened_total", "Rounds that have opened", &of),
            closed: ENDS.map(closed),
            open: Level::new("convoke_rounds_open", "Rounds that are open", &of),
            took: Spread::new("convoke_rounds_duration_seconds", "How long rounds were open", &of),
            late: Count::new(
                "convoke_rounds_late_signals_total",
                "Signals that came after their round, or their own deadline, was over",
                &of,
            ),
        }
    }

    pub(crate) fn opened(&self) {
        self.opened.add(1);
        self.open.up();
    }

    /// One has ended so, after so long.
    pub(crate) fn closed(&self, verdict: &Verdict, took: Duration) {
        if let Some(closed) = self.closed.get(place(verdict)) {
            closed.add(1);
        }
        self.open.down();
        self.took.record(took);
    }

    pub(crate) fn late(&self) {
        self.late.add(1);
    }
}
