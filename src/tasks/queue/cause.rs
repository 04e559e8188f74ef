//! What is known of who has asked for a job: what its events continue.
//!
//! `enqueue, within a call of a listener → Cause → text of the row → Cause → the outbox, the bus of the function`

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::__private::Stamp;
use crate::outbox::{Outbox, OutboxDatabase};
use crate::{EventBus, JsonEvent, TraceContext, Uuid};

/// What a job knows of the batch that it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::tasks) struct Seat {
    pub(in crate::tasks) batch: Uuid,
    /// How many bytes of its result the outcome of the batch takes.
    pub(in crate::tasks) room: usize,
}

/// What the job that follows a batch knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::tasks) struct Follows {
    pub(in crate::tasks) batch: Uuid,
    /// The number of its round.
    pub(in crate::tasks) round: i64,
}

/// The trace, the correlation and the cause of a job; and its batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::tasks) struct Cause {
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    causation_id: Option<Uuid>,
    /// Of which batch it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::tasks) seat: Option<Seat>,
    /// Behind which batch it was enqueued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::tasks) follows: Option<Follows>,
}

impl Cause {
    /// What an event would have that was emitted here: within a call of a listener, the event that is heard is its cause.
    pub(in crate::tasks) fn present() -> Self {
        let pressed = Stamp::of("").press(JsonEvent::new("job", Value::Null));
        let Ok((metadata, _)) = pressed else { return Self::default() };
        if metadata.causation.is_none() {
            return Self::default();
        }
        Self {
            traceparent: Some(metadata.trace.to_string()),
            correlation_id: Some(metadata.correlation),
            causation_id: metadata.causation,
            ..Self::default()
        }
    }

    /// As it is kept, if there is anything to keep.
    pub(in crate::tasks) fn write(&self) -> Option<String> {
        if *self == Self::default() { None } else { serde_json::to_string(self).ok() }
    }

    /// What was kept; nothing if it cannot be read.
    pub(in crate::tasks) fn read(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    fn trace(&self) -> Option<TraceContext> {
        self.traceparent.as_ref()?.parse().ok()
    }

    /// Has the events of a job continue what it belongs to.
    pub(in crate::tasks) fn outbox<D: OutboxDatabase>(&self, outbox: &Outbox<D>) -> Outbox<D> {
        let mut outbox = outbox.clone();
        if let Some(trace) = self.trace() {
            outbox = outbox.with_trace(trace);
        }
        if let Some(id) = self.correlation_id {
            outbox = outbox.with_correlation(id);
        }
        if let Some(id) = self.causation_id {
            outbox = outbox.with_causation(id);
        }
        outbox
    }

    /// The same without an outbox.
    pub(in crate::tasks) fn stamp(&self, stamp: &Stamp) -> Stamp {
        let mut stamp = stamp.clone();
        if let Some(trace) = self.trace() {
            stamp = stamp.with_trace(trace);
        }
        if let Some(id) = self.correlation_id {
            stamp = stamp.with_correlation(id);
        }
        if let Some(id) = self.causation_id {
            stamp = stamp.with_causation(id);
        }
        stamp
    }

    /// Has what a function emits continue it, too.
    pub(in crate::tasks) fn bus(&self, bus: &EventBus) -> EventBus {
        let mut bus = bus.clone();
        if let Some(trace) = self.trace() {
            bus = bus.with_trace(trace);
        }
        if let Some(id) = self.correlation_id {
            bus = bus.with_correlation(id);
        }
        if let Some(id) = self.causation_id {
            bus = bus.with_causation(id);
        }
        bus
    }
}
