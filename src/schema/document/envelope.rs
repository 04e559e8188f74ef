//! What stands around a payload on its way: the metadata in the body, and the attributes beside it, as `codec/` writes them.
//!
//! `EventSchema → headers, body { metadata, payload }, example → a message of asyncapi.rs`

use serde_json::{Value, json};

use crate::schema::SCHEMAS;
use crate::schema::{EventSchema, Example};

/// What the schema of metadata is called; no event's is, as each has a version behind a dot.
pub(super) const METADATA: &str = "Metadata";

/// The keys of metadata that are always written: all but `causationId`.
const WRITTEN: [&str; 13] = [
    "authorization",
    "containsPersonalData",
    "correlationId",
    "entityId",
    "entityName",
    "eventName",
    "id",
    "publishDate",
    "publisherName",
    "topic",
    "traceparent",
    "tracestate",
    "version",
];

/// The metadata of any event.
pub(super) fn metadata() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    let uuid = |description: &str| json!({"type": "string", "format": "uuid", "description": description});
    json!({
        "type": "object",
        "description": "What is known about one event beside its payload.",
        "properties": {
            "authorization": text("The authorization of the party on whose behalf the event is published; may be empty."),
            "causationId": uuid("The id of the event that caused this one; missing for the first of a chain."),
            "containsPersonalData": {
                "type": "boolean",
                "description": "Whether the payload is to be kept out of every log and every error.",
            },
            "correlationId": uuid("The id that all events of a chain share: that of the first."),
            "entityId": text("The id of the thing that the event is about; may be empty."),
            "entityName": text("The kind of thing that the event is about."),
            "eventName": text("The event's name."),
            "id": uuid("The id of this event: duplicates have the same."),
            "publishDate": {
                "type": "string",
                "format": "date-time",
                "description": "The time at which the event was published.",
            },
            "publisherName": text("The name of the service that published the event; may be empty."),
            "topic": text("The topic on which the event travels."),
            "traceparent": text("The distributed trace that the event belongs to, as of W3C."),
            "tracestate": text("What vendors add to the trace, as of W3C; may be empty."),
            "version": {
                "type": "integer",
                "minimum": 0,
                "maximum": u32::MAX,
                "default": 1,
                "description": "The version of the payload's shape.",
            },
        },
    })
}

/// The attributes beside a body.
pub(super) fn headers(schema: &EventSchema) -> Value {
    json!({
        "type": "object",
        "properties": {
            "entityName": {"type": "string", "const": schema.entity},
            "eventName": {"type": "string", "const": schema.name},
            "publisherName": {"type": "string", "description": "The name of the service that published the event."},
        },
    })
}

/// A body. Of what comes from others only what says which event it is has to be there.
pub(super) fn body(schema: &EventSchema, is_published: bool) -> Value {
    let mut this = json!({
        "eventName": {"const": schema.name},
        "topic": {"const": schema.topic},
        "version": {"const": schema.version},
    });
    if is_published {
        this["entityName"] = json!({"const": schema.entity});
        this["containsPersonalData"] = json!({"const": schema.contains_personal_data});
    }
    let required = match (is_published, schema.version) {
        (true, _) => &WRITTEN[..],
        (false, 1) => &["eventName"],
        // Without a version it would be the first.
        (false, _) => &["eventName", "version"],
    };
    json!({
        "type": "object",
        "required": ["metadata", "payload"],
        "properties": {
            "metadata": {
                "allOf": [
                    {"$ref": format!("{SCHEMAS}{METADATA}")},
                    {"type": "object", "properties": this, "required": required},
                ],
            },
            "payload": {"$ref": format!("{SCHEMAS}{}", schema.key())},
        },
    })
}

/// A message with this payload, at a time and of an id that stand for any.
pub(super) fn example(schema: &EventSchema, example: &Example, publisher: &str) -> Value {
    let id = "019b7c4a-5a88-7cc1-8000-00000000002a";
    json!({
        "name": schema.key(),
        "headers": {"entityName": schema.entity, "eventName": schema.name, "publisherName": publisher},
        "payload": {
            "metadata": {
                "authorization": "",
                "containsPersonalData": schema.contains_personal_data,
                "correlationId": id,
                "entityId": example.entity_id.as_deref().unwrap_or_default(),
                "entityName": schema.entity,
                "eventName": schema.name,
                "id": id,
                "publishDate": "2026-01-02T03:04:05+00:00",
                "publisherName": publisher,
                "topic": schema.topic,
                "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                "tracestate": "",
                "version": schema.version,
            },
            "payload": example.payload,
        },
    })
}
