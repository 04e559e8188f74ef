//! Tests without sleeping: virtual time, a check for actors left behind, seeds for the order of events, and tools that
//! look at what happens.
//!
//! `#[convoke::test] → run → your test → settle → who is still alive?`
//!
//! Under [`run`](run()) the clock stands still while there is anything to do, and jumps to the next timer when there is
//! not. A timeout of an hour passes at once, and exactly. Virtual time covers one arbiter and no socket.
//!
//! A failure that the test does not look at makes the test fail at its end: see [`expect_failure`].
//!
//! [`EventSynchronizer`] waits for events, [`Probe`] stands in for an actor, and [`FakeBus`] stands in for a bus. They
//! work in real time as well.
// For who changes it. In reading order:
//
// - `run`: one test in virtual time, and the check of what it leaves behind; `explore`: the same under many seeds; `failures`: what the test has to look at.
// - `rest`: waits until nothing is left to do; `arbiter`: what lives on the arbiter of a test.
// - `seen`: an event as a test has seen it; `recorder`: the record of a bus; `synchronizer`: waits for what comes into it.
// - `fake_bus`: a bus that calls nobody; `probe`: an actor that notes what it is sent.
// - `by_hand`: what a round sends, made without a broker; `faults`: an actor that is made to panic.
//
// What must always hold: no other folder knows this one, so that what is tested is what runs without it; and a test that
// fails says what it has seen.
//
// A new tool is a file here and a line of `pub use` below. With it come a test in `tests/testing/`, its place in the chapter on testing,
// and the tests shown there in `tests/testing/page/`.

mod run;
mod explore;
mod failures;
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
pub use explore::{Ending, Exploration, SEED_VARIABLE, explore, run_seeds, run_test_under_seeds};
pub use failures::{allow_failures, expect_failure};
pub use fake_bus::FakeBus;
pub use faults::Crash;
pub use probe::{Expected, Probe, ProbeHandle};
pub(crate) use recorder::{Filter, KEPT, Recorder};
pub use rest::settle;
pub(crate) use rest::{LIMIT, in_time};
#[cfg(test)]
pub(crate) use run::in_virtual_time;
pub use run::{run, run_test};
pub use seen::{Seen, SeenAs};
pub(crate) use seen::{look, shortened};
pub use synchronizer::{
    EventSynchronizer, ExpectNone, Settled, Unmet, Unsettled, WaitFor, WaitForEvent, WaitForEvents,
};
