//! The store: events that are kept for ever, in the order in which they were appended.
//!
//! ```text
//! append    store.rs ─▶ codec/leaves.rs ─▶ row.rs: Entry ─▶ append.rs ─▶ records.rs ─▶ a database, behind the lock of the store
//!
//! reading/  store.rs: read ─▶ records.rs: page ─▶ row.rs: is it what was written? ─▶ an event
//! ```
//!
//! In reading order: `store` is what users hold, by its `builder`; `position` is the place of a record. `append` and `condition`
//! say what is added, and unless what has happened; `reading/` is how it is read, and `error` what goes wrong. `records` is what a
//! store needs of a database, `row` what is kept of an event; `sqlite/` and `postgres/` are two databases, and `memory/` is one
//! for tests.
//!
//! Positions have no gap. One is drawn behind a lock of the store that is held to the end of the transaction, and records are
//! never changed: so whoever has read up to a position has read all there will ever be up to it, without a lock. A record that
//! is not there, or not what was written, is an error, and never passed over.

mod store;
mod builder;
mod position;
mod append;
mod condition;
mod reading;
mod replaying;
mod projecting;
mod publishing;
mod error;
mod records;
mod row;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use append::Append;
pub use builder::StoreBuilder;
pub use condition::{Condition, nothing_since};
pub use error::StoreError;
pub use position::{NoPosition, Position};
pub use projecting::{
    Edition, Project, Projection, ProjectionBuilder, ProjectionDatabase, ProjectionError, ProjectionFault,
    ProjectionService,
};
pub use reading::{Read, Reading, Recorded};
pub(crate) use records::LAST_POSITION;
pub use records::StoreDatabase;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use records::Wanted;
pub(crate) use records::sealed::{KeepingRecords, KeepsRecords, OpenedRecords, Records};
pub(crate) use records::{Appended, Batch, Page, Span, matches_any};
pub use replaying::{Progress, ReplayError, ReplayFault, Replayed, Replaying};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use row::chain;
pub(crate) use row::{Entry, Row, checksum, digest_of, entity_of};
pub use store::Store;
