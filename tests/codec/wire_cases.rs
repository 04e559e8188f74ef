use convoke::codec::{self, CloudEvents, Codec, CodecError, Wire};
use convoke::transport::Packet;
use convoke::{Envelope, EnvelopeError, EnvelopeLimits};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::codec::{any_event, whole};

fn read(body: &Value) -> Result<Envelope, CodecError> {
    codec::read(&Packet::new("7", body.to_string()), EnvelopeLimits::default())
}

fn written(wire: Wire) -> Value {
    serde_json::from_slice(&wire.write(&whole()).body).unwrap()
}

fn keys(of: &Value) -> Vec<&str> {
    of.as_object().unwrap().keys().map(String::as_str).collect()
}

/// What the package for Python writes, which the envelope was made for.
fn pascal() -> Value {
    json!({
        "Metadata": {
            "ContainsPersonalData": true, "Tracestate": "congo=t61rcWkgMzE",
            "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Authorization": "Bearer x",
            "PublishDate": "2026-01-02T03:04:05+00:00", "EntityId": 17, "EntityName": "User",
            "PublisherName": "Userservice", "EventName": "UserRegistered"
        },
        "Payload": {"UserId": 17, "full_name": "Ada", "nestedKeys": {"Metadata": {"EventName": "Wrong"}}}
    })
}

#[test]
fn what_a_publisher_writes_in_pascal_case_is_read() {
    let envelope = read(&pascal()).unwrap();
    let metadata = &envelope.metadata;
    assert_eq!((&*metadata.event, &*metadata.entity, &*metadata.publisher), ("UserRegistered", "User", "Userservice"));
    assert_eq!((metadata.entity_id.as_deref(), metadata.contains_personal_data), (Some("17"), true));
    assert_eq!((metadata.authorization.expose(), metadata.trace.state()), ("Bearer x", "congo=t61rcWkgMzE"));
    assert_eq!(metadata.time, whole().metadata.time);
    // The keys of the payload are the event's own.
    assert_eq!(envelope.payload, pascal()["Payload"]);
}

#[test]
fn keys_in_three_cases_mean_the_same_and_may_be_mixed() {
    for wire in [Wire::camel(), Wire::snake(), Wire::pascal()] {
        assert_eq!(read(&written(wire)).unwrap(), whole(), "{wire:?}");
    }
    let mixed = json!({
        "metadata": {"EventName": "UserRegistered", "publisher_name": "UserService", "entityId": "17", "Version": 2},
        "Payload": [1]
    });
    let envelope = read(&mixed).unwrap();
    assert_eq!((&*envelope.metadata.event, &*envelope.metadata.publisher), ("UserRegistered", "UserService"));
    assert_eq!((envelope.metadata.entity_id.as_deref(), envelope.metadata.version), (Some("17"), 2));
    assert_eq!(envelope.payload, json!([1]));
    let mixed =
        json!({"Metadata": {"event_name": "A", "EntityID": 17}, "payload": null, "Payload": 7, "metadata": "text"});
    let envelope = read(&mixed).unwrap();
    assert_eq!((&*envelope.metadata.event, envelope.metadata.entity_id.as_deref()), ("A", Some("17")));
    assert_eq!(envelope.payload, json!(7));
}

#[test]
fn each_case_is_written_to_the_letter() {
    let (camel, snake, pascal) = (written(Wire::camel()), written(Wire::snake()), written(Wire::pascal()));
    assert_eq!(camel, written(Wire::default()));
    assert_eq!(camel, written(Wire));
    assert_eq!(keys(&snake), ["metadata", "payload"]);
    assert_eq!(keys(&pascal), ["Metadata", "Payload"]);
    let expected = [
        ("authorization", "authorization", "Authorization"),
        ("causationId", "causation_id", "CausationId"),
        ("containsPersonalData", "contains_personal_data", "ContainsPersonalData"),
        ("correlationId", "correlation_id", "CorrelationId"),
        ("entityId", "entity_id", "EntityId"),
        ("entityName", "entity_name", "EntityName"),
        ("eventName", "event_name", "EventName"),
        ("id", "id", "Id"),
        ("publishDate", "publish_date", "PublishDate"),
        ("publisherName", "publisher_name", "PublisherName"),
        ("topic", "topic", "Topic"),
        ("traceparent", "traceparent", "Traceparent"),
        ("tracestate", "tracestate", "Tracestate"),
        ("version", "version", "Version"),
    ];
    for (in_camel, in_snake, in_pascal) in expected {
        let value = &camel["metadata"][in_camel];
        assert!(!value.is_null(), "{in_camel}");
        assert_eq!((&snake["metadata"][in_snake], &pascal["Metadata"][in_pascal]), (value, value), "{in_camel}");
    }
    for metadata in [&camel["metadata"], &snake["metadata"], &pascal["Metadata"]] {
        assert_eq!(metadata.as_object().map(Map::len), Some(expected.len()));
    }
    assert_eq!((&snake["payload"], &pascal["Payload"]), (&camel["payload"], &camel["payload"]));
    // Servers filter by attributes, whatever the body says.
    let attributes = Wire::camel().write(&whole()).attributes;
    assert_eq!(Wire::snake().write(&whole()).attributes, attributes);
    assert_eq!(Wire::pascal().write(&whole()).attributes, attributes);
}

#[test]
fn a_fault_is_the_same_fault_in_every_case() {
    for (metadata, key) in [("metadata", "event_name"), ("Metadata", "EventName"), ("Metadata", "eventName")] {
        let wrong = read(&json!({ metadata: { key: ["hunter2"] } })).unwrap_err();
        let expected = EnvelopeError::WrongKey { key: "eventName", wants: "text" };
        assert_eq!(wrong, CodecError::Envelope(expected), "{key}");
    }
    // What is personal in any case is personal.
    for key in ["contains_personal_data", "ContainsPersonalData"] {
        let odd = json!({"metadata": {"containsPersonalData": false, key: true}});
        assert!(read(&odd).unwrap().metadata.contains_personal_data, "{key}");
    }
    // Nor does another case let anybody past the limits.
    let many: Map<_, _> = (0..65).map(|key| (format!("k{key}"), json!(1))).collect();
    for name in ["metadata", "Metadata"] {
        let error = read(&json!({ name: many.clone() })).unwrap_err();
        assert_eq!(error, CodecError::Envelope(EnvelopeError::TooManyKeys { limit: 64 }), "{name}");
    }
}

#[test]
fn a_cloud_event_in_pascal_case_is_none() {
    // The attributes of CloudEvents have one spelling.
    assert!(read(&json!({"SpecVersion": "1.0", "Type": "A", "Data": 1})).is_err());
    let event = json!({"specversion": "1.0", "type": "Right", "Metadata": "text", "data": 1});
    assert_eq!(read(&event).unwrap().metadata.event, "Right");
    let packet = CloudEvents::structured().write(&whole());
    assert_eq!(codec::read(&packet, EnvelopeLimits::default()), Ok(whole()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_case_keeps_everything(event in any_event()) {
        for wire in [Wire::camel(), Wire::snake(), Wire::pascal()] {
            prop_assert_eq!(codec::read(&wire.write(&event), EnvelopeLimits::default()), Ok(event.clone()));
        }
    }
}
