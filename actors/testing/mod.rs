//! Tests without sleeping: virtual time, a check for actors left behind, seeds for the order of events, and what a test
//! looks at them with.
//!
//! `#[convoke::test] → run → your test → settle → who is still alive?`
//!
//! Under [`run`](run()) the clock stands still while anything is to be done and jumps to the next timer when nothing is:
//! an hour's timeout passes at once, and exactly. It reaches one arbiter and no socket.
//!
//! [`EventSynchronizer`] waits for events, [`Probe`] stands in for an actor, [`FakeBus`] for a bus; they work in real time
//! as well.
// In reading order: a test runs (`run`, under seeds `explore`), waits (`rest`) and looks at what lives (`arbiter`); what was
// seen on a bus (`seen`) is recorded (`recorder`), and waited for (`synchronizer`); a bus and an actor are stood in for
// (`fake_bus`, `probe`); a round's parts are made by hand (`by_hand`) and broken (`faults`).
// What must always hold: nobody but this folder knows it, so that what is tested is what runs without it; and a test that
// fails says what it has seen.

mod run;
mod explore;
mod rest;
mod arbiter;
mod seen;
mod recorder;
pub(crate) mod synchronizer;
mod fake_bus;
pub(crate) mod probe;
mod by_hand;
mod faults;

pub use arbiter::{alive, live_count, spawn, start, steps};
pub use by_hand::{Promise, Promised};
pub use explore::{Exploration, SEED_VARIABLE, explore, run_seeds};
pub use fake_bus::FakeBus;
pub use faults::Crash;
pub use probe::{Expected, Probe, ProbeHandle};
pub(crate) use recorder::{Filter, KEPT, Recorder};
pub use rest::settle;
pub(crate) use rest::{LIMIT, in_time};
#[cfg(test)]
pub(crate) use run::in_virtual_time;
pub use run::run;
pub(crate) use seen::shortened;
pub use seen::{Seen, SeenAs};
pub use synchronizer::{
    EventSynchronizer, ExpectNone, Settled, Unmet, Unsettled, WaitFor, WaitForEvent, WaitForEvents,
};
