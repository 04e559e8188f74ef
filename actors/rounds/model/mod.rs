//! What a round and a broker must do, written down a second time and as simply as possible, and checked against the real
//! ones: `cargo test -p convoke-actors model`.
//!
//! `spec.rs (one round) → rounds.rs: round.rs does the same`
//! `spec.rs → ledger.rs (a broker of many rounds) → brokers.rs: the real actors do the same`

mod brokers;
mod ledger;
mod rounds;
mod spec;
