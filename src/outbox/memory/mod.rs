//! The rows of an outbox in memory, for tests.
//!
//! `rows.rs: insert (staged in the user's transaction) → commit → Table → take → the relay → Table (done, bury, park)`
//!
//! In reading order: `rows` is an outbox that is open, and does what rows.rs of the folder above says; `table` is what has
//! committed.
//!
//! A position is drawn at the commit, so positions are in the order of commits. A key is locked until then.

mod rows;
mod table;
