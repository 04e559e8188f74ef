//! Functions, closures, what is injected, and structs.

use super::*;

// Functions and closures.

fn by_reference(user: &UserRegistered, outbox: Inject<Outbox>) {
    outbox.send(format!("reference {}", user.id));
}

fn by_arc(user: Arc<UserRegistered>, outbox: Inject<Outbox>) -> Result<(), io::Error> {
    outbox.send(format!("arc {}", user.id));
    Ok(())
}

async fn later(user: Arc<UserRegistered>, outbox: Inject<Outbox>) -> io::Result<()> {
    sleep(ms(1)).await;
    outbox.send(format!("later {}", user.id));
    Ok(())
}

async fn nothing(_: Arc<UserRegistered>) {}

#[convoke::test]
async fn a_function_is_called_with_what_its_arguments_say() {
    let bus = EventBus::builder().provide(Outbox::default()).build();
    let guards = [bus.on(by_reference), bus.on(by_arc), bus.on(later), bus.on(nothing)].map(Result::unwrap);
    assert_eq!(sent(&bus).await, ["reference 7", "arc 7", "later 7"]);
    let names: Vec<_> = guards.iter().map(|guard| guard.listener().to_owned()).collect();
    assert_eq!(names, ["by_reference", "by_arc", "later", "nothing"], "it is named after itself");
}

#[convoke::test]
async fn a_closure_may_change_what_it_has_captured_and_need_not_be_send() {
    let bus = EventBus::default();
    let (mut calls, seen) = (0, Rc::new(Cell::new(0)));
    let total = seen.clone();
    let counts = bus.on(move |user: &UserRegistered| {
        calls += user.id;
        total.set(calls);
    });
    let _counts = counts.unwrap();
    let total = seen.clone();
    let _later = bus
        .on(async move |user: Arc<UserRegistered>| {
            sleep(ms(1)).await;
            total.set(total.get() + 100 * user.id);
        })
        .unwrap();
    assert!(bus.emit(user(1)).await.is_ok());
    assert_eq!(seen.get(), 101);
    bus.publish(user(2)).unwrap();
    bus.drain().await;
    assert_eq!(seen.get(), 203);
}

#[convoke::test]
async fn nothing_or_any_result_may_be_returned() {
    #[derive(Debug)]
    struct Own;

    impl std::fmt::Display for Own {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("own")
        }
    }

    impl std::error::Error for Own {}

    let bus = EventBus::default();
    let guards = [
        bus.on((|_: &UserRegistered| ()).named("nothing")),
        bus.on((|_: &UserRegistered| Ok::<(), String>(())).named("fine")),
        bus.on((|_: &UserRegistered| Err::<(), _>("text")).named("text")),
        bus.on((|_: &UserRegistered| Err::<(), _>(String::from("string"))).named("string")),
        bus.on((|_: Arc<UserRegistered>| Err::<(), _>(io::Error::other("io"))).named("io")),
        bus.on((async |_: Arc<UserRegistered>| Err::<(), Own>(Own)).named("own")),
        bus.on((async |_: Arc<UserRegistered>| Err::<(), Box<dyn std::error::Error + Send + Sync>>("boxed".into()))
            .named("boxed")),
        bus.on((async |_: Arc<UserRegistered>| -> Handled { Err(Failure::new("failure")) }).named("failure")),
        bus.on((async |_: Arc<UserRegistered>| -> Handled { Ok(Err(io::Error::other("question mark"))?) }).named("?")),
    ]
    .map(Result::unwrap);
    let report = at_once(bus.emit(user(1))).await;
    let expected = ["text", "string", "io", "own", "boxed", "failure", "? failed: question mark"];
    let expected = expected.map(|name| if name.len() > 9 { name.to_owned() } else { format!("{name} failed: {name}") });
    assert_eq!((report.len(), failures(&report)), (guards.len(), expected.to_vec()));
}

struct N<const NUMBER: u64>;

#[convoke::test]
async fn up_to_eight_arguments_may_be_asked_for_after_the_event() {
    type U = UserRegistered;
    type I<const NUMBER: u64> = Inject<N<NUMBER>>;

    let builder = EventBus::builder().provide(N::<1>).provide(N::<2>).provide(N::<3>).provide(N::<4>);
    let bus = builder.provide(N::<5>).provide(N::<6>).provide(N::<7>).provide(N::<8>).build();
    let calls = Rc::new(Cell::new(0));
    let call = || {
        let calls = calls.clone();
        move || calls.set(calls.get() + 1)
    };
    let c: [_; 12] = std::array::from_fn(|_| call());
    let [a, b, d, e, f, g, h, i, j, k, l, m] = c;
    let guards = [
        bus.on(move |_: &U| a()),
        bus.on(move |_: &U, _: I<1>| b()),
        bus.on(move |_: &U, _: I<1>, _: I<2>| d()),
        bus.on(move |_: &U, _: I<1>, _: I<2>, _: I<3>| e()),
        bus.on(move |_: &U, _: I<1>, _: I<2>, _: I<3>, _: I<4>| f()),
        bus.on(move |_: &U, _: I<1>, _: I<2>, _: I<3>, _: I<4>, _: I<5>| g()),
        bus.on(move |_: &U, _: I<1>, _: I<2>, _: I<3>, _: I<4>, _: I<5>, _: I<6>| h()),
        bus.on(move |_: &U, _: I<1>, _: I<2>, _: I<3>, _: I<4>, _: I<5>, _: I<6>, _: I<7>| i()),
        bus.on(move |_: &U, _: I<1>, _: I<2>, _: I<3>, _: I<4>, _: I<5>, _: I<6>, _: I<7>, _: I<8>| j()),
        bus.on(move |_: Arc<U>, _: I<1>, _: I<2>, _: I<3>, _: I<4>, _: I<5>, _: I<6>, _: I<7>, _: I<8>| k()),
        bus.on(async move |_: Arc<U>, _: I<1>, _: I<2>, _: I<3>, _: I<4>, _: I<5>, _: I<6>, _: I<7>, _: I<8>| l()),
        // In any order.
        bus.on(async move |_: Arc<U>, _: Metadata, _: I<8>, _: EventBus, _: I<1>, _: Metadata| m()),
    ]
    .map(Result::unwrap);
    let report = at_once(bus.emit(user(1))).await;
    assert!(report.is_ok() && report.len() == 12 && calls.get() == 12, "{report}");
    drop(guards);
}

// What is injected.

#[convoke::test]
async fn a_value_is_shared_a_factory_makes_one_for_each_call_and_a_trait_stands_for_what_implements_it() {
    struct Serial(u64);

    let made = Arc::new(AtomicU64::new(0));
    let count = made.clone();
    let outbox = Arc::new(Outbox::default());
    let bus = EventBus::builder()
        .provide_as::<dyn Mail>(outbox.clone())
        .factory(move |_| Ok(Serial(count.fetch_add(1, Ordering::Relaxed))))
        .provide_with(|container| Ok(format!("from {}", *container.get::<u32>()?)))
        .provide(5_u32)
        .build();
    let each = |_: &UserRegistered, mail: Inject<dyn Mail>, serial: Inject<Serial>, from: Inject<String>| {
        mail.send(format!("{} {}", serial.0, *from));
    };
    let _each = bus.on(each).unwrap();
    let before = made.load(Ordering::Relaxed);
    for _ in 0..3 {
        assert!(at_once(bus.emit(user(1))).await.is_ok());
    }
    bus.publish(user(2)).unwrap();
    settled().await;
    let expected: Vec<_> = (before..before + 4).map(|serial| format!("{serial} from 5")).collect();
    assert_eq!(outbox.take(), expected);
}

#[convoke::test]
async fn what_is_missing_is_told_at_registration_by_listener_event_and_type() {
    let bus = EventBus::builder().provide(Arc::new(Outbox::default())).build();
    let error = bus.on(by_reference).unwrap_err();
    let text = "`by_reference` cannot listen to UserRegistered: no `Outbox` is provided: add `.provide(…)` or \
                `.provide_with(…)` to the builder; there is `alloc::sync::Arc<";
    assert!(error.to_string().starts_with(text), "{error}");
    let ListenError::Container { listener, hears, error } = error else { panic!("{error}") };
    assert_eq!((&*listener, hears.as_str()), ("by_reference", "UserRegistered"));
    assert!(matches!(error, ContainerError::Missing { .. }));

    let asks = |_: &JsonEvent, _: Inject<dyn Mail>| ();
    let error = bus.on_topic(["users/*", "**"], asks.named("mail")).unwrap_err();
    let text = "`mail` cannot listen to users/*, **: no `dyn Mail` is provided: add `.provide_as::<dyn Mail>(…)` to the \
                builder";
    assert!(error.to_string().starts_with(text), "{error}");
    let error = bus.answer(|_: &UserRegistered, _: Inject<Outbox>| Answer(1)).unwrap_err();
    assert!(matches!(error, ListenError::Container { .. }));
    assert!(std::error::Error::source(&error).is_some());
    // Nothing of them is left.
    assert!(bus.subscriptions().is_empty());
    assert!(at_once(bus.emit(user(1))).await.is_empty());
}

#[convoke::test]
async fn a_factory_that_fails_for_one_call_is_a_failure_of_that_call() {
    struct Connection;

    let broken = Arc::new(AtomicU64::new(0));
    let state = broken.clone();
    let bus = EventBus::builder()
        .factory(move |_| match state.load(Ordering::Relaxed) {
            0 => Ok(Connection),
            1 => Err(Failure::new("no connection")),
            _ => panic!("no idea"),
        })
        .build();
    let notes = Notes::new();
    let heard = notes.clone();
    let _needs =
        bus.on((move |user: &UserRegistered, _: Inject<Connection>| heard.add(user.id)).named("needs")).unwrap();
    let _later = bus.on((async |_: Arc<UserRegistered>, _: Inject<Connection>| ()).named("later")).unwrap();
    assert!(at_once(bus.emit(user(1))).await.is_ok());
    for (state, reason) in [(1, "no connection"), (2, "no idea")] {
        broken.store(state, Ordering::Relaxed);
        let report = at_once(bus.emit(user(2))).await;
        let failed: Vec<_> = report.failed().collect();
        for ((name, error), expected) in failed.iter().zip(["needs", "later"]) {
            assert_eq!(*name, expected);
            assert!(matches!(error, ListenerError::Unprovided(text) if text.contains(reason)), "{error}");
        }
        assert_eq!(failed.len(), 2);
        bus.publish(user(3)).unwrap();
        settled().await;
        assert_eq!(bus.dead_letters().take_all().len(), 4);
    }
    broken.store(0, Ordering::Relaxed);
    assert!(at_once(bus.emit(user(4))).await.is_ok());
    assert_eq!(notes.take(), [1, 4]);
}

#[convoke::test]
async fn the_bus_that_is_asked_for_is_the_bus_that_calls() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let heard = notes.clone();
    let recursive = move |user: &UserRegistered, bus: EventBus| {
        heard.add((user.id, bus.subscriptions().len()));
        if user.id > 0 {
            bus.publish(UserRegistered { id: user.id - 1 }).unwrap();
        }
    };
    let _guard = bus.on(recursive).unwrap();
    bus.publish(user(2)).unwrap();
    at_once(bus.drain()).await;
    assert_eq!(notes.take(), [(2, 1), (1, 1), (0, 1)]);
}

// Structs.

impl Listener<JsonEvent> for Audit {
    async fn hear(&self, event: Heard<JsonEvent>) -> Handled {
        self.notes.add(format!("json {}", event.topic()));
        Ok(())
    }
}

#[convoke::test]
async fn a_struct_listens_to_every_event_it_implements() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let typed = bus.on::<UserRegistered, _>(Audit { notes: notes.clone() }).unwrap();
    let json = bus.on_topic("**", Audit { notes: notes.clone() }).unwrap();
    assert_eq!((typed.listener(), json.listener()), ("Audit", "Audit"));
    assert!(after(ms(5), bus.emit(user(5))).await.is_ok());
    let mut heard = notes.take();
    heard.sort();
    assert_eq!(heard, ["5 UserRegistered", "json users/registered"]);
    drop(json);
    assert_eq!(failures(&bus.emit(user(9)).await), ["Audit failed: nine"]);
    bus.publish(user(3)).unwrap();
    bus.publish(user(1)).unwrap();
    after(ms(4), bus.drain()).await;
    assert_eq!(notes.take(), ["9 UserRegistered", "3 UserRegistered", "1 UserRegistered"]);
    let optional = Listen::<UserRegistered, _>::named(Audit { notes: notes.clone() }, "audit").once().priority(3);
    assert_eq!(bus.on(optional).unwrap().listener(), "audit");
}

#[convoke::test]
async fn a_heard_event_can_be_made_by_hand_for_a_test_of_its_listener() {
    let notes = Notes::new();
    let audit = Audit { notes: notes.clone() };
    audit.hear(Heard::by_hand(user(1))).await.unwrap();
    assert_eq!(notes.take(), ["1 UserRegistered"]);
    let heard = Heard::by_hand(user(3));
    assert_eq!((heard.clone().id, format!("{heard:?}")), (3, "Heard(UserRegistered { id: 3 })".to_owned()));
}
