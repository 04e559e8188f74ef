//! The command as its users run it.
#![cfg(test)]

/// A crate in a folder of its own, and the command in it: helpers, no tests.
mod common;
/// A page of sessions, replayed: a helper too.
mod session;
/// A file of SQLite with queues and dead letters: helpers too.
mod filled;
/// A file of SQLite with what is no queue: a helper too.
mod kept;
/// Servers for what is generated: helpers too.
#[cfg(unix)]
mod servers;

/// What each command says, and to which code: `sessions/` has a file for each, and the manual is one more.
mod sessions;
/// Names, types, topics and paths that nobody means well with.
mod hostile;
/// What holds of all that is written: nothing half, nothing over what is there, nothing behind a link.
mod written;
/// Commands that work with a server: what they ask, note, hide, and how they end.
mod working;
/// What is generated is built, and its tests are run.
#[cfg(unix)]
mod generated;

/// The command in a terminal: a helper.
#[cfg(unix)]
mod pty;
/// The demonstration, as lines and on a terminal.
#[cfg(all(unix, feature = "sqlite"))]
mod demo;
/// The live view, in a terminal.
#[cfg(unix)]
mod top;
