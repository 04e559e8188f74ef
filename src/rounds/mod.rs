//! Durable rounds: rounds whose signals are rows, so that they outlive the processes in which their parties are.
//!
//! ```text
//! Broker ─▶ running/ ─▶ RoundStore::work ─▶ running/ (round.rs decides) ─▶ rows, outboxes ─▶ running/ ─▶ a consumer
//! ```
//!
//! In reading order: `builder` describes a broker, `durable` is what users hold, `aborting` a round that is about to be aborted, and `error` what
//! goes wrong. `look/` is a round as they look at it, also without its type. `key` is the key of a round in a row. `running/` is what a process does for its rounds. `store` is what that needs of a
//! database, of which `sqlite/`, `postgres/` and `redis/` are three, and `memory/` is one for tests; `plan` is what they have in common:
//! what was ruled, as it is written. `conformance/` tries what each promises, and `model/` says once more what the whole must do.
//!
//! A signal counts once it is a row. What becomes of a round follows from its committed rows alone, in the transaction that has
//! them locked; and by the same transaction the round is over, and its outcome in the outbox of each consumer. Redis locks nothing: there
//! one script writes what follows from rows that nobody has added to since.

mod builder;
mod durable;
mod aborting;
mod error;
mod key;
mod look;
mod running;
pub mod store;
mod plan;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "testing")]
pub mod conformance;
#[cfg(all(test, feature = "testing"))]
mod model;

pub use aborting::Aborting;
pub use builder::{DurableBroker, DurableBuilder};
pub use durable::Durable;
pub use error::DurableError;
pub use look::{BrokerLook, DurableParty, DurableRound, DurableState, RoundsLook};
#[cfg(feature = "redis")]
pub use redis::{RedisRounds, RedisRoundsBuilder};
pub(crate) use running::{Gathering, Heard, Shape, Speech, Tally, Word, limits};
pub(crate) use store::{
    Due, Enrolled, FoundRounds, Judge, Kept, OpenedRounds, Party, Past, Place, Road, RoundStore, Row,
};
pub use store::{RoundDatabase, RoundFigures};
