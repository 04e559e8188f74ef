//! Events: what they are, who hears them, and what becomes of them.

/// What an event is and shows: `#[derive(Event)]`, numbers, personal data.
mod event;
/// JSON and types together: wildcards, overlaps, payloads that do not fit.
mod topics;
/// Emit and publish: order, causes, queues, threads, and what a hostile caller tries.
mod bus;
/// Every form of listener, what it may ask for, its name; those that are marked.
mod listener;
/// What stands around listeners: the order of nesting, and every ready-made middleware.
mod middleware;
/// What was not delivered or has failed: kept, listened to, given back.
mod dead_letters;
/// Questions and their answers.
mod asking;
/// Who looks at what is emitted, and hears nothing.
mod watching;
