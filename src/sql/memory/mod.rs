//! A database in this process, for tests: what commits together is there together, and what two want waits.
//!
//! `Memory::database() → MemoryDatabase → begin → MemoryTransaction → { lock, stage } → commit: all of it at once`
//!
//! In reading order: `database` is what users hold, and what its clones share; `connection` is a transaction, or what stands
//! for one; `locks` says who has which key, and who waits for whom.
//!
//! What is kept is with those who keep it: a queue, an inbox, an outbox. They read and change it only while they hold the
//! gate of the database, and a commit holds it for all that it changes.

mod database;
mod connection;
mod locks;

pub use connection::{MemoryConnection, MemoryTransaction};
pub(crate) use database::Core;
pub use database::MemoryDatabase;
