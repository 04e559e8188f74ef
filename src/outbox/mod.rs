//! The outbox: events that stand in the application's own transaction, and leave after its commit.

#[cfg(feature = "postgres")]
mod postgres;
mod rows;
mod statement;

pub use rows::OutboxDatabase;
pub(crate) use rows::{Dead, Figures, LANES, Lanes, Taken, lane_of, sealed};
pub use statement::{SqlValue, Statement};
