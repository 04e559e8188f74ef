//! What is measured, as a recorder sees it while each part is used; in virtual time.
//!
//! `a part in use → Book ─┬─ what it says → the figures of that part`
//! `                      └─ its names, kinds and labels → the table of src/guide/production.md, in both directions`
//!
//! `book` is the recorder. `inside`, `outside` and `kept` use what Convoke has, and `table` compares; `rules` is what alerts go by.

/// A recorder that writes down everything.
mod book;
/// Rounds, services and the dead letters of a bus.
mod inside;
/// Routes, workers and listeners.
mod outside;
/// An outbox, tasks and durable rounds.
mod kept;
/// The table of the manual.
mod table;
/// The alerts that come with Convoke.
mod rules;
