//! Our CloudEvents beside the reference: what it writes we read, and what we write it reads.
//!
//! `Envelope → CloudEvents → Packet → cloudevents-sdk → Packet → codec::read → Envelope`
#![cfg(test)]

use std::time::{Duration, UNIX_EPOCH};

use cloudevents::event::{ExtensionValue, SpecVersion};
use cloudevents::message::{
    BinaryDeserializer, BinarySerializer, MessageAttributeValue, Result as SdkResult, StructuredDeserializer,
    StructuredSerializer,
};
use cloudevents::{AttributesReader, Data, Event, EventBuilder, EventBuilderV03, EventBuilderV10};
use convoke::codec::{self, Binding, CloudEvents, Codec, CodecError};
use convoke::transport::Packet;
use convoke::{Envelope, EnvelopeLimits, Metadata, TraceContext, Uuid};
use proptest::prelude::*;
use serde_json::{Value, json};

const ID: &str = "019b7c4a-5a88-7cc1-8000-00000000002a";
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const STRUCTURED: &str = "application/cloudevents+json";

/// The bindings that escape nothing.
const AS_IT_IS: [(Binding, &str); 3] =
    [(Binding::Kafka, "ce_"), (Binding::Amqp, "cloudEvents:"), (Binding::RabbitMq, "ce-")];

/// The reference's names and ours, as a transport of headers.
struct Headers {
    prefix: &'static str,
    packet: Packet,
}

impl Headers {
    fn new(prefix: &'static str, packet: Packet) -> Self {
        Self { prefix, packet }
    }

    fn set(mut self, name: &str, value: &MessageAttributeValue) -> Self {
        let name = if name == "datacontenttype" { "content-type".into() } else { format!("{}{name}", self.prefix) };
        self.packet.attributes.insert(name, value.to_string());
        self
    }
}

impl BinarySerializer<Packet> for Headers {
    fn set_spec_version(self, version: SpecVersion) -> SdkResult<Self> {
        Ok(self.set("specversion", &MessageAttributeValue::String(version.to_string())))
    }

    fn set_attribute(self, name: &str, value: MessageAttributeValue) -> SdkResult<Self> {
        Ok(self.set(name, &value))
    }

    fn set_extension(self, name: &str, value: MessageAttributeValue) -> SdkResult<Self> {
        Ok(self.set(name, &value))
    }

    fn end_with_data(mut self, bytes: Vec<u8>) -> SdkResult<Packet> {
        self.packet.body = bytes;
        Ok(self.packet)
    }

    fn end(self) -> SdkResult<Packet> {
        Ok(self.packet)
    }
}

impl StructuredSerializer<Packet> for Headers {
    fn set_structured_event(mut self, bytes: Vec<u8>) -> SdkResult<Packet> {
        self.packet.attributes.insert("content-type", STRUCTURED);
        self.packet.body = bytes;
        Ok(self.packet)
    }
}

impl BinaryDeserializer for Headers {
    fn deserialize_binary<R: Sized, V: BinarySerializer<R>>(self, visitor: V) -> SdkResult<R> {
        let mut visitor = visitor.set_spec_version(SpecVersion::V10)?;
        for (name, value) in self.packet.attributes.iter() {
            let value = MessageAttributeValue::String(value.text());
            visitor = match name.strip_prefix(self.prefix) {
                None if name == "content-type" => visitor.set_attribute("datacontenttype", value)?,
                None => visitor,
                Some("specversion") => visitor,
                Some(name @ ("id" | "source" | "type" | "subject" | "time")) => visitor.set_attribute(name, value)?,
                Some(name) => visitor.set_extension(name, value)?,
            };
        }
        visitor.end_with_data(self.packet.body)
    }
}

impl StructuredDeserializer for Headers {
    fn deserialize_structured<R: Sized, V: StructuredSerializer<R>>(self, visitor: V) -> SdkResult<R> {
        visitor.set_structured_event(self.packet.body)
    }
}

fn read(packet: &Packet) -> Result<Envelope, CodecError> {
    codec::read(packet, EnvelopeLimits::default())
}

/// As structured and in binary mode, by way of each binding.
fn written_by_the_reference(event: &Event) -> [Packet; 4] {
    let binary = |prefix| event.clone().deserialize_binary(Headers::new(prefix, Packet::default())).unwrap();
    let structured = event.clone().deserialize_structured(Headers::new("", Packet::default())).unwrap();
    [structured, binary("ce_"), binary("cloudEvents:"), binary("cloudEvents_")]
}

fn whole() -> Envelope {
    let mut metadata = Metadata::new("UserRegistered");
    metadata.id = ID.parse().unwrap();
    metadata.entity = "User".into();
    metadata.entity_id = Some("17".into());
    metadata.publisher = "User Service".into();
    metadata.topic = "users/registered".into();
    metadata.version = 2;
    metadata.time = UNIX_EPOCH + Duration::from_micros(1_767_323_045_000_600);
    metadata.trace = TRACE.parse::<TraceContext>().unwrap().with_state("congo=t61rcWkgMzE");
    metadata.correlation = Uuid::from_u128(1);
    metadata.causation = Some(Uuid::from_u128(2));
    metadata.authorization = "Bearer é".into();
    metadata.contains_personal_data = true;
    Envelope::new(metadata, json!({"userId": 17, "fullName": "Jürgen 😀"}))
}

#[test]
fn the_reference_reads_what_we_write_structured() {
    let packet = CloudEvents::structured().write(&whole());
    let event = StructuredDeserializer::into_event(Headers::new("", packet)).unwrap();
    assert_eq!((event.id(), event.source().as_str(), event.ty()), (ID, "/User%20Service", "UserRegistered"));
    assert_eq!((event.subject(), event.datacontenttype()), (Some("17"), Some("application/json")));
    assert_eq!(event.time().unwrap().timestamp_micros(), 1_767_323_045_000_600);
    assert_eq!(event.data(), Some(&Data::Json(whole().payload)));
    assert_eq!(event.extension("containspersonaldata"), Some(&ExtensionValue::Boolean(true)));
    assert_eq!(event.extension("eventversion"), Some(&ExtensionValue::Integer(2)));
    assert_eq!(event.extension("authorization"), Some(&"Bearer é".into()));
    assert_eq!(event.extension("traceparent"), Some(&TRACE.into()));
}

#[test]
fn the_reference_reads_what_we_write_in_binary_mode() {
    for (binding, prefix) in AS_IT_IS {
        let packet = CloudEvents::binary_as(binding).write(&whole());
        let event = BinaryDeserializer::into_event(Headers::new(prefix, packet)).unwrap();
        assert_eq!((event.id(), event.source().as_str(), event.ty()), (ID, "/User%20Service", "UserRegistered"));
        assert_eq!((event.subject(), event.datacontenttype()), (Some("17"), Some("application/json")));
        assert_eq!(event.time().unwrap().timestamp_micros(), 1_767_323_045_000_600);
        assert_eq!(event.data(), Some(&Data::Binary(whole().payload.to_string().into_bytes())));
        assert_eq!(event.extension("authorization"), Some(&"Bearer é".into()));
    }
}

#[test]
fn we_read_what_the_reference_writes() {
    let data = [
        (Some(("application/json", Data::Json(json!({"a": [1, null]})))), json!({"a": [1, null]})),
        (Some(("application/json", Data::Binary(b"{\"a\": 1}".into()))), json!({"a": 1})),
        (Some(("text/plain", Data::String("{\"a\": 1}".into()))), json!("{\"a\": 1}")),
        (Some(("image/png", Data::Binary(b"\x89PNG".into()))), json!("iVBORw==")),
        (None, Value::Null),
    ];
    for (data, payload) in data {
        let event = EventBuilderV10::new()
            .id("A234-1234-1234")
            .source("https://github.com/cloudevents/spec/pull")
            .ty("com.github.pull_request.opened")
            .subject("123 é")
            .time("2018-04-05T17:31:00.25Z")
            .extension("color", "red")
            .extension("containspersonaldata", true)
            .extension("eventversion", 7);
        let event = match data {
            Some((content_type, data)) => event.data(content_type, data),
            None => event,
        };
        let event = event.build().unwrap();
        let mut ids = Vec::new();
        for packet in written_by_the_reference(&event) {
            let envelope = read(&packet).unwrap();
            let metadata = &envelope.metadata;
            assert_eq!((&*metadata.event, &*metadata.topic), ("com.github.pull_request.opened", ""));
            assert_eq!(&*metadata.publisher, "https://github.com/cloudevents/spec/pull");
            assert_eq!(metadata.entity_id.as_deref(), Some("123 é"));
            assert_eq!(metadata.time, UNIX_EPOCH + Duration::from_millis(1_522_949_460_250));
            assert_eq!((metadata.contains_personal_data, metadata.version), (true, 7));
            assert_eq!(envelope.payload, payload);
            ids.push(metadata.id);
        }
        assert!(ids.iter().all(|id| *id == ids[0]), "another id in another mode");
    }
}

#[test]
fn an_event_of_an_older_version_is_refused_by_name() {
    let event = EventBuilderV03::new().id("1").source("/a").ty("A").build().unwrap();
    for packet in written_by_the_reference(&event) {
        assert_eq!(read(&packet), Err(CodecError::Version));
    }
}

fn any_event() -> impl Strategy<Value = Envelope> {
    // The reference takes no control characters for its headers, nor does the standard.
    let text = || "[ -~äé😀]{0,9}";
    let id = || any::<u128>().prop_map(Uuid::from_u128);
    let names = ("[ -~]{1,9}", text(), text(), text(), text(), text());
    let ids = (id(), id(), proptest::option::of(id()), any::<u32>());
    let payload =
        prop_oneof![Just(Value::Null), any::<f64>().prop_map(Value::from), any::<String>().prop_map(Value::from)];
    (names, ids, 0..253_402_000_000_000_000_u64, "([a-z]{1,3}=[!-+]{1,9})?", any::<bool>(), payload).prop_map(
        |((event, entity, topic, publisher, entity_id, authorization), ids, time, state, personal, payload)| {
            let mut metadata = Metadata::new(event);
            (metadata.entity, metadata.topic, metadata.publisher) = (entity.into(), topic.into(), publisher.into());
            metadata.entity_id = (!entity_id.is_empty()).then(|| entity_id.into());
            (metadata.id, metadata.correlation, metadata.causation, metadata.version) = ids;
            metadata.time = UNIX_EPOCH + Duration::from_micros(time);
            metadata.trace = metadata.trace.with_state(&state);
            metadata.authorization = authorization.into();
            metadata.contains_personal_data = personal;
            Envelope::new(metadata, json!([payload]))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_on_the_way_through_the_reference(event in any_event()) {
        let structured = CloudEvents::structured().write(&event);
        let read_by_it = StructuredDeserializer::into_event(Headers::new("", structured)).unwrap();
        for packet in written_by_the_reference(&read_by_it) {
            prop_assert_eq!(&read(&packet).unwrap(), &event);
        }
        for (binding, prefix) in AS_IT_IS {
            let binary = CloudEvents::binary_as(binding).write(&event);
            let read_by_it = BinaryDeserializer::into_event(Headers::new(prefix, binary)).unwrap();
            for packet in written_by_the_reference(&read_by_it) {
                prop_assert_eq!(&read(&packet).unwrap(), &event);
            }
        }
    }
}
