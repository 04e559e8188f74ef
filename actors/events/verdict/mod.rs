//! What is said of an event and a listener when it is not simply done.
//!
//! `a listener (Sign) → ListenerError → Verdict → a report`, `Reason → a dead letter`
//!
//! In reading order: `sign`, by what a listener is known; `listener_error`, what it did not do; `too_deep`, events that cause
//! each other without end; `overflow`, what happens when too many wait; `reason`, why an event is a dead letter.
//!
//! These are texts and numbers, which know no bus: each can be cloned, compared, written as JSON, and kept.

mod sign;
mod listener_error;
mod too_deep;
mod overflow;
mod reason;

pub use listener_error::{ListenerError, Permanent};
pub(crate) use listener_error::{Verdict, panicked};
pub use overflow::Overflow;
pub(crate) use overflow::{Queued, Room};
pub use reason::Reason;
pub use sign::SubscriptionId;
pub(crate) use sign::{Found, Naming, Sign};
pub(crate) use too_deep::SHOWN_CHAIN;
pub use too_deep::TooDeep;
