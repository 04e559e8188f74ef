//! Commands that look at what is no queue, and repair it: tasks, durable rounds, stores, the tables of a database.
//!
//! `a place → Works of convoke::look → jobs, rounds, records, tables → a table, or JSON`
//!
//! - `tasks/`: `convoke tasks …`; `rounds/`: `convoke rounds …`
//! - `migrate.rs`: `convoke migrate`; `replay.rs`: `convoke replay`
//! - `opened.rs`: what all of them begin with
//!
//! What must hold: nothing is made in a database by looking, and a file that is not there stays so.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod migrate;
mod opened;
mod replay;
mod rounds;
mod tasks;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(super) use migrate::Migrate;
use opened::{Opened, open};
pub(super) use replay::Replay;
pub(super) use rounds::Rounds;
pub(super) use tasks::Tasks;
