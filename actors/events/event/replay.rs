//! Whether an event happens now, or is told once more.
//!
//! `a store → Metadata::replay → a listener that asks for Replay, or is `unless_replayed``

use super::name::Name;

/// Whether an event happens now, or is told once more from a store. A listener may ask for it, as for
/// [`Metadata`](super::Metadata):
///
/// ```
/// # extern crate convoke_actors as convoke;
/// # use convoke::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// # use std::sync::Arc;
/// use convoke::Replay;
///
/// # #[derive(Event, Serialize, Deserialize)]
/// # struct OrderPlaced { id: u64 }
/// async fn count(order: Arc<OrderPlaced>, replay: Replay) {
///     if !replay.is_replay() {
///         println!("order {} is placed just now", order.id);
///     }
/// }
/// # actix::System::new().block_on(async {
/// let bus = EventBus::default();
/// let _count = bus.on(count)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// A listener that should hear no event twice, such as one that sends mails, is registered with
/// [`unless_replayed`](crate::Listening::unless_replayed) instead. What a listener emits while it hears an event that is told once
/// more happens now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    position: Option<Name>,
}

impl Replay {
    /// Says that an event is told once more, and where it stands in its store.
    pub fn of(position: impl Into<Name>) -> Self {
        Self { position: Some(position.into()) }
    }

    /// Returns whether the event is told once more.
    pub fn is_replay(&self) -> bool {
        self.position.is_some()
    }

    /// Returns where the event stands in its store, as the text of a position.
    pub fn position(&self) -> Option<&str> {
        self.position.as_deref()
    }
}
