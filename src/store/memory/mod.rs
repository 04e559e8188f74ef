//! A store in memory, for tests.

mod records;
