//! Their bound.

use convoke::testing::expect_failure;

use super::*;

#[convoke::test]
async fn to_drop_the_oldest() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let guard = bus.on(note(&notes).capacity(2).overflow(Overflow::DropOldest)).unwrap();
    publish(&bus, 1..=5);
    assert_eq!((guard.info().waiting, guard.info().dropped), (2, 3));
    let oldest = Reason::Overflow(Overflow::DropOldest);
    assert_eq!(letters(&bus), [(1, oldest.clone()), (2, oldest.clone()), (3, oldest.clone())]);
    assert_eq!(oldest.to_string(), "too many events wait for it, and the oldest is dropped");
    bus.drain().await;
    assert_eq!(notes.take(), [4, 5]);
}

#[convoke::test]
async fn to_drop_the_newest() {
    let bus = EventBus::default();
    let (notes, other) = (Notes::new(), Notes::new());
    let guard = bus.on(note(&notes).capacity(2).overflow(Overflow::DropNewest)).unwrap();
    let _other = bus.on(note(&other)).unwrap();
    publish(&bus, 1..=5);
    assert_eq!((guard.info().waiting, guard.info().dropped), (2, 3));
    let newest = Reason::Overflow(Overflow::DropNewest);
    assert_eq!(letters(&bus), [(3, newest.clone()), (4, newest.clone()), (5, newest.clone())]);
    assert_eq!(newest.to_string(), "too many events wait for it, and the newest is dropped");
    bus.drain().await;
    assert_eq!((notes.take(), other.take()), (vec![1, 2], vec![1, 2, 3, 4, 5]));
}

#[convoke::test]
async fn to_refuse_for_all_is_an_error_of_publish_and_nobody_hears_the_event() {
    let bus = EventBus::default();
    let (before, notes, behind) = (Notes::new(), Notes::new(), Notes::new());
    let _before = bus.on(note(&before)).unwrap();
    let guard = bus.on(note(&notes).named("mail").capacity(2).all_or_none()).unwrap();
    let _behind = bus.on_topic("**", {
        let behind = behind.clone();
        move |event: &JsonEvent| behind.add(event.as_u64().unwrap())
    });
    publish(&bus, 1..=2);
    let error = bus.publish(Tick(3)).unwrap_err();
    assert_eq!(error, PublishError::Full { listener: "mail".into(), capacity: 2 });
    let text = "`mail` refuses more than 2 waiting, and nobody has the event: publish it later, `publish_wait`, or raise its `capacity`";
    assert_eq!(error.to_string(), text);
    assert_eq!(bus.publish_json("queues/tick", json!(4)).unwrap_err(), error);
    // It does not stand in the way of what it does not hear.
    bus.publish_json("queues/other", json!(5)).unwrap();
    assert_eq!((guard.info().waiting, guard.info().dropped), (2, 0));
    bus.drain().await;
    publish(&bus, [6]);
    bus.drain().await;
    assert_eq!((before.take(), notes.take(), behind.take()), (vec![1, 2, 6], vec![1, 2, 6], vec![1, 2, 5, 6]));
    assert!(letters(&bus).is_empty());
}

#[convoke::test]
async fn what_one_of_two_refuses_takes_no_place_at_the_other() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let wide = bus.on(note(&notes).capacity(2).all_or_none()).unwrap();
    let narrow = bus.on(note(&notes).named("narrow").capacity(1).all_or_none()).unwrap();
    publish(&bus, [1]);
    for _ in 0..3 {
        assert_eq!(bus.publish(Tick(2)), Err(PublishError::Full { listener: "narrow".into(), capacity: 1 }));
    }
    assert_eq!((wide.info().waiting, narrow.info().waiting), (1, 1));
    drop(narrow);
    publish(&bus, [3]);
    bus.drain().await;
    assert_eq!(notes.take(), [1, 3]);
    assert_eq!(letters(&bus), [(1, Reason::Ended)]);
}

#[convoke::test]
async fn a_queue_is_as_long_as_the_bus_says_unless_the_listener_says_otherwise() {
    expect_failure("Tick");
    let bus = EventBus::builder().capacity(3).build();
    let default = bus.on((|_: &Tick| ()).overflow(Overflow::DropOldest)).unwrap();
    let own = bus.on((|_: &Tick| ()).capacity(5).overflow(Overflow::DropOldest)).unwrap();
    // Zero counts as 1, in both.
    let zero = bus.on((|_: &Tick| ()).capacity(0).overflow(Overflow::DropOldest)).unwrap();
    publish(&bus, 0..10);
    assert_eq!([&default, &own, &zero].map(|guard| guard.info().waiting), [3, 5, 1]);
    let bus = EventBus::builder().capacity(0).build();
    let least = bus.on((|_: &Tick| ()).overflow(Overflow::DropOldest)).unwrap();
    publish(&bus, 0..10);
    assert_eq!((least.info().waiting, least.info().capacity), (1, 1));
    let usual = EventBus::default().on(|_: &Tick| ()).unwrap().info();
    assert_eq!((usual.capacity, usual.overflow), (1024, Overflow::Refuse));
}

#[convoke::test]
async fn what_is_under_way_takes_no_place_in_the_queue() {
    expect_failure("Tick");
    let bus = EventBus::default();
    let notes = Notes::new();
    let _guard = bus.on(slow(&notes, ms(1)).capacity(1).overflow(Overflow::Refuse)).unwrap();
    publish(&bus, [1]);
    settled().await;
    publish(&bus, [2]);
    assert!(bus.publish(Tick(3)).is_err());
    bus.drain().await;
    assert_eq!(notes.take(), [1, 101, 2, 102]);
}
