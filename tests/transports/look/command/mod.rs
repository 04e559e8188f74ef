//! The command `convoke` over real servers: what it lists, shows, redrives, counts and hears.
//!
//! `a queue whose letters died → the binary, as users run it → what it says, and what is in the queue then`

/// The binary, and how it is run.
pub(crate) mod binary;
/// Queues and their dead letters: one table of what has to hold, for each server.
mod queues;
/// Servers that fall silent, and such as only read.
mod faults;
/// How fast letters go back.
mod rates;
/// Jobs, durable rounds, stores and tables.
mod works;
