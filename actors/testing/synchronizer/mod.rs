//! Waiting for events, instead of sleeping.
//!
//! `EventSynchronizer ← the recorder of a bus`, `wait_for_events → Plan (which of them, in which order) → Seen, or Unmet`
//!
//! - `plan`: which of the events seen meets which of those wanted.
//! - `unmet`: what a wait says that was not met.
//! - `wait`: one wait, with its limit; `waits`: its forms for the reader.
//! - `settled`: the wait until nothing is in flight.
//! - `synchronizer`: what hears a bus from the time it is made.
//!
//! What must always hold: no event is missed between two waits, and none answers two of them.

mod plan;
mod unmet;
mod wait;
mod waits;
mod settled;
mod synchronizer;

pub use settled::{Settled, Unsettled};
pub use synchronizer::EventSynchronizer;
pub use unmet::Unmet;
pub use waits::{ExpectNone, WaitFor, WaitForEvent, WaitForEvents};
