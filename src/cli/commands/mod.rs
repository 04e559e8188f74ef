//! The commands: a file or a folder for each, with its arguments, its help, and the function that does it.
//!
//! `arguments → Cli → a command: fn run(&self, &Terminal) → Result → exit code`
//!
//! - `cli.rs`: the command line as a whole, what all commands take, and how one ends
//! - `new.rs`: `convoke new`; `with.rs`: what it can be given along
//! - `make/`: `convoke make …`
//! - `demo.rs`: `convoke demo`; `top.rs`: `convoke top`; `doctor.rs`: `convoke doctor`
//! - `console/`: `convoke console`, of the feature `console`
//! - `at.rs`: what every command takes that works with a server
//! - `queues/`: `convoke stats`, `tail`, `publish`, and `convoke dead …`
//! - `works/`: `convoke tasks …`, `convoke rounds …`, `convoke migrate`, `convoke replay`
//! - `schema/`: `convoke schema …`
//! - `completions.rs`, `man.rs`: for the shell, and for `man`
//!
//! A new command is a file here, a variant of `Command` in `cli.rs`, and its sessions in `tests/sessions/`.

mod at;
mod cli;
mod completions;
mod console;
mod demo;
mod doctor;
mod make;
mod man;
mod new;
mod queues;
mod schema;
mod top;
mod with;
mod works;

pub(crate) use at::{At, AtQueue, Consent, WHERE};
pub(crate) use cli::{run, told};
