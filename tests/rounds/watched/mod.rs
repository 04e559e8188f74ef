//! What may be asked of brokers.

/// `Brokers`, the registry.
mod registry;
/// `Inspect`, and its JSON.
mod snapshot;
