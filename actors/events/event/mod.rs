//! DOOR

mod event;
mod json_event;
mod metadata;
mod identity;
mod trace;
mod name;
mod finite;

pub use event::Event;
pub(crate) use finite::to_value;
pub use identity::{Carrier, derived};
pub use json_event::JsonEvent;
pub(crate) use json_event::Kind;
pub use metadata::{Metadata, Secret};
pub use name::Name;
pub use trace::{TraceContext, TraceError};
