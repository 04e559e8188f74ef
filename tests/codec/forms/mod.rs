//! Every codec to the letter and back, what others write, and which form is which.

/// What is written, to the letter.
mod written;
/// What is read, whoever wrote it.
mod read;

use std::time::{Duration, UNIX_EPOCH};

use convoke::codec::{self, Binding, CloudEvents, Codec, CodecError, Wire};
use convoke::transport::{Attribute, Packet};
use convoke::{Envelope, EnvelopeError, EnvelopeLimits, Metadata};
use proptest::prelude::*;
use serde_json::{Value, json};

const ID: &str = "019b7c4a-5a88-7cc1-8000-00000000002a";
const FIRST: &str = "019b7c4a-5a88-7cc1-8000-000000000001";
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const STRUCTURED: &str = "application/cloudevents+json";

/// What `json.dumps` of a Python publisher makes, to the letter.
const PYTHON: &str = concat!(
    r#"{"metadata": {"containsPersonalData": false, "tracestate": "", "traceparent": "#,
    r#""00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "authorization": "", "#,
    r#""publishDate": "2026-01-02T03:04:05+00:00", "entityId": "17", "entityName": "User", "#,
    r#""publisherName": "UserService", "eventName": "UserRegistered"}, "#,
    r#""payload": {"userId": 17, "fullName": "J\u00fcrgen \ud83d\ude00", "tags": [], "total": 12.5}}"#
);

/// One of each codec.
pub(crate) fn codecs() -> [Box<dyn Codec>; 6] {
    [
        Box::new(Wire),
        Box::new(CloudEvents::structured()),
        Box::new(CloudEvents::binary()),
        Box::new(CloudEvents::binary_as(Binding::Kafka)),
        Box::new(CloudEvents::binary_as(Binding::Amqp)),
        Box::new(CloudEvents::binary_as(Binding::RabbitMq)),
    ]
}

/// An event of which everything is known.
pub(crate) fn whole() -> Envelope {
    let mut metadata = Metadata::new("UserRegistered");
    metadata.id = ID.parse().unwrap();
    metadata.entity = "User".into();
    metadata.entity_id = Some("17".into());
    metadata.publisher = "UserService".into();
    metadata.topic = "users/registered".into();
    metadata.version = 2;
    metadata.time = UNIX_EPOCH + Duration::from_secs(1_767_323_045);
    metadata.trace = TRACE.parse::<convoke::TraceContext>().unwrap().with_state("congo=t61rcWkgMzE");
    metadata.correlation = FIRST.parse().unwrap();
    metadata.causation = Some(FIRST.parse().unwrap());
    metadata.authorization = "Bearer é\"100%\"".into();
    metadata.contains_personal_data = true;
    Envelope::new(metadata, json!({"userId": 17, "fullName": "Jürgen 😀"}))
}

/// An event of which as little is known as there can be.
fn bare() -> Envelope {
    let mut metadata = Metadata::new("Started");
    metadata.id = ID.parse().unwrap();
    metadata.correlation = metadata.id;
    metadata.topic = "".into();
    metadata.time = UNIX_EPOCH;
    metadata.trace = TRACE.parse().unwrap();
    Envelope::new(metadata, Value::Null)
}

fn read(packet: &Packet) -> Result<Envelope, CodecError> {
    codec::read(packet, EnvelopeLimits::default())
}

fn packet(attributes: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Packet {
    let mut packet = Packet::new("", body);
    packet.attributes = attributes.iter().copied().collect();
    packet
}

fn structured(event: &Value) -> Result<Envelope, CodecError> {
    read(&packet(&[("content-type", STRUCTURED)], event.to_string()))
}

/// All attributes as text, in the order of their names.
fn texts(packet: &Packet) -> Vec<(&str, String)> {
    packet.attributes.iter().map(|(name, value)| (name, value.text())).collect()
}

fn pairs(texts: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    texts.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

/// Any event that the codecs can carry.
pub(crate) fn any_event() -> impl Strategy<Value = Envelope> {
    let id = || any::<u128>().prop_map(convoke::Uuid::from_u128);
    let names = (any::<String>(), any::<String>(), any::<String>(), any::<String>(), "(?s).{0,9}");
    let ids = (id(), id(), proptest::option::of(id()), any::<u32>());
    let time = 0..253_402_000_000_000_000_u64;
    (names, ids, time, "([a-z]{1,3}=[!-+]{1,9})?", any::<String>(), any::<bool>(), any_json()).prop_map(
        |((event, entity, topic, publisher, entity_id), ids, time, state, authorization, personal, payload)| {
            let mut metadata = Metadata::new(event);
            (metadata.entity, metadata.topic, metadata.publisher) = (entity.into(), topic.into(), publisher.into());
            metadata.entity_id = (!entity_id.is_empty()).then(|| entity_id.into());
            (metadata.id, metadata.correlation, metadata.causation, metadata.version) = ids;
            metadata.time = UNIX_EPOCH + Duration::from_micros(time);
            metadata.trace = metadata.trace.with_state(&state);
            metadata.authorization = authorization.into();
            metadata.contains_personal_data = personal;
            Envelope::new(metadata, payload)
        },
    )
}

/// Any JSON, small.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|keys| Value::Object(keys.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_codec_keeps_everything(event in any_event()) {
        for codec in codecs() {
            let packet = codec.write(&event);
            prop_assert!(packet.attributes.len() <= codec.max_attributes());
            prop_assert!(packet.attributes.iter().all(|(_, value)| *value != Attribute::from("")));
            prop_assert_eq!(read(&packet), Ok(event.clone()));
        }
    }
}
