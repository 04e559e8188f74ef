//! What a durable broker must do, written down a second time and as simply as possible, and checked against the real one:
//! `cargo test --all-features --lib durable::model`.
//!
//! `spec.rs → course.rs (one round) → ledger.rs (the rounds of a key) → histories.rs: brokers over a database do the same`
//! `frail.rs (a database whose process dies between any two statements) → process.rs → histories.rs, orders.rs (two brokers, any order)`
//!
//! In reading order: `spec`, `course`, `ledger`; then `frail`, `process`, `histories`, `orders`.
//!
//! What must hold: `spec`, `course` and `ledger` say what the documentation says, and call nothing that decides in the real ones: they
//! share the policies alone. A rule that changes is changed in both places, each by itself. `actors/rounds/model/` does the same for a
//! round and for a broker in the process, and has the course of a durable round as its rows have it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "only tests call it, and each ends by that")]

mod spec;
mod course;
mod ledger;
mod frail;
mod process;
mod histories;
mod orders;
