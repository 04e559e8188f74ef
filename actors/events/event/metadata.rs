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
use super::secret::{HIDDEN, Secret};
use super::trace::TraceContext;
use crate::base::Shown;
use crate::runtime;

/// What is known of one event beside its payload.
///
/// As JSON it is the object that services elsewhere read; the table has its keys. The first nine are what they speak, and
/// the others are ours, which they may ignore.
///
/// | key | field | when it is missing or `null` | when it is of another type |
/// |---|---|---|---|
/// | `containsPersonalData` | [`contains_personal_data`](Self::contains_personal_data) | `false` | `true`: what is unclear is hidden |
/// | `traceparent`, `tracestate` | [`trace`](Self::trace) | a new trace | as missing, and so is what breaks the rules |
/// | `authorization` | [`authorization`](Self::authorization) | none | an error |
/// | `publishDate` | [`time`](Self::time) | the time at which it is read | an error, and so is what is not a date |
/// | `entityId` | [`entity_id`](Self::entity_id) | none, and so if it is empty | a number is taken as text, or else an error |
/// | `entityName`, `publisherName`, `eventName` | [`entity`](Self::entity), [`publisher`](Self::publisher), [`event`](Self::event) | empty | an error |
/// | `id` | [`id`](Self::id) | the packet's, or else a new one | one made of the publisher and this text or number, or else as missing |
/// | `topic` | [`topic`](Self::topic) | empty: the event is known by its name | as missing |
/// | `version` | [`version`](Self::version) | 1 | as missing |
/// | `correlationId` | [`correlation`](Self::correlation) | the `id` | as missing |
/// | `causationId` | [`causation`](Self::causation) | none | as missing |
///
/// Keys are read in camel, snake and Pascal case (`eventName`, `event_name`, `EventName`), each in its own; of one that is
/// there in several, camel case counts. Other keys are ignored. `publishDate` is written in UTC as `2026-01-02T03:04:05+00:00`, with six digits of fraction
/// unless that is zero; every date of RFC 3339 is read, and one without an offset is UTC, because that is what Python's
/// `isoformat` writes.
///
/// `Debug` never shows [`authorization`](Self::authorization), nor [`entity_id`](Self::entity_id) of an event that contains
/// personal data; JSON has to.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// Identifies this event; a UUID v7, ordered by time, if it was made here.
    pub id: Uuid,
    /// What happened, as in `UserRegistered`: by this name services elsewhere know it.
    pub event: Name,
    /// What it happened to, as in `User`.
    pub entity: Name,
    /// Which one it happened to.
    pub entity_id: Option<Name>,
    /// The service that says so.
    pub publisher: Arc<str>,
    /// Where it travels: segments between slashes.
    pub topic: Name,
    /// The version of the payload's shape.
    pub version: u32,
    /// When it was published, in microseconds: finer ones do not reach the wire.
    pub time: SystemTime,
    /// The distributed trace that it belongs to.
    pub trace: TraceContext,
    /// On whose behalf: what the publisher would send as an HTTP header of that name.
    pub authorization: Secret,
    /// What belongs together: the id of the first event of a chain, for all of its events.
    pub correlation: Uuid,
    /// The id of the event that caused this one.
    pub causation: Option<Uuid>,
    /// Whether the payload may stand in no log and no error.
    pub contains_personal_data: bool,
}

impl Metadata {
    /// Makes the metadata of a new event, now: with an id and a trace of its own, its name as topic, version 1, and
    /// nothing else.
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
        }
    }

    /// Makes the metadata of a new event of that type, now: [`new`](Self::new), with what the type says of itself.
    pub fn of<E: Event>() -> Self {
        Self {
            entity: E::ENTITY.into(),
            topic: E::TOPIC.into(),
            version: E::VERSION,
            contains_personal_data: E::CONTAINS_PERSONAL_DATA,
            ..Self::new(E::NAME)
        }
    }

    /// Makes this event one that `cause` brought about: in its trace and its correlation, with its id as causation.
    #[must_use]
    pub fn caused_by(self, cause: &Self) -> Self {
        Self { trace: cause.trace.child(), correlation: cause.correlation, causation: Some(cause.id), ..self }
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden: &dyn fmt::Debug = &format_args!("{HIDDEN}");
        // Which one it happened to may say who that is.
        let entity_id = self.entity_id.as_deref().map(Shown::name);
        let entity_id = match &entity_id {
            Some(_) if self.contains_personal_data => Some(hidden),
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
