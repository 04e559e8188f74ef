//! Commands that work with a server, as their users run them; over files of SQLite, and over what only pretends to be a server.

/// Contexts, production, and the audit log.
#[cfg(unix)]
mod asked;
/// Servers and readers that go away, hang, or are no servers.
mod away;
/// Clocks that do not agree.
mod clocks;
/// The console of the command.
#[cfg(all(unix, feature = "console"))]
mod console;
/// What comes while somebody listens.
mod heard;
/// Ctrl-C in the middle.
#[cfg(target_os = "linux")]
mod interrupted;
/// Many letters, and as little memory as for few.
#[cfg(target_os = "linux")]
mod paged;
/// What is hidden, and what must not reach a terminal; tables that fit.
mod shown;
/// Jobs, durable rounds, stores.
#[cfg(unix)]
mod works;
