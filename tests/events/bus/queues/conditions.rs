//! A listener that refuses for all, or is waited for, and does not want the event: its room does not count.

use std::cell::Cell;

use super::*;

/// A full listener to what is below 100, which refuses for all.
fn full(bus: &EventBus) -> Subscription {
    let full = (|_: &Tick| ()).named("full").when(|tick: &Tick| tick.0 < 100).capacity(1).all_or_none();
    let full = bus.on(full).unwrap();
    bus.publish(Tick(1)).unwrap();
    full
}

#[convoke::test]
async fn who_refuses_for_all_refuses_nothing_that_it_does_not_want() {
    let (bus, notes) = (EventBus::new(), Notes::new());
    let full = full(&bus);
    let _all = bus.on(note(&notes)).unwrap();
    for tick in 100..110 {
        bus.publish(Tick(tick)).unwrap();
    }
    assert_eq!(bus.publish(Tick(2)), Err(PublishError::Full { listener: "full".into(), capacity: 1 }));
    assert_eq!(full.info().waiting, 1, "no place is left taken");
    bus.drain().await;
    assert_eq!(notes.take(), (100..110).collect::<Vec<_>>());
    assert_eq!((full.info().waiting, full.info().done), (0, 1));
    bus.publish(Tick(3)).unwrap();
    bus.drain().await;
    assert_eq!(full.info().done, 2);
}

#[convoke::test]
async fn nobody_waits_for_room_at_who_does_not_want_the_event() {
    let (bus, notes) = (EventBus::new(), Notes::new());
    let _full = full(&bus);
    let _all = bus.on(note(&notes)).unwrap();
    at_once(bus.publish_wait(Tick(100))).await.unwrap();
    bus.drain().await;
    assert_eq!(notes.take(), [100]);
}

#[convoke::test]
async fn what_is_retained_or_comes_as_json_is_asked_for_alike() {
    let bus = EventBus::new();
    let _full = full(&bus);
    bus.publish_json("queues/tick", json!(100)).unwrap();
    bus.publish_retained("queues/tick", json!(101)).unwrap();
    assert!(matches!(bus.publish_retained("queues/tick", json!(5)), Err(PublishError::Full { .. })));
    bus.drain().await;

    // By topic, a typed event is asked for as JSON.
    let (bus, notes) = (EventBus::new(), Notes::new());
    let full = (|_: &JsonEvent| ()).when(|tick: &JsonEvent| tick.as_u64() < Some(100)).capacity(1).all_or_none();
    let _full = bus.on_topic("queues/*", full).unwrap();
    let _all = bus.on(note(&notes)).unwrap();
    bus.publish(Tick(1)).unwrap();
    bus.publish(Tick(100)).unwrap();
    assert!(matches!(bus.publish(Tick(2)), Err(PublishError::Full { .. })));
    bus.drain().await;
    assert_eq!(notes.take(), [1, 100]);
}

#[convoke::test]
async fn a_condition_may_publish_while_it_is_asked() {
    let (bus, told) = (EventBus::new(), EventBus::new());
    let notes = Notes::new();
    let _told = told.on(note(&notes)).unwrap();
    let (this, other) = (bus.clone(), told.clone());
    let asks = move |tick: &Tick| {
        let _ = other.publish(Tick(tick.0));
        // The lock of what is retained is free.
        let _ = this.publish_retained("queues/other", json!(tick.0));
        tick.0 < 100
    };
    let _full = bus.on((|_: &Tick| ()).when(asks).capacity(1).all_or_none()).unwrap();
    bus.publish(Tick(1)).unwrap();
    bus.publish_retained("queues/tick", json!(100)).unwrap();
    at_once(bus.drain()).await;
    told.drain().await;
    assert!(notes.take().contains(&100));
}

#[convoke::test]
async fn a_condition_that_panics_while_it_is_asked_refuses() {
    let bus = EventBus::new();
    let picky = |tick: &Tick| if tick.0 < 100 { true } else { panic!("odd") };
    let _full = bus.on((|_: &Tick| ()).named("full").when(picky).capacity(1).all_or_none()).unwrap();
    bus.publish(Tick(1)).unwrap();
    assert!(matches!(bus.publish(Tick(100)), Err(PublishError::Full { .. })));
    bus.drain().await;
}

/// What a listener has captured, whose `Drop` panics.
struct Bad;

impl Drop for Bad {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "in its drop");
    }
}

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "queues/kept", retained)]
struct Kept(u64);

/// A full listener that refuses for all, and whose condition drops its guard when it is asked again: the route in use then holds
/// the last of it.
fn ends_itself<E: Event>(bus: &EventBus) {
    let (bad, asked) = (Bad, Cell::new(0));
    let guard = Rc::new(RefCell::new(None::<Subscription>));
    let own = guard.clone();
    let listens =
        (move |_: &E| assert!(!std::ptr::eq(&bad, std::ptr::null()))).capacity(1).all_or_none().when(move |_| {
            asked.set(asked.get() + 1);
            if asked.get() > 1 {
                let _ = own.borrow_mut().take();
            }
            true
        });
    *guard.borrow_mut() = Some(bus.on(listens).unwrap());
}

#[convoke::test]
async fn a_drop_that_panics_in_whoever_has_refused_stays_out_of_publish() {
    convoke::testing::allow_failures();
    let bus = EventBus::new();
    ends_itself::<Tick>(&bus);
    bus.publish(Tick(1)).unwrap();
    assert!(matches!(bus.publish(Tick(2)), Err(PublishError::Full { .. })));
    ends_itself::<Tick>(&bus);
    bus.publish(Tick(3)).unwrap();
    let _ = bus.publish_wait(Tick(4)).await;
    ends_itself::<Kept>(&bus);
    bus.publish(Kept(1)).unwrap();
    assert!(matches!(bus.publish(Kept(2)), Err(PublishError::Full { .. })));
    bus.publish(Kept(3)).unwrap();
}
