//! Rounds in a file of SQLite.
//!
//! `work.rs: BEGIN IMMEDIATE → read.rs → Judge → write.rs, the outboxes → COMMIT`, `look.rs: what somebody asks`
//!
//! In reading order: `rounds` is what is open, and does what store.rs of the folder above says. `work` has rounds judged: `read` says
//! what there is in one statement, and `write` writes what was ruled in one for each kind of change. `look` is for who asks, and
//! who removes what is old. `names` is what a broker has: rules and consumers.
//!
//! One writes at a time, so what several statements do is one transaction that is begun with the lock, and that is the lock of
//! every place. A file that was replaced gets the broker, its rules and its consumers from who has it open.

mod rounds;
mod work;
mod read;
mod write;
mod look;
mod names;
