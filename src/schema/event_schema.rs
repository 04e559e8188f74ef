//! What one version of an event looks like.
//!
//! `#[derive(Event, JsonSchema)] → EventSchema → a registry, a document`

use std::any::{TypeId, type_name};
use std::fmt;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::canonical::{order_sets, written};
use super::error::SchemaError;
use super::names::{DEFINITIONS, key, safe, unsegment};
use super::walk::each_schema;
use crate::Event;

/// By what a schema tells that the event contains personal data.
pub(crate) const PERSONAL: &str = "x-contains-personal-data";

/// What one version of an event looks like: its JSON Schema (draft 7), and what its type says of itself.
///
/// The schema says what the type *reads*. A field with `#[serde(default)]` is therefore not required, although the type
/// always writes it.
///
/// `Debug` shows neither the schema nor the example.
#[derive(Clone)]
pub struct EventSchema {
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) topic: String,
    pub(crate) entity: String,
    pub(crate) contains_personal_data: bool,
    /// With its parts under `definitions`.
    pub(crate) schema: Value,
    /// Its payload, and the id of what it is about.
    pub(crate) example: Option<Result<Example, String>>,
    /// The type that it is of, if it is of one.
    pub(crate) claimant: Option<Claimant>,
}

/// A type, and what it is called.
pub(crate) type Claimant = (TypeId, &'static str);

/// An event as its type has it as an example.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Example {
    pub(crate) payload: Value,
    pub(crate) entity_id: Option<String>,
}

impl EventSchema {
    /// Creates the schema of an event type.
    ///
    /// ```
    /// use convoke::prelude::*;
    /// use convoke::schema::EventSchema;
    /// use schemars::JsonSchema;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Event, JsonSchema, Serialize, Deserialize)]
    /// struct OrderPlaced {
    ///     id: u64,
    ///     #[schemars(range(max = 10_000))]
    ///     total: u32,
    /// }
    ///
    /// let schema = EventSchema::of::<OrderPlaced>()?;
    /// assert_eq!(schema.json()["properties"]["total"]["maximum"], 10_000);
    /// # Ok::<(), convoke::schema::SchemaError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns `Local` for an event that never leaves the process, and `NoSchema` if two parts of the schema have names
    /// that a document cannot tell apart.
    pub fn of<E: Event + JsonSchema>() -> Result<Self, SchemaError> {
        if E::LOCAL {
            return Err(SchemaError::Local { event: E::NAME.to_owned() });
        }
        let generated = SchemaSettings::draft07().into_generator().into_root_schema_for::<E>();
        let mut schema = with_safe_names(generated.to_value())
            .map_err(|why| SchemaError::NoSchema { at: called(E::NAME, E::VERSION), why })?;
        if E::CONTAINS_PERSONAL_DATA
            && let Value::Object(keywords) = &mut schema
        {
            keywords.insert(PERSONAL.to_owned(), Value::Bool(true));
        }
        bound(&mut schema);
        order_sets(&mut schema);
        let example = E::example().map(|example| {
            let payload = example.to_json().map_err(|error| error.to_string())?;
            Ok(Example { payload, entity_id: example.entity_id() })
        });
        Ok(Self {
            name: E::NAME.to_owned(),
            version: E::VERSION,
            topic: E::TOPIC.to_owned(),
            entity: E::ENTITY.to_owned(),
            contains_personal_data: E::CONTAINS_PERSONAL_DATA,
            schema,
            example,
            claimant: Some((TypeId::of::<E>(), type_name::<E>())),
        })
    }

    /// Returns the event's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the version of the event's shape.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Returns the topic on which the event travels.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Returns the kind of thing that the event is about.
    pub fn entity(&self) -> &str {
        &self.entity
    }

    /// Returns whether the payload is kept out of every log and every error.
    pub fn contains_personal_data(&self) -> bool {
        self.contains_personal_data
    }

    /// Returns the JSON Schema of the payload, with its parts under `definitions`.
    pub fn json(&self) -> &Value {
        &self.schema
    }

    /// Returns the JSON Schema as the text of a file, always with the same bytes.
    pub fn to_text(&self) -> String {
        written(self.schema.clone())
    }

    /// Returns the example of the payload, if the type has one that has a form as JSON.
    pub fn example(&self) -> Option<&Value> {
        self.example.as_ref()?.as_ref().ok().map(|example| &example.payload)
    }

    /// What it is called in a document.
    pub(crate) fn key(&self) -> String {
        key(&self.name, self.version)
    }

    /// What it is called in an error.
    pub(crate) fn called(&self) -> String {
        called(&self.name, self.version)
    }
}

/// What a version of an event is called in an error.
pub(crate) fn called(name: &str, version: u32) -> String {
    format!("version {version} of {name}")
}

/// Says of 32 bits what they hold, as the generator does of 8 and 16. Of 64 it would be no number to JavaScript.
fn bound(schema: &mut Value) {
    each_schema(schema, &mut |keywords| {
        let (least, most) = match keywords.get("format").and_then(Value::as_str) {
            Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
            Some("uint32") => (0, i64::from(u32::MAX)),
            _ => return,
        };
        for (bound, exclusive, value) in [("minimum", "exclusiveMinimum", least), ("maximum", "exclusiveMaximum", most)]
        {
            if !keywords.contains_key(bound) && !keywords.contains_key(exclusive) {
                keywords.insert(bound.to_owned(), value.into());
            }
        }
    });
}

/// Gives the parts of a schema names that may stand in a document.
fn with_safe_names(mut schema: Value) -> Result<Value, String> {
    let Some(Value::Object(parts)) = schema.get_mut("definitions") else { return Ok(schema) };
    for (name, part) in std::mem::take(parts) {
        let safe = safe(&name);
        if parts.insert(safe, part).is_some() {
            return Err(format!("two types in it are called nearly `{name}`: rename one with `#[schemars(rename)]`"));
        }
    }
    each_schema(&mut schema, &mut |keywords| {
        if let Some(Value::String(reference)) = keywords.get_mut("$ref")
            && let Some(name) = reference.strip_prefix(DEFINITIONS).and_then(unsegment)
        {
            *reference = format!("{DEFINITIONS}{}", safe(&name));
        }
    });
    Ok(schema)
}

/// Whoever has made them.
impl PartialEq for EventSchema {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.version, &self.topic, &self.entity, self.contains_personal_data)
            == (&other.name, other.version, &other.topic, &other.entity, other.contains_personal_data)
            && self.schema == other.schema
            && self.example == other.example
    }
}

impl fmt::Debug for EventSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSchema")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}
