//! DOOR

mod outcome;
mod account;
mod consumed;

pub(crate) use account::{Account, Brief, Directory};
pub use account::{Cause, EmitterRef};
pub use consumed::{Consumed, FailedConsumer};
pub(crate) use consumed::{Deliveries, Delivery};
pub use outcome::{Cancelled, FromOutcome, Outcome, Resolved, Signal};
