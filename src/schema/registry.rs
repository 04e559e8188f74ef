//! Schemas by name and version.
//!
//! `EventSchema → Registry → Validator, Document`

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::error::SchemaError;
use super::event_schema::{Claimant, EventSchema};
use crate::Event;

/// Schemas by the name and the version of their events.
///
/// ```
/// # use convoke::prelude::*;
/// # use convoke::schema::Registry;
/// # use schemars::JsonSchema;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Event, JsonSchema, Serialize, Deserialize)]
/// # struct OrderPlaced { id: u64 }
/// # #[derive(Event, JsonSchema, Serialize, Deserialize)]
/// # struct PaymentTaken { order: u64 }
/// let registry = Registry::new().with::<OrderPlaced>()?.with::<PaymentTaken>()?;
/// assert_eq!(registry.get("OrderPlaced", 1).map(|schema| schema.topic()), Some("OrderPlaced"));
/// # Ok::<(), convoke::schema::SchemaError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registry {
    schemas: BTreeMap<(String, u32), EventSchema>,
}

impl Registry {
    /// Creates a registry without schemas.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the schema of an event type. The same type may be added several times.
    ///
    /// # Errors
    ///
    /// Returns `Claimed` if another type, or a document that says otherwise, has the same name and version, and what
    /// [`EventSchema::of`] returns.
    pub fn with<E: Event + JsonSchema>(mut self) -> Result<Self, SchemaError> {
        self.add(EventSchema::of::<E>()?)?;
        Ok(self)
    }

    /// Adds the schemas of another registry or of a [`Document`](crate::schema::Document), for instance that of an older release,
    /// whose versions are still in queues.
    ///
    /// # Errors
    ///
    /// Returns `Claimed` if it has another schema than the registry for the same name and version.
    pub fn with_all(mut self, others: impl AsRef<Self>) -> Result<Self, SchemaError> {
        for schema in others.as_ref().iter() {
            self.add(schema.clone())?;
        }
        Ok(self)
    }

    /// Returns the schema of this version of an event.
    pub fn get(&self, name: &str, version: u32) -> Option<&EventSchema> {
        self.schemas.get(&(name.to_owned(), version))
    }

    /// Returns all schemas, in the order of their names and versions.
    pub fn iter(&self) -> impl Iterator<Item = &EventSchema> {
        self.schemas.values()
    }

    /// Returns how many schemas there are.
    pub fn len(&self) -> usize {
        self.schemas.len()
    }

    /// Returns whether there is no schema.
    pub fn is_empty(&self) -> bool {
        self.schemas.is_empty()
    }

    /// Adds a schema, unless somebody else has claimed its name and version.
    pub(crate) fn add(&mut self, schema: EventSchema) -> Result<(), SchemaError> {
        let id = (schema.name.clone(), schema.version);
        let Some(first) = self.schemas.get_mut(&id) else {
            self.schemas.insert(id, schema);
            return Ok(());
        };
        let same = match (first.claimant, schema.claimant) {
            (Some((one, _)), Some((other, _))) => one == other,
            _ => first.schema == schema.schema && first.topic == schema.topic,
        };
        if !same {
            let by = |claimant: Option<Claimant>| match claimant {
                Some((_, name)) => format!("`{name}`"),
                None => "a document".to_owned(),
            };
            let (first, second) = (by(first.claimant), by(schema.claimant));
            return Err(SchemaError::Claimed { event: id.0, version: id.1, first, second });
        }
        // What one of them hides is hidden.
        let is_personal = first.contains_personal_data || schema.contains_personal_data;
        // A type knows more than a document does.
        if first.claimant.is_none() {
            *first = schema;
        }
        first.contains_personal_data = is_personal;
        Ok(())
    }
}

impl AsRef<Self> for Registry {
    fn as_ref(&self) -> &Self {
        self
    }
}
