//! A round as a pure state machine: inputs go in, decisions come out.
//!
//! `rules + input at t → deadlines before t → the input → released? out of reach? → decision, verdict`
//!
//! - `standing` — how an emitter stands in a round. `people` — who it is, for a release that asks.
//! - `verdict` — its inputs and its answers: `Input` is any input but a signal, `Decision` the answer to a signal, `Verdict`
//!   the end of the round.
//! - `names` — the expected names: each is one promise, whoever bears it.
//! - `gathered` — what the predicate of a release sees.
//! - `policy` — the policies, a type for each; `Rules` has all that a round goes by.
//! - `round` — the machine: who stands how, what was gathered, whether that is enough. `deadlines` — what time does to it, and
//!   heartbeats. `vetoes` — what a veto does to it.
//!
//! What must hold: no clock, no actor, no chance; `rounds/model` says the same a second time, and must agree.

mod standing;
mod people;
mod verdict;
mod names;
mod gathered;
mod policy;
mod round;
mod deadlines;
mod vetoes;
#[cfg(test)]
mod tests;

pub use gathered::Gathered;
pub(crate) use people::Who;
pub use policy::{Close, LateJoin, OnLost, OnTimeout, OnVeto, Release, RepeatEmit};
pub(crate) use policy::{Needed, Rules, When};
pub(crate) use round::Round;
pub(crate) use standing::{Place, Slot, Standing, Terms};
pub(crate) use verdict::{Abort, Decision, Input, Kept, Refusal, Verdict, Veto};
