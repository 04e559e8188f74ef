//! The door by which an event comes in from another process: the same one that every event goes through.
//!
//! `Envelope → topic (its own, or that of its name) → Emitting → listeners`

use super::bus::EventBus;
use super::emitting::Emitting;
use crate::events::envelope::Envelope;
use crate::events::event::{JsonEvent, Name};
use crate::events::topics::{TopicError, check_topic};

impl EventBus {
    /// Calls every listener to an event that another process has emitted, as [`emit_json`](Self::emit_json) does, with the
    /// metadata that it came with. Nobody has listened if the report [is empty](crate::Report::is_empty).
    ///
    /// It travels on the topic that its metadata name. Services elsewhere name none: then it travels where listeners here
    /// expect an event of its name, or else on a topic that is called like it.
    ///
    /// What fails is a dead letter of this bus, as of every event. Of what a worker has brought here it is none: the server
    /// has that still, and settles it.
    ///
    /// # Errors
    ///
    /// If neither its topic nor its name is a topic: nobody can know it.
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
            Some(topic) => Ok(topic),
            None => check_topic(event).map(|()| event.clone()),
        }
    }
}
