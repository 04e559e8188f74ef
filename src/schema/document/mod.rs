//! The document of a service, and its forms.
//!
//! ```text
//! events ─▶ document.rs ─┬─▶ asyncapi.rs ─▶ AsyncAPI ─▶ reading.rs ─▶ document.rs
//!                        └─▶ plain.rs ────▶ JSON Schema
//! ```
//!
//! In reading order: `document` is what users hold; `asyncapi` and `plain` are its forms, `envelope` what stands around a
//! payload in a message; `reading` reads the first form.
//!
//! A document is written with the same bytes every time, and one that is read is written with the bytes that were read.

mod document;
mod asyncapi;
mod envelope;
mod plain;
mod reading;

pub use document::{Document, DocumentBuilder};
