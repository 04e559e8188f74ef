//! The commands: a file or a folder for each, with its arguments, its help, and the function that does it.
//!
//! `arguments → Cli → a command: fn run(&self, &Terminal) → Result → exit code`
//!
//! - `cli.rs`: the command line as a whole, what all commands take, and how one ends
//! - `new.rs`: `convoke new`; `with.rs`: what it can be given along
//! - `make/`: `convoke make …`
//! - `completions.rs`, `man.rs`: for the shell, and for `man`
//!
//! A new command is a file here, a variant of `Command` in `cli.rs`, and its sessions in `tests/sessions/`.

mod cli;
mod completions;
mod make;
mod man;
mod new;
mod with;

pub(crate) use cli::{run, told};
