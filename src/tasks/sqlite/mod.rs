//! Jobs in a file of SQLite.
//!
//! `add.rs → convoke_job → lend.rs (turns.rs: of keys with a limit) → a worker → settle.rs: the row ends, the outbox has its event`
//!
//! In reading order: `jobs` is what is open, and does what rows.rs of the folder above says. `add` inserts, under
//! `numbers` that come once, `lend` has a worker take what is due, `turns` says which of a key with a limit that may be, and `settle`
//! ends attempts. `look` is for who asks how a job is, `list` for who pages through many, and `note` for what is kept of one while it runs, and where schedules stand.
//!
//! One writes at a time, so what several statements do is one transaction that is begun with the lock.

mod jobs;
mod add;
mod numbers;
mod lend;
mod turns;
mod settle;
mod look;
mod list;
mod note;
