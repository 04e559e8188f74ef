//! Their order.

use super::*;

#[convoke::test]
async fn publish_returns_at_once_and_nobody_has_been_called() {
    let bus = EventBus::default();
    let heard = Notes::new();
    let guard = bus.on(note(&heard)).unwrap();
    publish(&bus, 1..=3);
    assert!(heard.take().is_empty());
    assert_eq!(guard.info().waiting, 3);
    at_once(bus.drain()).await;
    assert_eq!(heard.take(), [1, 2, 3]);
    assert_eq!((guard.info().waiting, guard.info().done), (0, 3));
}

#[convoke::test]
async fn a_listener_takes_its_events_one_at_a_time_and_each_listener_at_its_own_pace() {
    let bus = EventBus::default();
    let (steady, quick) = (Notes::new(), Notes::new());
    let _steady = bus.on(slow(&steady, ms(10))).unwrap();
    let _quick = bus.on(note(&quick)).unwrap();
    publish(&bus, 1..=3);
    settled().await;
    assert_eq!((steady.take(), quick.take()), (vec![1], vec![1, 2, 3]));
    after(ms(30), bus.drain()).await;
    assert_eq!(steady.take(), [101, 2, 102, 3, 103]);
}

#[convoke::test]
async fn with_concurrency_so_many_are_under_way_and_they_begin_in_order() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let begun = notes.clone();
    let varied = async move |tick: Arc<Tick>| {
        begun.add(tick.0);
        sleep(ms(tick.0)).await;
        begun.add(100 + tick.0);
    };
    let guard = bus.on(varied.concurrency(2)).unwrap();
    publish(&bus, [30, 10, 5, 1]);
    settled().await;
    assert_eq!((notes.take(), guard.info().waiting), (vec![30, 10], 2));
    after(ms(30), bus.drain()).await;
    assert_eq!(notes.take(), [110, 5, 105, 1, 101, 130]);

    // Zero counts as 1.
    let zero = bus.on(slow(&notes, ms(1)).concurrency(0)).unwrap();
    drop(guard);
    publish(&bus, 1..=2);
    after(ms(2), bus.drain()).await;
    assert_eq!(notes.take(), [1, 101, 2, 102]);
    drop(zero);
}

#[convoke::test]
async fn what_is_emitted_does_not_wait_for_its_turn() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let _slow = bus.on(slow(&notes, ms(10))).unwrap();
    publish(&bus, 1..=2);
    settled().await;
    assert!(after(ms(10), bus.emit(Tick(3))).await.is_ok());
    bus.drain().await;
    assert_eq!(notes.take()[..2], [1, 3], "it begins while the first is under way, and before the second");
}

#[convoke::test]
async fn types_and_json_of_one_publisher_stay_in_order() {
    let bus = EventBus::default();
    let (typed, json) = (Notes::new(), Notes::new());
    let _typed = bus.on(note(&typed)).unwrap();
    let notes = json.clone();
    let _json = bus.on_topic("queues/*", move |event: &JsonEvent| notes.add(event.as_u64().unwrap())).unwrap();
    for number in 0..200 {
        match number % 3 {
            0 => bus.publish(Tick(number)).unwrap(),
            1 => bus.publish_json("queues/tick", json!(number)).unwrap(),
            _ => at_once(bus.publish_wait(Tick(number))).await.unwrap(),
        }
    }
    bus.drain().await;
    let expected: Vec<_> = (0..200).collect();
    assert_eq!((typed.take(), json.take()), (expected.clone(), expected));
}

#[convoke::test]
async fn a_thousand_events_for_one_listener_do_not_keep_another_waiting() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let (loud, quiet) = (notes.clone(), notes.clone());
    let _loud = bus.on(move |_: &Tick| loud.add("loud")).unwrap();
    let _quiet = bus.on_topic("queues/quiet", move |_: &JsonEvent| quiet.add("quiet")).unwrap();
    publish(&bus, 0..1000);
    bus.publish_json("queues/quiet", json!(1)).unwrap();
    at_once(bus.drain()).await;
    let place = notes.take().iter().position(|who| *who == "quiet").unwrap();
    assert!(place <= 64, "it had to wait for {place} of the other's");
}
