//! What became of a round: one account, seen by everyone as the same outcome.
//!
//! `verdict + names of the roster → Account → Outcome → emitters, history; Delivery → consumers → Consumed`
//!
//! - `outcome` — what users get: [`Outcome`], [`Resolved`], [`Cancelled`].
//! - `account` — everything that is known of a closed round, and its cause.
//! - `consumed` — how the consumers fared with it.
//!
//! What must hold: an account does not change after it was made; nothing that was emitted is shown by `Debug` or `Display`.

mod outcome;
mod account;
mod consumed;

#[cfg(feature = "testing")]
pub(crate) use account::Brief;
pub(crate) use account::{Account, Directory};
pub use account::{Cause, EmitterRef, Vetoed};
pub use consumed::{Consumed, FailedConsumer};
pub(crate) use consumed::{Deliveries, Delivery};
pub(crate) use outcome::Logged;
pub use outcome::{Cancelled, FromOutcome, Outcome, Resolved, Signal};
