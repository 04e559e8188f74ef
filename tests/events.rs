//! Typed events: who is called when one is emitted, in which order, how often, and what the report says.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use convoke::prelude::*;
use convoke::{ListenerError, ListenerResult};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::common::{Notes, SECOND, after, at_once, ms, settled, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

const fn order(id: u64) -> OrderPlaced {
    OrderPlaced { id }
}

/// Writes down the ids of all orders.
fn note(notes: &Notes<u64>) -> impl Fn(&OrderPlaced) + 'static {
    let notes = notes.clone();
    move |order| notes.add(order.id)
}

fn names(report: &Report) -> Vec<String> {
    report.iter().map(|result| result.listener.to_string()).collect()
}

/// The listeners that failed, each with what it did.
fn failures(report: &Report) -> Vec<String> {
    report.failed().map(|(name, error)| format!("{name} {error}")).collect()
}

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

#[convoke::test(allow_failures)]
async fn a_listener_that_hangs_is_ended_by_its_timeout_and_holds_nobody_else_up() {
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

// Which events, how often, and in which order.

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
                true => bus.publish(order(id)).unwrap(),
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
                true => bus.publish(order(id)).unwrap(),
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

#[convoke::test(allow_failures)]
async fn a_bus_tells_what_is_registered_and_what_became_of_its_events() {
    let bus = EventBus::builder().capacity(9).build();
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
            { "id": 1, "listener": "log", "hears": "OrderPlaced", "priority": 0, "capacity": 9,
              "overflow": "drop_oldest", "waiting": 1, "done": 1, "failed": 0, "dropped": 0 },
            { "id": 2, "listener": "topics", "hears": "orders/*, **/late", "priority": 3, "capacity": 2,
              "overflow": "refuse", "waiting": 1, "done": 0, "failed": 1, "dropped": 0 },
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
