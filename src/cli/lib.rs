//! The command `convoke`: it begins an application, and adds to it what an application is made of.
//!
//! ```text
//! the command line ─▶ commands ─▶ names: what was given is checked
//!                         │   ─▶ project: the crate as it is
//!                         │   ─▶ templates: the text of each file
//!                         ▼
//!                       plan ─▶ a diff, or the disk: all of it or nothing ─▶ terminal: what was done
//! ```
//!
//! The manual: `src/guide/command.md`. Its exit codes: 0, it is done; 1, it was refused or has failed; 2, the command line is wrong.
//!
//! A command is a file in `commands/`: its arguments, its help, and one function that is given the `Terminal` and returns an
//! `Error`. Nothing else writes to the terminal, and nothing but `plan` writes to the disk.
#![forbid(unsafe_code)]

mod error;
mod names;
mod terminal;
mod plan;
mod project;
mod templates;
mod commands;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the command with these arguments, of which the first is its own name, and returns the code to exit with.
///
/// It writes to the standard output what was done, and to the standard error why it was not.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    commands::run(arguments)
}
