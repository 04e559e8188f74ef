//! Rounds in PostgreSQL.
//!
//! `work.rs: BEGIN → convoke_round_read_1 → Judge → convoke_round_write_1, the outboxes → COMMIT`, `look.rs: what somebody asks`
//!
//! In reading order: `rounds` is what is open, and does what store.rs of the folder above says. `work` has rounds judged: what it is
//! given and what it writes is one statement each, which `columns` puts into words. `look` is for who asks, and who removes what is
//! old. `names` is what a broker has: rules and consumers.
//!
//! A round is locked by its row, and a key that has none by its hash: see steps/6.sql. A database that was replaced gets the broker,
//! its rules and its consumers from who has it open.

mod rounds;
mod work;
mod columns;
mod look;
mod names;
