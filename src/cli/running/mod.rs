//! Work that a server has a part in: in an actix system, until it is done, or somebody ends it, or the server says nothing.
//!
//! `a command → running.rs: a system, Ctrl-C → the library → patience.rs → a server`
//!
//! - `running.rs`: the system, and how a command ends that was asked to
//! - `patience.rs`: how long a server may take to answer
//!
//! Who asks a second time ends it wherever it is, with one line and the same code.
//!
//! What must hold: nothing waits for a server for longer than its patience. A command that only looks ends at once; one that writes
//! ends between two steps, when what it has begun is done.

mod patience;
mod running;

pub(crate) use patience::Patience;
pub(crate) use running::{Stop, before_the_end, run};
