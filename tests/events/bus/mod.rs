//! The bus: `emit` calls, `publish` queues, and nothing vanishes without a word.

/// Typed events: who is called, in which order, and what the report says.
mod emitting;
/// Published events: order, concurrency, and what happens when too many wait.
mod queues;
/// The last event of a topic, for those who come later.
mod retained;
/// What was caused by what: ids, traces, and cycles that are stopped.
mod causes;
/// What a hostile caller tries with the bus.
mod hostile;
/// The bus on several arbiters and plain threads, in real time.
mod threads;
/// What waits for an arbiter that stands still, in real time.
mod standstill;
/// The bus under thousands of seeds.
mod seeds;
/// Listeners that come and go, in any order and any number.
mod comings;
/// Much of a bus: memory that is given back, work that does not grow with those who have nothing to do.
mod load;
