//! What happens to a published event when as many wait as may.

use serde::Serialize;

/// What happens to a published event when as many wait for a listener as may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// The event that has waited longest is dropped for this listener, and becomes a dead letter.
    #[default]
    DropOldest,
    /// The new event is dropped for this listener, and becomes a dead letter.
    DropNewest,
    /// `publish` returns an error, and no listener hears the event.
    Refuse,
}
