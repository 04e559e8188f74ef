//! What is to be written: shown as a diff, or written, all of it or nothing.
//!
//! `a command → Plan: path, before, after → place.rs → diff.rs | apply.rs → the disk`
//!
//! - `plan.rs`: the files that change, and what they will be
//! - `place.rs`: no path leaves the root, and no link is followed
//! - `diff.rs`: a unified diff
//! - `apply.rs`: the disk, and back if a step fails
//!
//! What must hold: a command reads and decides first, and has every text before the first byte is written. A file that has changed
//! since it was read is not written over.

mod apply;
mod diff;
mod place;
mod plan;

pub(crate) use place::{exists, read};
pub(crate) use plan::Plan;
