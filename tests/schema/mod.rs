//! What events look like: as documents that are kept, for what comes, and from one version to the next.

/// A shop, and documents of events that are told as JSON: helpers, no tests.
mod shop;
/// Documents: their bytes, what is in them, and what is none.
mod documents;
/// What our codec writes fits what a document says of it.
mod envelopes;
/// Names and versions, and who claims them.
mod registry;
/// The examples of events, and those of the README and of `examples/`.
mod examples;
/// What comes is validated: what is refused, and what is said of it.
mod validation;
/// Documents that are deep, large, or in a circle.
mod hostile;
/// Whom a change breaks.
mod compat;
/// Documents that a parser of others reads, under `--full`.
mod parsed;
