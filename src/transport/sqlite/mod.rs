//! A queue in a file of SQLite: the durable default on one machine, without a server.
//!
//! `publish → insert.rs → the file → lend.rs → Delivery → settle.rs → the file`
//!
//! In reading order: `builder` says what is wanted, `sqlite` is what users hold, `queue` what its clones share; `store` has the
//! file open, `schema` makes its tables, `hub` wakes who waits in this process; `insert`, `subscriber`, `lend`, `settle` and
//! `standing` are what happens to rows, `inbox` which events were done, `error` what SQLite says.
//!
//! Whatever is several rows is one transaction. What is confirmed is in the file, and what is lent comes again after its lease.

mod builder;
mod sqlite;
mod queue;
mod store;
mod schema;
mod hub;
mod insert;
mod subscriber;
mod lend;
mod settle;
mod standing;
mod inbox;
mod error;

pub use builder::SqliteBuilder;
pub use inbox::{SqliteInbox, SqliteInboxBuilder};
pub use sqlite::Sqlite;
