//! What happens to a published event when as many wait as may.

use serde::Serialize;

/// What happens to a published event when a listener has no room for it.
///
/// A listener has no room when as many published events wait for it as its [capacity](crate::Listening::capacity)
/// allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// The listener refuses the event, which becomes a dead letter for this listener.
    ///
    /// `publish` returns an error that names the listener. All other listeners get the event, unless this listener is
    /// registered with [`all_or_none`](crate::Listening::all_or_none). This is the default.
    #[default]
    Refuse,
    /// The event that has waited longest is dropped for this listener, and becomes a dead letter. `publish` counts
    /// dropped events.
    DropOldest,
    /// The new event is dropped for this listener, and becomes a dead letter. `publish` counts dropped events.
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
