//! Every transport over its real server: the conformance suite, and what only that server does. In real time.
//!
//! `tests/run` has what they need; a server that cannot be had is named, and a failure where `CI` is set. Each suite is a
//! test of its own, `transports::<name>::conforms`. `CONVOKE_CASE=lease` runs no case but those whose name contains that, and
//! `CONVOKE_FULL=1` sends thousands where it otherwise sends hundreds. At the end stands one table of transport × case.
#![cfg(test)]

/// Durable rounds, by what users hold, over databases that outlive a process.
#[path = "rounds/durable/over_servers/mod.rs"]
mod durable;
/// The transports: a fixture for the suite, and tests of what only that server has; a file for each.
mod transports;
