//! Jobs in memory, for tests: the same promises without a file, in virtual time.
//!
//! `db.tasks() → MemoryJobs → lock the unique key, stage → commit → Table`
//!
//! `jobs` is what is open, and `table` what is kept; it knows no lock.

mod jobs;
mod table;
