//! What the command says: to a person, in color on a terminal, or to a machine as JSON.
//!
//! `Said, Table, JSON → terminal.rs → stdout, stderr`
//!
//! - `terminal.rs`: the two streams, whether they speak JSON, and who can be asked
//! - `said.rs`: what a command has done to files, in the words of both
//! - `table.rs`, `width.rs`: rows that fit
//! - `json.rs`: JSON that steers no terminal
//! - `progress.rs`: how far something has come
//!
//! Nothing else in this crate writes to a stream. With `--json` one document is all that stands on the standard output, or a line for
//! each thing where there may be many; whether it went well or not. A reader that goes away ends nothing.

mod json;
mod progress;
mod said;
mod table;
mod terminal;
mod width;

pub(crate) use progress::Progress;
pub(crate) use said::{Made, Said};
pub(crate) use table::{Column, Table};
pub(crate) use terminal::Terminal;
