//! A store in PostgreSQL.
//!
//! `records` is a store as it is open, `add` appends to it by a function of the schema, `text` writes what that is given into
//! its statement, `known` is what it need not look for, and `read` reads it.
//!
//! The server shows no order of commits, so whoever appends has an advisory lock of the store until the transaction ends.

mod records;
mod add;
mod text;
mod known;
mod read;
