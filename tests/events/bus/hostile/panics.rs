//! Panics in what is the user's.

use convoke::testing::expect_failure;

use super::*;

/// An event that cannot become JSON without a panic.
#[derive(Event, Debug)]
#[event(topic = "hostile/unwritable")]
struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("nobody can write this");
    }
}

impl<'de> Deserialize<'de> for Unwritable {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("nobody can read this");
    }
}

#[convoke::test]
async fn an_event_whose_serialize_panics_is_a_failure_of_those_who_see_json_and_of_nobody_else() {
    let bus = EventBus::default();
    let (neighbor, typed, late) = (Notes::new(), Notes::new(), Notes::new());
    let _neighbor = bus.on(note(&neighbor)).unwrap();
    let (heard, later) = (typed.clone(), late.clone());
    let _first = bus.on(move |_: &Unwritable| heard.add("first")).unwrap();
    let _json = bus.on_topic("hostile/unwritable", (|_: &JsonEvent| ()).named("json")).unwrap();
    let _last = bus.on(move |_: &Unwritable| later.add("last")).unwrap();

    let report = at_once(bus.emit(Unwritable)).await;
    let failed: Vec<_> = report.failed().collect();
    assert!(matches!(failed[..], [("json", ListenerError::Panicked(_))]), "{report}");
    assert_eq!((typed.take(), late.take()), (vec!["first"], vec!["last"]));

    bus.publish(Unwritable).unwrap();
    settled().await;
    assert_eq!((typed.take(), late.take()), (vec!["first"], vec!["last"]));
    assert_eq!(bus.dead_letters().len(), 2);
    hears(&bus, &neighbor).await;
}

#[convoke::test]
async fn a_payload_whose_deserialize_panics_is_a_failure_of_those_who_want_the_type_and_of_nobody_else() {
    let bus = EventBus::default();
    let (neighbor, heard) = (Notes::new(), Notes::new());
    let _neighbor = bus.on(note(&neighbor)).unwrap();
    let _typed = bus.on((|_: &Unwritable| ()).named("typed")).unwrap();
    let notes = heard.clone();
    let _json = bus.on_topic("**", move |event: &JsonEvent| notes.add(event.topic().to_owned())).unwrap();

    let report = at_once(bus.emit_json("hostile/unwritable", json!(null)).unwrap()).await;
    let failed: Vec<_> = report.failed().collect();
    assert!(matches!(failed[..], [("typed", ListenerError::Panicked(_))]), "{report}");
    bus.publish_json("hostile/unwritable", json!(null)).unwrap();
    settled().await;
    assert_eq!(heard.take().len(), 2);
    assert_eq!(bus.dead_letters().len(), 2);
    heard.take();
    hears(&bus, &neighbor).await;
}

#[convoke::test]
async fn a_retained_event_whose_serialize_panics_harms_no_late_subscriber() {
    #[derive(Event)]
    #[event(topic = "hostile/kept", retained)]
    struct Kept;

    impl Serialize for Kept {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("nobody can write this");
        }
    }

    impl<'de> Deserialize<'de> for Kept {
        fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }

    let bus = EventBus::default();
    bus.publish(Kept).unwrap();
    let heard = Notes::new();
    let notes = heard.clone();
    let late = bus.on_topic("hostile/*", move |event: &JsonEvent| notes.add(event.topic().to_owned())).unwrap();
    settled().await;
    assert_eq!(bus.dead_letters().len(), 1);
    bus.publish(Tick(1)).unwrap();
    settled().await;
    assert_eq!(heard.take(), ["hostile/tick"]);
    drop(late);
}

/// An event that panics when it is dropped.
#[derive(Event)]
#[event(local)]
struct Charged(#[allow(dead_code, reason = "it is dropped")] Bomb);

#[convoke::test]
async fn an_event_whose_drop_panics_leaves_the_listeners_and_the_bus_well() {
    expect_failure("a drop");
    let bus = EventBus::default();
    let (neighbor, heard) = (Notes::new(), Notes::new());
    let _neighbor = bus.on(note(&neighbor)).unwrap();
    let notes = heard.clone();
    let charged = bus.on(move |_: &Charged| notes.add(())).unwrap();
    bus.publish(Charged(Bomb)).unwrap();
    settled().await;
    assert_eq!(heard.take().len(), 1);
    hears(&bus, &neighbor).await;

    let later = bus.on(async |_: Arc<Charged>| sleep(ms(1)).await).unwrap();
    bus.publish(Charged(Bomb)).unwrap();
    sleep(ms(2)).await;
    assert_eq!((heard.take().len(), later.info().done), (1, 1));
    hears(&bus, &neighbor).await;
    drop((charged, later));
}

#[convoke::test]
async fn an_event_whose_drop_panics_may_overflow() {
    expect_failure("a drop");
    expect_failure("Charged");
    let bus = EventBus::builder().dead_letters(0).build();
    let (neighbor, heard) = (Notes::new(), Notes::new());
    let _neighbor = bus.on(note(&neighbor)).unwrap();
    let notes = heard.clone();
    let charged = bus.on((move |_: &Charged| notes.add(())).capacity(1).overflow(Overflow::DropOldest)).unwrap();
    bus.publish(Charged(Bomb)).unwrap();
    let published = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bus.publish(Charged(Bomb))));
    assert!(published.is_ok(), "the drop of somebody else's event came out of `publish`");
    settled().await;
    assert_eq!((heard.take().len(), charged.info().dropped), (1, 1));
    hears(&bus, &neighbor).await;
}

#[convoke::test]
async fn what_a_listener_has_captured_may_panic_when_it_is_dropped_by_its_guard() {
    expect_failure("a drop");
    let bus = EventBus::default();
    let neighbor = Notes::new();
    let _neighbor = bus.on(note(&neighbor)).unwrap();
    let bomb = Bomb;
    let guard = bus
        .on(move |_: &Tick| {
            let _ = &bomb;
        })
        .unwrap();
    drop(guard);
    hears(&bus, &neighbor).await;
}

/// Registers a listener that ends itself when it is called, with a bomb.
fn suicidal(bus: &EventBus) {
    let own = Rc::new(RefCell::new(None));
    let (guard, bomb) = (own.clone(), Bomb);
    let listener = move |_: &Tick| {
        let _ = &bomb;
        drop(guard.borrow_mut().take());
    };
    *own.borrow_mut() = Some(bus.on(listener).unwrap());
}

#[convoke::test]
async fn what_a_listener_has_captured_may_panic_when_it_ends_itself_while_an_event_is_emitted() {
    expect_failure("a drop");
    let bus = EventBus::default();
    suicidal(&bus);
    let neighbor = Notes::new();
    let _neighbor = bus.on(note(&neighbor)).unwrap();
    assert!(at_once(bus.emit(Tick(1))).await.is_ok());
    assert_eq!(neighbor.take(), [1]);
    hears(&bus, &neighbor).await;
}

#[convoke::test]
async fn what_a_listener_has_captured_may_panic_when_it_ends_itself_while_it_takes_from_its_queue() {
    expect_failure("a drop");
    let bus = EventBus::default();
    suicidal(&bus);
    let neighbor = Notes::new();
    let _neighbor = bus.on(note(&neighbor)).unwrap();
    bus.publish(Tick(1)).unwrap();
    settled().await;
    assert_eq!(neighbor.take(), [1]);
    hears(&bus, &neighbor).await;
}

#[convoke::test]
async fn what_an_async_listener_holds_may_panic_when_its_time_is_over() {
    expect_failure("a drop");
    expect_failure("hangs");
    let bus = EventBus::default();
    let neighbor = Notes::new();
    let _neighbor = bus.on(note(&neighbor)).unwrap();
    let hangs = async |_: Arc<Tick>| {
        let _bomb = Bomb;
        std::future::pending::<()>().await;
    };
    let hangs = bus.on(hangs.named("hangs").timeout(ms(5))).unwrap();
    bus.publish(Tick(1)).unwrap();
    let report = bus.emit(Tick(2)).await;
    let failed: Vec<_> = report.failed().collect();
    assert_eq!(failed, [("hangs", &ListenerError::TimedOut(ms(5)))]);
    sleep(ms(10)).await;
    assert_eq!(hangs.info().failed, 2);
    drop(hangs);
    hears(&bus, &neighbor).await;
}

#[convoke::test]
async fn what_a_panic_throws_may_panic_when_it_is_dropped() {
    expect_failure("a drop");
    let bus = EventBus::default();
    let neighbor = Notes::new();
    let sync = |_: &Tick| -> () { std::panic::panic_any(Bomb) };
    let sync = bus.on(sync.named("sync")).unwrap();
    let later = async |_: Arc<Tick>| -> () {
        sleep(ms(1)).await;
        std::panic::panic_any(Bomb)
    };
    let later = bus.on(later.named("later")).unwrap();
    let condition = (|_: &Tick| ()).named("condition").when(|_| std::panic::panic_any(Bomb));
    let condition = bus.on(condition).unwrap();
    let _neighbor = bus.on(note(&neighbor)).unwrap();
    let report = bus.emit(Tick(1)).await;
    assert_eq!(report.failed().map(|(name, _)| name).collect::<Vec<_>>(), ["sync", "later", "condition"]);
    bus.publish(Tick(2)).unwrap();
    sleep(ms(2)).await;
    assert_eq!(neighbor.take(), [1, 2]);
    assert_eq!(bus.dead_letters().len(), 6);
    drop((sync, later, condition));
    hears(&bus, &neighbor).await;
}

#[convoke::test]
async fn an_entity_id_that_panics_harms_no_neighbor() {
    #[derive(Serialize, Deserialize)]
    struct Unspeakable;

    impl fmt::Display for Unspeakable {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("nobody can say this");
        }
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(entity_id = id)]
    struct Named {
        id: Unspeakable,
    }

    let bus = EventBus::default();
    let (neighbor, heard) = (Notes::new(), Notes::new());
    let _neighbor = bus.on(note(&neighbor)).unwrap();
    let _fails = bus.on((|_: &Named| Err::<(), _>("no")).named("fails")).unwrap();
    let _sees = bus.on((|_: &Named, _: Metadata| ()).named("sees")).unwrap();
    let notes = heard.clone();
    let _last = bus.on(move |_: &Named| notes.add(())).unwrap();
    let report = at_once(bus.emit(Named { id: Unspeakable })).await;
    // It has no id then, which is logged.
    assert_eq!(report.failed().map(|(name, _)| name).collect::<Vec<_>>(), ["fails"]);
    bus.publish(Named { id: Unspeakable }).unwrap();
    settled().await;
    assert_eq!(heard.take().len(), 2);
    assert_eq!(bus.dead_letters().len(), 2);
    hears(&bus, &neighbor).await;
}

#[convoke::test]
async fn an_event_whose_drop_panics_is_emitted_without_harm() {
    expect_failure("a drop");
    let bus = EventBus::default();
    let (neighbor, heard) = (Notes::new(), Notes::new());
    let _neighbor = bus.on(note(&neighbor)).unwrap();
    let notes = heard.clone();
    let charged = bus.on(move |_: &Charged| notes.add(())).unwrap();
    assert!(at_once(bus.emit(Charged(Bomb))).await.is_ok());
    let fails = bus.on((|_: &Charged| Err::<(), _>("no")).named("fails")).unwrap();
    let report = at_once(bus.emit(Charged(Bomb))).await;
    assert_eq!(report.failed().count(), 1);
    assert_eq!(heard.take().len(), 2);
    // The last of it goes with its dead letter, to whoever takes that.
    let letters = bus.dead_letters().take_all();
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(letters)));
    assert!(dropped.is_err());
    drop((charged, fails));
    hears(&bus, &neighbor).await;
}
