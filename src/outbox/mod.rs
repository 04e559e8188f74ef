//! The outbox: events that stand in the application's own transaction, and leave after its commit.
//!
//! ```text
//! publish    outbox.rs ─▶ codec/leaves.rs, wire.rs ─▶ rows.rs: insert ─▶ a database, in a transaction that is the user's
//!
//! relay/     rows.rs: take ─▶ which routes? ─▶ Publisher ─▶ rows.rs: what has left is deleted, what is refused is dead
//! ```
//!
//! In reading order: `outbox` is what users hold, by its `builder`; `rule` is how its events have keys in this process,
//! `statement` what a client that is not ours runs, `letters` what was refused for good, `error` what goes wrong. `rows` is what
//! an outbox needs of a database, of which `sqlite/` and `postgres/` are two, and `memory/` is one for tests. `relay/` has
//! events leave.
//!
//! An event leaves if and only if its transaction has committed. Of a key nothing overtakes: rows of a key are in one lane,
//! which one relay has at a time, and what stands behind a dead row is parked.

mod outbox;
mod builder;
mod statement;
mod letters;
mod error;
mod rows;
mod rule;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod relay;

pub use builder::OutboxBuilder;
pub use error::OutboxError;
pub use letters::OutboxLetter;
pub use outbox::Outbox;
#[cfg(feature = "postgres")]
pub(crate) use postgres::Insertion;
pub use relay::{Relay, RelayHealth, RelayProbe, RelayService};
pub(crate) use rows::sealed::{Keeping, Keeps, Opened, Rows};
pub(crate) use rows::{Dead, FirstDead, LANES, Lanes, Taken, lane_of};
pub use rows::{OutboxDatabase, OutboxFigures};
pub(crate) use rule::Rules;
pub use statement::{SqlValue, Statement};
