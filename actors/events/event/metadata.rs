//! What travels with an event: which one it is, when and by whom, and what it belongs to.
//!
//! `emit → Metadata → wire.rs → Envelope → another service`

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use uuid::Uuid;

use super::event::Event;
use super::name::Name;
use super::publish_date::{PublishDate, whole_micros};
use super::replay::Replay;
use super::secret::{Hidden, Secret};
use super::trace::TraceContext;
use crate::base::Shown;
use crate::runtime;

/// What is known about one event beside its payload.
///
/// As JSON, metadata is the object that services elsewhere read; the table lists its keys. Services elsewhere use the
/// first nine keys. The other keys are specific to this library, and other services may ignore them.
///
/// | key | field | when it is missing or `null` | when it is of another type |
/// |---|---|---|---|
/// | `containsPersonalData` | [`contains_personal_data`](Self::contains_personal_data) | `false` | `true`: an unclear value hides the payload |
/// | `traceparent`, `tracestate` | [`trace`](Self::trace) | a new trace | as missing, and so is a value that breaks the rules |
/// | `authorization` | [`authorization`](Self::authorization) | none | an error |
/// | `publishDate` | [`time`](Self::time) | the time at which the metadata is read | an error, and so is text that is not a date |
/// | `entityId` | [`entity_id`](Self::entity_id) | none, and so for an empty id | a number is taken as text, anything else is an error |
/// | `entityName`, `publisherName`, `eventName` | [`entity`](Self::entity), [`publisher`](Self::publisher), [`event`](Self::event) | empty | an error |
/// | `id` | [`id`](Self::id) | the id of the packet, or else a new one | for a text or a number an id made of the publisher and that value, or else as missing |
/// | `topic` | [`topic`](Self::topic) | empty: the event is identified by its name | as missing |
/// | `version` | [`version`](Self::version) | 1 | as missing |
/// | `correlationId` | [`correlation`](Self::correlation) | the `id` | as missing |
/// | `causationId` | [`causation`](Self::causation) | none | as missing |
///
/// Keys are read in camel, snake and Pascal case (`eventName`, `event_name`, `EventName`), each key in its own case. If
/// a key is present in several cases, the one in camel case counts. Other keys are ignored.
///
/// `publishDate` is written in UTC as `2026-01-02T03:04:05+00:00`, with six digits of fraction unless the fraction is
/// zero. Every date of RFC 3339 is read. A date without an offset is taken as UTC, because Python's `isoformat` writes
/// such dates.
///
/// `Debug` never shows [`authorization`](Self::authorization), nor [`entity_id`](Self::entity_id) of an event that
/// contains personal data. JSON has to contain both.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// The id of this event; a UUID v7, ordered by time, if the event was created by this library.
    pub id: Uuid,
    /// The event's name, as in `UserRegistered`, by which services elsewhere know the event.
    pub event: Name,
    /// The kind of thing that the event is about, as in `User`.
    pub entity: Name,
    /// The id of the thing that the event is about.
    pub entity_id: Option<Name>,
    /// The name of the service that published the event.
    pub publisher: Arc<str>,
    /// The topic on which the event travels: segments between slashes.
    pub topic: Name,
    /// The version of the payload's shape.
    pub version: u32,
    /// The time at which the event was published, in whole microseconds: a finer time does not reach the wire.
    pub time: SystemTime,
    /// The distributed trace that the event belongs to.
    pub trace: TraceContext,
    /// The authorization of the party on whose behalf the event is published: what the publisher would send in the HTTP
    /// header `Authorization`.
    pub authorization: Secret,
    /// The id that all events of a chain share: the id of the chain's first event.
    pub correlation: Uuid,
    /// The id of the event that caused this one.
    pub causation: Option<Uuid>,
    /// Whether the payload is kept out of every log and every error.
    pub contains_personal_data: bool,
    /// Whether the event is told once more from a store. It is known in this process alone.
    pub replay: Replay,
}

impl Metadata {
    /// Creates the metadata of a new event that is published now: with a new id, a new trace, the event's name as
    /// topic, version 1, and nothing else.
    pub fn new(event: impl Into<Name>) -> Self {
        let (id, event) = (runtime::new_id(), event.into());
        Self {
            id,
            topic: event.clone(),
            event,
            entity: Name::default(),
            entity_id: None,
            publisher: Arc::default(),
            version: 1,
            time: whole_micros(runtime::wall_clock()),
            trace: TraceContext::root(),
            authorization: Secret::default(),
            correlation: id,
            causation: None,
            contains_personal_data: false,
            replay: Replay::default(),
        }
    }

    /// Creates the metadata of a new event of type `E` that is published now: [`new`](Self::new), with the constants of
    /// the type.
    pub fn of<E: Event>() -> Self {
        Self {
            entity: E::ENTITY.into(),
            topic: E::TOPIC.into(),
            version: E::VERSION,
            contains_personal_data: E::CONTAINS_PERSONAL_DATA,
            ..Self::new(E::NAME)
        }
    }

    /// Marks this event as caused by `cause`: takes over the trace and the correlation of `cause`, and sets the
    /// causation to the id of `cause`.
    #[must_use]
    pub fn caused_by(self, cause: &Self) -> Self {
        Self { trace: cause.trace.child(), correlation: cause.correlation, causation: Some(cause.id), ..self }
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Which one it happened to may say who that is.
        let entity_id = self.entity_id.as_deref().map(Shown::name);
        let entity_id = match &entity_id {
            Some(_) if self.contains_personal_data => Some(&Hidden as &dyn fmt::Debug),
            Some(id) => Some(id as &dyn fmt::Debug),
            None => None,
        };
        f.debug_struct("Metadata")
            .field("id", &self.id)
            .field("event", &Shown::name(&self.event))
            .field("entity", &Shown::name(&self.entity))
            .field("entity_id", &entity_id)
            .field("publisher", &Shown::name(&self.publisher))
            .field("topic", &Shown::name(&self.topic))
            .field("version", &self.version)
            .field("time", &format_args!("{}", PublishDate(self.time)))
            .field("trace", &self.trace)
            .field("authorization", &self.authorization)
            .field("correlation", &self.correlation)
            .field("causation", &self.causation)
            .field("contains_personal_data", &self.contains_personal_data)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::Value;

    use super::*;

    struct AccountClosed;

    impl Event for AccountClosed {
        const NAME: &'static str = "AccountClosed";
        const TOPIC: &'static str = "accounts/closed";
        const ENTITY: &'static str = "Account";
        const VERSION: u32 = 3;
        const CONTAINS_PERSONAL_DATA: bool = true;

        fn to_json(&self) -> Result<Value, serde_json::Error> {
            Ok(Value::Null)
        }

        fn from_json(_: &Value) -> Result<Self, serde_json::Error> {
            Ok(Self)
        }
    }

    #[test]
    fn new_metadata_stand_for_themselves() {
        let (one, other) = (Metadata::new("UserRegistered"), Metadata::new(String::from("UserRegistered")));
        assert_ne!(one.id, other.id);
        assert_ne!(one.trace.trace_id(), other.trace.trace_id());
        assert_eq!((one.correlation, one.causation), (one.id, None));
        assert_eq!((&one.event, &one.topic), (&other.event, &other.topic));
        assert_eq!((one.topic.as_str(), one.version), ("UserRegistered", 1));
    }

    #[test]
    fn the_metadata_of_a_type_are_what_it_says_of_itself() {
        let made = Metadata::of::<AccountClosed>();
        assert_eq!((made.event.as_str(), made.entity.as_str()), ("AccountClosed", "Account"));
        assert_eq!((made.topic.as_str(), made.version), ("accounts/closed", 3));
        assert!(made.contains_personal_data);
    }

    #[test]
    fn what_an_event_causes_is_in_its_trace_and_its_correlation() {
        let first = Metadata::new("OrderPlaced");
        let second = Metadata::new("OrderPaid").caused_by(&first);
        let third = Metadata::new("OrderShipped").caused_by(&second);
        assert_eq!((third.correlation, third.causation), (first.id, Some(second.id)));
        assert_eq!(third.trace.trace_id(), first.trace.trace_id());
        assert_ne!(third.trace.parent_id(), second.trace.parent_id());
        assert_ne!(third.id, second.id);
    }

    #[crate::test]
    async fn in_virtual_time_an_event_bears_the_time_of_the_test() {
        let start = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        assert_eq!(Metadata::new("Started").time, start);
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(Metadata::new("Stopped").time, start + Duration::from_secs(3_600));
    }

    #[test]
    fn a_time_has_no_finer_part_than_the_wire() {
        let time = UNIX_EPOCH + Duration::from_nanos(1_234_567_891);
        assert_eq!(whole_micros(time), UNIX_EPOCH + Duration::from_micros(1_234_567));
        assert_eq!(whole_micros(UNIX_EPOCH - Duration::from_micros(5)), UNIX_EPOCH - Duration::from_micros(5));
    }

    #[test]
    fn debug_shows_everything_but_the_authorization() {
        let mut metadata = Metadata::new("UserRegistered");
        metadata.time = UNIX_EPOCH;
        assert!(format!("{metadata:?}").contains("authorization: Secret(none)"));
        metadata.authorization = "Bearer hunter2".into();
        for shown in [format!("{metadata:?}"), format!("{metadata:#?}"), format!("{:?}", metadata.authorization)] {
            assert!(!shown.contains("hunter2") && shown.contains("Secret(hidden)"), "{shown}");
        }
        assert!(format!("{metadata:?}").contains("time: 1970-01-01T00:00:00+00:00"));
        assert_eq!(metadata.authorization.expose(), "Bearer hunter2");
    }
}
