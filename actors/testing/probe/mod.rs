//! What stands in for an actor, and says what it has received.
//!
//! `ProbeHandle::expect → Received ← Probe ← whoever sends, rounds, topics`
//!
//! - `received`: what has come, in its order, and who waits for it.
//! - `probe`: the actor that receives it.
//! - `expected`: one message that was waited for.
//! - `probe_handle`: what the test waits with.
//!
//! What must always hold: what came is kept in its order up to a bound, and a wait that is not met says what came instead.

mod received;
mod probe;
mod expected;
mod probe_handle;

pub use expected::Expected;
pub use probe::Probe;
pub use probe_handle::ProbeHandle;
