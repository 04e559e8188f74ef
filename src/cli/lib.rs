//! The command `convoke`: it begins an application and adds to it, looks at what runs, and repairs what failed.
//!
//! ```text
//! the command line ─▶ commands ─▶ names: what was given is checked
//!                         │   ─▶ project: the crate as it is
//!                         │   ─▶ templates: the text of each file
//!                         ▼
//!                       plan ─▶ a diff, or the disk: all of it or nothing ─▶ terminal: what was done
//! ```
//!
//! A command that works with a server goes another way, and on the public API of `convoke` alone:
//!
//! ```text
//! the command line ─▶ commands ─▶ places: a URL, a context of convoke.toml
//!                         │   ─▶ writing: may it? a line in the audit log
//!                         │   ─▶ running: a system, Ctrl-C, patience ─▶ convoke ─▶ a server
//!                         ▼
//!                       view: what may be shown, and how ─▶ terminal: a table, or JSON
//! ```
//!
//! The manual: `src/guide/tools/command.md`. Its exit codes: 0, it is done; 1, it was refused or has failed; 2, the command line is wrong;
//! 130, it was interrupted.
//!
//! A command is a file in `commands/`: its arguments, its help, and one function that is given the `Terminal` and returns an
//! `Error`. Nothing else writes to the terminal, and nothing but `plan` and the audit log writes to the disk.
#![forbid(unsafe_code)]

mod error;
mod names;
mod terminal;
mod plan;
mod project;
mod templates;
mod places;
mod running;
mod view;
mod writing;
mod live;
mod commands;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the command with these arguments, of which the first is its own name, and returns the code to exit with.
///
/// It writes to the standard output what was done, and to the standard error why it was not.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    commands::run(arguments)
}
