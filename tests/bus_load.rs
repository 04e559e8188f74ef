//! What a bus costs when there is much of it: memory that is given back, and work that does not grow with those who have
//! nothing to do. Each in a process of its own, so that its memory and its time are its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::System;
use convoke::prelude::*;
use convoke::testing;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::common::in_a_process_of_its_own;

const MIB: usize = 1 << 20;

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "load/tick")]
struct Tick(u64);

/// The resident memory of this process in bytes, where the system tells.
fn resident() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    // The second field counts pages; of 4 KiB on every system whose pages these tests have met.
    statm.split(' ').nth(1)?.parse::<usize>().ok().map(|pages| pages * 4096)
}

fn assert_grown_little(what: &str, before: Option<usize>) {
    match before.zip(resident()) {
        Some((before, after)) => {
            let grown = after.saturating_sub(before);
            println!("figure: {what}, resident memory {} KiB, grown by {} KiB", after >> 10, grown >> 10);
            assert!(grown < 16 * MIB, "{grown} bytes");
        }
        None => println!("figure: memory not measured: this system has no /proc/self/statm"),
    }
}

#[test]
fn a_million_calls_leave_nothing_behind() {
    in_a_process_of_its_own("bus_load::a_million_calls_leave_nothing_behind", || {
        testing::run("a million calls", async || {
            let bus = EventBus::default();
            // One that is at work all the time, with a timeout of its own.
            let hangs = async |_: Arc<JsonEvent>| std::future::pending::<()>().await;
            let hangs = bus.on_topic("load/hangs", hangs).unwrap();
            bus.publish_json("load/hangs", json!(1)).unwrap();
            let _sync = bus.on(|_: &Tick| ()).unwrap();
            let _later = bus.on(async |_: Arc<Tick>| tokio::task::yield_now().await).unwrap();
            let _json = bus.on_topic("load/*", |_: &JsonEvent| ()).unwrap();
            let calls = async |count| {
                for number in 0..count {
                    match number % 4 {
                        0 => bus.publish(Tick(number)).unwrap(),
                        _ => assert!(bus.emit(Tick(number)).await.is_ok()),
                    }
                }
            };
            calls(100_000).await;
            let before = resident();
            calls(1_000_000).await;
            assert_grown_little("1000000 events, three calls each", before);
            assert!(bus.dead_letters().is_empty());
            drop(hangs);
            tokio::time::sleep(Duration::from_secs(30)).await;
        });
    });
}

#[test]
fn listeners_that_come_and_go_leave_nothing_behind() {
    const WARM_UP: u64 = 20_000;
    const ROUNDS: u64 = 100_000;
    in_a_process_of_its_own("bus_load::listeners_that_come_and_go_leave_nothing_behind", || {
        testing::run("coming and going", async || {
            let bus = EventBus::builder().dead_letters(10).retained_topics(10).build();
            let mut before = None;
            for round in 0..WARM_UP + ROUNDS {
                if round == WARM_UP {
                    before = resident();
                }
                let topic = format!("load/{round}");
                let typed = bus.on(|_: &Tick| ()).unwrap();
                let json = bus.on_topic([topic.as_str(), "other/**"], |_: &JsonEvent| Err::<(), _>("no")).unwrap();
                let answerer = bus.answer(|tick: &Tick| Answer(tick.0)).unwrap();
                assert!(bus.emit(Tick(round)).await.is_ok());
                bus.publish_json(&topic, json!(1)).unwrap();
                bus.publish_retained(&topic, json!(2)).unwrap();
                assert_eq!(bus.request::<u64>(Tick(round)).await.unwrap(), round);
                let once = bus.on((|_: &Tick| ()).once()).unwrap();
                bus.publish(Tick(round)).unwrap();
                if round % 2 == 0 {
                    bus.drain().await;
                }
                drop((typed, json, answerer, once));
            }
            assert_grown_little(&format!("{ROUNDS} times four listeners"), before);
            assert!(bus.subscriptions().is_empty());
        });
    });
}

/// The shortest of several measurements: the others were disturbed.
fn shortest(mut measure: impl FnMut() -> Duration) -> Duration {
    (0..5).map(|_| measure()).min().unwrap()
}

#[test]
fn a_published_event_costs_the_same_however_many_others_have_nothing_to_do() {
    const EVENTS: u32 = 200;
    in_a_process_of_its_own(
        "bus_load::a_published_event_costs_the_same_however_many_others_have_nothing_to_do",
        || {
            let cost = |listeners: u32| {
                System::new().block_on(async {
                    let bus = EventBus::default();
                    let topic = |number: u32| format!("load/{number}");
                    let register = |number| bus.on_topic(topic(number).as_str(), |_: &JsonEvent| ()).unwrap();
                    let guards: Vec<_> = (0..listeners).map(register).collect();
                    let measure = async |round: u32| {
                        let (topic, began) = (topic(round), Instant::now());
                        for number in 0..EVENTS {
                            bus.publish_json(&topic, json!(number)).unwrap();
                            testing::settle().await;
                        }
                        began.elapsed() / EVENTS
                    };
                    let mut costs = Vec::new();
                    for round in 0..5 {
                        costs.push(measure(round).await);
                    }
                    assert!(guards.iter().map(|guard| guard.info().done).sum::<u64>() == 5 * u64::from(EVENTS));
                    costs.into_iter().min().unwrap()
                })
            };
            let (few, many) = (cost(10), cost(50_000));
            println!("figure: a published event costs {few:?} with 10 listeners, {many:?} with 50000");
            // To look at every listener was 400 times as much; the machine may be busy.
            assert!(many < 50 * few, "{few:?} and {many:?}");
        },
    );
}

#[test]
fn a_listener_is_ended_at_the_same_cost_however_many_others_hear_the_same() {
    in_a_process_of_its_own("bus_load::a_listener_is_ended_at_the_same_cost_however_many_others_hear_the_same", || {
        let cost = |listeners: u32| {
            shortest(|| {
                System::new().block_on(async {
                    let bus = EventBus::default();
                    let guards: Vec<_> = (0..listeners).map(|_| bus.on(|_: &Tick| ()).unwrap()).collect();
                    let began = Instant::now();
                    drop(guards);
                    began.elapsed() / listeners
                })
            })
        };
        let (few, many) = (cost(500), cost(20_000));
        println!("figure: the end of a listener costs {few:?} among 500, {many:?} among 20000");
        // To search a list for each was 40 times as much; the machine may be busy.
        assert!(many < 30 * few, "{few:?} and {many:?}");
    });
}
