//! The rows of an outbox in a file of SQLite.
//!
//! `insert.rs (within the user's transaction) → convoke_outbox → take.rs → the relay → take.rs (done), settle.rs`
//!
//! In reading order: `rows` is an outbox that is open, and does what rows.rs of the folder above says. `insert` writes,
//! `take` reads and deletes, `lanes` shares the lanes among relays, `alive` says which of their processes live, and `settle` is for what is
//! dead or parked.
//!
//! Positions are in the order of commits: one writes at a time. What was taken from a file that was replaced is `Lost`.

mod rows;
mod insert;
mod take;
mod lanes;
#[expect(
    clippy::incompatible_msrv,
    reason = "sqlx needs a newer Rust than the crate says, and that has locks of files"
)]
mod alive;
mod settle;
