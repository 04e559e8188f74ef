//! An event as bytes and attributes, and back.

/// Every codec to the letter and back, what others write, and which form is which.
mod forms;
/// The keys of an envelope in camel, snake and Pascal case, read and written.
mod wire_cases;
/// CloudEvents as each server's binding has them: what is escaped, what is in quotes, what a time may be.
mod bindings;
/// Which copies of an event are one, by whatever its publisher knows it.
mod identity;
/// Any bytes at any decoder; every limit at, below and above it; what is secret is in nothing that is shown.
mod bytes;

pub(crate) use forms::{any_event, any_json, codecs, whole};
