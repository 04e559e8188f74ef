//! Which events, how often, and in which order.

use super::*;

#[convoke::test]
async fn a_listener_hears_only_what_its_condition_is_true_of() {
    let bus = EventBus::default();
    let (heard, both) = (Notes::new(), Notes::new());
    let _even = bus.on(note(&heard).named("even").when(|order| order.id % 2 == 0)).unwrap();
    let twice = note(&both).named("both").when(|order| order.id % 2 == 0).when(|order| order.id > 3);
    let _both = bus.on(twice).unwrap();
    for id in 1..=4 {
        bus.publish(order(id)).unwrap();
    }
    settled().await;
    assert_eq!((heard.take(), both.take()), (vec![2, 4], vec![4]));
    let called: Vec<_> = [at_once(bus.emit(order(1))).await, bus.emit(order(2)).await, bus.emit(order(4)).await]
        .iter()
        .map(names)
        .collect();
    assert_eq!(called, [vec![], vec!["even"], vec!["even", "both"]], "who did not want it was not called");
    assert_eq!((heard.take(), both.take()), (vec![2, 4], vec![4]));
    assert_eq!(bus.unheard(), 0);
    let infos = bus.subscriptions();
    assert_eq!(infos.iter().map(|info| (info.done, info.dropped)).collect::<Vec<_>>(), [(4, 0), (2, 0)]);
}

#[convoke::test]
async fn a_condition_that_panics_is_a_failure_of_its_listener() {
    let bus = EventBus::default();
    let heard = Notes::new();
    let doubtful = note(&heard).named("doubtful").when(|order| match order.id {
        1 => panic!("I cannot say"),
        _ => true,
    });
    let doubtful = bus.on(doubtful).unwrap();
    let _other = bus.on(note(&heard).named("other")).unwrap();
    assert_eq!(failures(&at_once(bus.emit(order(1))).await), ["doubtful panicked: I cannot say"]);
    bus.publish(order(1)).unwrap();
    bus.publish(order(2)).unwrap();
    settled().await;
    assert_eq!(heard.take(), [1, 1, 2, 2], "the other hears of both, and it of the second");
    assert_eq!((doubtful.info().failed, doubtful.info().done), (2, 1));
    assert_eq!(bus.dead_letters().len(), 2);
}

#[convoke::test]
async fn once_is_once_and_so_many_times_are_so_many() {
    for publish in [false, true] {
        let bus = EventBus::default();
        let (once, thrice, never) = (Notes::new(), Notes::new(), Notes::new());
        let single = bus.on(note(&once).named("once").once()).unwrap();
        let odd = note(&thrice).named("three times").when(|order| order.id % 2 == 1).times(3);
        let odd = bus.on(odd).unwrap();
        // Zero counts as 1.
        let zero = bus.on(note(&never).times(0)).unwrap();
        for id in 1..=8 {
            match publish {
                true => bus.publish(order(id)).unwrap(),
                false => assert!(at_once(bus.emit(order(id))).await.is_ok()),
            }
        }
        settled().await;
        assert_eq!((once.take(), thrice.take(), never.take()), (vec![1], vec![1, 3, 5], vec![1]));
        assert!([&single, &odd, &zero].iter().all(|guard| !guard.is_active()));
        assert!(bus.subscriptions().is_empty() && bus.dead_letters().is_empty());
        assert_eq!(single.info().done, 1);
        // It takes its end as well as any other.
        single.unsubscribe().await;
    }
}

#[convoke::test]
async fn once_hears_one_event_even_if_three_come_before_its_first_turn() {
    let bus = EventBus::default();
    let heard = Notes::new();
    let notes = heard.clone();
    let slow = async move |order: Arc<OrderPlaced>| {
        sleep(ms(10)).await;
        notes.add(order.id);
    };
    let guard = bus.on(slow.once()).unwrap();
    (1..=3).for_each(|id| bus.publish(order(id)).unwrap());
    assert!(!guard.is_active(), "its event is there, and it takes no other");
    assert!(at_once(bus.emit(order(4))).await.is_empty());
    after(ms(10), bus.drain()).await;
    assert_eq!(heard.take(), [1]);
    assert!(bus.dead_letters().is_empty());
}

#[convoke::test]
async fn a_once_listener_that_emits_its_own_event_is_not_called_again() {
    let bus = EventBus::default();
    let heard = Notes::new();
    let notes = heard.clone();
    let again = async move |event: Arc<OrderPlaced>, bus: EventBus| {
        notes.add(event.id);
        assert!(bus.emit(order(event.id + 1)).await.is_empty());
    };
    let _again = bus.on(again.once()).unwrap();
    assert!(at_once(bus.emit(order(1))).await.is_ok());
    assert_eq!(heard.take(), [1]);
}

#[convoke::test]
async fn those_of_a_higher_priority_begin_first_and_among_equals_the_earlier() {
    let bus = EventBus::default();
    let called = Notes::new();
    let mut guards = Vec::new();
    for (name, priority) in [("a", 0), ("b", -1), ("c", 7), ("d", 0), ("e", i32::MIN), ("f", i32::MAX), ("g", 7)] {
        let (sync, later) = (called.clone(), called.clone());
        let listening = (move |_: &OrderPlaced| sync.add(name)).named(name).priority(priority);
        guards.push(bus.on(listening).unwrap());
        let later = async move |_: Arc<OrderPlaced>| {
            later.add(name);
            sleep(ms(1)).await;
        };
        guards.push(bus.on(later.named(name).priority(priority)).unwrap());
    }
    let expected = ["f", "f", "c", "c", "g", "g", "a", "a", "d", "d", "b", "b", "e", "e"];
    let report = bus.emit(order(1)).await;
    assert_eq!(called.take(), expected);
    assert_eq!(names(&report), expected, "the report has their order");
    bus.publish(order(2)).unwrap();
    bus.drain().await;
    assert_eq!(called.take(), expected, "and so have queues that were empty");
    drop(guards);
}

#[convoke::test]
async fn the_list_of_failures_has_the_order_of_the_listeners() {
    let bus = EventBus::default();
    let late = async |_: Arc<OrderPlaced>| {
        sleep(ms(5)).await;
        Err::<(), _>("late")
    };
    let early = async |_: Arc<OrderPlaced>| {
        sleep(ms(1)).await;
        Err::<(), _>("early")
    };
    let _late = bus.on(late.named("1")).unwrap();
    let _sync = bus.on((|_: &OrderPlaced| Err::<(), _>("at once")).named("2")).unwrap();
    let _early = bus.on(early.named("3")).unwrap();
    let report = bus.emit(order(1)).await;
    assert_eq!(failures(&report), ["1 failed: late", "2 failed: at once", "3 failed: early"]);
    let text = "OrderPlaced: 3 listeners, 3 failed: `1` failed: late; `2` failed: at once; `3` failed: early";
    assert_eq!(report.to_string(), text);
    assert_eq!(format!("{report:?}"), format!("Report({text:?})"));
}
