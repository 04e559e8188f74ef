//! The subject "events": what it costs to tell `n` subscribers that something has happened.
//!
//! ```text
//! fan_out.rs   one thread, one event at a time or in bursts; and the same across two arbiters
//! awaited.rs   asynchronous listeners that are called together and awaited
//! ask.rs       a question and its answer
//! memory.rs    what a subscriber weighs
//! ```
//!
//! [`driver.rs`](driver) publishes, and [`tally.rs`](tally) checks that everybody has heard everything: nobody wins by
//! losing an event. The event is a pair of `u64`. A contestant hands it out as its interface has it, by itself or in an
//! `Arc`, whichever is faster; each says so.
//!
//! Convoke's own rows stand first: sync and async listeners, once by `emit`, which is awaited, and once by `publish`,
//! which queues; and actors, by `publish`. In `awaited/` stand the bare call and the one whose report is looked at.

mod ask;
mod awaited;
mod driver;
mod fan_out;
pub(crate) mod memory;
mod place;
mod tally;

pub(crate) use driver::on_arbiter;

use crate::harness::Work;

/// The tables of `events`, in order.
pub(crate) const WORKS: &[Work] =
    &[fan_out::ONE, fan_out::BURST, fan_out::ACROSS, fan_out::ACROSS_BURST, awaited::WORK, ask::WORK, memory::WORK];
