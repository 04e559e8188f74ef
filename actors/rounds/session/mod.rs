//! The actor of one round: carries every input to the round, and its decisions away.
//!
//! `Link → Session (round decides) → emitters; verdict → closing → one outcome → emitters, broker, consumers`
//!
//! - `session` — asks the emitters, hears the broker and the pledges, holds the deadline.
//! - `naming` — what it tells of the round while that is open.
//! - `closing` — one outcome, told to everyone, once.
//!
//! What must hold: a round closes once, whatever panics; the deadline is compared on every input, so that a flood of them
//! does not move it.

mod session;
mod naming;
mod closing;

pub(crate) use closing::deliver;
pub use session::Session;
