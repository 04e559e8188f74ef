//! What is published: the queue of each listener, its order, its bound and what happens beyond it, waiting for room, and
//! the end of all of it.

/// Their order.
mod order;
/// Their bound.
mod bound;
/// What happens when nothing was said of it.
mod defaults;
/// Who does not want the event.
mod conditions;
/// Waiting for room.
mod room;
/// The memory of their events.
mod reused;
/// Their end.
mod end;

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use convoke::Reason;
use convoke::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::common::{Notes, SECOND, after, at_once, ms, settled, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "queues/tick")]
struct Tick(u64);

/// A listener that takes so long for each, and writes down when it begins and, with 100 added, when it has ended.
fn slow(notes: &Notes<u64>, takes: std::time::Duration) -> impl AsyncFn(Arc<Tick>) + 'static {
    let notes = notes.clone();
    async move |tick| {
        notes.add(tick.0);
        sleep(takes).await;
        notes.add(100 + tick.0);
    }
}

fn note(notes: &Notes<u64>) -> impl Fn(&Tick) + 'static {
    let notes = notes.clone();
    move |tick| notes.add(tick.0)
}

fn publish(bus: &EventBus, ticks: impl IntoIterator<Item = u64>) {
    ticks.into_iter().for_each(|tick| {
        bus.publish(Tick(tick)).unwrap();
    });
}

/// What is in the dead letters: the tick and the reason, taken out.
fn letters(bus: &EventBus) -> Vec<(u64, Reason)> {
    let letters = bus.dead_letters().take_all();
    letters.iter().map(|letter| (letter.downcast::<Tick>().unwrap().0, letter.reason.clone())).collect()
}
