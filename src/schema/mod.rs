//! draft
mod error;
mod names;
mod walk;
mod canonical;
mod event_schema;
mod registry;
mod document;
mod validation;

pub(crate) use canonical::{order_sets, written};
pub use document::{Document, DocumentBuilder};
pub use error::SchemaError;
pub use event_schema::EventSchema;
pub(crate) use event_schema::{Example, called};
pub(crate) use names::{DEFINITIONS, SCHEMAS, segment, unsegment};
pub use registry::Registry;
pub use validation::{CheckError, Checked, Fault, Misfit, Validator, check};
pub(crate) use walk::{each_schema, properties};
