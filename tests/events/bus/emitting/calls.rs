//! Who is called, what the report says, and what becomes of what nobody awaits.

use convoke::testing::expect_failure;

use super::*;

// Who is called, and what the report says.

#[convoke::test]
async fn every_listener_is_called_and_named_in_the_report() {
    let bus = EventBus::default();
    let heard = Notes::new();
    let later = heard.clone();
    let _sync = bus.on(note(&heard).named("sync")).unwrap();
    let _later = bus
        .on((async move |order: Arc<OrderPlaced>| {
            sleep(ms(3)).await;
            later.add(order.id);
        })
        .named("later"))
        .unwrap();
    let _fails = bus.on((|_: &OrderPlaced| Err::<(), _>("no address")).named("fails")).unwrap();

    let report = after(ms(3), bus.emit(order(7)).timed()).await;
    assert_eq!(heard.take(), [7, 7]);
    assert_eq!((report.event(), report.len(), report.is_empty(), report.is_ok()), ("OrderPlaced", 3, false, false));
    let results: Vec<ListenerResult> = report.iter().collect();
    let expected = [("sync", None, ms(0)), ("later", None, ms(3)), ("fails", Some("no address"), ms(0))];
    for (result, (listener, error, took)) in results.iter().zip(expected) {
        assert_eq!(&*result.listener, listener);
        assert_eq!(result.error, error.map(|text| ListenerError::Failed(text.to_owned())));
        assert_eq!(result.took, Some(took));
    }
    assert_eq!(
        results.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["`sync` is done", "`later` is done", "`fails` failed: no address"]
    );
    assert_eq!(report.to_string(), "OrderPlaced: 3 listeners, 1 failed: `fails` failed: no address");
    assert!(report.too_deep().is_none());
    let error: Box<dyn std::error::Error> = report.ok().unwrap_err().into();
    assert_eq!(error.to_string(), "OrderPlaced: 3 listeners, 1 failed: `fails` failed: no address");
}

#[convoke::test]
async fn the_time_of_each_listener_is_measured_on_request_alone() {
    let bus = EventBus::default();
    let _sync = bus.on(|_: &OrderPlaced| ()).unwrap();
    let _later = bus.on(async |_: Arc<OrderPlaced>| sleep(ms(3)).await).unwrap();
    let report = bus.emit(order(1)).await;
    assert!(report.iter().all(|result| result.took.is_none()), "{:?}", report.iter().collect::<Vec<_>>());
    assert_eq!(report.to_string(), "OrderPlaced: 2 listeners, 0 failed");
}

#[convoke::test]
async fn an_event_that_nobody_hears_is_fine_and_counted() {
    let bus = EventBus::default();
    assert_eq!(bus.unheard(), 0);
    let report = at_once(bus.emit(order(1))).await;
    assert!(report.is_ok() && report.is_empty() && report.iter().next().is_none());
    assert_eq!(report.to_string(), "OrderPlaced: 0 listeners, 0 failed");
    report.ok().unwrap();
    bus.publish(order(2)).unwrap();
    at_once(bus.publish_wait(order(3))).await.unwrap();
    bus.publish_json("nobody/there", json!(4)).unwrap();
    assert!(at_once(bus.emit_json("nobody/there", json!(5)).unwrap()).await.is_empty());
    assert_eq!(bus.unheard(), 5);
    let guard = bus.on(|_: &OrderPlaced| ()).unwrap();
    bus.emit(order(6)).await.ok().unwrap();
    assert_eq!(bus.unheard(), 5);
    drop(guard);
    bus.emit(order(7)).await.ok().unwrap();
    assert_eq!(bus.unheard(), 6);
    assert!(bus.dead_letters().is_empty());
}

#[convoke::test]
async fn three_listeners_of_100_ms_take_100_ms() {
    let bus = EventBus::default();
    let guards: Vec<_> = (0..3).map(|_| bus.on(async |_: Arc<OrderPlaced>| sleep(ms(100)).await).unwrap()).collect();
    let report = after(ms(100), bus.emit(order(1))).await;
    assert!(report.is_ok() && report.len() == guards.len());
}

#[convoke::test]
async fn a_panic_in_the_second_of_three_leaves_the_others_and_the_bus_well() {
    let bus = EventBus::default();
    let heard = Notes::new();
    let forms: [fn(&EventBus) -> Subscription; 3] = [
        |bus| bus.on((|_: &OrderPlaced| -> () { panic!("oh") }).named("second")).unwrap(),
        |bus| bus.on((async |_: Arc<OrderPlaced>| -> () { panic!("oh") }).named("second")).unwrap(),
        |bus| {
            let second = async |_: Arc<OrderPlaced>| -> () {
                sleep(ms(1)).await;
                panic!("oh")
            };
            bus.on(second.named("second")).unwrap()
        },
    ];
    for (number, form) in (1..).zip(forms) {
        let first = bus.on(note(&heard).named("first")).unwrap();
        let second = form(&bus);
        let third = bus.on(note(&heard).named("third")).unwrap();
        let report = bus.emit(order(1)).await;
        assert_eq!(failures(&report), ["second panicked: oh"]);
        assert_eq!(names(&report), ["first", "second", "third"]);
        bus.publish(order(2)).unwrap();
        bus.publish(order(3)).unwrap();
        bus.drain().await;
        assert_eq!(heard.take(), [1, 1, 2, 3, 2, 3]);
        assert_eq!((second.info().failed, second.info().done), (3, 0));
        assert_eq!(bus.dead_letters().total(), 3 * number);
        drop((first, second, third));
    }
}

#[convoke::test]
async fn an_error_is_told_with_its_sources() {
    #[derive(Debug)]
    struct Unsent(io::Error);

    impl std::fmt::Display for Unsent {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the mail was not sent")
        }
    }

    impl std::error::Error for Unsent {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    let bus = EventBus::default();
    let mail = |_: &OrderPlaced| Err::<(), _>(Unsent(io::Error::other("no connection")));
    let _mail = bus.on(mail.named("mail")).unwrap();
    let report = bus.emit(order(1)).await;
    assert_eq!(failures(&report), ["mail failed: the mail was not sent: no connection"]);
}

#[convoke::test]
async fn a_listener_that_hangs_is_ended_by_its_timeout_and_holds_nobody_else_up() {
    ["its own", "of the bus"].into_iter().for_each(expect_failure);
    let bus = EventBus::builder().listener_timeout(ms(50)).build();
    let dropped = Rc::new(());
    let witness = dropped.clone();
    let own = async move |_: Arc<OrderPlaced>| {
        let _witness = witness.clone();
        pending::<()>().await;
    };
    let own = bus.on(own.named("its own").timeout(ms(20))).unwrap();
    let of_the_bus = bus.on((async |_: Arc<OrderPlaced>| pending::<()>().await).named("of the bus")).unwrap();
    let quick = bus.on((async |_: Arc<OrderPlaced>| sleep(ms(20)).await).named("quick")).unwrap();
    let report = after(ms(50), bus.emit(order(1))).await;
    assert_eq!(failures(&report), ["its own was not done after 20ms", "of the bus was not done after 50ms"]);
    assert_eq!(Rc::strong_count(&dropped), 2, "its future was dropped where it waited");
    // In a queue the next has its turn.
    bus.publish(order(2)).unwrap();
    bus.publish(order(3)).unwrap();
    after(ms(100), bus.drain()).await;
    assert_eq!((own.info().failed, of_the_bus.info().failed, quick.info().done), (3, 3, 3));
}

#[convoke::test]
async fn without_being_told_a_listener_has_thirty_seconds() {
    let bus = EventBus::default();
    let _hangs = bus.on(async |_: Arc<OrderPlaced>| pending::<()>().await).unwrap();
    let report = after(30 * SECOND, bus.emit(order(1))).await;
    assert_eq!(report.failed().next().unwrap().1, &ListenerError::TimedOut(30 * SECOND));
}

#[convoke::test]
async fn what_has_no_time_to_listen_is_not_registered() {
    let bus = EventBus::default();
    let error = bus.on((|_: &OrderPlaced| ()).named("hasty").timeout(ms(0))).unwrap_err();
    assert_eq!(error, ListenError::ZeroTimeout { listener: "hasty".into() });
    assert_eq!(error.to_string(), "a timeout of zero leaves `hasty` no time to listen: give a longer one");
    assert!(bus.subscriptions().is_empty());
    let bus = EventBus::builder().listener_timeout(ms(0)).build();
    let error = bus.on((|_: &OrderPlaced| ()).named("hasty")).unwrap_err();
    assert_eq!(error, ListenError::ZeroTimeout { listener: "hasty".into() });
}

#[convoke::test]
async fn a_bus_has_so_many_listeners_and_no_more() {
    let bus = EventBus::builder().max_listeners(2).build();
    let first = bus.on(|_: &OrderPlaced| ()).unwrap();
    let _second = bus.on_topic("**", |_: &JsonEvent| ()).unwrap();
    let error = bus.on(|_: &OrderPlaced| ()).unwrap_err();
    assert_eq!(error, ListenError::Full { limit: 2 });
    assert_eq!(error.to_string(), "the bus has its 2 listeners: raise `max_listeners`");
    drop(first);
    let _third = bus.on(|_: &OrderPlaced| ()).unwrap();
}

// When it begins, and what becomes of one that nobody awaits.

#[convoke::test]
async fn nobody_is_called_before_it_is_awaited() {
    let bus = EventBus::default();
    let heard = Notes::new();
    let emission = bus.emit(order(1));
    let _note = bus.on(note(&heard)).unwrap();
    settled().await;
    assert!(heard.take().is_empty());
    assert!(emission.await.is_ok());
    assert_eq!(heard.take(), [1], "who registers before it is awaited hears it");
    drop(bus.emit(order(2)));
    settled().await;
    assert!(heard.take().is_empty());
}

#[convoke::test]
async fn an_emission_that_is_dropped_half_way_goes_on_and_nobody_is_told_but_for_the_dead_letters() {
    let bus = EventBus::default();
    let ended = Notes::new();
    let notes = ended.clone();
    let _good = bus
        .on(async move |order: Arc<OrderPlaced>| {
            sleep(ms(10)).await;
            notes.add(order.id);
        })
        .unwrap();
    let fails = async |_: Arc<OrderPlaced>| {
        sleep(ms(10)).await;
        Err::<(), _>("too late to tell")
    };
    let _fails = bus.on(fails.named("fails")).unwrap();
    assert!(tokio::time::timeout(ms(5), bus.emit(order(1))).await.is_err());
    after(ms(5), bus.drain()).await;
    assert_eq!(ended.take(), [1]);
    let letters: Vec<_> = bus.dead_letters().list().iter().map(ToString::to_string).collect();
    assert_eq!(letters, ["dead letter 1: OrderPlaced: `fails` failed: too late to tell"]);
}
