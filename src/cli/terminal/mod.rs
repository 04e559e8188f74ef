//! What the command says: to a person, in color on a terminal, or to a machine as JSON.
//!
//! `Said → terminal.rs → stdout, stderr`
//!
//! - `terminal.rs`: the two streams, and whether they speak JSON
//! - `said.rs`: what a command has done, in the words of both
//!
//! Nothing else in this crate writes to a stream. One document of JSON is all that stands on the standard output with `--json`,
//! whether it went well or not. A reader that goes away ends nothing.

mod said;
mod terminal;

pub(crate) use said::{Made, Said};
pub(crate) use terminal::Terminal;
