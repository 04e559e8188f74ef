//! Several events, and what a wait takes.

use super::*;

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
