//! Fan-out: one publisher, `n` subscribers; one event at a time or 64 in a burst, on one arbiter or across two.
//!
//! One event at a time, a round is over when all have heard it: what it costs to begin and to be woken is shared by `n`
//! deliveries. In a burst it is shared by 64 times as many. Across arbiters the publisher has a thread and all
//! subscribers have another, and the CPU time of both counts; one event at a time, most of that is to wake a
//! thread that sleeps.

mod actix_broker;
mod broadcast;
mod convoke;
mod kameo;
mod plain;
mod ractor;
mod recipient;

pub(super) use self::actix_broker::ActixBroker;
pub(super) use self::broadcast::Broadcast;
pub(super) use self::convoke::{Actors, Async, Emitted, Published, Services, Sync};
pub(super) use self::kameo::PubSub;
pub(super) use self::plain::PlainArc;
pub(super) use self::ractor::Port;
pub(super) use self::recipient::Recipients;
use super::driver::{Contestant, Course, contestant};
use crate::figure::Figure;
use crate::harness::{self, Work};

/// Events in a burst.
const EVENTS: u64 = 64;
const SIZES: &[usize] = &[1, 8, 64, 1_000];

/// One event at a time, on one arbiter.
pub(super) const ONE: Work = Work { name: "events-one", burst: 1, contestants: &together::<One>(), ..BURST };

/// In bursts, on one arbiter.
pub(super) const BURST: Work = Work {
    name: "events-burst",
    unit: "delivery",
    figure: Figure::CpuTime,
    baseline: ActixBroker::NAME,
    sizes: SIZES,
    burst: EVENTS,
    sample: 200_000,
    contestants: &together::<Burst>(),
};

/// One event at a time, across two arbiters.
pub(super) const ACROSS: Work = Work {
    name: "events-across",
    burst: 1,
    // To wake a thread is slow: as many deliveries as in the other works would take minutes.
    sample: 20_000,
    contestants: &apart::<Across>(),
    ..BURST
};

/// In bursts, across two arbiters.
pub(super) const ACROSS_BURST: Work =
    Work { name: "events-across-burst", contestants: &apart::<AcrossBurst>(), ..BURST };

struct One;
impl Course for One {}

struct Burst;
impl Course for Burst {
    const BURST: u64 = EVENTS;
}

struct Across;
impl Course for Across {
    const ACROSS: bool = true;
}

struct AcrossBurst;
impl Course for AcrossBurst {
    const BURST: u64 = EVENTS;
    const ACROSS: bool = true;
}

/// Those on one arbiter, in the order of the table.
const fn together<C: Course>() -> [harness::Contestant; 18] {
    [
        contestant::<Emitted<Sync>, C>(),
        contestant::<Published<Sync>, C>(),
        contestant::<Emitted<convoke::SyncOfArc>, C>(),
        contestant::<Emitted<Async>, C>(),
        contestant::<Published<Async>, C>(),
        contestant::<Published<Actors>, C>(),
        contestant::<Emitted<Actors>, C>(),
        contestant::<Published<convoke::Recipients>, C>(),
        contestant::<Published<convoke::Addresses>, C>(),
        contestant::<Published<convoke::AddressesAhead>, C>(),
        contestant::<Published<convoke::Unheeded>, C>(),
        contestant::<ActixBroker, C>(),
        contestant::<Recipients, C>(),
        contestant::<PubSub, C>(),
        contestant::<Port, C>(),
        contestant::<Broadcast, C>(),
        contestant::<plain::Plain, C>(),
        contestant::<PlainArc, C>(),
    ]
}

/// Those across two arbiters, in the order of the table.
const fn apart<C: Course>() -> [harness::Contestant; 12] {
    [
        contestant::<Published<Sync>, C>(),
        contestant::<Published<Async>, C>(),
        contestant::<Published<Actors>, C>(),
        contestant::<Published<convoke::Recipients>, C>(),
        contestant::<Emitted<Sync>, C>(),
        contestant::<Emitted<Async>, C>(),
        contestant::<ActixBroker, C>(),
        contestant::<Recipients, C>(),
        contestant::<PubSub, C>(),
        contestant::<Port, C>(),
        contestant::<Broadcast, C>(),
        contestant::<plain::PlainAcross, C>(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contestant_brings_every_event_to_every_subscriber() {
        for work in [ONE, BURST, ACROSS, ACROSS_BURST] {
            for contestant in work.contestants {
                for n in [1, 2, 100] {
                    let outcome = (contestant.run)(n, 5);
                    assert!(outcome.is_ok(), "{} in {} with n = {n}: {outcome:?}", contestant.name, work.name);
                }
            }
        }
    }
}
