//! DOOR

pub(crate) mod round;
mod policy;

pub(crate) use policy::Rules;
pub use policy::{Close, Gathered, LateJoin, OnLost, OnTimeout, Predicate, Release, RepeatEmit};
pub(crate) use round::{Abort, Decision, Input, Kept, Refusal, Round, Slot, Standing, Terms, Verdict};
