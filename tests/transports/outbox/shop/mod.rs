//! An application with an outbox, to which something happens: it is killed, its server goes away, many work on it at once.
//!
//! `shop: a counter, an order and an event in one transaction → a relay → lines of a file | a queue → verdict`

/// The application, on both databases.
mod shop;
/// What the file and the tables say together.
mod verdict;
/// One in a process of its own, that dies at a step.
mod child;
/// Killed by SIGKILL at every step.
mod kills;
/// A server that goes away.
mod outages;
/// Two relays, two workers, a thousand keys, and a server that refuses one event in a hundred.
mod crowds;
/// What a relay needs of memory while a million rows wait.
mod backlog;
