//! What a route measures; its names and labels are in the table of `src/guide/production.md`.
//!
//! `Pushed, Batch → Meter → the recorder of the crate metrics`

use std::sync::OnceLock;

use crate::__private::{Count, Level, queued};
use crate::Subscription;

/// What became of an event that was to leave: the label `result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// The server has it.
    Sent,
    /// The server does not take it, or it cannot leave at all.
    Failed,
    /// Nobody has said in time that the server has it.
    TimedOut,
    /// Nobody waits for it any more.
    Dropped,
}

/// The label of each, in their order.
const RESULTS: [&str; 4] = ["sent", "failed", "timed_out", "dropped"];

/// What is measured of one route.
pub(super) struct Meter {
    events: [Count; RESULTS.len()],
    retries: Count,
    pub(super) in_flight: Level,
    waiting: Level,
    /// How many are in its queue, once it has one.
    queue: OnceLock<Box<dyn Fn() -> usize + Send + Sync>>,
}

impl Meter {
    pub(super) fn new(destination: &str) -> Self {
        let of = [("destination", destination)];
        let events = |result| {
            let labels = [("destination", destination), ("result", result)];
            Count::new(
                "convoke_route_events_total",
                "Events that were to leave by a route, by what became of them",
                &labels,
            )
        };
        Self {
            events: RESULTS.map(events),
            retries: Count::new("convoke_route_retries_total", "Events that a route has sent once more", &of),
            in_flight: Level::new("convoke_route_in_flight", "Events that are on their way to a server", &of),
            waiting: Level::new("convoke_route_waiting", "Events in the queue of a route, before each batch", &of),
            queue: OnceLock::new(),
        }
    }

    /// It has this queue.
    pub(super) fn queue_of(&self, route: &Subscription) {
        let _ = self.queue.set(Box::new(queued(route)));
    }

    pub(super) fn left(&self, how: Left) {
        if let Some(events) = self.events.get(how as usize) {
            events.add(1);
        }
    }

    /// So many are sent once more.
    pub(super) fn again(&self, events: usize) {
        self.retries.add(events as u64);
    }

    /// Looks how many wait.
    pub(super) fn look(&self) {
        if let Some(queue) = self.queue.get() {
            self.waiting.set(queue() as u64);
        }
    }
}
