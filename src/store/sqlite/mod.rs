//! A store in a file of SQLite.
//!
//! `records` is a store as it is open, `add` appends to it, and `read` reads it.
//!
//! SQLite lets one write at a time, so whoever appends has the lock of the file, until the transaction ends.

mod records;
mod add;
mod read;
