//! A file of SQLite: how it is opened, what its tables are, and what all handles of it share in this process.
//!
//! `path or pool → builder → SqliteDatabase → Store → the hub's gate → a connection → the file`
//!
//! In reading order: `builder` says what is wanted, `database` is what users hold. `store` has the file open, `schema` makes
//! its tables, by `steps/1.sql` and a file for each later version. `hub` is what all handles of one
//! file share in this process: it lets one write at a time, and wakes who waits. `standing` says whether the file that is
//! open is still the one at its path; if it is not, `hub` has all handles let go of it. `kept` is the connection that writes, and `joined` reads many
//! packets as one row. `fault` is what SQLite says.
//!
//! Whatever is several rows is one transaction, begun with the lock.

mod builder;
mod database;
mod store;
mod schema;
mod hub;
mod standing;
mod kept;
mod joined;
mod fault;
#[cfg(test)]
mod counted;

pub use builder::SqliteDatabaseBuilder;
#[cfg(test)]
pub(crate) use counted::hundreds_of_steps;
pub use database::SqliteDatabase;
pub(crate) use fault::{describe, late};
pub(crate) use hub::Bell;
pub(crate) use joined::{Joined, join, joined_columns, written};
#[cfg(test)]
pub(crate) use schema::prepare;
pub(crate) use standing::Moved;
pub(crate) use store::{FOREVER, Place, Reader, Store, after, is_a_file, now};
