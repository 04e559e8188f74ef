//! Awaited: `n` asynchronous listeners that are ready at once, called together and awaited.
//!
//! When `publish` returns, everybody has heard the event; there is nothing left to wait for. The baseline is what a plain
//! program would write: a vector of closures that return boxed futures, and `join_all`. (It keeps up to 30
//! futures in a row of memory and gives more of them a queue of their own, so per listener 32 are dearer than 3.) A cost of
//! 1.3 times the baseline's stands in the table as 0.77×, one of 2.2 as 0.45×.

mod actix_send;
mod convoke;
mod join_all;
mod join_set;

use super::driver::{Contestant, Course, contestant};
use crate::figure::Figure;
use crate::harness::Work;

/// The work, with its contestants in the order of the table.
pub(super) const WORK: Work = Work {
    name: "events-awaited",
    unit: "listener",
    figure: Figure::CpuTime,
    baseline: join_all::JoinAll::NAME,
    sizes: &[3, 32],
    burst: 1,
    sample: 300_000,
    contestants: &[
        contestant::<convoke::Bare, Awaited>(),
        contestant::<convoke::BareResult, Awaited>(),
        contestant::<convoke::WithReport, Awaited>(),
        contestant::<join_all::JoinAll, Awaited>(),
        contestant::<join_all::Guarded, Awaited>(),
        contestant::<join_all::InTurn, Awaited>(),
        contestant::<join_set::Tasks, Awaited>(),
        contestant::<actix_send::Actors, Awaited>(),
    ],
};

struct Awaited;
impl Course for Awaited {
    const AWAITED: bool = true;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listener_has_heard_when_the_call_returns() {
        for contestant in WORK.contestants {
            for n in [1, 3, 32] {
                let outcome = (contestant.run)(n, 20);
                assert!(outcome.is_ok(), "{} with n = {n}: {outcome:?}", contestant.name);
            }
        }
    }
}
