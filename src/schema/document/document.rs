//! The document of a service: what it publishes and what it hears.
//!
//! `events → DocumentBuilder → Document → asyncapi.rs, plain.rs → a file`, `a file → reading.rs → Document`

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use schemars::JsonSchema;

use super::asyncapi::asyncapi;
use super::plain::plain;
use super::reading::read;
use crate::Event;
use crate::schema::SchemaError;
use crate::schema::written;
use crate::schema::{EventSchema, Registry};

/// The document of a service: which events it publishes and hears, and what they look like.
///
/// It is written as [AsyncAPI 3.1](https://www.asyncapi.com/docs/reference/specification/v3.1.0), or as plain JSON
/// Schema (draft 7), with the same bytes every time: keys are in order, and neither a time nor a path is in it. So it
/// can be kept beside the source, and a change of it is seen where changes are reviewed. What a change means for those
/// who read and for those who write, [`compat`](crate::schema::compat()) says.
///
/// ```
/// use convoke::prelude::*;
/// use convoke::schema::Document;
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Event, JsonSchema, Serialize, Deserialize)]
/// #[event(topic = "orders/placed", example = Self { id: 7, total: 40 })]
/// struct OrderPlaced {
///     id: u64,
///     total: u32,
/// }
///
/// #[derive(Event, JsonSchema, Serialize, Deserialize)]
/// #[event(topic = "payments/taken")]
/// struct PaymentTaken {
///     order: u64,
/// }
///
/// let document = Document::builder("shop", "1.4.0").publishes::<OrderPlaced>().hears::<PaymentTaken>().build()?;
/// let text = document.to_asyncapi();
/// assert_eq!(Document::from_asyncapi(&text)?, document);
/// # Ok::<(), convoke::schema::SchemaError>(())
/// ```
///
/// # What is in it
///
/// Each topic is a channel, and each version of an event a message, with the payload inside our envelope as
/// [`Wire::camel`](struct@crate::codec::Wire) writes it: the metadata are part of the message's payload, and the attributes that
/// stand beside the body are its headers. `x-event-version`, `x-entity` and `x-contains-personal-data` say what AsyncAPI
/// has no word for.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub(crate) title: String,
    pub(crate) version: String,
    pub(super) description: Option<String>,
    pub(crate) registry: Registry,
    pub(crate) published: BTreeSet<Id>,
    pub(crate) heard: BTreeSet<Id>,
}

/// The name and the version of an event.
pub(crate) type Id = (String, u32);

impl Document {
    /// The most bytes that a document may have to be read: 16 MiB.
    pub const MAX_BYTES: usize = 16 * 1024 * 1024;

    /// Begins the document of a service of this name and version.
    pub fn builder(title: impl Into<String>, version: impl Into<String>) -> DocumentBuilder {
        DocumentBuilder { title: title.into(), version: version.into(), description: None, events: Vec::new() }
    }

    /// Returns the name of the service.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Returns the version of the service.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the schemas of the events.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Returns whether the service publishes this version of an event.
    pub fn publishes(&self, name: &str, version: u32) -> bool {
        self.published.contains(&(name.to_owned(), version))
    }

    /// Returns whether the service hears this version of an event.
    pub fn hears(&self, name: &str, version: u32) -> bool {
        self.heard.contains(&(name.to_owned(), version))
    }

    /// Returns the document as AsyncAPI 3.1, in JSON.
    pub fn to_asyncapi(&self) -> String {
        written(asyncapi(self))
    }

    /// Returns the schemas of all payloads as one plain JSON Schema (draft 7), each under `definitions`.
    pub fn to_json_schema(&self) -> String {
        written(plain(self))
    }

    /// Reads what [`to_asyncapi`](Self::to_asyncapi) has written.
    ///
    /// # Errors
    ///
    /// - `AsyncApi` for a document of another version of AsyncAPI than 3.1.
    /// - `NoDocument`, with the place, for what is no document or lacks what ours have.
    /// - `NoSchema` if a schema names one that is not in the document.
    /// - `TooLarge` beyond [`MAX_BYTES`](Self::MAX_BYTES).
    pub fn from_asyncapi(text: &str) -> Result<Self, SchemaError> {
        if text.len() > Self::MAX_BYTES {
            return Err(SchemaError::TooLarge { bytes: text.len() as u64, limit: Self::MAX_BYTES });
        }
        read(text)
    }

    /// Writes the document to a file, as AsyncAPI. A file with these bytes is left as it is.
    ///
    /// # Errors
    ///
    /// Returns `File` if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), SchemaError> {
        let (path, text) = (path.as_ref(), self.to_asyncapi());
        // Whoever watches files has nothing to build then.
        if fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
            return Ok(());
        }
        fs::write(path, text).map_err(|error| failed(path, &error))
    }

    /// Reads a document of AsyncAPI from a file.
    ///
    /// # Errors
    ///
    /// Returns `File` if the file cannot be read, and what [`from_asyncapi`](Self::from_asyncapi) returns.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, SchemaError> {
        let path = path.as_ref();
        let bytes = fs::metadata(path).map_err(|error| failed(path, &error))?.len();
        if bytes > Self::MAX_BYTES as u64 {
            return Err(SchemaError::TooLarge { bytes, limit: Self::MAX_BYTES });
        }
        Self::from_asyncapi(&fs::read_to_string(path).map_err(|error| failed(path, &error))?)
    }
}

fn failed(path: &Path, error: &std::io::Error) -> SchemaError {
    SchemaError::File { path: path.display().to_string(), why: error.to_string() }
}

impl AsRef<Registry> for Document {
    fn as_ref(&self) -> &Registry {
        &self.registry
    }
}

/// Collects what stands in a [`Document`].
#[derive(Clone, Debug)]
#[must_use = "it is a document after `build`"]
pub struct DocumentBuilder {
    title: String,
    version: String,
    description: Option<String>,
    events: Vec<(Direction, Result<EventSchema, SchemaError>)>,
}

#[derive(Clone, Copy, Debug)]
enum Direction {
    Published,
    Heard,
}

impl DocumentBuilder {
    /// Sets what the document says of the service, in Markdown. The default is nothing.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Says that the service publishes this event.
    pub fn publishes<E: Event + JsonSchema>(mut self) -> Self {
        self.events.push((Direction::Published, EventSchema::of::<E>()));
        self
    }

    /// Says that the service hears this event.
    pub fn hears<E: Event + JsonSchema>(mut self) -> Self {
        self.events.push((Direction::Heard, EventSchema::of::<E>()));
        self
    }

    /// Makes the document.
    ///
    /// # Errors
    ///
    /// Returns the first error of the events: `Claimed` for two types of the same name and version, `Local` for an event
    /// that never leaves the process, and `NoSchema` for a schema that no document can have.
    pub fn build(self) -> Result<Document, SchemaError> {
        let Self { title, version, description, events } = self;
        let (mut published, mut heard) = (BTreeSet::new(), BTreeSet::new());
        let mut registry = Registry::new();
        for (direction, schema) in events {
            let schema = schema?;
            let id = (schema.name.clone(), schema.version);
            registry.add(schema)?;
            match direction {
                Direction::Published => published.insert(id),
                Direction::Heard => heard.insert(id),
            };
        }
        Ok(Document { title, version, description, registry, published, heard })
    }
}
