//! How an event comes in from another process: as an emission, like every other.
//!
//! `Envelope → topic (its own, or that of its name) → Emitting → listeners`

use super::bus::EventBus;
use super::emitting::Emitting;
use crate::events::envelope::Envelope;
use crate::events::event::{JsonEvent, Name};
use crate::events::topics::{TopicError, check_topic};

impl EventBus {
    /// Calls every listener to an event that another process has emitted, with the metadata of the envelope, as
    /// [`emit_json`](Self::emit_json) does. The report [is empty](crate::Report::is_empty) if no listener was called.
    ///
    /// The event travels on the topic that its metadata names. If the metadata names no topic, as that of services
    /// elsewhere, the event travels on the topic of a typed event of the same name that has a listener here, or else on
    /// a topic that is named like the event.
    ///
    /// An event that a listener fails on becomes a dead letter of this bus, as every event. For an event that a worker
    /// has brought here, there is no dead letter: the server still has the event, and the worker settles it.
    ///
    /// # Errors
    ///
    /// Returns a [`TopicError`] if neither the topic nor the name of the event is a valid topic.
    ///
    /// ```
    /// # extern crate convoke_actors as convoke;
    /// use convoke::prelude::*;
    /// # use convoke::{Envelope, Event};
    /// # use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Event, Serialize, Deserialize)]
    /// #[event(topic = "users/registered")]
    /// struct UserRegistered {
    ///     mail: String,
    /// }
    ///
    /// # actix::System::new().block_on(async {
    /// let bus = EventBus::default();
    /// let _greet = bus.on(|user: &UserRegistered| println!("welcome, {}", user.mail))?;
    ///
    /// let body = br#"{"metadata": {"eventName": "UserRegistered"}, "payload": {"mail": "ada@example.org"}}"#;
    /// let report = bus.emit_envelope(Envelope::from_slice(body)?)?.await;
    /// assert_eq!((report.len(), report.is_ok()), (1, true));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn emit_envelope(&self, envelope: Envelope) -> Result<Emitting<JsonEvent>, TopicError> {
        Ok(Emitting::new(self.line().clone(), self.entering(envelope)?))
    }

    /// The same for one that whoever calls has still, and settles by the report: it makes no dead letter here.
    pub(crate) fn emit_held(&self, envelope: Envelope) -> Result<Emitting<JsonEvent>, TopicError> {
        Ok(Emitting::new(self.line().clone(), self.entering(envelope)?.held()))
    }

    fn entering(&self, envelope: Envelope) -> Result<JsonEvent, TopicError> {
        let Envelope { mut metadata, payload } = envelope;
        let topic = if metadata.topic.is_empty() { self.topic_of(&metadata.event)? } else { metadata.topic.clone() };
        check_topic(&topic)?;
        // What listeners here know to be personal is so, whatever its publisher says.
        metadata.contains_personal_data |= self.hub().registry.is_personal(&topic);
        metadata.topic = topic.clone();
        Ok(JsonEvent::foreign(topic, payload, metadata))
    }

    fn topic_of(&self, event: &Name) -> Result<Name, TopicError> {
        match self.hub().registry.topic_of_name(event) {
            Some(topic) => Ok(Name::constant(topic)),
            None => check_topic(event).map(|()| event.clone()),
        }
    }
}
