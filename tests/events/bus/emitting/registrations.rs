//! Registrations that come and go in the middle, and what is registered.

use convoke::testing::expect_failure;

use super::*;

// Registrations that come and go in the middle.

#[convoke::test]
async fn a_listener_may_drop_its_own_guard() {
    for publish in [false, true] {
        let bus = EventBus::default();
        let (heard, own) = (Notes::new(), Rc::new(RefCell::new(None)));
        let (notes, guard) = (heard.clone(), own.clone());
        let suicidal = move |order: &OrderPlaced| {
            notes.add(order.id);
            drop(guard.borrow_mut().take());
        };
        *own.borrow_mut() = Some(bus.on(suicidal.named("suicidal")).unwrap());
        for id in 1..=3 {
            match publish {
                true => _ = bus.publish(order(id)).unwrap(),
                false => assert!(at_once(bus.emit(order(id))).await.is_ok()),
            }
        }
        settled().await;
        assert_eq!(heard.take(), [1]);
        assert!(bus.subscriptions().is_empty());
        // What waited for it is told of.
        assert_eq!(bus.dead_letters().len(), if publish { 2 } else { 0 });
    }
}

#[convoke::test]
async fn who_is_ended_by_one_that_is_called_before_is_not_called() {
    let bus = EventBus::default();
    let (heard, victim) = (Notes::new(), Rc::new(Cell::new(None)));
    let guard = victim.clone();
    let _first = bus.on((move |_: &OrderPlaced| drop(guard.take())).named("first")).unwrap();
    victim.set(Some(bus.on(note(&heard).named("second")).unwrap()));
    let report = at_once(bus.emit(order(1))).await;
    assert_eq!((names(&report), heard.take()), (vec!["first".to_owned()], vec![]));
}

#[convoke::test]
async fn who_is_registered_by_a_listener_hears_the_next_event_on() {
    for publish in [false, true] {
        let bus = EventBus::default();
        let (heard, guards) = (Notes::new(), Rc::new(RefCell::new(Vec::new())));
        let (notes, more) = (heard.clone(), guards.clone());
        let _recruiter = bus
            .on(move |_: &OrderPlaced, bus: EventBus| more.borrow_mut().push(bus.on(note(&notes)).unwrap()))
            .unwrap();
        for (id, expected) in [(1, 0), (2, 1), (3, 2)] {
            match publish {
                true => _ = bus.publish(order(id)).unwrap(),
                false => assert!(at_once(bus.emit(order(id))).await.is_ok()),
            }
            settled().await;
            assert_eq!(heard.take(), vec![id; expected]);
        }
        guards.borrow_mut().clear();
    }
}

#[convoke::test]
async fn a_listener_may_emit_its_own_event() {
    let bus = EventBus::default();
    let heard = Notes::new();
    let notes = heard.clone();
    let countdown = async move |event: Arc<OrderPlaced>, bus: EventBus| {
        notes.add(event.id);
        if event.id > 0 {
            let report = bus.emit(order(event.id - 1)).await;
            assert!(report.is_ok() && report.len() == 2, "{report}");
        }
    };
    let _countdown = bus.on(countdown).unwrap();
    let notes = heard.clone();
    let _published = bus
        .on(move |event: &OrderPlaced, bus: EventBus| {
            notes.add(100 + event.id);
            if event.id == 0 {
                bus.publish_json("orders/counted", json!(0)).unwrap();
            }
        })
        .unwrap();
    assert!(at_once(bus.emit(order(3))).await.is_ok());
    let mut heard = heard.take();
    heard.sort();
    assert_eq!(heard, [0, 1, 2, 3, 100, 101, 102, 103]);
}

#[convoke::test]
async fn a_sync_listener_that_is_called_again_from_within_itself_says_so() {
    let bus = EventBus::default();
    let mut calls = 0;
    let inner = Rc::new(RefCell::new(None::<EventBus>));
    let (captured, reports) = (inner.clone(), Notes::new());
    let notes = reports.clone();
    let again = move |event: &OrderPlaced| {
        calls += 1;
        if calls < 10
            && event.id > 0
            && let Some(bus) = &*captured.borrow()
        {
            let mut emission = Box::pin(bus.emit(order(event.id - 1)));
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            match emission.as_mut().poll(&mut cx) {
                std::task::Poll::Ready(report) => notes.add(failures(&report)),
                std::task::Poll::Pending => notes.add(vec!["pending".to_owned()]),
            }
        }
    };
    let _again = bus.on(again.named("again")).unwrap();
    *inner.borrow_mut() = Some(bus.clone());
    let report = at_once(bus.emit(order(1))).await;
    assert!(report.is_ok(), "{report}");
    let entered = "again failed: it was called again while it runs: let it be async";
    assert_eq!(reports.take(), [[entered]]);
    inner.borrow_mut().take();
}

// What is registered.

#[convoke::test]
async fn a_bus_tells_what_is_registered_and_what_became_of_its_events() {
    expect_failure("topics");
    let bus = EventBus::builder().capacity(9).overflow(Overflow::DropOldest).build();
    let log = bus.on((|_: &OrderPlaced| ()).named("log")).unwrap();
    let topics = (|_: &JsonEvent| Err::<(), _>("no")).named("topics").priority(3).capacity(2);
    let topics = bus.on_topic(["orders/*", "**/late"], topics.overflow(Overflow::Refuse)).unwrap();
    bus.emit(order(1)).await.ok().unwrap_err();
    bus.publish(order(2)).unwrap();
    let infos = bus.subscriptions();
    assert_eq!(infos, [log.info(), topics.info()]);
    assert_eq!((infos[0].id.to_string(), infos[1].id.to_string()), ("#1".to_owned(), "#2".to_owned()));
    assert_eq!(
        serde_json::to_value(&infos).unwrap(),
        json!([
            { "id": 1, "listener": "log", "hears": "OrderPlaced",
              "of": { "event": { "name": "OrderPlaced", "topic": "orders/placed", "local": false, "personal": false } },
              "priority": 0, "capacity": 9, "overflow": "drop_oldest", "waiting": 1, "working": 0, "done": 1, "failed": 0, "dropped": 0 },
            { "id": 2, "listener": "topics", "hears": "orders/*, **/late", "of": { "topics": ["orders/*", "**/late"] },
              "priority": 3, "capacity": 2, "overflow": "refuse", "waiting": 1, "working": 0, "done": 0, "failed": 1, "dropped": 0 },
        ])
    );
    settled().await;
    assert_eq!((log.info().waiting, log.info().done, topics.info().failed), (0, 2, 2));
    assert_eq!((log.id(), log.listener(), log.is_active()), (infos[0].id, "log", true));
    assert_eq!(format!("{bus:?}"), "EventBus { listeners: 2, .. }");
}

#[convoke::test]
async fn unregister_and_clear_end_what_others_hold_the_guards_of() {
    let bus = EventBus::default();
    let heard = Notes::new();
    let [first, second] = [1, 2].map(|_| bus.on(note(&heard)).unwrap());
    bus.on(note(&heard)).unwrap().forever();
    let id = first.id();
    assert!(bus.unregister(id));
    assert!(!bus.unregister(id), "it is not there any more");
    assert!(!first.is_active() && second.is_active());
    assert_eq!(bus.emit(order(1)).await.len(), 2);
    bus.publish(order(2)).unwrap();
    assert_eq!(bus.clear(), 2);
    assert_eq!(bus.clear(), 0);
    settled().await;
    assert_eq!(heard.take(), [1, 1]);
    assert_eq!(bus.dead_letters().len(), 2, "what waited for them");
    assert!(bus.emit(order(3)).await.is_empty());
    drop((first, second));
}

#[convoke::test]
async fn forever_lasts_as_long_as_the_bus_and_a_guard_no_longer_than_itself() {
    let heard = Notes::new();
    let bus = EventBus::default();
    bus.on(note(&heard)).unwrap().forever();
    let guard = bus.on(note(&heard)).unwrap();
    let other = bus.clone();
    drop(bus);
    settled().await;
    assert_eq!(other.emit(order(1)).await.len(), 2, "a clone is the same bus");
    drop(guard);
    assert_eq!(other.emit(order(2)).await.len(), 1);
    assert_eq!(heard.take(), [1, 1, 2]);
}

#[convoke::test]
async fn a_listener_that_asks_for_the_bus_does_not_hold_it() {
    let alive = Rc::new(());
    let witness = alive.clone();
    let bus = EventBus::default();
    let asks = async move |_: Arc<OrderPlaced>, bus: EventBus| {
        sleep(ms(10)).await;
        let _ = (&witness, bus.subscriptions());
    };
    bus.on(asks).unwrap().forever();
    assert!(bus.emit(order(1)).await.is_ok());
    bus.publish(order(2)).unwrap();
    drop(bus);
    sleep(ms(10)).await;
    settled().await;
    assert_eq!(Rc::strong_count(&alive), 1, "the call is over, and so is the bus");
}

#[convoke::test]
async fn a_guard_that_outlives_its_bus_comes_to_no_harm() {
    let bus = EventBus::default();
    let [first, second] = [1, 2].map(|_| bus.on(|_: &OrderPlaced| ()).unwrap());
    let emission = bus.emit(order(1));
    drop(bus);
    settled().await;
    assert_eq!(at_once(emission).await.len(), 2, "an emission holds its bus open");
    settled().await;
    assert!(!first.is_active());
    at_once(first.unsubscribe()).await;
    drop(second);
}

#[convoke::test]
async fn an_event_that_is_local_needs_no_serde_and_is_heard_by_its_type_alone() {
    #[derive(Event)]
    #[event(local, topic = "orders/local")]
    struct Local(Rc2);

    /// Nothing that serde knows.
    struct Rc2(Arc<dyn Fn() -> u64 + Send + Sync>);

    let bus = EventBus::default();
    let (heard, json) = (Notes::new(), Notes::new());
    let notes = heard.clone();
    let _typed = bus.on(move |event: &Local| notes.add(event.0.0())).unwrap();
    let notes = json.clone();
    let _json = bus.on_topic("**", move |event: &JsonEvent| notes.add(event.topic().to_owned())).unwrap();
    let report = bus.emit(Local(Rc2(Arc::new(|| 7)))).await;
    assert_eq!((report.len(), heard.take()), (1, vec![7]));
    bus.publish(Local(Rc2(Arc::new(|| 8)))).unwrap();
    bus.publish_json("orders/local", json!(9)).unwrap();
    settled().await;
    assert_eq!((heard.take(), json.take()), (vec![8], vec!["orders/local".to_owned()]));
    assert!(bus.dead_letters().is_empty());
}
