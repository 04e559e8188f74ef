//! A round as a pure state machine: inputs go in, decisions come out.
//!
//! `rules + input at t → deadlines before t → the input → released? out of reach? → decision, verdict`
//!
//! - `policy` — the rules of a broker: what each policy means.
//! - `standing` — how an emitter stands in a round.
//! - `verdict` — what goes into a round, and what comes out.
//! - `names` — the expected names: each is one promise, whoever bears it.
//! - `round` — the machine.
//!
//! What must hold: no clock, no actor, no chance; `rounds/model` says the same a second time, and must agree.

mod policy;
mod standing;
mod verdict;
mod names;
mod round;
#[cfg(test)]
mod tests;

pub use policy::{Close, Gathered, LateJoin, OnLost, OnTimeout, Release, RepeatEmit};
pub(crate) use policy::{Needed, Rules};
pub(crate) use round::Round;
pub(crate) use standing::{Place, Slot, Standing, Terms};
pub(crate) use verdict::{Abort, Decision, Input, Kept, Refusal, Verdict};
