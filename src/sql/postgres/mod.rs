//! The handle of a PostgreSQL: what has a pool, a schema and a deadline, and brings every statement of ours to the server.
//!
//! `URL or pool → builder → PostgresDatabase → session → a connection → the server`
//!
//! In reading order: `builder` says what is wanted, `database` is what users hold. `session` runs a statement within a
//! deadline, and again where the server asks for that, `own` does so on a connection of its own, `bytes` reads those of what it returns, and `fault` says what went
//! wrong. `within` knows whether a connection of the application is in a transaction. `schema` makes the tables, by
//! `steps/1.sql` and a file for each later version. `bells` wakes who waits for a row, in this process and others, `held`
//! says who keeps vacuum back, and `writers` who is writing.
//!
//! What has to hold behind a pooler that gives each transaction another connection: no statement of ours has a name (it has one where
//! `builder` has seen that nobody stands between, and where a pool of the application keeps some), no session has a state, and what
//! has parameters is in a transaction. A statement whose values are numbers and texts of ours is one simple
//! query. What is late is closed with its connection, which nobody else gets; so is what is dropped while it may have begun a
//! transaction, and what is begun for others is finished (`begin`): the client would give back a connection with a transaction open.
//! What is one message, and must not be lost in somebody else's, looks whether it is `ALONE`.

mod builder;
mod database;
mod session;
mod own;
mod within;
mod bytes;
mod fault;
mod schema;
mod bells;
mod held;
mod writers;
#[cfg(test)]
mod tests;

pub(crate) use bells::Bell;
pub use builder::PostgresDatabaseBuilder;
pub(crate) use builder::is_direct;
pub(crate) use bytes::{Form, body_of, is_text};
pub use database::PostgresDatabase;
pub(crate) use fault::{describe, late};
pub(crate) use own::{COMMITTED, Own};
pub(crate) use schema::indexes_of_steps;
pub(crate) use session::{ALONE, BEGIN, Failed, array, begin, quoted};
#[cfg(test)]
pub(crate) use tests::url_of_the_tests;
pub(crate) use within::{WITHIN, is_within};
pub(crate) use writers::Settling;
