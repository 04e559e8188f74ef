//! The outbox over a database in memory, in virtual time; the suite over each database is in `tests/transports/outbox`.

/// What commits together, and who waits for whom.
mod transactions;
/// A shop as its author would test it: a service, workers, an inbox and outboxes.
mod shop;
