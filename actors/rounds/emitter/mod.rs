//! The ready-made emitter: an actor that joins one broker at a time and owes its rounds a signal.
//!
//! `Emitter::join → broker; emit → Membership → broker; session → Pledge → on_summons`
//!
//! - `emitter` — the actor, and the guard of one that has joined.
//! - `emitter_requests` — messages to its address, and methods of it.
//!
//! What must hold: once `join` has returned, the broker knows the emitter; when it ends, by a panic too, it is lost at once.

mod emitter;
mod emitter_requests;

pub use emitter::{Answering, Emitter, EmitterHandle, Kept};
pub use emitter_requests::{Emit, EmitterExt, Join, Leave, Veto};
