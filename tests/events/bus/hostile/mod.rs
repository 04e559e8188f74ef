//! What a hostile caller tries on a bus: panics where nobody expects code to run, guards that are dropped in the middle,
//! events that cause each other for ever. Nobody else may be harmed, and nothing may vanish.

/// Panics in what is the user's.
mod panics;
/// Guards that are dropped in the middle, and events that cause each other for ever.
mod guards;
/// What may not vanish.
mod losses;
/// What the bus calls that is not a listener: wakers, and the log.
mod callbacks;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use convoke::prelude::*;
use convoke::{ListenerError, Reason};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;

use crate::common::{Notes, SECOND, at_once, in_a_process_of_its_own, ms, settled, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "hostile/tick")]
struct Tick(u64);

/// Panics when it is dropped, but not while another panic unwinds, which would end the process.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a value that panics when it is dropped");
    }
}

/// Writes down every tick.
fn note(notes: &Notes<u64>) -> impl Fn(&Tick) + 'static {
    let notes = notes.clone();
    move |tick| notes.add(tick.0)
}

/// Asserts that a neighbor hears of the next tick, emitted and published.
#[track_caller]
fn hears(bus: &EventBus, neighbor: &Notes<u64>) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    let (bus, neighbor) = (bus.clone(), neighbor.clone());
    async move {
        neighbor.take();
        let report = at_once(bus.emit(Tick(100))).await;
        assert!(report.is_ok(), "{caller}: {report}");
        bus.publish(Tick(101)).unwrap();
        settled().await;
        assert_eq!(neighbor.take(), [100, 101], "{caller}: the neighbor is deaf");
    }
}
