//! A shop, and documents of events that are told as JSON.

use std::collections::BTreeMap;

use convoke::Uuid;
use convoke::prelude::*;
use convoke::schema::Document;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An order has been placed.
#[derive(Event, JsonSchema, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/placed", version = 2, entity_id = id, example = order())]
pub(super) struct OrderPlaced {
    /// What it is known by.
    pub(super) id: u64,
    pub(super) lines: Vec<Line>,
    pub(super) paid_by: PaidBy,
    pub(super) note: Option<String>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
}

#[derive(JsonSchema, Clone, Debug, Serialize, Deserialize)]
pub(super) struct Line {
    #[schemars(length(min = 1, max = 32))]
    pub(super) sku: String,
    #[schemars(range(min = 1))]
    pub(super) count: u32,
    /// What it consists of.
    pub(super) parts: Vec<Line>,
}

#[derive(JsonSchema, Clone, Debug, Serialize, Deserialize)]
pub(super) enum PaidBy {
    Invoice,
    Card { last_digits: String },
}

fn order() -> OrderPlaced {
    let part = Line { sku: "drawer".into(), count: 3, parts: Vec::new() };
    let desk = Line { sku: "desk".into(), count: 1, parts: vec![part] };
    let paid_by = PaidBy::Card { last_digits: "1234".into() };
    OrderPlaced {
        id: 7,
        lines: vec![desk],
        paid_by,
        note: None,
        labels: BTreeMap::from([("gift".into(), "yes".into())]),
    }
}

/// A user has registered.
#[derive(Event, JsonSchema, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "users/registered", contains_personal_data, example = Self { id: Uuid::nil(), email: "ada@example.com".into(), by_mail: BTreeMap::new() })]
#[serde(deny_unknown_fields)]
pub(super) struct UserRegistered {
    pub(super) id: Uuid,
    #[schemars(email)]
    pub(super) email: String,
    pub(super) by_mail: BTreeMap<String, u8>,
}

/// What the shop publishes and hears.
pub(super) fn document() -> Document {
    let shop = Document::builder("shop", "1.4.0").description("Sells desks.");
    shop.publishes::<OrderPlaced>().hears::<UserRegistered>().hears::<OrderPlaced>().build().unwrap()
}

/// An event that is told as JSON: its name, version, topic, and what it looks like.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) name: &'static str,
    pub(super) version: u32,
    pub(super) topic: &'static str,
    pub(super) actions: &'static [&'static str],
    pub(super) schema: Value,
}

impl Told {
    /// The event `Changed`, which is published and heard.
    pub(super) fn new(schema: Value) -> Self {
        Self { name: "Changed", version: 1, topic: "things/changed", actions: &["send", "receive"], schema }
    }

    /// A document of these events.
    pub(super) fn document(events: &[Self]) -> Document {
        let mut document = json!({
            "asyncapi": "3.1.0",
            "info": {"title": "told", "version": "1"},
            "channels": {}, "operations": {}, "components": {"messages": {}, "schemas": {}},
        });
        for Self { name, version, topic, actions, schema } in events {
            let key = format!("{name}.{version}");
            let channel = topic.replace('/', "-");
            if document["channels"][&channel].is_null() {
                document["channels"][&channel] = json!({"address": topic, "messages": {}});
            }
            document["channels"][&channel]["messages"][&key] = json!({"$ref": format!("#/components/messages/{key}")});
            for action in *actions {
                document["operations"][format!("{key}.{action}")] = json!({
                    "action": action,
                    "channel": {"$ref": format!("#/channels/{channel}")},
                    "messages": [{"$ref": format!("#/channels/{channel}/messages/{key}")}],
                });
            }
            document["components"]["messages"][&key] = json!({
                "name": name,
                "payload": {"properties": {"payload": {"$ref": format!("#/components/schemas/{key}")}}},
                "x-event-version": version,
            });
            // In a document, parts stand beside what they are parts of.
            let prefix = format!("#/components/schemas/{key}.");
            let text = schema.to_string().replace("#/definitions/", &prefix);
            let mut schema: Value = text
                .replace(r##""$ref":"#""##, &format!(r#""$ref":"{}""#, prefix.trim_end_matches('.')))
                .parse()
                .unwrap();
            let parts = schema.as_object_mut().and_then(|schema| schema.remove("definitions"));
            for (name, part) in parts.iter().filter_map(Value::as_object).flatten() {
                document["components"]["schemas"][format!("{key}.{name}")] = part.clone();
            }
            document["components"]["schemas"][&key] = schema;
        }
        Document::from_asyncapi(&document.to_string()).unwrap()
    }
}

/// A document of one event of this schema.
pub(super) fn told(schema: Value) -> Document {
    Told::document(&[Told::new(schema)])
}
