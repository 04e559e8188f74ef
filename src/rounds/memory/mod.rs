//! Rounds in memory, for tests: the same promises without a file, in virtual time.
//!
//! `open_rounds → MemoryRounds → lock the key and the round, read, judge, stage → commit → Table`
//!
//! `rounds` is what is open, and `table` what is kept; it knows no lock.

mod rounds;
mod table;
