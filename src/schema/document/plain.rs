//! All payloads as one plain JSON Schema; and the parts of schemas under names that no two events share.
//!
//! `Document → parts (OrderPlaced.1, OrderPlaced.1.Address, …) → JSON Schema, asyncapi.rs`

use serde_json::{Map, Value, json};

use super::document::Document;
use crate::schema::DEFINITIONS;
use crate::schema::EventSchema;
use crate::schema::each_schema;

/// The schemas of all payloads, each under the key of its event, and a schema that takes any of them.
pub(super) fn plain(document: &Document) -> Value {
    let (mut definitions, mut any) = (Map::new(), Vec::new());
    for schema in document.registry.iter() {
        any.push(json!({"$ref": format!("{DEFINITIONS}{}", schema.key())}));
        definitions.extend(parts(schema, DEFINITIONS));
    }
    let mut plain = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": document.title,
        "definitions": definitions,
    });
    if !any.is_empty() {
        plain["anyOf"] = any.into();
    }
    if let Some(description) = &document.description {
        plain["description"] = description.as_str().into();
    }
    plain
}

/// A schema and its parts, each under a name that begins with the key of the event, found under `prefix`.
pub(super) fn parts(schema: &EventSchema, prefix: &str) -> Vec<(String, Value)> {
    let (key, mut whole) = (schema.key(), schema.schema.clone());
    let mut parts = Vec::new();
    if let Value::Object(keywords) = &mut whole {
        keywords.remove("$schema");
        if let Some(Value::Object(definitions)) = keywords.remove("definitions") {
            parts.extend(definitions.into_iter().map(|(name, part)| (format!("{key}.{name}"), part)));
        }
    }
    parts.push((key.clone(), whole));
    for (_, part) in &mut parts {
        each_schema(part, &mut |keywords| {
            if let Some(Value::String(reference)) = keywords.get_mut("$ref") {
                if reference == "#" {
                    *reference = format!("{prefix}{key}");
                } else if let Some(name) = reference.strip_prefix(DEFINITIONS) {
                    *reference = format!("{prefix}{key}.{name}");
                }
            }
        });
    }
    parts
}
