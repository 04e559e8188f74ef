//! Schemas of events: what they look like, kept as a document, and what changes between two of them.
//!
//! ```text
//! #[derive(Event, JsonSchema)] ─▶ event_schema.rs ─▶ registry.rs ─┬─▶ document/ ─▶ AsyncAPI, JSON Schema ─▶ document/
//!                                                                 │                                          │
//!                                    an envelope, an example ─────┼─▶ validation/ ─▶ which field, which rule  │
//!                                                                 └─▶ compat/ ◀──────────────────────────────┘
//!                                                                       whom a change breaks
//! ```
//!
//! The feature `schema`. A type derives `JsonSchema` of [schemars](https://docs.rs/schemars) 1 beside [`Event`](crate::Event).
//! The manual: [schemas](crate::guide::schema).
//!
//! | for | see |
//! |---|---|
//! | the document of a service | [`Document`] |
//! | schemas by name and version | [`Registry`], [`EventSchema`] |
//! | whether the examples fit | [`check()`] |
//! | whether what comes fits | [`Worker::validate`](crate::Worker::validate), [`Validator`] |
//! | whom a change breaks | [`compat()`], [`Changes`], [`Breaks`] |
//!
//! In reading order: `event_schema` is one version of an event, `registry` has several, `document/` is what is kept of a
//! service; `validation/` looks whether JSON fits, `compat/` compares. `walk` goes through a schema, `chain` along what one
//! value has to fit, `canonical` has it written
//! with the same bytes, `names` says what it is called in a document; `error` is what goes wrong.
//!
//! A schema says what its type reads. Of a name and a version there is one.

mod event_schema;
mod registry;
mod document;
mod validation;
mod compat;
mod walk;
mod chain;
mod canonical;
mod names;
mod error;

pub(crate) use canonical::{order_sets, written};
pub(crate) use chain::is_too_long;
pub use compat::{Breaks, Change, Changes, What, compat};
pub use document::{Document, DocumentBuilder};
pub use error::SchemaError;
pub use event_schema::EventSchema;
pub(crate) use event_schema::{Example, called};
pub(crate) use names::{DEFINITIONS, SCHEMAS, segment, unpointer, unsegment};
pub use registry::Registry;
pub use validation::{CheckError, Checked, Fault, Misfit, Validator, check};
pub(crate) use walk::{each_schema, properties};
