//! `EventSynchronizer`: waiting for events instead of sleeping, and what it says when they do not come.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::testing::{self, EventSynchronizer, Seen};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;

use crate::common::{SECOND, after, at_once, ms, on_a_system, sleep};

#[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "orders/closed")]
struct OrderClosed {
    id: u64,
}

/// Has no form as JSON.
#[derive(Event, Debug)]
#[event(local, topic = "orders/packed")]
struct Packed(Parcel);

/// Something that serde knows nothing of.
#[derive(Debug)]
struct Parcel(u8);

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "users/registered", contains_personal_data)]
struct UserRegistered {
    mail: String,
}

#[derive(Event, Debug, Serialize, Deserialize)]
#[event(topic = "prices/asked")]
struct PriceAsked {
    item: u64,
}

const fn placed(id: u64) -> OrderPlaced {
    OrderPlaced { id }
}

fn topics(seen: &[Seen]) -> Vec<String> {
    seen.iter().map(|seen| seen.topic()).collect()
}

fn numbers(seen: &[Seen]) -> Vec<u64> {
    seen.iter().map(Seen::number).collect()
}

/// Publishes JSON of this payload on each of these topics.
fn publish_on(bus: &EventBus, topics: &[&str]) {
    for topic in topics {
        bus.publish_json(topic, json!({})).unwrap();
    }
}

// What is recorded.

#[convoke::test]
async fn an_event_that_came_before_the_wait_is_not_missed() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    bus.publish(placed(7)).unwrap();
    let seen = at_once(sync.wait_for_event("orders/*")).await.unwrap();
    assert_eq!((seen.topic().as_str(), seen.name().as_str(), &seen["id"]), ("orders/placed", "OrderPlaced", &json!(7)));
    assert_eq!((seen.number(), seen.at()), (1, Duration::ZERO));
    assert_eq!(seen.metadata().entity, *"Order");
}

#[convoke::test]
async fn an_event_that_came_before_the_synchronizer_is_not_seen() {
    let bus = EventBus::default();
    bus.publish(placed(1)).unwrap();
    bus.publish_retained("orders/kept", json!(1)).unwrap();
    let mut sync = EventSynchronizer::new(&bus);
    bus.publish(placed(2)).unwrap();
    assert_eq!(at_once(sync.wait_for_event("**")).await.unwrap()["id"], 2);
    assert_eq!(sync.seen().len(), 1);
}

#[convoke::test]
async fn an_event_that_comes_later_is_waited_for() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    let later = bus.clone();
    testing::spawn(async move {
        sleep(2 * SECOND).await;
        later.publish(placed(7)).unwrap();
    });
    let seen = after(2 * SECOND, sync.wait_for_event("orders/placed")).await.unwrap();
    assert_eq!(seen.at(), 2 * SECOND);
}

#[convoke::test]
async fn every_way_to_send_is_recorded_in_its_order() {
    let bus = EventBus::default();
    let _listener = bus.on(|_: &OrderPlaced| {}).unwrap();
    let sync = EventSynchronizer::new(&bus);
    bus.emit(placed(1)).await.ok().unwrap();
    bus.publish(placed(2)).unwrap();
    bus.publish_wait(placed(3)).await.unwrap();
    bus.emit_json("orders/placed", json!({ "id": 4 })).unwrap().await.ok().unwrap();
    bus.publish_json("orders/placed", json!({ "id": 5 })).unwrap();
    bus.publish_retained("orders/placed", json!({ "id": 6 })).unwrap();
    bus.with_correlation(convoke::Uuid::from_u128(7)).publish(placed(7)).unwrap();
    drop(bus.emit(placed(8)));
    let seen: Vec<_> = sync.seen().iter().map(|seen| seen["id"].as_u64().unwrap()).collect();
    assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(sync.seen()[6].metadata().correlation, convoke::Uuid::from_u128(7));
    bus.drain().await;
}

#[convoke::test]
async fn what_a_listener_refuses_has_not_come() {
    let bus = EventBus::default();
    let full = |_: &OrderPlaced| {};
    let _full = bus.on(full.capacity(1).overflow(Overflow::Refuse)).unwrap();
    let sync = EventSynchronizer::new(&bus);
    bus.publish(placed(1)).unwrap();
    bus.publish(placed(2)).unwrap_err();
    assert_eq!(sync.seen().len(), 1);
    // The places are given back as without it.
    bus.drain().await;
    bus.publish(placed(3)).unwrap();
    bus.drain().await;
    assert_eq!(sync.seen().len(), 2);
}

#[convoke::test]
async fn it_is_no_listener() {
    let bus = EventBus::default();
    let sync = EventSynchronizer::new(&bus);
    assert!(bus.subscriptions().is_empty());
    assert_eq!(bus.emit(placed(1)).await.to_string(), "OrderPlaced: 0 listeners, 0 failed");
    bus.publish(placed(2)).unwrap();
    bus.publish_wait(placed(3)).await.unwrap();
    assert_eq!((bus.unheard(), sync.seen().len()), (3, 3));
}

#[convoke::test]
async fn it_does_not_hold_the_bus() {
    let bus = EventBus::default();
    let dropped = Arc::new(());
    let held = dropped.clone();
    bus.on(move |_: &OrderPlaced| drop(held.clone())).unwrap().forever();
    let sync = EventSynchronizer::new(&bus);
    drop(bus);
    testing::settle().await;
    assert_eq!(Arc::strong_count(&dropped), 1, "the bus has not closed");
    at_once(sync.settled()).await.unwrap();
}

#[convoke::test]
async fn when_it_is_dropped_nothing_is_left_of_it_nor_of_what_it_saw() {
    #[derive(Event)]
    #[event(local)]
    struct Holding(#[expect(dead_code, reason = "it is only held")] Arc<()>);

    let bus = EventBus::default();
    let held = Arc::new(());
    let sync = EventSynchronizer::new(&bus);
    let part = sync.watch_type::<Holding>();
    bus.publish(Holding(held.clone())).unwrap();
    bus.emit(Holding(held.clone())).await.ok().unwrap();
    assert_eq!((sync.seen().len(), part.seen().len(), Arc::strong_count(&held)), (2, 2, 3));
    drop(sync);
    assert_eq!(Arc::strong_count(&held), 3);
    drop(part);
    assert_eq!(Arc::strong_count(&held), 1);
    bus.emit(Holding(held.clone())).await.ok().unwrap();
    assert_eq!(Arc::strong_count(&held), 1);
}

#[convoke::test]
async fn its_record_is_bounded() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus).keeping(2);
    for id in 1..=4 {
        bus.publish(placed(id)).unwrap();
    }
    assert_eq!(numbers(&sync.seen()), [3, 4]);
    assert_eq!(at_once(sync.wait_for::<OrderPlaced>()).await.unwrap().id, 3);
    let missing = after(SECOND, sync.wait_for_event("nothing").timeout(SECOND)).await.unwrap_err();
    assert_eq!(
        missing.to_string(),
        "`nothing` did not come within 1s\n\
         what has come:\n\
         \x20 … 2 before them\n\
         \x20 #3 after 0ns orders/placed OrderPlaced {\"id\":3}\n\
         \x20 #4 after 0ns orders/placed OrderPlaced {\"id\":4}"
    );
    drop(sync);

    let unbounded = EventSynchronizer::new(&bus);
    for id in 0..10_001 {
        bus.publish(placed(id)).unwrap();
    }
    assert_eq!((unbounded.seen().len(), unbounded.seen()[0].number()), (10_000, 2));
}

// By type.

#[convoke::test]
async fn an_event_is_waited_for_by_its_type() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    for id in [5, 6, 7] {
        bus.publish(placed(id)).unwrap();
    }
    let order: Arc<OrderPlaced> = at_once(sync.wait_for::<OrderPlaced>().when(|order| order.id == 6)).await.unwrap();
    assert_eq!(*order, placed(6));
    assert_eq!(at_once(sync.wait_for::<OrderPlaced>()).await.unwrap().id, 7);
}

#[convoke::test]
async fn what_came_as_json_is_of_its_type_if_it_has_the_form() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    bus.publish_json("orders/placed", json!({ "id": "none" })).unwrap();
    bus.publish_json("orders/placed", json!({ "id": 7 })).unwrap();
    assert_eq!(at_once(sync.wait_for::<OrderPlaced>()).await.unwrap().id, 7);
    assert_eq!(sync.seen()[0].event::<OrderPlaced>(), None);
}

#[convoke::test]
async fn a_local_event_is_seen_by_its_type_and_not_by_its_topic() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    bus.publish(Packed(Parcel(7))).unwrap();
    // A topic of a local event is not a place where JSON becomes one.
    bus.publish_json("orders/packed", json!({})).unwrap();
    let mut part = sync.watch_type::<Packed>();
    bus.publish(Packed(Parcel(8))).unwrap();
    bus.publish_json("orders/packed", json!({})).unwrap();
    assert_eq!(at_once(sync.wait_for::<Packed>()).await.unwrap().0.0, 7);
    assert_eq!(sync.seen()[0].payload(), &json!(null));
    assert_eq!(at_once(part.wait_for::<Packed>()).await.unwrap().0.0, 8);
    assert_eq!(part.seen().len(), 1);
    let missing = sync.watch("**").unwrap().wait_for_event("orders/packed").timeout(SECOND).await.unwrap_err();
    assert_eq!(missing.to_string(), "`orders/packed` did not come within 1s\nnothing has come");
    let missing = at_once(sync.wait_for::<Packed>().when(|packed| packed.0.0 == 9).timeout(Duration::ZERO)).await;
    assert_eq!(
        missing.unwrap_err().to_string(),
        "`Packed` did not come within 0ns\n\
         what has come:\n\
         \x20 #1 after 0ns orders/packed Packed (local: no form as JSON)  <- an earlier wait has passed it\n\
         \x20 #2 after 0ns orders/packed {}\n\
         \x20 #3 after 0ns orders/packed Packed (local: no form as JSON)  <- the condition is not true of it\n\
         \x20 #4 after 0ns orders/packed {}"
    );
}

#[convoke::test(allow_failures)]
async fn dead_letters_are_seen_and_say_why_something_did_not_happen() {
    let bus = EventBus::default();
    let mail = |_: &OrderPlaced| Err::<(), _>("no connection");
    let _mail = bus.on(mail.named("mail")).unwrap();
    let mut sync = EventSynchronizer::new(&bus);
    bus.publish(placed(7)).unwrap();
    let missing = after(SECOND, sync.wait_for_event("orders/mailed").timeout(SECOND)).await.unwrap_err();
    assert_eq!(
        missing.to_string(),
        "`orders/mailed` did not come within 1s\n\
         what has come:\n\
         \x20 #1 after 0ns orders/placed OrderPlaced {\"id\":7}\n\
         \x20 #2 after 0ns convoke/dead-letter DeadLetter dead letter 1: OrderPlaced: `mail` failed: no connection"
    );
    assert_eq!(at_once(sync.wait_for::<DeadLetter>()).await.unwrap().event, "OrderPlaced");
}

#[convoke::test]
async fn a_request_is_shown_and_meets_no_wait() {
    let bus = EventBus::default();
    let _prices = bus.answer(|asked: &PriceAsked| Answer(asked.item * 3)).unwrap();
    let mut sync = EventSynchronizer::new(&bus);
    assert_eq!(bus.request::<u64>(PriceAsked { item: 7 }).await.unwrap(), 21);
    assert_eq!(bus.request_all::<u64>(PriceAsked { item: 8 }).await.unwrap(), [24]);
    assert!(sync.seen().iter().all(Seen::is_request));
    let missing = after(SECOND, sync.wait_for::<PriceAsked>().timeout(SECOND)).await.unwrap_err();
    assert_eq!(
        missing.to_string(),
        "`PriceAsked` did not come within 1s\n\
         what has come:\n\
         \x20 #1 after 0ns prices/asked PriceAsked {\"item\":7} (a request)\n\
         \x20 #2 after 0ns prices/asked PriceAsked {\"item\":8} (a request)"
    );
}

// Several events.

#[convoke::test]
async fn several_events_come_in_any_order_and_are_returned_in_that_of_the_patterns() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    publish_on(&bus, &["c", "x", "a", "b"]);
    let seen = at_once(sync.wait_for_events(["a", "b", "c"])).await.unwrap();
    assert_eq!((topics(&seen), numbers(&seen)), (vec!["a".into(), "b".into(), "c".into()], vec![3, 4, 1]));
}

#[convoke::test]
async fn one_event_meets_one_pattern() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    publish_on(&bus, &["a"]);
    let missing = after(5 * SECOND, sync.wait_for_events(["a", "a"])).await.unwrap_err();
    assert_eq!(
        missing.to_string(),
        "1 of 2 events did not come within 5s; awaited in any order:\n\
         \x20 `a`: #1\n\
         \x20 `a`: missing\n\
         what has come:\n\
         \x20 #1 after 0ns a {}  <- meets `a`"
    );
    assert_eq!(missing.missing(), ["a"]);
    publish_on(&bus, &["b", "a"]);
    assert_eq!(numbers(&at_once(sync.wait_for_events(["a", "a"])).await.unwrap()), [1, 3]);
}

#[convoke::test]
async fn overlapping_patterns_are_met_where_they_can_be() {
    let bus = EventBus::default();
    // Whoever gives the first event to the first pattern that fits has nothing for the last.
    let cases: [(&[&str], &[&str], &[u64]); 3] = [
        (&["a/*", "a/x"], &["a/x", "a/y"], &[2, 1]),
        (&["**", "a/*", "a/x"], &["a/x", "a/y", "b"], &[3, 2, 1]),
        (&["**", "a/*", "a/x", "a/x"], &["a/x", "b", "a/x", "a/z"], &[2, 4, 1, 3]),
    ];
    for (patterns, events, met) in cases {
        let mut sync = EventSynchronizer::new(&bus);
        publish_on(&bus, events);
        let seen = at_once(sync.wait_for_events(patterns).timeout(Duration::ZERO)).await.unwrap();
        for (pattern, seen) in patterns.iter().zip(&seen) {
            assert!(convoke::Pattern::new(pattern).unwrap().matches(&seen.topic()), "{pattern}: {seen}");
        }
        let mut taken = numbers(&seen);
        assert_eq!(taken.len(), events.len(), "{patterns:?}");
        assert_eq!(taken, met, "{patterns:?}");
        taken.sort_unstable();
        assert_eq!(taken, (1..=events.len() as u64).collect::<Vec<_>>(), "{patterns:?}");
    }
}

/// Beside all ways to give events to patterns: the wait is met if and only if there is one, and as early as there is.
#[convoke::test]
async fn a_wait_is_met_as_soon_as_there_is_a_way_to_meet_it() {
    fn can(patterns: &[convoke::Pattern], events: &[&str], used: &mut Vec<bool>) -> bool {
        let Some((pattern, rest)) = patterns.split_first() else { return true };
        (0..events.len()).any(|event| {
            if used[event] || !pattern.matches(events[event]) {
                return false;
            }
            used[event] = true;
            let met = can(rest, events, used);
            used[event] = false;
            met
        })
    }

    const PATTERNS: [&str; 5] = ["**", "a/*", "*/x", "a/x", "b"];
    const EVENTS: [&str; 3] = ["a/x", "b/x", "b"];
    let bus = EventBus::default();
    for choice in 0..5_usize.pow(3) {
        let wanted: Vec<_> = (0..3).map(|place| PATTERNS[choice / 5_usize.pow(place) % 5]).collect();
        let patterns: Vec<_> = wanted.iter().map(|text| convoke::Pattern::new(text).unwrap()).collect();
        for order in 0..3_usize.pow(4) {
            let events: Vec<_> = (0..4).map(|place| EVENTS[order / 3_usize.pow(place) % 3]).collect();
            let first = (3..=4).find(|count| can(&patterns, &events[..*count], &mut vec![false; *count]));
            let mut sync = EventSynchronizer::new(&bus);
            publish_on(&bus, &events);
            let seen = sync.wait_for_events(wanted.clone()).timeout(Duration::ZERO).await;
            let last = seen.as_ref().ok().map(|seen| numbers(seen).into_iter().max().unwrap() as usize);
            assert_eq!(last, first, "{wanted:?} of {events:?}");
            let Ok(seen) = seen else { continue };
            assert!(patterns.iter().zip(&seen).all(|(pattern, seen)| pattern.matches(&seen.topic())), "{seen:?}");
            let mut different = numbers(&seen);
            different.sort_unstable();
            different.dedup();
            assert_eq!(different.len(), 3, "{seen:?}");
        }
    }
}

#[convoke::test]
async fn in_order_means_in_the_order_of_the_patterns_with_others_in_between() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    publish_on(&bus, &["b", "a", "x", "b", "c"]);
    let seen = at_once(sync.wait_for_events(["a", "b", "c"]).in_order()).await.unwrap();
    assert_eq!(numbers(&seen), [2, 4, 5]);

    let mut sync = EventSynchronizer::new(&bus);
    publish_on(&bus, &["b", "a", "c"]);
    let missing = after(SECOND, sync.wait_for_events(["a", "b", "c"]).in_order().timeout(SECOND)).await.unwrap_err();
    assert_eq!(
        missing.to_string(),
        "2 of 3 events did not come within 1s; awaited in this order:\n\
         \x20 `a`: #2\n\
         \x20 `b`: missing\n\
         \x20 `c`: missing\n\
         what has come:\n\
         \x20 #1 after 0ns b {}  <- came too early\n\
         \x20 #2 after 0ns a {}  <- meets `a`\n\
         \x20 #3 after 0ns c {}  <- came too early"
    );
    assert_eq!(missing.missing(), ["b", "c"]);
}

#[convoke::test]
async fn no_patterns_are_met_at_once() {
    let mut sync = EventSynchronizer::new(&EventBus::default());
    let none: [&str; 0] = [];
    assert!(at_once(sync.wait_for_events(none)).await.unwrap().is_empty());
    at_once(sync.wait_for_events(none).in_order()).await.unwrap();
}

// What a wait takes.

#[convoke::test]
async fn each_wait_goes_on_behind_what_the_last_has_taken() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    publish_on(&bus, &["a", "b", "a"]);
    assert_eq!(at_once(sync.wait_for_event("b")).await.unwrap().number(), 2);
    assert_eq!(at_once(sync.wait_for_event("a")).await.unwrap().number(), 3);
    let missing = after(SECOND, sync.wait_for_event("a").timeout(SECOND)).await.unwrap_err();
    assert_eq!(
        missing.to_string(),
        "`a` did not come within 1s\n\
         what has come:\n\
         \x20 #1 after 0ns a {}  <- an earlier wait has passed it\n\
         \x20 #2 after 0ns b {}\n\
         \x20 #3 after 0ns a {}  <- an earlier wait has passed it"
    );
    // A wait that was not met takes nothing, and all is there still.
    assert_eq!(numbers(&sync.seen()), [1, 2, 3]);
    sync.rewind();
    assert_eq!(at_once(sync.wait_for_event("a")).await.unwrap().number(), 1);
    assert_eq!(at_once(sync.wait_for_event("b")).await.unwrap().number(), 2);
}

#[convoke::test]
async fn a_part_has_a_record_of_its_own_and_takes_nothing_from_others() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    sleep(SECOND).await;
    let mut orders = sync.watch(["orders/*", "order"]).unwrap();
    let mut closed = sync.watch_type::<OrderClosed>();
    bus.publish(placed(7)).unwrap();
    publish_on(&bus, &["stock", "order"]);
    bus.publish(OrderClosed { id: 7 }).unwrap();
    bus.publish_json("orders/closed", json!({ "id": 8 })).unwrap();
    assert_eq!(topics(&orders.seen()), ["orders/placed", "order", "orders/closed", "orders/closed"]);
    assert_eq!(closed.seen().len(), 2);
    assert_eq!(at_once(closed.wait_for::<OrderClosed>()).await.unwrap().id, 7);
    assert_eq!(at_once(sync.wait_for_event("stock")).await.unwrap().number(), 2);
    let first = at_once(orders.wait_for_event("**")).await.unwrap();
    assert_eq!((first.topic().as_str(), first.number(), first.at()), ("orders/placed", 1, SECOND));
    assert_eq!(at_once(closed.wait_for::<OrderClosed>()).await.unwrap().id, 8);
    drop(sync);
    publish_on(&bus, &["order"]);
    assert_eq!(orders.seen().len(), 5);
}

#[convoke::test]
async fn a_condition_says_which_event_it_is() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    let wanted = 7;
    for id in [6, 7] {
        bus.publish(placed(id)).unwrap();
    }
    let wait = sync.wait_for_event("orders/*").when(|seen| seen["id"] == wanted).when(|seen| seen["id"] != 6);
    assert_eq!(at_once(wait).await.unwrap().number(), 2);
    bus.publish(placed(8)).unwrap();
    let wait = sync.wait_for::<OrderPlaced>().when(|order| order.id > 6).when(|order| order.id < 8).timeout(SECOND);
    let missing = after(SECOND, wait).await.unwrap_err();
    assert_eq!(
        missing.to_string(),
        "`OrderPlaced` did not come within 1s\n\
         what has come:\n\
         \x20 #1 after 0ns orders/placed OrderPlaced {\"id\":6}  <- an earlier wait has passed it\n\
         \x20 #2 after 0ns orders/placed OrderPlaced {\"id\":7}  <- an earlier wait has passed it\n\
         \x20 #3 after 0ns orders/placed OrderPlaced {\"id\":8}  <- the condition is not true of it"
    );
}

// Time.

#[convoke::test]
async fn a_wait_ends_exactly_when_its_time_is_over_and_5_s_is_the_default() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    let missing = after(5 * SECOND, sync.wait_for_event("orders/*")).await.unwrap_err();
    assert_eq!(missing.to_string(), "`orders/*` did not come within 5s\nnothing has come");
    assert_eq!(missing.missing(), ["orders/*"]);
    after(3 * SECOND, sync.wait_for::<OrderPlaced>().timeout(3 * SECOND)).await.unwrap_err();
    after(Duration::ZERO, sync.wait_for_events(["a"]).timeout(Duration::ZERO)).await.unwrap_err();
}

#[convoke::test]
async fn an_event_that_comes_in_the_last_moment_is_in_time() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    for (wait, in_time) in [(ms(1000), true), (ms(1001), false)] {
        let later = bus.clone();
        testing::spawn(async move {
            sleep(wait).await;
            later.publish(placed(7)).unwrap();
        });
        assert_eq!(sync.wait_for_event("orders/*").timeout(SECOND).await.is_ok(), in_time, "{wait:?}");
        sleep(SECOND).await;
    }
}

#[convoke::test]
async fn grace_lets_everything_settle_before_the_wait_returns() {
    let bus = EventBus::default();
    let billed = Rc::new(Cell::new(false));
    let bill = billed.clone();
    let slow = async move |_: Arc<OrderPlaced>| {
        sleep(ms(300)).await;
        bill.set(true);
    };
    let _billing = bus.on(slow).unwrap();
    let mut sync = EventSynchronizer::new(&bus);
    bus.publish(placed(7)).unwrap();
    at_once(sync.wait_for_event("orders/*")).await.unwrap();
    assert!(!billed.get());
    sync.rewind();
    after(ms(300), sync.wait_for_event("orders/*").grace(ms(300))).await.unwrap();
    assert!(billed.get());
    // Who waits in vain is not kept longer.
    after(SECOND, sync.wait_for_event("x").timeout(SECOND).grace(SECOND)).await.unwrap_err();
}

#[convoke::test]
async fn what_is_to_stay_away_is_looked_for_all_the_time() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    after(SECOND, sync.expect_none("orders/*").within(SECOND)).await.unwrap();
    after(5 * SECOND, sync.expect_none_of::<OrderPlaced>()).await.unwrap();
    let later = bus.clone();
    testing::spawn(async move {
        sleep(ms(200)).await;
        later.publish(OrderClosed { id: 6 }).unwrap();
        later.publish(placed(7)).unwrap();
    });
    let came = after(ms(200), sync.expect_none(["orders/lost", "orders/placed"]).within(SECOND)).await.unwrap_err();
    assert_eq!(
        came.to_string(),
        "`orders/placed` came, and was to stay away for 1s\n\
         what has come:\n\
         \x20 #1 after 6.2s orders/closed OrderClosed {\"id\":6}\n\
         \x20 #2 after 6.2s orders/placed OrderPlaced {\"id\":7}  <- this was not to come"
    );
    assert!(came.missing().is_empty());
    // It has come before the look began, and nobody has taken it.
    at_once(sync.expect_none_of::<OrderPlaced>().within(SECOND)).await.unwrap_err();
    at_once(sync.wait_for_event("orders/placed")).await.unwrap();
    after(SECOND, sync.expect_none_of::<OrderPlaced>().within(SECOND)).await.unwrap();
}

#[convoke::test]
async fn settled_means_that_nothing_is_in_flight() {
    let bus = EventBus::default();
    let done = Rc::new(Cell::new(0));
    let count = done.clone();
    // A chain of three listeners, each of which takes its time.
    let chain = async move |order: Arc<OrderPlaced>, bus: EventBus| {
        sleep(SECOND).await;
        count.set(count.get() + 1);
        if order.id < 3 {
            bus.publish(placed(order.id + 1)).unwrap();
        }
    };
    let _chain = bus.on(chain.named("chain")).unwrap();
    let sync = EventSynchronizer::new(&bus);
    at_once(sync.settled()).await.unwrap();
    bus.publish(placed(1)).unwrap();
    after(3 * SECOND, sync.settled()).await.unwrap();
    assert_eq!(done.get(), 3);

    bus.publish(placed(3)).unwrap();
    bus.publish(placed(3)).unwrap();
    bus.publish(placed(3)).unwrap();
    let busy = after(ms(500), sync.settled().timeout(ms(500))).await.unwrap_err();
    assert_eq!(
        busy.to_string(),
        "not at rest within 500ms; in flight:\n\
         \x20 2 events waiting for `chain`\n\
         \x20 the listener `chain` at work on OrderPlaced"
    );
    assert_eq!(format!("{busy:?}"), busy.to_string());
    after(ms(2500), sync.settled()).await.unwrap();
}

// What a failure says.

#[convoke::test]
async fn a_list_is_short_and_hides_personal_data() {
    struct Unwritable;

    impl Serialize for Unwritable {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no\nwords"))
        }
    }

    impl<'de> Deserialize<'de> for Unwritable {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }

    #[derive(Event, Serialize, Deserialize)]
    struct Broken(Unwritable);

    let bus = EventBus::default();
    let _known = bus.on(|_: &UserRegistered| {}).unwrap();
    let mut sync = EventSynchronizer::new(&bus);
    for id in 0..16 {
        bus.publish(placed(id)).unwrap();
    }
    sleep(ms(1500)).await;
    bus.publish(UserRegistered { mail: "ada@example.org".to_owned() }).unwrap();
    bus.publish_json("users/registered", json!({ "mail": "ada@example.org" })).unwrap();
    bus.publish_json("long", json!("ä".repeat(100))).unwrap();
    bus.publish(Broken(Unwritable)).unwrap();
    for id in 16..30 {
        bus.publish(placed(id)).unwrap();
    }
    let missing = after(SECOND, sync.wait_for_event("x").timeout(SECOND)).await.unwrap_err();
    let text = missing.to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 23, "{text}");
    assert_eq!(
        lines[..9],
        [
            "`x` did not come within 1s",
            "what has come:",
            "  … 14 before them",
            "  #15 after 0ns orders/placed OrderPlaced {\"id\":14}",
            "  #16 after 0ns orders/placed OrderPlaced {\"id\":15}",
            "  #17 after 1.5s users/registered UserRegistered (hidden: personal data)",
            "  #18 after 1.5s users/registered (hidden: personal data)",
            &format!("  #19 after 1.5s long \"{}…", "ä".repeat(79)),
            "  #20 after 1.5s Broken (no form as JSON: it could not be told: the payload on `Broken` is not that of `Broken`: no\\nwords)",
        ]
    );
    assert!(!format!("{sync:?}{:?}{:#?}", sync.seen(), sync.seen()).contains("ada@"));
    assert_eq!(sync.seen()[16]["mail"], "ada@example.org", "whoever asks is told");
}

#[convoke::test]
#[should_panic(
    expected = "called `Result::unwrap()` on an `Err` value: `orders/placed` did not come within 5s\nnothing has come"
)]
async fn unwrap_shows_the_text_as_it_is() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    sync.wait_for_event("orders/placed").await.unwrap();
}

#[convoke::test]
async fn what_is_no_pattern_is_said_at_once() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    let bad = "`orders/` has an empty segment: begin, end and part it by single slashes";
    let error = convoke::Pattern::new("orders/").unwrap_err().to_string();
    let said = at_once(sync.wait_for_event("orders/")).await.unwrap_err();
    assert_eq!((said.to_string(), said.missing().len()), (error.clone(), 0), "{bad}");
    assert_eq!(at_once(sync.wait_for_events(["a", "orders/"])).await.unwrap_err().to_string(), error);
    assert_eq!(at_once(sync.expect_none("orders/")).await.unwrap_err().to_string(), error);
    assert_eq!(sync.watch("orders/").unwrap_err().to_string(), error);
}

// Elsewhere.

#[convoke::test]
async fn it_works_within_an_error_that_a_test_returns() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    bus.publish(placed(7))?;
    sync.wait_for::<OrderPlaced>().await?;
    Ok(())
}

#[test]
fn it_hears_other_threads_in_real_time() {
    on_a_system(async {
        let bus = EventBus::default();
        let mut sync = EventSynchronizer::new(&bus);
        let there = bus.clone();
        let thread = std::thread::spawn(move || {
            there.publish(placed(1)).unwrap();
            there.publish_json("orders/closed", json!({ "id": 1 })).unwrap();
        });
        let seen =
            sync.wait_for_events(["orders/placed", "orders/closed"]).in_order().timeout(60 * SECOND).await.unwrap();
        assert_eq!(numbers(&seen), [1, 2]);
        thread.join().unwrap();
        sync.settled().timeout(60 * SECOND).await.unwrap();
    });
}

#[convoke::test(seeds = 200)]
async fn under_every_seed_what_is_caused_comes_behind_its_cause() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    let close = |order: &OrderPlaced, bus: EventBus| bus.publish(OrderClosed { id: order.id });
    let _close = bus.on(close).unwrap();
    for id in 0..3 {
        let bus = bus.clone();
        testing::spawn(async move { bus.publish(placed(id)).unwrap() });
    }
    sync.wait_for_events(["orders/placed", "orders/closed"]).in_order().await.unwrap();
    sync.settled().await.unwrap();
    let seen = sync.seen();
    for id in 0..3 {
        let place = |topic: &str| seen.iter().position(|seen| seen.topic() == topic && seen["id"] == id).unwrap();
        assert!(place("orders/placed") < place("orders/closed"), "{seen:?}");
        let (cause, caused) = (&seen[place("orders/placed")], &seen[place("orders/closed")]);
        assert_eq!(caused.metadata().causation, Some(cause.metadata().id));
    }
}
