//! The crate as it is: its manifest, its modules, the events that it has.
//!
//! `a folder → Project → modules.rs: events, what is public → doors.rs: the lines to add`
//!
//! - `project.rs`: where the crate is, and what its manifest says
//! - `manifest.rs`: manifests that are changed, with their comments: members, features, the binary to run
//! - `modules.rs`: the tree of modules, as far as files are in it
//! - `event_types.rs`: the events in that tree, and how another module names them
//! - `doors.rs`: a `mod` line, a `use` line, and what stands above a marker
//!
//! Nothing here writes, and nothing of the crate is run: sources are parsed.

mod doors;
mod event_types;
mod manifest;
mod modules;
mod project;

pub(crate) use doors::{LISTENERS, SERVICES, TASKS, marked, with_mod, with_use};
pub(crate) use event_types::{EventType, events, find};
pub(crate) use manifest::{runs, with_default_run, with_member, workspace_of};
pub(crate) use project::Project;
