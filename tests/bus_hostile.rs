//! What a hostile caller tries on a bus: panics where nobody expects code to run, guards that are dropped in the middle,
//! events that cause each other for ever. Nobody else may be harmed, and nothing may vanish.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use convoke::prelude::*;
use convoke::{ListenerError, Reason};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;

use crate::common::{Notes, SECOND, at_once, in_a_process_of_its_own, ms, settled, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "hostile/tick")]
struct Tick(u64);

/// Panics when it is dropped, but not while another panic unwinds, which would end the process.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a value that panics when it is dropped");
    }
}

/// Writes down every tick.
fn note(notes: &Notes<u64>) -> impl Fn(&Tick) + 'static {
    let notes = notes.clone();
    move |tick| notes.add(tick.0)
}

/// Asserts that a neighbour hears of the next tick, emitted and published.
#[track_caller]
fn hears(bus: &EventBus, neighbour: &Notes<u64>) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    let (bus, neighbour) = (bus.clone(), neighbour.clone());
    async move {
        neighbour.take();
        let report = at_once(bus.emit(Tick(100))).await;
        assert!(report.is_ok(), "{caller}: {report}");
        bus.publish(Tick(101)).unwrap();
        settled().await;
        assert_eq!(neighbour.take(), [100, 101], "{caller}: the neighbour is deaf");
    }
}

// Panics in what is the user's.

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
    let (neighbour, typed, late) = (Notes::new(), Notes::new(), Notes::new());
    let _neighbour = bus.on(note(&neighbour)).unwrap();
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
    hears(&bus, &neighbour).await;
}

#[convoke::test]
async fn a_payload_whose_deserialize_panics_is_a_failure_of_those_who_want_the_type_and_of_nobody_else() {
    let bus = EventBus::default();
    let (neighbour, heard) = (Notes::new(), Notes::new());
    let _neighbour = bus.on(note(&neighbour)).unwrap();
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
    hears(&bus, &neighbour).await;
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
    let bus = EventBus::default();
    let (neighbour, heard) = (Notes::new(), Notes::new());
    let _neighbour = bus.on(note(&neighbour)).unwrap();
    let notes = heard.clone();
    let charged = bus.on(move |_: &Charged| notes.add(())).unwrap();
    bus.publish(Charged(Bomb)).unwrap();
    settled().await;
    assert_eq!(heard.take().len(), 1);
    hears(&bus, &neighbour).await;

    let later = bus.on(async |_: Arc<Charged>| sleep(ms(1)).await).unwrap();
    bus.publish(Charged(Bomb)).unwrap();
    sleep(ms(2)).await;
    assert_eq!((heard.take().len(), later.info().done), (1, 1));
    hears(&bus, &neighbour).await;
    drop((charged, later));
}

#[convoke::test(allow_failures)]
async fn an_event_whose_drop_panics_may_overflow() {
    let bus = EventBus::builder().dead_letters(0).build();
    let (neighbour, heard) = (Notes::new(), Notes::new());
    let _neighbour = bus.on(note(&neighbour)).unwrap();
    let notes = heard.clone();
    let charged = bus.on((move |_: &Charged| notes.add(())).capacity(1)).unwrap();
    bus.publish(Charged(Bomb)).unwrap();
    let published = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bus.publish(Charged(Bomb))));
    assert!(published.is_ok(), "the drop of somebody else's event came out of `publish`");
    settled().await;
    assert_eq!((heard.take().len(), charged.info().dropped), (1, 1));
    hears(&bus, &neighbour).await;
}

#[convoke::test]
async fn what_a_listener_has_captured_may_panic_when_it_is_dropped_by_its_guard() {
    let bus = EventBus::default();
    let neighbour = Notes::new();
    let _neighbour = bus.on(note(&neighbour)).unwrap();
    let bomb = Bomb;
    let guard = bus
        .on(move |_: &Tick| {
            let _ = &bomb;
        })
        .unwrap();
    drop(guard);
    hears(&bus, &neighbour).await;
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
    let bus = EventBus::default();
    suicidal(&bus);
    let neighbour = Notes::new();
    let _neighbour = bus.on(note(&neighbour)).unwrap();
    assert!(at_once(bus.emit(Tick(1))).await.is_ok());
    assert_eq!(neighbour.take(), [1]);
    hears(&bus, &neighbour).await;
}

#[convoke::test]
async fn what_a_listener_has_captured_may_panic_when_it_ends_itself_while_it_takes_from_its_queue() {
    let bus = EventBus::default();
    suicidal(&bus);
    let neighbour = Notes::new();
    let _neighbour = bus.on(note(&neighbour)).unwrap();
    bus.publish(Tick(1)).unwrap();
    settled().await;
    assert_eq!(neighbour.take(), [1]);
    hears(&bus, &neighbour).await;
}

#[convoke::test(allow_failures)]
async fn what_an_async_listener_holds_may_panic_when_its_time_is_over() {
    let bus = EventBus::default();
    let neighbour = Notes::new();
    let _neighbour = bus.on(note(&neighbour)).unwrap();
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
    hears(&bus, &neighbour).await;
}

#[convoke::test]
async fn what_a_panic_throws_may_panic_when_it_is_dropped() {
    let bus = EventBus::default();
    let neighbour = Notes::new();
    let sync = |_: &Tick| -> () { std::panic::panic_any(Bomb) };
    let sync = bus.on(sync.named("sync")).unwrap();
    let later = async |_: Arc<Tick>| -> () {
        sleep(ms(1)).await;
        std::panic::panic_any(Bomb)
    };
    let later = bus.on(later.named("later")).unwrap();
    let condition = (|_: &Tick| ()).named("condition").when(|_| std::panic::panic_any(Bomb));
    let condition = bus.on(condition).unwrap();
    let _neighbour = bus.on(note(&neighbour)).unwrap();
    let report = bus.emit(Tick(1)).await;
    assert_eq!(report.failed().map(|(name, _)| name).collect::<Vec<_>>(), ["sync", "later", "condition"]);
    bus.publish(Tick(2)).unwrap();
    sleep(ms(2)).await;
    assert_eq!(neighbour.take(), [1, 2]);
    assert_eq!(bus.dead_letters().len(), 6);
    drop((sync, later, condition));
    hears(&bus, &neighbour).await;
}

#[convoke::test]
async fn an_entity_id_that_panics_harms_no_neighbour() {
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
    let (neighbour, heard) = (Notes::new(), Notes::new());
    let _neighbour = bus.on(note(&neighbour)).unwrap();
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
    hears(&bus, &neighbour).await;
}

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
            true => bus.publish(Tick(1)).unwrap(),
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
                true => bus.publish(Tick(tick)).unwrap(),
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
    let neighbour = Notes::new();
    let _neighbour = bus.on(note(&neighbour)).unwrap();
    let farewell = Farewell(bus.clone(), None);
    let guard = bus
        .on(move |_: &Tick| {
            let _ = &farewell;
        })
        .unwrap();
    assert!(at_once(bus.emit(Tick(1))).await.is_ok());
    drop(guard);
    settled().await;
    assert_eq!(neighbour.take(), [1, 7]);
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
            true => bus.publish(Tick(1)).unwrap(),
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
    in_a_process_of_its_own("bus_hostile::a_very_long_chain_of_events_is_dropped_without_exhausting_the_stack", || {
        convoke::testing::run("a very long chain", async || {
            convoke::testing::allow_failures();
            let bus = EventBus::builder().max_depth(u32::MAX).build();
            let on = |tick: &Tick, bus: EventBus| match tick.0 {
                0 => Ok(()),
                left => bus.publish(Tick(left - 1)),
            };
            let on = bus.on(on).unwrap();
            bus.publish(Tick(200_000)).unwrap();
            bus.drain().await;
            // However deep it is told to be, 250 is the most.
            assert_eq!((on.info().done, on.info().failed), (249, 1));
            drop((on, bus));
        });
    });
}

// What may not vanish.

#[convoke::test]
async fn who_waits_for_room_is_told_when_the_listener_ends() {
    for end in 0..3 {
        let bus = EventBus::default();
        let hangs = async |_: Arc<Tick>| sleep(SECOND).await;
        let hangs = bus.on(hangs.named("hangs").capacity(1)).unwrap();
        bus.publish(Tick(1)).unwrap();
        settled().await;
        bus.publish(Tick(2)).unwrap();
        let waiting = actix_rt::spawn(bus.publish_wait(Tick(3)));
        settled().await;
        match end {
            0 => drop(hangs),
            1 => hangs.unsubscribe().await,
            _ => {
                assert_eq!(bus.clear(), 1);
                drop(hangs);
            }
        }
        assert_eq!(at_once(waiting).await.unwrap(), Ok(()), "nobody is left who has no room");
        sleep(SECOND).await;
    }
}

#[convoke::test]
async fn what_a_publish_refused_is_not_retained() {
    let bus = EventBus::default();
    let refuses = async |_: Arc<JsonEvent>| sleep(SECOND).await;
    let refuses = bus.on_topic("hostile/kept", refuses.capacity(1).overflow(Overflow::Refuse)).unwrap();
    bus.publish_retained("hostile/kept", json!(1)).unwrap();
    settled().await;
    bus.publish_retained("hostile/kept", json!(2)).unwrap();
    let refused = bus.publish_retained("hostile/kept", json!(3));
    assert!(matches!(refused, Err(PublishError::Full { .. })), "{refused:?}");
    let heard = Notes::new();
    let notes = heard.clone();
    let late = bus.on_topic("hostile/kept", move |event: &JsonEvent| notes.add(event.payload().clone())).unwrap();
    settled().await;
    assert_eq!(heard.take(), [json!(2)], "nobody hears what was refused");
    drop((refuses, late));
    sleep(SECOND).await;
}

#[convoke::test]
async fn a_letter_is_not_given_to_a_namesake_who_hears_something_else() {
    #[derive(Event, Serialize, Deserialize)]
    struct Other;

    let bus = EventBus::default();
    let first = bus.on((|_: &Tick| Err::<(), _>("no")).named("mail")).unwrap();
    let heard = Notes::new();
    let notes = heard.clone();
    let _json = bus.on_topic("elsewhere", (move |event: &JsonEvent| notes.add(event.topic().to_owned())).named("mail"));
    let _other = bus.on((|_: &Other| ()).named("mail")).unwrap();
    bus.publish(Tick(1)).unwrap();
    settled().await;
    drop(first);
    let letters = bus.dead_letters();
    assert!(letters.redrive(1).is_err(), "nobody of this name hears `Tick`");
    settled().await;
    assert!(heard.take().is_empty(), "it was told what does not travel on its topics");
    assert_eq!(letters.len(), 1, "it has vanished");

    let notes = heard.clone();
    let _again = bus.on((move |tick: &Tick| notes.add(tick.0.to_string())).named("mail")).unwrap();
    letters.redrive(1).unwrap();
    settled().await;
    assert_eq!(heard.take(), ["1"]);
    assert!(letters.is_empty());
}

#[convoke::test]
async fn an_answerer_is_not_told_what_is_retained_on_the_topic_of_its_question() {
    let bus = EventBus::default();
    bus.publish_retained("hostile/tick", json!(7)).unwrap();
    let answerer = bus.answer(|tick: &Tick| Answer(tick.0)).unwrap();
    settled().await;
    assert_eq!((answerer.info().failed, bus.dead_letters().len()), (0, 0), "{:?}", bus.dead_letters().list());
    assert_eq!(bus.request::<u64>(Tick(3)).await.unwrap(), 3);
}

#[convoke::test]
async fn a_listener_to_a_local_event_is_not_told_what_is_retained_as_json_on_its_topic() {
    #[derive(Event)]
    #[event(local, topic = "hostile/local")]
    struct Local;

    let bus = EventBus::default();
    bus.publish_retained("hostile/local", json!(7)).unwrap();
    let local = bus.on(|_: &Local| ()).unwrap();
    settled().await;
    assert_eq!((local.info().failed, bus.dead_letters().len()), (0, 0), "{:?}", bus.dead_letters().list());
}

#[convoke::test]
async fn a_reason_is_told_for_each_event_that_was_dropped() {
    let bus = EventBus::default();
    let hangs = async |_: Arc<Tick>| sleep(SECOND).await;
    let hangs = bus.on(hangs.named("hangs").capacity(2)).unwrap();
    (0..4).for_each(|tick| bus.publish(Tick(tick)).unwrap());
    settled().await;
    drop(hangs);
    let reasons: Vec<_> = bus.dead_letters().list().iter().map(|letter| letter.reason.clone()).collect();
    assert_eq!(
        reasons,
        [Reason::Overflow(Overflow::DropOldest), Reason::Overflow(Overflow::DropOldest), Reason::Ended],
        "the first two before anybody had a turn, the fourth when the third was under way"
    );
    sleep(SECOND).await;
}

// What the bus calls that is not a listener: wakers, and the log.

/// A waker that panics when it is woken.
fn faulty() -> Waker {
    struct Faulty;

    impl Wake for Faulty {
        fn wake(self: Arc<Self>) {
            assert!(std::thread::panicking(), "a waker");
        }
    }

    Waker::from(Arc::new(Faulty))
}

/// Has somebody with a faulty waker wait for this.
fn wait_faultily<F: Future + Unpin>(mut what: F) -> F {
    let waker = faulty();
    assert!(Pin::new(&mut what).poll(&mut Context::from_waker(&waker)).is_pending(), "there was nothing to wait for");
    what
}

#[convoke::test]
async fn a_waker_that_panics_harms_nobody_but_who_waits_with_it() {
    let bus = EventBus::default();
    let neighbour = Notes::new();
    let _neighbour = bus.on(note(&neighbour)).unwrap();
    let slow = async |_: Arc<JsonEvent>| sleep(ms(10)).await;
    let _slow = bus.on_topic("hostile/slow", slow.capacity(1)).unwrap();
    let _answers = bus.answer(async |tick: Arc<Tick>| {
        sleep(ms(10)).await;
        Answer(tick.0)
    });

    let emission = wait_faultily(bus.emit_json("hostile/slow", json!(1)).unwrap());
    let question = wait_faultily(bus.request::<u64>(Tick(1)).into_future());
    let drain = wait_faultily(Box::pin(bus.drain()));
    sleep(ms(10)).await;
    hears(&bus, &neighbour).await;
    assert!(at_once(emission).await.is_ok());
    assert_eq!(at_once(question).await.unwrap(), 1);
    at_once(drain).await;
    assert_eq!(bus.subscriptions().len(), 3);
}

#[convoke::test]
async fn a_waker_that_panics_costs_no_event_and_nobody_else_the_room_he_waits_for() {
    #[derive(Event, Clone, Serialize, Deserialize)]
    #[event(topic = "hostile/slow")]
    struct Slow(u64);

    let bus = EventBus::default();
    let heard = Notes::new();
    let notes = heard.clone();
    let slow = async move |slow: Arc<Slow>| {
        sleep(ms(10)).await;
        notes.add(slow.0);
    };
    let slow = bus.on(slow.capacity(1)).unwrap();
    bus.publish(Slow(1)).unwrap();
    settled().await;
    bus.publish(Slow(2)).unwrap();
    let first = wait_faultily(Box::pin(bus.publish_wait(Slow(3))));
    let second = actix_rt::spawn(bus.publish_wait(Slow(4)));
    settled().await;
    sleep(ms(10)).await;
    assert_eq!(at_once(second).await.unwrap(), Ok(()));
    first.await.unwrap();
    bus.drain().await;
    assert_eq!((heard.take(), slow.info().dropped), (vec![1, 2, 4, 3], 0));
}

/// A log that panics over every warning.
struct Furious;

impl log::Log for Furious {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        assert!(record.level() > log::Level::Warn || std::thread::panicking(), "a log");
    }

    fn flush(&self) {}
}

#[test]
fn a_log_that_panics_harms_no_listener() {
    in_a_process_of_its_own("bus_hostile::a_log_that_panics_harms_no_listener", || {
        log::set_logger(&Furious).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        convoke::testing::run("a log that panics", async || {
            let bus = EventBus::default();
            let neighbour = Notes::new();
            let _fails = bus.on_topic("hostile/fails", |_: &JsonEvent| Err::<(), _>("no")).unwrap();
            let _later = bus.on_topic("hostile/fails", async |_: Arc<JsonEvent>| {
                sleep(ms(1)).await;
                Err::<(), _>("no")
            });
            let small = bus.on_topic("hostile/small", (|_: &JsonEvent| ()).capacity(1)).unwrap();
            let _neighbour = bus.on(note(&neighbour)).unwrap();
            let report = bus.emit_json("hostile/fails", json!(1)).unwrap().await;
            assert_eq!(report.failed().count(), 2, "{report}");
            bus.publish_json("hostile/fails", json!(1)).unwrap();
            (0..3).for_each(|number| bus.publish_json("hostile/small", json!(number)).unwrap());
            sleep(ms(2)).await;
            assert_eq!((small.info().dropped, bus.dead_letters().total()), (2, 6));
            hears(&bus, &neighbour).await;
        });
    });
}

#[convoke::test]
async fn an_event_whose_drop_panics_is_emitted_without_harm() {
    let bus = EventBus::default();
    let (neighbour, heard) = (Notes::new(), Notes::new());
    let _neighbour = bus.on(note(&neighbour)).unwrap();
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
    hears(&bus, &neighbour).await;
}
