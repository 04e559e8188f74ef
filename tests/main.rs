//! What users see of Convoke, as one binary: a folder for each room of `actors/` and `src/`, with the same name.
#![cfg(test)]

/// Waiting in virtual time, parties by name, an actor of the user's own: helpers, no tests.
mod common;

// Inside a process.

/// Signals of several parties, and what comes of them.
mod rounds;
/// Typed events and JSON, the bus, its listeners, and what stands around them.
mod events;
/// Services, their supervisors, health, what is measured, and the end of an application.
mod services;
/// `convoke::testing`, and what README.md and the chapter on testing show of it.
mod testing;

// An event outside of the process.

/// What it is written as, and read from.
mod codec;
/// What it looks like: documents, validation, and whom a change breaks.
#[cfg(feature = "schema")]
mod schema;
/// How it leaves; the queue in memory, and the suite that every transport has to pass.
mod transport;
/// What becomes of a delivery.
mod worker;

// Work that is kept.

/// What is done later by a function, and how it ended.
mod tasks;
