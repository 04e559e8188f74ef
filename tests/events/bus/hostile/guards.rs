//! Guards that are dropped in the middle, and events that cause each other for ever.

use super::*;

// Guards that are dropped in the middle.

#[convoke::test]
async fn a_condition_that_drops_the_guard_of_its_own_listener_has_the_last_word() {
    let bus = EventBus::default();
    let heard = Notes::new();
    for publish in [false, true] {
        let own: Rc<RefCell<Option<Subscription>>> = Rc::default();
        let guard = own.clone();
        let condition = move |_: &Tick| {
            drop(guard.borrow_mut().take());
            true
        };
        *own.borrow_mut() = Some(bus.on(note(&heard).when(condition)).unwrap());
        match publish {
            true => _ = bus.publish(Tick(1)).unwrap(),
            false => assert!(at_once(bus.emit(Tick(1))).await.is_ok()),
        }
        settled().await;
        assert!(heard.take().is_empty(), "a call began after its guard was dropped");
        assert!(bus.subscriptions().is_empty());
    }
}

#[convoke::test]
async fn two_listeners_that_drop_each_others_guards_come_to_no_harm() {
    for publish in [false, true] {
        let bus = EventBus::default();
        let guards: Rc<RefCell<Vec<Option<Subscription>>>> = Rc::default();
        let called = Notes::new();
        for number in [0, 1] {
            let (others, called) = (guards.clone(), called.clone());
            let listener = move |_: &Tick| {
                called.add(number);
                let other = others.borrow_mut()[1 - number].take();
                drop(other);
            };
            guards.borrow_mut().push(Some(bus.on(listener).unwrap()));
        }
        for tick in 0..2 {
            match publish {
                true => _ = bus.publish(Tick(tick)).unwrap(),
                false => assert!(at_once(bus.emit(Tick(tick))).await.is_ok()),
            }
            settled().await;
        }
        assert_eq!(called.take(), [0, 0], "the first ends the second before its turn, and stays");
        assert_eq!(bus.subscriptions().len(), 1);
        guards.borrow_mut().clear();
    }
}

#[convoke::test]
async fn a_listener_that_holds_its_own_guard_and_the_guards_of_others_goes_with_the_bus() {
    let bus = EventBus::default();
    let (own, alive) = (Rc::new(RefCell::new(Vec::new())), Rc::new(()));
    for _ in 0..3 {
        let (guards, witness) = (own.clone(), alive.clone());
        let listener = move |_: &Tick| drop((guards.borrow().len(), witness.clone()));
        own.borrow_mut().push(bus.on(listener).unwrap());
    }
    drop(own);
    assert!(at_once(bus.emit(Tick(1))).await.is_ok());
    assert_eq!(Rc::strong_count(&alive), 4);
    drop(bus);
    settled().await;
    assert_eq!(Rc::strong_count(&alive), 1, "the listeners are still there");
}

#[convoke::test]
async fn what_a_dropped_listener_has_captured_may_use_the_bus() {
    struct Farewell(EventBus, Option<Subscription>);

    impl Drop for Farewell {
        fn drop(&mut self) {
            self.0.publish(Tick(7)).unwrap();
            self.0.publish_retained("hostile/farewell", json!(1)).unwrap();
            self.1 = self.0.on(|_: &Tick| ()).ok();
        }
    }

    let bus = EventBus::default();
    let neighbor = Notes::new();
    let _neighbor = bus.on(note(&neighbor)).unwrap();
    let farewell = Farewell(bus.clone(), None);
    let guard = bus
        .on(move |_: &Tick| {
            let _ = &farewell;
        })
        .unwrap();
    assert!(at_once(bus.emit(Tick(1))).await.is_ok());
    drop(guard);
    settled().await;
    assert_eq!(neighbor.take(), [1, 7]);
    assert_eq!(bus.subscriptions().len(), 1);
}

#[convoke::test]
async fn a_once_listener_that_takes_its_time_is_dropped_after_its_event() {
    let bus = EventBus::default();
    let alive = Rc::new(());
    for publish in [false, true] {
        let witness = alive.clone();
        let listener = async move |_: Arc<Tick>| {
            sleep(ms(1)).await;
            let _ = &witness;
        };
        bus.on(listener.once()).unwrap().forever();
        assert_eq!(Rc::strong_count(&alive), 2);
        match publish {
            true => _ = bus.publish(Tick(1)).unwrap(),
            false => assert!(bus.emit(Tick(1)).await.is_ok()),
        }
        bus.drain().await;
        assert!(bus.subscriptions().is_empty());
        assert_eq!(Rc::strong_count(&alive), 1, "published: {publish}: it has heard its event, and is still there");
    }
}

// Events that cause each other for ever.

#[convoke::test]
async fn a_cycle_through_dead_letters_ends_as_well() {
    const ENOUGH: u64 = 2_000;
    convoke::testing::expect_failure("Tick");
    let bus = EventBus::builder().max_depth(8).build();
    let failed = Rc::new(Cell::new(0));
    let count = failed.clone();
    let fails = move |_: &Tick| {
        count.set(count.get() + 1);
        Err::<(), _>("again")
    };
    let _fails = bus.on(fails).unwrap();
    let count = failed.clone();
    let again = move |_: &DeadLetter, bus: EventBus| {
        // So that the test ends even if the cycle does not.
        if count.get() < ENOUGH {
            let _ = bus.publish(Tick(0));
        }
    };
    let _again = bus.on(again).unwrap();
    bus.publish(Tick(0)).unwrap();
    settled().await;
    assert!(failed.get() < ENOUGH, "a failure that publishes its own event again goes on for ever");
}

#[test]
fn a_very_long_chain_of_events_is_dropped_without_exhausting_the_stack() {
    in_a_process_of_its_own(
        "events::bus::hostile::guards::a_very_long_chain_of_events_is_dropped_without_exhausting_the_stack",
        || {
            convoke::testing::run("a very long chain", async || {
                convoke::testing::expect_failure("Tick");
                let bus = EventBus::builder().max_depth(u32::MAX).build();
                let on = |tick: &Tick, bus: EventBus| match tick.0 {
                    0 => Ok(()),
                    left => bus.publish(Tick(left - 1)).map(drop),
                };
                let on = bus.on(on).unwrap();
                bus.publish(Tick(200_000)).unwrap();
                bus.drain().await;
                // However deep it is told to be, 250 is the most.
                assert_eq!((on.info().done, on.info().failed), (249, 1));
                drop((on, bus));
            });
        },
    );
}
