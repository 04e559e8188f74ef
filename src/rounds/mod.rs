//! Durable rounds: rounds whose signals are rows, so that they outlive the processes in which their parties are.
//!
//! In reading order: `store` is what durable rounds need of a database, of which `sqlite/` and `postgres/` are two, and `memory/` is
//! one for tests; `plan` is what they have in common: what was ruled, as it is written.

mod store;
mod plan;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(test)]
mod contract;

pub(crate) use store::sealed::{KeepsRounds, OpenedRounds};
pub use store::{
    Case, Due, Enrolled, Judge, Kept, Next, Opening, Past, Place, Round, RoundDatabase, RoundFigures, RoundStore, Row,
    Ruling, Stage,
};
