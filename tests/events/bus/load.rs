//! What a bus costs when there is much of it: memory that is given back, and work that does not grow with those who have
//! nothing to do, which is counted in steps. What looks at memory is in a process of its own, so that this is its own.

use std::future::Future;
use std::sync::Arc;
use std::task::{self, Waker};
use std::time::Duration;

use actix::{Actor, ActorContext, Context, Handler};
use convoke::prelude::*;
use convoke::{ListenerError, testing};
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
    in_a_process_of_its_own("events::bus::load::a_million_calls_leave_nothing_behind", || {
        testing::run("a million calls", async || {
            let bus = EventBus::default();
            // One that is at work all the time, with a timeout of its own.
            let hangs = async |_: Arc<JsonEvent>| std::future::pending::<()>().await;
            let hangs = bus.on_topic("load/hangs", hangs.named("hangs")).unwrap();
            testing::expect_failure("hangs");
            bus.publish_json("load/hangs", json!(1)).unwrap();
            let _sync = bus.on(|_: &Tick| ()).unwrap();
            let _later = bus.on(async |_: Arc<Tick>| tokio::task::yield_now().await).unwrap();
            let _json = bus.on_topic("load/*", |_: &JsonEvent| ()).unwrap();
            let calls = async |count| {
                for number in 0..count {
                    match number % 4 {
                        0 => _ = bus.publish(Tick(number)).unwrap(),
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
    in_a_process_of_its_own("events::bus::load::listeners_that_come_and_go_leave_nothing_behind", || {
        testing::run("coming and going", async || {
            let bus = EventBus::builder().dead_letters(10).retained_topics(10).build();
            testing::expect_failure("fails");
            let mut before = None;
            for round in 0..WARM_UP + ROUNDS {
                if round == WARM_UP {
                    before = resident();
                }
                let topic = format!("load/{round}");
                let typed = bus.on(|_: &Tick| ()).unwrap();
                let fails = (|_: &JsonEvent| Err::<(), _>("no")).named("fails");
                let json = bus.on_topic([topic.as_str(), "other/**"], fails).unwrap();
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

/// What it costs, in steps of work: those of a clock would be the machine's.
async fn steps(work: impl AsyncFnOnce()) -> u64 {
    let before = testing::steps();
    work().await;
    testing::steps() - before
}

#[convoke::test]
async fn a_published_event_costs_the_same_however_many_others_have_nothing_to_do() {
    const EVENTS: u64 = 200;
    let cost = async |listeners: u64| {
        let bus = EventBus::default();
        let topic = |number: u64| format!("load/{number}");
        let register = |number| bus.on_topic(topic(number).as_str(), |_: &JsonEvent| ()).unwrap();
        let guards: Vec<_> = (0..listeners).map(register).collect();
        let topic = topic(listeners / 2);
        let publish = async || {
            bus.publish_json(&topic, json!(1)).unwrap();
            testing::settle().await;
        };
        testing::settle().await;
        let first = steps(&publish).await;
        let later = steps(async || {
            for _ in 0..EVENTS {
                publish().await;
            }
        });
        let later = later.await;
        assert_eq!(guards.iter().map(|guard| guard.info().done).sum::<u64>(), 1 + EVENTS);
        drop(guards);
        testing::settle().await;
        (first, later)
    };
    let ((first, few), (found, many)) = (cost(10).await, cost(50_000).await);
    println!("figure: {EVENTS} published events take {few} steps with 10 listeners, {many} with 50000");
    println!("figure: the first, which looks up who hears it, takes {first} and {found}");
    assert_eq!(few, many, "somebody asks those who have nothing to do");
    // A turn of the station each, and not many more.
    assert!((EVENTS..=2 * EVENTS).contains(&few), "{few} steps");
    // Whoever hears it is looked up by topic, and then by id among all.
    assert!(first < found && found < first + 32, "{first} and {found}");
}

#[convoke::test]
async fn a_listener_is_ended_at_the_same_cost_however_many_others_hear_the_same() {
    const FEW: u64 = 500;
    const MANY: u64 = 20_000;
    type Register = fn(&EventBus) -> Subscription;
    let ways: [(&str, Register); 2] = [
        ("type", |bus| bus.on(|_: &Tick| ()).unwrap()),
        ("topic", |bus| bus.on_topic("load/*", |_: &JsonEvent| ()).unwrap()),
    ];
    for (hears, register) in ways {
        for earliest_first in [true, false] {
            let cost = async |listeners: u64| {
                let bus = EventBus::default();
                let mut guards: Vec<_> = (0..listeners).map(|_| register(&bus)).collect();
                if !earliest_first {
                    guards.reverse();
                }
                testing::settle().await;
                let steps = steps(async || drop(guards)).await;
                assert!(bus.subscriptions().is_empty());
                testing::settle().await;
                steps / listeners
            };
            let (few, many) = (cost(FEW).await, cost(MANY).await);
            println!("figure: the end of a listener to a {hears} takes {few} steps among {FEW}, {many} among {MANY}");
            // Trees and halves: so many more as there are more digits, where a search would be 40 times as many.
            assert!(0 < few && few <= many && many < 2 * few, "{few} and {many}");
        }
    }
}

/// Hears ticks in its own context, one at a time.
struct Clerk(EventBus, Option<Subscription>);

impl Actor for Clerk {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.1 = self.0.subscribe::<Tick, Self>(ctx).ok();
    }
}

impl Handler<Heard<Tick>> for Clerk {
    type Result = Handled;

    fn handle(&mut self, tick: Heard<Tick>, ctx: &mut Context<Self>) -> Handled {
        if tick.0 == LAST {
            ctx.stop();
        }
        Ok(())
    }
}

const LAST: u64 = u64::MAX;

#[convoke::test]
async fn an_actor_with_no_room_left_drops_an_event_at_the_same_cost_however_many_emissions_wait_for_it() {
    let cost = async |events: u64| {
        let bus = EventBus::builder().capacity(1).overflow(Overflow::DropOldest).dead_letters(1).build();
        let clerk = Clerk(bus.clone(), None).start();
        testing::settle().await;
        let mut emissions: Vec<_> = (0..events).map(|number| Box::pin(bus.emit(Tick(number)))).collect();
        let steps = steps(async || {
            for emission in &mut emissions {
                assert!(emission.as_mut().poll(&mut task::Context::from_waker(Waker::noop())).is_pending());
            }
            // All but the last are dropped for the next.
            (0..events).for_each(|number| {
                bus.publish(Tick(number)).unwrap();
            });
            bus.drain().await;
        });
        let steps = steps.await;
        assert_eq!(bus.dead_letters().total(), events - 1);
        for emission in emissions {
            assert!(emission.await.is_ok());
        }
        bus.publish(Tick(LAST)).unwrap();
        drop(clerk);
        testing::settle().await;
        steps / events
    };
    let (few, many) = (cost(100).await, cost(20_000).await);
    println!("figure: an event takes an actor {few} steps where 100 emissions wait, {many} where 20000 do");
    assert!(0 < few && many <= few + 1 && few < 10, "{few} and {many}");
}

#[convoke::test]
async fn a_report_is_read_at_a_cost_that_goes_with_its_listeners_even_if_all_have_failed() {
    for listeners in [1_000, 4_000] {
        let bus = EventBus::default();
        let fails = |number: u64| {
            let wait = Duration::from_millis(listeners - number);
            let later = async move |_: Arc<Tick>| {
                tokio::time::sleep(wait).await;
                Err::<(), _>(number.to_string())
            };
            let at_once = move |_: &Tick| Err::<(), _>(number.to_string());
            match number % 2 {
                0 => bus.on(later).unwrap(),
                _ => bus.on(at_once).unwrap(),
            }
        };
        let guards: Vec<_> = (0..listeners).map(fails).collect();
        // The last to be called are done first.
        let report = bus.emit(Tick(1)).timed().await;
        let mut results = Vec::new();
        let steps = steps(async || results = report.iter().collect()).await;
        for (number, result) in (0..listeners).zip(&results) {
            assert_eq!(result.error, Some(ListenerError::Failed(number.to_string())));
            let took = if number % 2 == 0 { listeners - number } else { 0 };
            assert_eq!(result.took, Some(Duration::from_millis(took)));
        }
        assert_eq!(results.len(), guards.len());
        println!("figure: a report of {listeners} listeners that failed takes {steps} steps");
        assert!((listeners..=2 * listeners).contains(&steps), "{steps} steps");
    }
}
