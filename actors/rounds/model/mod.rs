//! What a round and a broker must do, written down a second time and as simply as possible, and checked against the real
//! ones: `cargo test -p convoke-actors model`.
//!
//! `spec.rs → course.rs (one round) → rounds.rs: round.rs does the same; durable.rs: so does the course of a durable round`
//! `course.rs → ledger.rs (a broker of many rounds) → brokers.rs: the real actors do the same`
//!
//! In reading order: `spec`, `course`, `rounds`, `durable`, `ledger`, `brokers`. The rounds of a durable broker, with all that may happen to a
//! process, are in the crate `convoke`: src/rounds/model/.
//!
//! What must hold: `spec`, `course` and `ledger` say what the documentation says, and call nothing that decides in the real ones:
//! they share the policies and the slots alone. A rule that changes is changed in both places, each by itself.

mod brokers;
mod course;
mod durable;
mod ledger;
mod rounds;
mod spec;
