//! What must hold of rounds whatever the order, the load and the clock.

/// Several arbiters and plain threads, in real time.
mod threads;
/// Thousands of seeds, each another order of events.
mod seeds;
/// A session that always has another message waiting closes on time.
mod flood;
/// Rounds and events in bursts from several threads, after which nobody pushes.
mod hammer;
/// A million rounds leave nothing behind; what an open round costs.
mod load;
