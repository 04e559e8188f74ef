//! Reads a document of AsyncAPI as we write it.
//!
//! `text → is it of 3.1? → messages, channels, operations → EventSchema, by name and version → Document`

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::document::{Document, Id};
use crate::schema::Registry;
use crate::schema::SchemaError;
use crate::schema::each_schema;
use crate::schema::order_sets;
use crate::schema::{DEFINITIONS, SCHEMAS, segment, unsegment};
use crate::schema::{EventSchema, Example, called};

/// Where the messages stand.
const MESSAGES: &str = "#/components/messages/";

/// Reads a document.
pub(super) fn read(text: &str) -> Result<Document, SchemaError> {
    let document: Value = serde_json::from_str(text).map_err(|error| wrong("", error.to_string()))?;
    let found = text_at(&document, "/asyncapi").map_err(|_| wrong("", "it has no `asyncapi: \"3.1.0\"`"))?;
    if found != "3.1" && !found.starts_with("3.1.") {
        return Err(SchemaError::AsyncApi { found: found.to_owned() });
    }
    let schemas = named(&document, "/components/schemas")?;
    let topics = topics(&document)?;
    let mut registry = Registry::new();
    let mut ids = BTreeMap::new();
    for key in named(&document, "/components/messages")?.into_keys() {
        let schema = event(&document, key, &topics, &schemas)?;
        let id = (schema.name.clone(), schema.version);
        registry.add(schema)?;
        ids.insert(key, id);
    }
    let mut read = Document {
        title: text_at(&document, "/info/title")?.to_owned(),
        version: text_at(&document, "/info/version")?.to_owned(),
        description: document.pointer("/info/description").and_then(Value::as_str).map(str::to_owned),
        registry,
        published: BTreeSet::new(),
        heard: BTreeSet::new(),
    };
    for name in named(&document, "/operations")?.keys() {
        let at = format!("/operations/{}", escaped(name));
        let all = operation(&document, &at, &ids)?;
        match text_at(&document, &format!("{at}/action"))? {
            "send" => read.published.extend(all),
            "receive" => read.heard.extend(all),
            _ => return Err(wrong(format!("{at}/action"), "it is neither `send` nor `receive`")),
        }
    }
    Ok(read)
}

type Named<'a> = BTreeMap<&'a str, &'a Value>;

fn wrong(at: impl Into<String>, why: impl Into<String>) -> SchemaError {
    SchemaError::NoDocument { at: at.into(), why: why.into() }
}

/// One segment of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn text_at<'a>(document: &'a Value, at: &str) -> Result<&'a str, SchemaError> {
    document.pointer(at).and_then(Value::as_str).ok_or_else(|| wrong(at, "here has to be a text"))
}

/// What stands in an object by its keys; one that is missing has none.
fn named<'a>(document: &'a Value, at: &str) -> Result<Named<'a>, SchemaError> {
    match document.pointer(at) {
        None => Ok(Named::new()),
        Some(Value::Object(keys)) => Ok(keys.iter().map(|(key, value)| (key.as_str(), value)).collect()),
        Some(_) => Err(wrong(at, "here has to be an object")),
    }
}

/// The topic of each message, by the message's key.
fn topics(document: &Value) -> Result<BTreeMap<String, String>, SchemaError> {
    let mut topics = BTreeMap::new();
    for (name, channel) in named(document, "/channels")? {
        let at = format!("/channels/{}", escaped(name));
        let topic = ["x-topic", "address"].into_iter().find_map(|key| channel.get(key)?.as_str());
        let topic = topic.ok_or_else(|| wrong(format!("{at}/address"), "here has to be a text: the topic"))?;
        for (_, message) in named(document, &format!("{at}/messages"))? {
            if let Some(key) = reference(message).and_then(|reference| reference.strip_prefix(MESSAGES)) {
                topics.insert(unsegment(key).unwrap_or_default(), topic.to_owned());
            }
        }
    }
    Ok(topics)
}

fn reference(value: &Value) -> Option<&str> {
    value.get("$ref")?.as_str()
}

/// Which events an operation is about.
fn operation(document: &Value, at: &str, ids: &BTreeMap<&str, Id>) -> Result<Vec<Id>, SchemaError> {
    let Some(Value::Array(messages)) = document.pointer(&format!("{at}/messages")) else {
        return Err(wrong(format!("{at}/messages"), "here has to be an array"));
    };
    let key = |message| reference(message)?.rsplit_once('/').and_then(|(_, key)| unsegment(key));
    let id = |message| ids.get(key(message)?.as_str()).cloned();
    let all = messages
        .iter()
        .map(|message| id(message).ok_or_else(|| wrong(format!("{at}/messages"), "it names no message")));
    all.collect()
}

/// One message.
fn event(
    document: &Value,
    key: &str,
    topics: &BTreeMap<String, String>,
    schemas: &Named<'_>,
) -> Result<EventSchema, SchemaError> {
    let at = format!("/components/messages/{}", escaped(key));
    let name = text_at(document, &format!("{at}/name"))?.to_owned();
    let version = match document.pointer(&format!("{at}/x-event-version")) {
        None => 1,
        Some(version) => version
            .as_u64()
            .and_then(|version| u32::try_from(version).ok())
            .ok_or_else(|| wrong(format!("{at}/x-event-version"), "here has to be a version: 1, 2, …"))?,
    };
    let topic = topics.get(key).ok_or_else(|| wrong(at.as_str(), "no channel has this message"))?.clone();
    let payload = text_at(document, &format!("{at}/payload/properties/payload/$ref"))?;
    let payload = payload.strip_prefix(SCHEMAS).and_then(unsegment);
    let payload = payload.ok_or_else(|| wrong(at.as_str(), "its payload is not under `#/components/schemas/`"))?;
    let schema = whole(&payload, schemas).map_err(|missing| SchemaError::NoSchema {
        at: called(&name, version),
        why: format!("there is no `{missing}`"),
    })?;
    let flag = document.pointer(&format!("{at}/x-contains-personal-data"));
    let example = document.pointer(&format!("{at}/examples/0/payload")).and_then(|example| {
        let entity_id = example.pointer("/metadata/entityId").and_then(Value::as_str);
        let entity_id = entity_id.filter(|id| !id.is_empty()).map(str::to_owned);
        Some(Ok(Example { payload: example.get("payload")?.clone(), entity_id }))
    });
    Ok(EventSchema {
        entity: document.pointer(&format!("{at}/x-entity")).and_then(Value::as_str).unwrap_or_default().to_owned(),
        // What is unclear is hidden.
        contains_personal_data: flag.is_some_and(|flag| flag != &Value::Bool(false)),
        name,
        version,
        topic,
        schema,
        example,
        claimant: None,
    })
}

/// A schema of the document with all that it names under `definitions`, as one that was made of a type; or what it names
/// that is not there.
fn whole(key: &str, schemas: &Named<'_>) -> Result<Value, String> {
    let (mut schema, mut left) = part(key, key, schemas)?;
    let mut definitions = Map::new();
    while let Some((own, full)) = left.pop() {
        if !definitions.contains_key(&own) {
            let (part, names) = part(&full, key, schemas)?;
            left.extend(names);
            definitions.insert(own, part);
        }
    }
    if let Value::Object(keywords) = &mut schema {
        keywords.insert("$schema".to_owned(), "http://json-schema.org/draft-07/schema#".into());
        if !definitions.is_empty() {
            keywords.insert("definitions".to_owned(), Value::Object(definitions));
        }
    }
    order_sets(&mut schema);
    Ok(schema)
}

/// One schema, which names others as the schema of a type does; and those, by the names that they have there and here.
fn part(full: &str, key: &str, schemas: &Named<'_>) -> Result<(Value, Vec<(String, String)>), String> {
    let mut part = Value::clone(schemas.get(full).ok_or(full)?);
    let mut names = Vec::new();
    each_schema(&mut part, &mut |keywords| {
        if let Some(Value::String(reference)) = keywords.get_mut("$ref")
            && let Some(full) = reference.strip_prefix(SCHEMAS).and_then(unsegment)
        {
            let own = match full.strip_prefix(key) {
                Some("") => {
                    *reference = "#".to_owned();
                    return;
                }
                Some(own) if own.starts_with('.') => own[1..].to_owned(),
                // It belongs to no event, or to another one.
                _ => format!("_.{full}"),
            };
            *reference = format!("{DEFINITIONS}{}", segment(&own));
            names.push((own, full));
        }
    });
    Ok((part, names))
}
