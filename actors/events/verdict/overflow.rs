//! What happens to a published event when as many wait as may.

use serde::Serialize;

/// What happens to a published event when as many wait for a listener as may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// The listener does not take it: for it the event becomes a dead letter, and `publish` returns an error that names the
    /// listener. All others have the event, unless it says [`all_or_none`](crate::Listening::all_or_none).
    #[default]
    Refuse,
    /// The event that has waited longest is dropped for this listener, and becomes a dead letter; `publish` counts it.
    DropOldest,
    /// The new event is dropped for this listener, and becomes a dead letter; `publish` counts it.
    DropNewest,
}

/// What is done with one published event for want of room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// A place was kept for it.
    Kept,
    /// What the listener's policy says.
    ByPolicy,
    /// The oldest gives way, whatever the listener's policy.
    Pushed,
}

/// What was done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queued {
    /// It waits, or is not wanted.
    Taken,
    /// It waits, and another was dropped; or it was dropped itself.
    Dropped,
    /// It does not wait.
    Refused,
}
