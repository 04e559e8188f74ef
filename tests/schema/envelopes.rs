//! What our codec writes fits what a document says of it.

use convoke::codec::{Codec, Wire};
use convoke::prelude::*;
use convoke::schema::{Document, Validator};
use convoke::transport::Memory;
use convoke::{Envelope, Route};
use serde_json::{Value, json};

use super::shop::{OrderPlaced, Told, UserRegistered, document};

/// A validator of one message of a document, as a whole: its body by `payload`, its attributes by `headers`.
fn validator(key: &str, part: &str) -> Validator {
    let written: Value = document().to_asyncapi().parse().unwrap();
    let mut schemas = written["components"]["schemas"].clone();
    schemas["Changed.1"] = written["components"]["messages"][key][part].clone();
    let mut text: Value = Told::document(&[Told::new(json!(true))]).to_asyncapi().parse().unwrap();
    text["components"]["schemas"] = schemas;
    Validator::new(Document::from_asyncapi(&text.to_string()).unwrap()).unwrap()
}

#[track_caller]
fn assert_fits(validator: &Validator, value: Value, fits: bool) {
    let mut metadata = Metadata::new("Changed");
    metadata.topic = "things/changed".into();
    let said = validator.validate(&Envelope::new(metadata, value.clone()));
    assert_eq!(said.is_ok(), fits, "{value}: {said:?}");
}

#[convoke::test]
async fn what_leaves_by_a_route_fits_the_document() {
    let (queue, bus) = (Memory::queue("shop"), EventBus::builder().publisher("shop").build());
    let _out = Route::new("shop/*", queue.clone()).open(&bus).unwrap();
    bus.emit(OrderPlaced::example().unwrap()).await.ok().unwrap();
    let [packet] = &queue.packets()[..] else { panic!() };
    let body: Value = serde_json::from_slice(&packet.body).unwrap();
    assert_fits(&validator("OrderPlaced.2", "payload"), body.clone(), true);
    let headers =
        ["entityName", "eventName", "publisherName"].map(|name| (name, packet.attributes.text(name).unwrap()));
    assert_eq!(packet.attributes.len(), headers.len());
    assert_fits(&validator("OrderPlaced.2", "headers"), headers.into_iter().collect(), true);
    // All of it is looked at.
    let wrong = [
        ("/metadata/eventName", json!("Another")),
        ("/metadata/version", json!(1)),
        ("/metadata/id", json!("seven")),
        ("/payload/id", json!("seven")),
    ];
    for (at, put) in wrong {
        let mut body = body.clone();
        *body.pointer_mut(at).unwrap() = put;
        assert_fits(&validator("OrderPlaced.2", "payload"), body, false);
    }
}

#[test]
fn every_key_that_we_write_is_in_the_document_and_the_other_way_round() {
    let mut metadata = Metadata::of::<OrderPlaced>();
    metadata.causation = Some(metadata.id);
    let written = Wire.write(&Envelope::new(metadata, OrderPlaced::example().unwrap().to_json().unwrap()));
    let written: Value = serde_json::from_slice(&written.body).unwrap();
    let mut keys: Vec<_> = written["metadata"].as_object().unwrap().keys().cloned().collect();
    keys.sort_unstable();
    let document: Value = document().to_asyncapi().parse().unwrap();
    let said: Vec<_> =
        document["components"]["schemas"]["Metadata"]["properties"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, said);
    // All but one are always written.
    let required =
        document.pointer("/components/messages/OrderPlaced.2/payload/properties/metadata/allOf/1/required").unwrap();
    keys.retain(|key| key != "causationId");
    assert_eq!(*required, json!(keys));
}

#[test]
fn of_what_others_write_only_the_name_has_to_be_there() {
    let body = |metadata: Value| json!({"metadata": metadata, "payload": UserRegistered::example().unwrap()});
    let message = validator("UserRegistered.1", "payload");
    assert_fits(&message, body(json!({"eventName": "UserRegistered"})), true);
    assert_fits(&message, body(json!({"eventName": "UserRegistered", "version": 2})), false);
    assert_fits(&message, body(json!({})), false);
}

#[test]
fn the_example_of_a_message_is_one() {
    let written: Value = document().to_asyncapi().parse().unwrap();
    for key in ["OrderPlaced.2", "UserRegistered.1"] {
        let example = &written["components"]["messages"][key]["examples"][0];
        assert_fits(&validator(key, "payload"), example["payload"].clone(), true);
        assert_fits(&validator(key, "headers"), example["headers"].clone(), true);
        let envelope = Envelope::from_slice(example["payload"].to_string().as_bytes()).unwrap();
        assert_eq!(format!("{}.{}", envelope.metadata.event, envelope.metadata.version), key);
        let Some(entity_id) = envelope.metadata.entity_id else { continue };
        assert_eq!(entity_id, "7");
    }
}
