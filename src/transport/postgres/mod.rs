//! A queue in tables of a PostgreSQL: for an application that has one, and whose events must not need another server.
//!
//! `publish → insert.rs → convoke_delivery → lend.rs → Delivery → settle.rs → convoke_delivery`
//!
//! In reading order: `builder` says what is wanted, `postgres` is what users hold, `queue` what its clones share. `insert`,
//! `subscriber`, `lend` and `settle` are what happens to rows, and `floor` is where a look begins. `parking` has the dead ones that stay in their places. `inbox` says which
//! events were done. The database itself, its
//! tables and the functions that change them, is `crate::sql`.
//!
//! On the good way a packet is one row that is inserted, updated once and deleted, many of them by one statement. What is
//! lent says so by its id and how often it was lent; who comes late with another number is told that it is lost. What has to
//! be compared between processes is compared by the server's clock. Nothing waits for a lock of a row that somebody else has
//! lent.

mod builder;
mod postgres;
mod queue;
mod insert;
mod subscriber;
mod lend;
mod floor;
mod settle;
mod parking;
mod inbox;

pub use builder::PostgresBuilder;
pub(crate) use builder::look_for;
pub use inbox::{PostgresInbox, PostgresInboxBuilder};
pub(crate) use insert::{Call, Columns, Row};
pub use postgres::Postgres;
