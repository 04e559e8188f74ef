//! A queue in a file of SQLite: the durable default on one machine, without a server.
//!
//! `publish → insert.rs → the file → lend.rs → Delivery → settle.rs → the file`
//!
//! In reading order: `builder` says what is wanted, `sqlite` is what users hold, `queue` what its clones share. `insert`,
//! `subscriber`, `lend` and `settle` are what happens to rows. `parking` has the dead ones that stay in their places. `inbox` says which
//! events were done. The file itself, its
//! tables, and what all handles of it share in this process is `crate::sql`.
//!
//! Whatever is several rows is one transaction. What is confirmed is in the file, and what is lent comes again after its lease.

mod builder;
mod sqlite;
mod queue;
mod insert;
mod subscriber;
mod lend;
mod settle;
mod parking;
mod inbox;

pub use builder::SqliteBuilder;
pub(crate) use builder::look_for;
pub use inbox::{SqliteInbox, SqliteInboxBuilder};
pub(crate) use insert::{Row, insert_rows, lane_of};
pub use sqlite::Sqlite;
