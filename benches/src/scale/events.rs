//! Listeners that come and go, buses in turn, and topics that are retained.

use std::time::Duration;

use convoke::Event;
use convoke::prelude::*;
use serde_json::json;

use super::Growth;
use crate::events::on_arbiter;
use crate::figure::cpu_time;
use crate::harness::{Failure, quantile};

pub(super) const ROWS: &[Growth] = &[
    Growth {
        name: "a listener to another type comes or goes, beyond the emit",
        unit: "change",
        sizes: &[1_000, 10_000, 100_000],
        times: 40,
        run: |n, times| on_arbiter(come_and_go(n, times, |bus| Ok(bus.on(|_: &Other| ())?))),
    },
    Growth {
        name: "a listener to the same type comes or goes, beyond the emit",
        unit: "change",
        sizes: &[1_000, 10_000, 100_000],
        times: 40,
        run: |n, times| on_arbiter(come_and_go(n, times, |bus| Ok(bus.on(|_: &Tick| ())?))),
    },
    Growth {
        name: "emit on each of n buses in turn",
        unit: "emit",
        sizes: &[10, 1_000, 10_000],
        times: 100_000,
        run: |n, times| on_arbiter(buses_in_turn(n, times)),
    },
    Growth {
        name: "make a bus with a listener beside n others",
        unit: "bus",
        sizes: &[10, 1_000, 10_000],
        times: 2_000,
        run: |n, times| on_arbiter(one_bus_more(n, times)),
    },
    Growth {
        name: "subscribe to one exact topic beside n retained",
        unit: "subscription",
        sizes: &[1_000, 100_000],
        times: 200,
        run: |n, times| on_arbiter(beside_retained(n, times, "kept/0/last")),
    },
    Growth {
        name: "subscribe by a wildcard to one of n retained",
        unit: "subscription",
        sizes: &[1_000, 100_000],
        times: 200,
        run: |n, times| on_arbiter(beside_retained(n, times, "kept/0/*")),
    },
    Growth {
        name: "unregister one of n listeners",
        unit: "end",
        sizes: &[100, 10_000, 100_000],
        times: 50,
        run: |n, times| on_arbiter(unregister(n, times)),
    },
];

#[derive(Event)]
#[event(local)]
struct Tick;

#[derive(Event)]
#[event(local)]
struct Other;

/// A bus for so many listeners, and some more.
fn bus_for(n: usize) -> EventBus {
    EventBus::builder().max_listeners(n + 10_000).build()
}

/// One comes, two events, it goes, two events: how much more the first of them takes with the change before it than the
/// second. The median, because an event to many listeners varies by more than a change may take.
async fn come_and_go(
    n: usize,
    times: u64,
    come: impl Fn(&EventBus) -> Result<Subscription, Failure>,
) -> Result<Duration, Failure> {
    let bus = bus_for(n);
    let mut listeners = Vec::new();
    for _ in 0..n {
        listeners.push(bus.on(|_: &Tick| ())?);
    }
    let (mut guest, mut extra) = (None, Vec::new());
    for change in 0..2 * times {
        let begin = cpu_time();
        guest = if change % 2 == 0 { Some(come(&bus)?) } else { None };
        bus.emit(Tick).await;
        let between = cpu_time();
        bus.emit(Tick).await;
        extra.push((between - begin).as_secs_f64() - (cpu_time() - between).as_secs_f64());
    }
    drop(guest);
    extra.sort_by(f64::total_cmp);
    Ok(Duration::from_secs_f64(quantile(&extra, 0.5).max(0.0) * times as f64))
}

async fn buses_in_turn(n: usize, times: u64) -> Result<Duration, Failure> {
    let mut buses = Vec::new();
    for _ in 0..n {
        let bus = EventBus::new();
        bus.on(|_: &Tick| ())?.forever();
        bus.emit(Tick).await;
        buses.push(bus);
    }
    let begin = cpu_time();
    for bus in buses.iter().cycle().take(times as usize) {
        bus.emit(Tick).await;
    }
    Ok(cpu_time() - begin)
}

async fn one_bus_more(n: usize, times: u64) -> Result<Duration, Failure> {
    let mut buses = Vec::new();
    let mut begin = cpu_time();
    for made in 0..n + times as usize {
        if made == n {
            begin = cpu_time();
        }
        let bus = EventBus::new();
        bus.on(|_: &Tick| ())?.forever();
        bus.emit(Tick).await;
        buses.push(bus);
    }
    Ok(cpu_time() - begin)
}

async fn beside_retained(n: usize, times: u64, pattern: &str) -> Result<Duration, Failure> {
    let bus = EventBus::builder().retained_topics(n).build();
    for topic in 0..n {
        bus.publish_retained(&format!("kept/{topic}/last"), json!(topic))?;
    }
    let mut guests = Vec::new();
    let begin = cpu_time();
    for _ in 0..times {
        guests.push(bus.on_topic(pattern, |_: &JsonEvent| ())?);
    }
    Ok(cpu_time() - begin)
}

async fn unregister(n: usize, times: u64) -> Result<Duration, Failure> {
    let bus = bus_for(n);
    let mut listeners = Vec::new();
    for _ in 0..n + times as usize {
        listeners.push(bus.on(|_: &Tick| ())?);
    }
    // Some from the middle, as they go in an application.
    let leaving: Vec<_> = listeners.iter().step_by((n / times as usize).max(1)).take(times as usize).collect();
    let begin = cpu_time();
    let ended = leaving.iter().filter(|guard| bus.unregister(guard.id())).count();
    let took = cpu_time() - begin;
    if ended == leaving.len() { Ok(took) } else { Err("one was not there".into()) }
}
