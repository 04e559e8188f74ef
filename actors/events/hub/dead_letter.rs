//! An event that was not delivered, or that a listener has failed on, with its reason.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;

use super::hub::Hub;
use super::post::Post;
use crate::base::Shown;
use crate::events::event::{Event, Metadata};
use crate::events::parcel::AnyParcel;
use crate::events::verdict::Reason;

/// Gives an event to the bus once more, for whoever hears it now; says whether that took it.
pub(crate) type Again = fn(&Arc<Hub>, &Arc<dyn AnyParcel>) -> bool;

/// An event that was not delivered to a listener, or that a listener has failed on. An event itself, so that it can be
/// listened to: `bus.on(|letter: &DeadLetter| …)`. A dead letter that is not delivered makes no other.
#[derive(Clone)]
pub struct DeadLetter {
    /// Its number: the first of a bus is 1.
    pub id: u64,
    /// The name of the event.
    pub event: String,
    /// Where it travelled.
    pub topic: String,
    /// The listener for whom it was; none if it was stopped before anybody was called.
    pub listener: Option<Arc<str>>,
    /// Why it is here.
    pub reason: Reason,
    /// When it came here.
    pub time: SystemTime,
    /// What is known of its emission. If nobody could see that, its id and time are of when it came here.
    pub metadata: Arc<Metadata>,
    pub(crate) post: Option<Arc<Post>>,
    /// Publishes it again, if nobody was called with it.
    pub(crate) again: Option<Again>,
    pub(crate) parcel: Arc<dyn AnyParcel>,
}

impl DeadLetter {
    /// Returns the event, if it is of this type.
    pub fn downcast<E: Event>(&self) -> Option<Arc<E>> {
        self.parcel.event().downcast().ok()
    }

    /// Returns the event as JSON, unless it is a local one. Personal data is not hidden here.
    pub fn payload(&self) -> Option<Value> {
        self.parcel.clone().json().ok().map(|json| json.event.payload().clone())
    }
}

impl fmt::Display for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = Shown::name(&self.event);
        match &self.listener {
            Some(listener) => {
                let colon = if matches!(self.reason, Reason::Failed(_)) { "" } else { ":" };
                write!(f, "dead letter {}: {event}: `{listener}`{colon} {}", self.id, self.reason)
            }
            None => write!(f, "dead letter {}: {event}: {}", self.id, self.reason),
        }
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("id", &self.id)
            .field("event", &Shown::name(&self.event))
            .field("listener", &self.listener)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl Event for DeadLetter {
    const NAME: &'static str = "DeadLetter";
    const TOPIC: &'static str = "convoke/dead-letter";
    const ENTITY: &'static str = "DeadLetter";
    const LOCAL: bool = true;

    fn to_json(&self) -> Result<Value, serde_json::Error> {
        Err(serde::ser::Error::custom("a dead letter stays in its process"))
    }

    fn from_json(_: &Value) -> Result<Self, serde_json::Error> {
        Err(serde::de::Error::custom("a dead letter stays in its process"))
    }
}
