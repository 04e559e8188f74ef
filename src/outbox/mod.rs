//! The outbox: events that stand in the application's own transaction, and leave after its commit.
