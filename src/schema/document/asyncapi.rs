//! A document as AsyncAPI 3.1.
//!
//! `Document → channels (topics), messages (events in our envelope), operations (who does what), schemas`

use serde_json::{Map, Value, json};

use super::document::{Document, Id};
use super::envelope::{self, METADATA};
use super::plain::parts;
use crate::schema::EventSchema;
use crate::schema::{SCHEMAS, segment};

/// The version that is written.
pub(super) const VERSION: &str = "3.1.0";

/// The document as a value whose keys need not be in order.
pub(super) fn asyncapi(document: &Document) -> Value {
    let (mut channels, mut operations) = (Map::new(), Map::new());
    let (mut messages, mut schemas) = (Map::new(), Map::new());
    for schema in document.registry.iter() {
        let (key, id) = (schema.key(), (schema.name.clone(), schema.version));
        let channel = channels.entry(schema.topic.as_str()).or_insert_with(|| channel(&schema.topic));
        channel["messages"][&key] = json!({"$ref": format!("#/components/messages/{key}")});
        for (action, ids) in [("send", &document.published), ("receive", &document.heard)] {
            if ids.contains(&id) {
                operations.insert(format!("{key}.{action}"), operation(action, &schema.topic, &key));
            }
        }
        schemas.extend(parts(schema, SCHEMAS));
        messages.insert(key, message(schema, document, &id));
    }
    if !messages.is_empty() {
        schemas.insert(METADATA.to_owned(), envelope::metadata());
    }
    let mut info = json!({"title": document.title, "version": document.version});
    if let Some(description) = &document.description {
        info["description"] = description.as_str().into();
    }
    json!({
        "asyncapi": VERSION,
        "info": info,
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    })
}

/// A topic. In an address, braces are parameters: of a topic with some no address is said.
fn channel(topic: &str) -> Value {
    let address = if topic.contains(['{', '}']) { Value::Null } else { topic.into() };
    json!({"address": address, "messages": {}, "x-topic": topic})
}

fn operation(action: &str, topic: &str, key: &str) -> Value {
    let channel = format!("#/channels/{}", segment(topic));
    json!({
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": format!("{channel}/messages/{key}")}],
    })
}

fn message(schema: &EventSchema, document: &Document, id: &Id) -> Value {
    let is_published = document.published.contains(id);
    let mut message = json!({
        "name": schema.name,
        "title": if schema.version == 1 { schema.name.clone() } else { format!("{}, version {}", schema.name, schema.version) },
        "contentType": "application/json",
        "headers": envelope::headers(schema),
        "payload": envelope::body(schema, is_published),
        "x-event-version": schema.version,
        "x-entity": schema.entity,
        "x-contains-personal-data": schema.contains_personal_data,
    });
    if let Some(Ok(example)) = &schema.example {
        let publisher = if is_published { &document.title } else { "another-service" };
        message["examples"] = json!([envelope::example(schema, example, publisher)]);
    }
    message
}
