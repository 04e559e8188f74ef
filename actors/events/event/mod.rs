//! What an event is, and what is known of it beside its payload.
//!
//! `#[derive(Event)] → Event → Subject (typed, as JSON, or a question) → Metadata`
//!
//! In reading order: `event`, a fact of a type; `name`, what it is called; `json_event`, what a topic subscriber sees;
//! `finite`, how the one becomes the other; `bad_payload`, when it cannot; `subject`, what may travel at all; `metadata`, what
//! travels with it, with its `publish_date`, its `trace` and its `secret`s, and whether it is a `replay`; `identity`, by what
//! its copies are known.
//!
//! It knows no bus. Personal data is in no `Debug` and no error of these types, and neither is an authorization.

mod event;
mod name;
mod json_event;
mod finite;
mod bad_payload;
mod subject;
mod metadata;
mod publish_date;
mod trace;
mod secret;
mod replay;
mod identity;

pub use bad_payload::BadPayload;
pub use event::Event;
pub(crate) use finite::{to_value, write_value};
pub use identity::{Carrier, derived};
pub use json_event::JsonEvent;
pub use metadata::Metadata;
pub use name::Name;
pub(crate) use name::shared;
#[cfg(test)]
pub(crate) use publish_date::FIRST;
pub use publish_date::PublishDate;
pub(crate) use publish_date::{read_date, whole_micros, write_date};
pub use replay::Replay;
pub(crate) use secret::HIDDEN;
pub use secret::Secret;
pub use subject::Subject;
pub(crate) use subject::{Address, Kind};
pub use trace::{TraceContext, TraceError};
