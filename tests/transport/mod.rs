//! The contract of all transports, by the queue in this process. Those over servers are in `../transports/`.

/// The queue in this process: every ability, and every fault of a server that a test can play.
mod memory;
/// The suite that every transport has to pass, over transports that are wrong.
mod conformance;
/// How an event leaves by a route.
mod route;
/// Events that leave with a transaction of a database in memory.
mod outbox;
