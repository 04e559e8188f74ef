//! An event that was not delivered, or that a listener has failed on, with its reason.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;

use super::hub::Hub;
use super::post::Post;
use crate::base::{Noted, Shown};
use crate::events::event::{Event, Metadata, Subject};
use crate::events::parcel::{AnyParcel, Parcel};
use crate::events::verdict::Reason;

/// Gives an event to the bus once more, for whoever hears it now; says whether that took it.
pub(crate) type Again = fn(&Arc<Hub>, &Arc<dyn AnyParcel>) -> bool;

/// An event that was not delivered to a listener, or that a listener failed on.
///
/// A dead letter is an event itself. To hear dead letters, register a listener: `bus.on(|letter: &DeadLetter| …)`. A
/// dead letter that is not delivered makes no other dead letter.
#[derive(Clone)]
pub struct DeadLetter {
    /// The number of the dead letter. The first number of a bus is 1.
    pub id: u64,
    /// The name of the event.
    pub event: String,
    /// The topic of the event.
    pub topic: String,
    /// The name of the listener that did not get the event, or failed on it; `None` if the event was stopped before any
    /// listener was called.
    pub listener: Option<Arc<str>>,
    /// The reason for which the event became a dead letter.
    pub reason: Reason,
    /// The time at which the event became a dead letter.
    pub time: SystemTime,
    /// The metadata of the event. If no listener or middleware could see the metadata, its id and time were made when
    /// the event became a dead letter.
    pub metadata: Arc<Metadata>,
    pub(crate) post: Option<Arc<Post>>,
    /// Publishes it again, if nobody was called with it.
    pub(crate) again: Option<Again>,
    /// As which failure it is known to a test.
    pub(crate) noted: Noted,
    pub(crate) parcel: Arc<dyn AnyParcel>,
}

impl DeadLetter {
    /// Whether this is one that is told of.
    pub(crate) fn is_in(parcel: &dyn AnyParcel) -> bool {
        (parcel as &dyn Any).is::<Parcel<Self>>()
    }

    /// The listener of this post is called with this now. If it is a letter, and a test has that listener collect them, the
    /// test has looked at it.
    #[inline]
    #[cfg_attr(not(feature = "testing"), expect(unused_variables, reason = "only a test looks"))]
    pub(crate) fn comes_to<S: Subject>(post: &Post, event: &S) {
        #[cfg(feature = "testing")]
        if post.collects()
            && let Some(letter) = (event as &dyn Any).downcast_ref::<Self>()
        {
            letter.noted.seen();
        }
    }

    /// Returns the event, if it is of type `E`.
    pub fn downcast<E: Event>(&self) -> Option<Arc<E>> {
        self.parcel.event().downcast().ok()
    }

    /// Returns the event as JSON, or `None` for a local event. Personal data is not hidden in the returned value.
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
