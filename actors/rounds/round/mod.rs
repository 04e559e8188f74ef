//! A round as a pure state machine: inputs go in, decisions come out.
//!
//! `rules + input at t → deadlines before t → the input → released? out of reach? → decision, verdict`
//!
//! - `policy` — the policies, a type for each; `Rules` has all that a round goes by.
//! - `standing` — how an emitter stands in a round.
//! - `verdict` — its inputs and its answers: `Input` is any input but a signal, `Decision` the answer to a signal, `Verdict`
//!   the end of the round.
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
pub(crate) use policy::{Needed, Rules, When};
pub(crate) use round::Round;
pub(crate) use standing::{Place, Slot, Standing, Terms};
pub(crate) use verdict::{Abort, Decision, Input, Kept, Refusal, Verdict};
