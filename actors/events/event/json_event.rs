//! An event as JSON: what a topic subscriber sees.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde_json::Value;

use super::bad_payload::BadPayload;
use super::metadata::Metadata;
use super::name::Name;
use super::secret::HIDDEN;
use super::subject::{Address, Kind, Subject};

/// An event as a topic subscriber sees it: its topic, and its payload as JSON.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::JsonEvent;
/// use serde_json::json;
///
/// let event = JsonEvent::new("orders/placed", json!({ "id": 7 }));
/// assert_eq!(event["id"], 7);
/// assert_eq!(event.topic(), "orders/placed");
/// ```
#[derive(Clone, PartialEq)]
pub struct JsonEvent {
    name: Name,
    topic: Name,
    payload: Value,
    /// What metadata says about the kind of event that this was made of.
    kind: Kind,
    personal: bool,
    retained: bool,
    /// What it came with from another process.
    came_with: Option<Arc<Metadata>>,
    /// Whoever has brought it here has it still, and settles it.
    held: bool,
}

impl JsonEvent {
    /// Creates an event with this topic and payload. Its name is the topic too.
    pub fn new(topic: impl Into<String>, payload: Value) -> Self {
        let topic = Name::from(topic.into());
        let kind = Kind { version: 1, ..Kind::default() };
        Self {
            name: topic.clone(),
            topic,
            payload,
            kind,
            personal: false,
            retained: false,
            came_with: None,
            held: false,
        }
    }

    /// What a typed event is as JSON.
    pub(crate) fn of<E: Subject>(event: &E, payload: Value) -> Self {
        Self {
            name: event.name(),
            topic: event.topic(),
            payload,
            kind: event.kind(),
            personal: event.is_personal(),
            retained: false,
            came_with: event.came_with().cloned(),
            held: event.is_held(),
        }
    }

    /// What came from another process is here.
    pub(crate) fn foreign(topic: Name, payload: Value, metadata: Metadata) -> Self {
        Self {
            name: metadata.event.clone(),
            topic,
            payload,
            kind: Kind {
                entity: metadata.entity.clone(),
                entity_id: metadata.entity_id.clone(),
                version: metadata.version,
            },
            personal: metadata.contains_personal_data,
            retained: false,
            came_with: Some(Arc::new(metadata)),
            held: false,
        }
    }

    /// Says that whoever has brought it here has it still, and settles it: what fails makes no dead letter here.
    pub(crate) fn held(self) -> Self {
        Self { held: true, ..self }
    }

    /// Returns the event's name: the name of its type, or its topic if the event was emitted as JSON.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the topic on which the event travels.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Returns the event's payload.
    pub fn payload(&self) -> &Value {
        &self.payload
    }

    pub(crate) fn into_payload(self) -> Value {
        self.payload
    }

    /// Returns whether the event came from another process, by
    /// [`EventBus::emit_envelope`](crate::EventBus::emit_envelope). Leave such events out if you forward events to
    /// other processes, or they would circulate forever.
    pub fn is_foreign(&self) -> bool {
        self.came_with.is_some()
    }

    /// Marks the event as retained: the bus keeps it for later subscribers to its topic, until the next retained event
    /// of the topic replaces it.
    pub fn retained(mut self) -> Self {
        self.retained = true;
        self
    }

    /// Has nobody see its payload but those who listen.
    pub(crate) fn set_personal(&mut self) {
        self.personal = true;
    }
}

impl Deref for JsonEvent {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.payload
    }
}

impl fmt::Debug for JsonEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payload: &dyn fmt::Debug = if self.personal { &HIDDEN } else { &self.payload };
        f.debug_struct("JsonEvent").field("topic", &self.topic).field("payload", payload).finish_non_exhaustive()
    }
}

impl Subject for JsonEvent {
    type Noted = Self;

    fn noted(event: &Arc<Self>) -> &Arc<Self> {
        event
    }

    fn name(&self) -> Name {
        self.name.clone()
    }

    fn topic(&self) -> Name {
        self.topic.clone()
    }

    fn kind(&self) -> Kind {
        self.kind.clone()
    }

    fn is_personal(&self) -> bool {
        self.personal
    }

    fn has_json(&self) -> bool {
        true
    }

    fn is_retained(&self) -> bool {
        self.retained
    }

    fn came_with(&self) -> Option<&Arc<Metadata>> {
        self.came_with.as_ref()
    }

    fn is_held(&self) -> bool {
        self.held
    }

    fn address(&self) -> Address<'_> {
        Address::Topic(&self.topic)
    }

    fn to_json(&self) -> Option<Result<Value, serde_json::Error>> {
        Some(Ok(self.payload.clone()))
    }

    fn from_json(json: Cow<'_, JsonEvent>) -> Option<Result<Self, BadPayload>> {
        Some(Ok(json.into_owned()))
    }
}
