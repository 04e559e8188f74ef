//! Compiled schemas, for events that come.
//!
//! `Registry → Validator → an envelope → nothing, or a Misfit`

use std::collections::BTreeMap;
use std::fmt;

use jsonschema::{Draft, PatternOptions};

use super::misfit::{Misfit, Rules};
use crate::__private::Shown;
use crate::schema::EventSchema;
use crate::schema::Registry;
use crate::schema::SchemaError;
use crate::schema::is_too_long;
use crate::schema::properties;
use crate::{Envelope, Uuid};

/// Compiled schemas, by which events are validated.
///
/// An event is known by its topic, as it is on a bus, or else by its name. Of an event that is known the version has to be
/// in the registry, and the payload has to fit the schema of that version. An event that is not known fits.
///
/// `format` is checked for `uuid` and the formats of draft 7, such as `date-time` and `email`; those that only say of which
/// type a number is, such as `uint64`, are not. A `pattern` takes time in proportion to the text, so it cannot look around or
/// refer back.
///
/// ```
/// # use convoke::prelude::*;
/// # use convoke::schema::{Registry, Validator};
/// # use convoke::{Envelope, Metadata};
/// # use schemars::JsonSchema;
/// # use serde::{Deserialize, Serialize};
/// # use serde_json::json;
/// #[derive(Event, JsonSchema, Serialize, Deserialize)]
/// struct OrderPlaced {
///     id: u64,
/// }
///
/// let validator = Validator::new(&Registry::new().with::<OrderPlaced>()?)?;
/// let envelope = Envelope::new(Metadata::new("OrderPlaced"), json!({"id": "seven"}));
/// let misfit = validator.validate(&envelope).unwrap_err();
/// assert_eq!(
///     misfit.to_string(),
///     r#"version 1 of OrderPlaced does not fit its schema: /id is not of type "integer" (rule /properties/id/type)"#
/// );
/// # Ok::<(), convoke::schema::SchemaError>(())
/// ```
pub struct Validator {
    /// By name and version.
    rules: BTreeMap<String, BTreeMap<u32, Rules>>,
    /// The names of the events on each topic.
    topics: BTreeMap<String, Vec<String>>,
}

impl Validator {
    /// Compiles the schemas of a registry, or of a [`Document`](crate::schema::Document).
    ///
    /// # Errors
    ///
    /// Returns `NoSchema` for a schema that is none, that names one elsewhere, whose pattern cannot be used, or whose parts lead to
    /// each other for the same value more than 200 times.
    pub fn new(registry: impl AsRef<Registry>) -> Result<Self, SchemaError> {
        let (mut rules, mut topics) = (BTreeMap::<_, BTreeMap<_, _>>::new(), BTreeMap::<_, Vec<_>>::new());
        for schema in registry.as_ref().iter() {
            topics.entry(schema.topic.clone()).or_default().push(schema.name.clone());
            rules.entry(schema.name.clone()).or_default().insert(schema.version, compiled(schema)?);
        }
        Ok(Self { rules, topics })
    }

    /// Returns whether the event fits.
    ///
    /// # Errors
    ///
    /// Returns what does not fit. No value of the payload is in it; and nothing but the names that stand in the schema,
    /// if the event contains personal data.
    pub fn validate(&self, envelope: &Envelope) -> Result<(), Misfit> {
        let metadata = &envelope.metadata;
        // As the bus has it: an event without a topic travels on its name.
        let topic = if metadata.topic.is_empty() { &metadata.event } else { &metadata.topic };
        let names = self.topics.get(topic.as_str());
        let named = self.rules.get(metadata.event.as_str());
        // Whoever hears a topic hears all that comes on it, whatever it is called.
        let known = match (names, named) {
            (None, None) => return Ok(()),
            (None, named) => named,
            (Some(names), named) if names.iter().any(|name| metadata.event == *name.as_str()) => named,
            (Some(names), _) if metadata.event.is_empty() => names.first().and_then(|name| self.rules.get(name)),
            (Some(_), _) => None,
        };
        let Some(rules) = known.and_then(|versions| versions.get(&metadata.version)) else {
            return Err(Misfit::unknown(metadata, known.into_iter().flat_map(BTreeMap::keys).copied()));
        };
        rules.check(&envelope.payload, metadata)
    }
}

/// The rules of one version of an event.
pub(super) fn compiled(schema: &EventSchema) -> Result<Rules, SchemaError> {
    if is_too_long(&schema.schema) {
        let why =
            "one value has to fit more than 200 of its parts, each because another one says so: name fewer in between";
        return Err(SchemaError::NoSchema { at: schema.called(), why: why.to_owned() });
    }
    let compiled = jsonschema::options()
        .with_draft(Draft::Draft7)
        .offline()
        .should_validate_formats(true)
        // It came after draft 7, and is what an id has.
        .with_format("uuid", |text: &str| text.len() == 36 && Uuid::try_parse(text).is_ok())
        // In time that is linear to the text, which comes from outside.
        .with_pattern_options(PatternOptions::regex())
        .build(&schema.schema);
    match compiled {
        Ok(validator) => Ok(Rules::new(validator, properties(&schema.schema), schema.contains_personal_data)),
        Err(error) => {
            let at = error.instance_path().to_string();
            let why = format!("{} {}", if at.is_empty() { "as a whole" } else { &at }, error);
            Err(SchemaError::NoSchema { at: schema.called(), why })
        }
    }
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.rules.keys().map(|name| Shown::name(name).to_string());
        f.debug_struct("Validator").field("events", &names.collect::<Vec<_>>()).finish_non_exhaustive()
    }
}
