//! The live view of what runs: queues, tasks, rounds and dead letters of some servers, in a terminal.
//!
//! `Server, Works → sample: at most one question a second and table → Table → view → the terminal`
//!
//! - `sample.rs`: asks the servers, each by itself, so that one that does not answer stops no other
//! - `table.rs`: what is shown: cells, their order, and how they fit into a terminal
//! - `view.rs`: keys, and how the tables are drawn
//! - `top.rs`: the loop
//!
//! What a server does not tell is a dash, never a guess. What it has not told in time stays as it was, and its table says so.

mod sample;
mod table;
mod top;
mod view;

pub(crate) use sample::Source;
pub(crate) use top::top;
