//! What has changed between two documents, and whom that breaks.
//!
//! ```text
//! compat.rs: which event is which? ─▶ compare.rs ─┬─▶ shape.rs: what is said here, in one way
//!                                        ▲        ├─▶ numbers.rs, objects.rs, variants.rs ─▶ change.rs
//!                                        └────────┘   what is inside
//! ```
//!
//! In reading order: `compat` goes through the events, `compare` through a schema, of which `shape` is one place; `objects`,
//! `numbers` and `variants` compare what these are; `change` is what comes of it.
//!
//! A change that breaks somebody is never told as one that breaks nobody: what is not understood is told as such. And
//! what is broken from old to new for readers is broken from new to old for writers.

mod compat;
mod compare;
mod shape;
mod objects;
mod numbers;
mod variants;
mod change;

pub use change::{Breaks, Change, Changes, What};
pub use compat::compat;
