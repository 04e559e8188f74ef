//! Their end.

use convoke::testing::expect_failure;

use super::*;

#[convoke::test]
async fn what_waits_when_its_listener_is_unsubscribed_is_a_dead_letter_and_what_is_under_way_goes_on() {
    for drops in [false, true] {
        let bus = EventBus::default();
        let notes = Notes::new();
        let guard = bus.on(slow(&notes, ms(10)).named("slow")).unwrap();
        publish(&bus, 1..=3);
        let emission = actix_rt::spawn(bus.emit(Tick(4)));
        settled().await;
        match drops {
            true => drop(guard),
            false => at_once(guard.unsubscribe()).await,
        }
        publish(&bus, [5]);
        assert_eq!(bus.unheard(), 1);
        assert_eq!(letters(&bus), [(2, Reason::Ended), (3, Reason::Ended)]);
        assert!(after(ms(10), emission).await.unwrap().is_ok());
        at_once(bus.drain()).await;
        let mut notes = notes.take();
        notes.sort();
        assert_eq!(notes, [1, 4, 101, 104]);
    }
}

#[convoke::test]
async fn what_is_queued_is_heard_when_the_last_handle_is_gone_and_then_the_listeners_go() {
    let alive = Rc::new(());
    for forever in [true, false] {
        let bus = EventBus::default();
        let (notes, witness) = (Notes::new(), alive.clone());
        let heard = notes.clone();
        let listener = async move |tick: Arc<Tick>| {
            let _ = &witness;
            sleep(ms(10)).await;
            heard.add(tick.0);
        };
        let guard = bus.on(listener).unwrap();
        let guard = match forever {
            true => {
                guard.forever();
                None
            }
            false => Some(guard),
        };
        publish(&bus, 1..=3);
        drop(bus);
        sleep(ms(30)).await;
        settled().await;
        assert_eq!((notes.take(), Rc::strong_count(&alive)), (vec![1, 2, 3], 1));
        drop(guard);
    }
}

#[convoke::test]
async fn drain_waits_for_all_that_is_queued_or_under_way_and_for_nothing_else() {
    let bus = EventBus::default();
    at_once(bus.drain()).await;
    let notes = Notes::new();
    let guard = bus.on(slow(&notes, ms(10))).unwrap();
    at_once(bus.drain()).await;
    publish(&bus, 1..=2);
    after(ms(20), async { tokio::join!(bus.drain(), bus.drain()) }).await;
    assert_eq!(notes.len(), 4);
    let emission = actix_rt::spawn(bus.emit(Tick(3)));
    settled().await;
    after(ms(10), bus.drain()).await;
    assert!(emission.await.unwrap().is_ok());
    // One that is dropped leaves nothing behind.
    publish(&bus, [4]);
    assert!(tokio::time::timeout(ms(1), bus.drain()).await.is_err());
    after(ms(9), bus.drain()).await;
    drop(guard);
    at_once(bus.drain()).await;
}

#[convoke::test]
async fn drain_waits_for_what_listeners_publish_to_each_other() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let heard = notes.clone();
    let chain = async move |tick: Arc<Tick>, bus: EventBus| {
        sleep(ms(1)).await;
        heard.add(tick.0);
        if tick.0 > 0 {
            bus.publish(Tick(tick.0 - 1)).unwrap();
        }
    };
    let _chain = bus.on(chain).unwrap();
    publish(&bus, [9]);
    after(ms(10), bus.drain()).await;
    assert_eq!(notes.take(), (0..=9).rev().collect::<Vec<_>>());
}

#[convoke::test]
async fn a_listener_may_publish_its_own_event_to_a_queue_that_is_full() {
    expect_failure("Tick");
    let bus = EventBus::builder().max_depth(1_000).build();
    let (heard, refused) = (Notes::new(), Notes::new());
    let (notes, errors) = (heard.clone(), refused.clone());
    let doubles = move |tick: &Tick, bus: EventBus| {
        notes.add(tick.0);
        if tick.0 < 5 {
            for _ in 0..2 {
                errors.add(bus.publish(Tick(tick.0 + 1)).is_err());
            }
        }
    };
    let _doubles = bus.on(doubles.capacity(2).overflow(Overflow::Refuse)).unwrap();
    publish(&bus, [0]);
    at_once(bus.drain()).await;
    let heard = heard.take();
    assert_eq!(heard.len(), 1 + refused.take().into_iter().filter(|refused| !refused).count());
    assert!(heard.contains(&5), "{heard:?}");
}

#[convoke::test]
async fn an_event_may_be_published_while_another_is_dropped_for_it() {
    expect_failure("Echo");
    /// Publishes when it is dropped, as the last of an event does that overflows.
    #[derive(Event)]
    #[event(local)]
    struct Echo(Option<EventBus>);

    impl Drop for Echo {
        fn drop(&mut self) {
            if let Some(bus) = self.0.take() {
                bus.publish(Tick(7)).unwrap();
                bus.publish(Echo(None)).unwrap();
            }
        }
    }

    let bus = EventBus::builder().dead_letters(0).build();
    let notes = Notes::new();
    let _note = bus.on(note(&notes)).unwrap();
    let echoes = Rc::new(RefCell::new(0));
    let count = echoes.clone();
    let _echo = bus.on((move |_: &Echo| *count.borrow_mut() += 1).capacity(1).overflow(Overflow::DropOldest)).unwrap();
    for _ in 0..3 {
        bus.publish(Echo(Some(bus.clone()))).unwrap();
    }
    at_once(bus.drain()).await;
    assert_eq!(notes.take(), [7; 3]);
    assert!(*echoes.borrow() > 0);
}

/// What a future holds is no concern of the bus.
fn is_static<T: Future + 'static>(future: T) -> T {
    future
}

#[convoke::test]
async fn who_waits_or_drains_does_not_hold_the_bus_open() {
    let bus = EventBus::default();
    let alive = Rc::new(());
    let witness = alive.clone();
    bus.on(move |_: &Tick| drop(witness.clone())).unwrap().forever();
    let (waits, drains) = (is_static(bus.publish_wait(Tick(1))), is_static(bus.drain()));
    drop(bus);
    settled().await;
    assert_eq!(Rc::strong_count(&alive), 1);
    at_once(waits).await.unwrap();
    at_once(drains).await;
}
