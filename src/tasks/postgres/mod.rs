//! Jobs in a table of a PostgreSQL.
//!
//! `add.rs → convoke_job → lend.rs → a worker → settle.rs: the row ends, the outbox has its event`
//!
//! In reading order: `jobs` is what is open, and does what rows.rs of the folder above says. `add` adds jobs, and `insert` those
//! that are alike; `lend` has a worker take what is due, above a `floor` while somebody keeps vacuum back, and `settle` ends attempts.
//! `look` is for who asks how a job is or pages through many, and `note` for what is kept of one while it runs, and where schedules stand. The functions
//! that do it are `crate::sql`'s, in `steps/5.sql` and `steps/5-lend.sql`.
//!
//! On the good way a job is one row that is inserted, updated once and deleted, many of them by one statement. What is not in
//! a transaction of the application is one simple query, but for the end, which has the outbox in its transaction.

mod jobs;
mod add;
mod insert;
mod lend;
mod floor;
mod settle;
mod look;
mod note;

#[cfg(test)]
pub(super) use floor::begin_at_floors;
