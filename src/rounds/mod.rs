//! Durable rounds: rounds whose signals are rows, so that they outlive the processes in which their parties are.
//!
//! ```text
//! emit      Broker ─▶ Clerk ─▶ queue.rs ─▶ engine.rs: write ─▶ RoundStore::work ─▶ bench.rs (round.rs decides) ─▶ rows, outboxes
//! deadline  engine.rs: look ─▶ RoundStore::due ─▶ work ─▶ …
//! hear      an outbox ─▶ a relay ─▶ deliver.rs ─▶ Broker ─▶ a consumer
//! ```
//!
//! In reading order: `durable` is what users hold, by its builder, and `error` what goes wrong. `key` is the key of a round in a row.
//! `queue` has what waits to be written and who waits for an end, `engine` writes and looks, `bench` judges, and `deliver` hands
//! rounds to the consumers of this process. `store` is what all that needs of a database, of which `sqlite/` and `postgres/` are
//! two, and `memory/` is one for tests; `plan` is what they have in common: what was ruled, as it is written.
//!
//! A signal counts once it is a row. What becomes of a round follows from its committed rows alone, in the transaction that has
//! them locked; and by the same transaction the round is over, and its outcome in the outbox of each consumer.

mod durable;
mod error;
mod key;
mod queue;
mod engine;
mod bench;
mod deliver;
pub mod store;
mod plan;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(test)]
mod contract;

pub use durable::{Durable, DurableBroker, DurableBuilder, DurableRound, DurableState};
pub use error::DurableError;
pub(crate) use store::sealed::{KeepsRounds, OpenedRounds};
pub(crate) use store::{Due, Enrolled, Judge, Kept, Past, Place, RoundStore, Row};
pub use store::{RoundDatabase, RoundFigures};
