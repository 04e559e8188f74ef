//! An event as a test has seen it: what it was, when it came, and as which.
//!
//! `recorder.rs → Seen → waits, conditions, the lists that failures show`

use std::any::{Any, TypeId};
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::Value;

use crate::base::Shown;
use crate::events::event::{Event, HIDDEN, JsonEvent, Metadata};
use crate::events::hub::DeadLetter;
use crate::events::listener::Heard;
use crate::events::parcel::{AnyParcel, Parcel};
use crate::rounds::outcome::Brief;
use crate::services::standing::ServiceStatus;

/// How much of a payload a list shows, in characters.
const SHOWN_PAYLOAD: usize = 80;

/// What an event without a form as JSON is indexed as.
static NULL: Value = Value::Null;

/// An event that a test has seen. Indexing reads its payload: `seen["id"]`.
///
/// Cloning it is cheap. An event that is `#[event(local)]` has no form as JSON, so its payload reads as `null`;
/// [`event`](Self::event) returns the event itself.
#[derive(Clone)]
pub struct Seen {
    inner: Arc<Inner>,
}

/// An event of a known type that a test has waited for. It dereferences to the event, `order.id`, and
/// [`seen`](Self::seen) returns how the event was recorded.
pub struct SeenAs<E> {
    typed: Arc<E>,
    untyped: Seen,
}

impl<E: Event> SeenAs<E> {
    pub(crate) fn new(seen: &Seen) -> Option<Self> {
        Some(Self { typed: seen.event()?, untyped: seen.clone() })
    }
}

impl<E> SeenAs<E> {
    /// Returns when the event was emitted, as the time since the recording began.
    pub fn at(&self) -> Duration {
        self.untyped.at()
    }

    /// Returns the event as it was recorded, with its topic, its metadata and its number.
    pub fn seen(&self) -> &Seen {
        &self.untyped
    }

    /// Returns the event itself, without the record of how it was seen.
    pub fn into_event(self) -> Arc<E> {
        self.typed
    }
}

impl<E> Deref for SeenAs<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.typed
    }
}

impl<E> Clone for SeenAs<E> {
    fn clone(&self) -> Self {
        Self { typed: self.typed.clone(), untyped: self.untyped.clone() }
    }
}

impl<E> fmt::Debug for SeenAs<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.untyped.fmt(f)
    }
}

struct Inner {
    number: u64,
    at: Duration,
    asked: bool,
    parcel: Arc<dyn AnyParcel>,
    /// Made when somebody looks.
    json: OnceLock<Result<Arc<Parcel<JsonEvent>>, String>>,
}

impl Seen {
    pub(crate) fn new(number: u64, at: Duration, asked: bool, parcel: Arc<dyn AnyParcel>) -> Self {
        Self { inner: Arc::new(Inner { number, at, asked, parcel, json: OnceLock::new() }) }
    }

    /// Returns the number of the event in the recording. The first is 1.
    pub fn number(&self) -> u64 {
        self.inner.number
    }

    /// Returns when the event was emitted, as the time since the recording began.
    pub fn at(&self) -> Duration {
        self.inner.at
    }

    /// Returns the name of the event: that of its type, or its topic if it was emitted as JSON.
    pub fn name(&self) -> String {
        self.inner.parcel.name().to_string()
    }

    /// Returns the topic on which the event was emitted.
    pub fn topic(&self) -> String {
        self.inner.parcel.topic().to_string()
    }

    /// Returns the payload of the event as JSON; `null` if it has no form as JSON. Personal data is not hidden here.
    pub fn payload(&self) -> &Value {
        self.json().map_or(&NULL, |json| json.event.payload())
    }

    /// Returns the event as this type. Returns `None` if it is of another type, unless it came as JSON on the topic of
    /// this type and has the form of this type.
    pub fn event<E: Event>(&self) -> Option<Arc<E>> {
        if let Ok(event) = self.inner.parcel.event().downcast() {
            return Some(event);
        }
        if E::LOCAL || !self.came_as_json() || *self.inner.parcel.topic() != *E::TOPIC {
            return None;
        }
        Some(self.json().ok()?.form::<E>().ok()?.event.clone())
    }

    /// Returns the metadata of the emission.
    pub fn metadata(&self) -> &Metadata {
        self.inner.parcel.metadata()
    }

    /// Returns whether the event was requested, rather than emitted or published.
    pub fn is_request(&self) -> bool {
        self.inner.asked
    }

    /// Whether topic subscribers could see it.
    pub(crate) fn has_json(&self) -> bool {
        self.inner.parcel.has_json()
    }

    /// Whether listeners to this type hear of it.
    pub(crate) fn is_of(parcel: &dyn AnyParcel, of: TypeId, topic: &str) -> bool {
        let subject = parcel.subject();
        subject == of || (subject == TypeId::of::<JsonEvent>() && *parcel.topic() == *topic)
    }

    fn came_as_json(&self) -> bool {
        self.inner.parcel.subject() == TypeId::of::<JsonEvent>()
    }

    fn json(&self) -> Result<&Arc<Parcel<JsonEvent>>, &str> {
        let json = self.inner.json.get_or_init(|| self.inner.parcel.clone().json().map_err(|error| error.to_string()));
        json.as_ref().map_err(String::as_str)
    }

    /// A test has waited for it: a dead letter, or how a service is, was looked at by that.
    pub(crate) fn look(&self) {
        look(&*self.inner.parcel.event());
    }

    /// What a list shows of it.
    pub(crate) fn brief(&self) -> String {
        let event: &dyn Any = &*self.inner.parcel.event();
        if let Some(letter) = event.downcast_ref::<DeadLetter>() {
            return letter.to_string();
        }
        if let Some(status) = event.downcast_ref::<ServiceStatus>() {
            return status.to_string();
        }
        if !self.has_json() {
            return "(local: no form as JSON)".to_owned();
        }
        // Without the payload being made: to read it is the user's code, and it may quote what it reads.
        if self.metadata().contains_personal_data {
            return HIDDEN.to_owned();
        }
        match self.json() {
            Ok(json) => shortened(&json.event.payload().to_string()),
            Err(error) => format!("(no form as JSON: it {})", shortened(error)),
        }
    }
}

/// A test looks at what has come: what has failed by this is seen.
pub(crate) fn look(what: &dyn Any) {
    if let Some(letter) = what.downcast_ref::<DeadLetter>() {
        letter.noted.seen();
    } else if let Some(status) = what.downcast_ref::<ServiceStatus>() {
        status.look();
    } else if let Some(heard) = what.downcast_ref::<Heard<DeadLetter>>() {
        look(&**heard.event());
    } else if let Some(heard) = what.downcast_ref::<Heard<ServiceStatus>>() {
        look(&**heard.event());
    }
}

/// The beginning of a text, on one line.
pub(crate) fn shortened(text: &str) -> String {
    Shown::at_most(&text.replace(['\n', '\r'], " "), SHOWN_PAYLOAD).to_string()
}

impl Deref for Seen {
    type Target = Value;

    fn deref(&self) -> &Value {
        self.payload()
    }
}

/// Writes one line of a list: the number, the time, the topic and the payload.
impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, topic) = (self.name(), self.topic());
        write!(f, "#{} after {} {}", self.number(), Brief(self.at()), Shown::name(&topic))?;
        if name != topic {
            write!(f, " {}", Shown::name(&name))?;
        }
        write!(f, " {}", self.brief())?;
        if self.is_request() {
            f.write_str(" (a request)")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seen({self})")
    }
}
