//! The live view of what runs: queues, dead letters, tasks, rounds and workers of some servers, in a terminal.
//!
//! `Server, Works → a pane asks one question a second → Table → View → the terminal`
//!
//! - `source.rs`: a server, what is asked of it and when, each by itself, so that one that does not answer stops no other
//! - `queues.rs`, `letters.rs`, `workers.rs`: what a server tells of its queues
//! - `jobs.rs`, `rounds.rs`: what a database keeps beside them
//! - `table.rs`: what is shown: cells, their order, and how they fit into a terminal
//! - `view.rs`: keys, and how the tables are drawn; `top.rs`: the loop
//!
//! What a server does not tell is a dash, never a guess. What it has not told in time stays as it was, and its table says so.
//!
//! What must hold: of each table of a database one question is asked in a second. So figures, and what runs and has failed, take turns;
//! dead letters are read in the turn of the queues, and only where their number has changed. Where to read a letter is to receive it,
//! none is read.

mod jobs;
mod letters;
mod queues;
mod rounds;
mod source;
mod table;
mod top;
mod view;
mod workers;

pub(crate) use source::Source;
pub(crate) use top::top;
