//! Listeners that come and go: who is called, and in which order, is the same whether a route was looked up or has caught up;
//! and what that costs does not grow with those who are not concerned.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use convoke::prelude::*;
use convoke::testing;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "comings/a")]
struct A;

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "comings/b")]
struct B;

/// Chance of its own, the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// What a listener hears, as the test understands it.
#[derive(Clone, Copy)]
struct Guest {
    number: u64,
    priority: i32,
    a: bool,
    b: bool,
}

/// Those who hear, in their order: by priority, then by when they came.
fn expected(guests: &[(Guest, Subscription)], hears: impl Fn(&Guest) -> bool) -> Vec<u64> {
    let mut expected: Vec<_> = guests.iter().map(|(guest, _)| *guest).filter(hears).collect();
    expected.sort_by_key(|guest| (std::cmp::Reverse(guest.priority), guest.number));
    expected.iter().map(|guest| guest.number).collect()
}

fn come(bus: &EventBus, chance: &mut Chance, number: u64, log: &Rc<RefCell<Vec<u64>>>) -> (Guest, Subscription) {
    let (priority, log) = (chance.below(3) as i32 - 1, log.clone());
    let name = number.to_string();
    let note = move || log.borrow_mut().push(number);
    let topics = |pattern: &[&str]| {
        let note = note.clone();
        bus.on_topic(pattern, (move |_: &JsonEvent| note()).named(name.clone()).priority(priority)).unwrap()
    };
    let (guard, a, b) = match chance.below(6) {
        0 => (bus.on((move |_: &A| note()).named(name).priority(priority)).unwrap(), true, false),
        1 => (bus.on((move |_: &B| note()).named(name).priority(priority)).unwrap(), false, true),
        2 => (topics(&["comings/a"]), true, false),
        3 => (topics(&["comings/b", "comings/a", "comings/*"]), true, true),
        4 => (topics(&["**/b"]), false, true),
        _ => (topics(&["elsewhere/*"]), false, false),
    };
    (Guest { number, priority, a, b }, guard)
}

#[convoke::test]
async fn who_comes_and_goes_is_called_in_its_place_or_not_at_all() {
    for seed in 0..10 {
        let (bus, mut chance, log) = (EventBus::new(), Chance(seed), Rc::new(RefCell::new(Vec::new())));
        let mut guests: Vec<(Guest, Subscription)> = Vec::new();
        for number in 0..100 {
            // Several changes at once, now and then more than are kept of a route.
            for change in 0..[1, 1, 2, 5, 100][chance.below(5) as usize] {
                if chance.below(2) == 0 || guests.is_empty() {
                    guests.push(come(&bus, &mut chance, 1_000 * number + change, &log));
                } else {
                    let leaving = chance.below(guests.len() as u64) as usize;
                    drop(guests.remove(leaving));
                }
            }
            let check = |hears: fn(&Guest) -> bool, report: Option<Report>| {
                let expected = expected(&guests, hears);
                assert_eq!(log.take(), expected, "seed {seed}, after {number}");
                if let Some(report) = report {
                    let names: Vec<u64> = report.iter().map(|result| result.listener.parse().unwrap()).collect();
                    assert_eq!(names, expected, "seed {seed}, after {number}: {report}");
                }
            };
            match chance.below(4) {
                0 => check(|guest| guest.a, Some(bus.emit(A).await)),
                1 => check(|guest| guest.b, Some(bus.emit(B).await)),
                2 => check(|guest| guest.a, Some(bus.emit_json("comings/a", json!(null)).unwrap().await)),
                _ => {
                    bus.publish(B).unwrap();
                    bus.drain().await;
                    let mut heard = log.take();
                    heard.sort_unstable();
                    let mut expected = expected(&guests, |guest| guest.b);
                    expected.sort_unstable();
                    assert_eq!(heard, expected, "seed {seed}, after {number}");
                }
            }
        }
    }
}

#[convoke::test]
async fn a_listener_that_comes_or_goes_while_its_event_is_called_is_in_its_place_the_next_time() {
    let (bus, log) = (EventBus::new(), Rc::new(RefCell::new(Vec::new())));
    let (to, heard) = (bus.clone(), log.clone());
    let guest = Rc::new(RefCell::new(None));
    let changes = (move |_: &A| {
        heard.borrow_mut().push("changes");
        let mut guest = guest.borrow_mut();
        *guest = match guest.take() {
            Some(_) => None,
            None => {
                let heard = heard.clone();
                Some(to.on((move |_: &A| heard.borrow_mut().push("guest")).named("guest").priority(1)).unwrap())
            }
        };
    })
    .named("changes");
    let _changes = bus.on(changes).unwrap();
    for expected in [vec!["changes"], vec!["guest", "changes"], vec!["changes"], vec!["guest", "changes"]] {
        assert!(bus.emit(A).await.is_ok());
        assert_eq!(log.take(), expected);
    }
}

/// What it costs, in steps of work, that one comes, its event is emitted, it goes, and the event is emitted again.
async fn cost(bus: &EventBus, come: impl Fn(&EventBus) -> Subscription) -> u64 {
    let visit = async || {
        let before = testing::steps();
        let guest = come(bus);
        bus.emit(A).await;
        drop(guest);
        bus.emit(A).await;
        testing::steps() - before
    };
    visit().await;
    visit().await
}

#[convoke::test]
async fn a_listener_comes_and_goes_at_the_same_cost_however_many_others_there_are() {
    type Come = fn(&EventBus) -> Subscription;
    let ways: [(&str, Come); 5] = [
        ("the same type", |bus| bus.on(|_: &A| ()).unwrap()),
        ("another type", |bus| bus.on(|_: &B| ()).unwrap()),
        ("the topic of the type", |bus| bus.on_topic("comings/a", |_: &JsonEvent| ()).unwrap()),
        ("a wildcard", |bus| bus.on_topic("comings/*", |_: &JsonEvent| ()).unwrap()),
        ("another topic", |bus| bus.on_topic("elsewhere/a", |_: &JsonEvent| ()).unwrap()),
    ];
    for (hears, come) in ways {
        let mut costs = Vec::new();
        for others in [100, 20_000] {
            let bus = EventBus::new();
            let others: Vec<_> = (0..others).map(|_| bus.on(|_: &A| ()).unwrap()).collect();
            costs.push(cost(&bus, come).await);
            drop(others);
        }
        println!(
            "figure: one that hears {hears} comes and goes in {} steps among 100, {} among 20000",
            costs[0], costs[1]
        );
        // It is looked for by id, twice as often as one among its squares.
        assert!(costs[1] < 3 * costs[0] + 40, "{hears}: {costs:?}");
    }
}

#[convoke::test]
async fn what_is_retained_is_found_at_the_same_cost_however_much_of_it_there_is() {
    for pattern in ["kept/7/last", "kept/7/*", "kept/7/**"] {
        let mut costs = Vec::new();
        for topics in [100, 10_000] {
            let bus = EventBus::builder().retained_topics(topics).build();
            for topic in 0..topics {
                bus.publish_retained(&format!("kept/{topic}/last"), json!(topic)).unwrap();
            }
            let heard = Rc::new(RefCell::new(Vec::new()));
            let log = heard.clone();
            let before = testing::steps();
            let _guest =
                bus.on_topic(pattern, move |kept: &JsonEvent| log.borrow_mut().push(kept.topic().to_owned())).unwrap();
            costs.push(testing::steps() - before);
            testing::settle().await;
            assert_eq!(heard.take(), ["kept/7/last"]);
        }
        // A turn of the station more or less.
        assert!(costs[0].abs_diff(costs[1]) <= 4, "{pattern}: {costs:?}");
    }
}

#[convoke::test]
async fn a_route_that_nobody_looks_up_holds_nobody_who_has_gone() {
    let bus = EventBus::new();
    let held = Arc::new(());
    for _ in 0..3 {
        let captured = held.clone();
        let guest = bus.on(move |_: &A| drop(captured.clone())).unwrap();
        let captured = held.clone();
        let by_topic = bus.on_topic("comings/*", move |_: &JsonEvent| drop(captured.clone())).unwrap();
        bus.emit(A).await;
        bus.emit_json("comings/a", json!(null)).unwrap().await;
        drop((guest, by_topic));
        assert_eq!(Arc::strong_count(&held), 1, "what a listener has captured goes with its guard");
    }
}
