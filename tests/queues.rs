//! What is published: the queue of each listener, its order, its bound and what happens beyond it, waiting for room, and
//! the end of all of it.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use convoke::Reason;
use convoke::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::common::{Notes, SECOND, after, at_once, ms, settled, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "queues/tick")]
struct Tick(u64);

/// A listener that takes so long for each, and writes down when it begins and, with 100 added, when it has ended.
fn slow(notes: &Notes<u64>, takes: std::time::Duration) -> impl AsyncFn(Arc<Tick>) + 'static {
    let notes = notes.clone();
    async move |tick| {
        notes.add(tick.0);
        sleep(takes).await;
        notes.add(100 + tick.0);
    }
}

fn note(notes: &Notes<u64>) -> impl Fn(&Tick) + 'static {
    let notes = notes.clone();
    move |tick| notes.add(tick.0)
}

fn publish(bus: &EventBus, ticks: impl IntoIterator<Item = u64>) {
    ticks.into_iter().for_each(|tick| bus.publish(Tick(tick)).unwrap());
}

/// What is in the dead letters: the tick and the reason, taken out.
fn letters(bus: &EventBus) -> Vec<(u64, Reason)> {
    let letters = bus.dead_letters().take_all();
    letters.iter().map(|letter| (letter.downcast::<Tick>().unwrap().0, letter.reason.clone())).collect()
}

// Its order.

#[convoke::test]
async fn publish_returns_at_once_and_nobody_has_been_called() {
    let bus = EventBus::default();
    let heard = Notes::new();
    let guard = bus.on(note(&heard)).unwrap();
    publish(&bus, 1..=3);
    assert!(heard.take().is_empty());
    assert_eq!(guard.info().waiting, 3);
    at_once(bus.drain()).await;
    assert_eq!(heard.take(), [1, 2, 3]);
    assert_eq!((guard.info().waiting, guard.info().done), (0, 3));
}

#[convoke::test]
async fn a_listener_takes_its_events_one_at_a_time_and_each_listener_at_its_own_pace() {
    let bus = EventBus::default();
    let (steady, quick) = (Notes::new(), Notes::new());
    let _steady = bus.on(slow(&steady, ms(10))).unwrap();
    let _quick = bus.on(note(&quick)).unwrap();
    publish(&bus, 1..=3);
    settled().await;
    assert_eq!((steady.take(), quick.take()), (vec![1], vec![1, 2, 3]));
    after(ms(30), bus.drain()).await;
    assert_eq!(steady.take(), [101, 2, 102, 3, 103]);
}

#[convoke::test]
async fn with_concurrency_so_many_are_under_way_and_they_begin_in_order() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let begun = notes.clone();
    let varied = async move |tick: Arc<Tick>| {
        begun.add(tick.0);
        sleep(ms(tick.0)).await;
        begun.add(100 + tick.0);
    };
    let guard = bus.on(varied.concurrency(2)).unwrap();
    publish(&bus, [30, 10, 5, 1]);
    settled().await;
    assert_eq!((notes.take(), guard.info().waiting), (vec![30, 10], 2));
    after(ms(30), bus.drain()).await;
    assert_eq!(notes.take(), [110, 5, 105, 1, 101, 130]);

    // Zero counts as 1.
    let zero = bus.on(slow(&notes, ms(1)).concurrency(0)).unwrap();
    drop(guard);
    publish(&bus, 1..=2);
    after(ms(2), bus.drain()).await;
    assert_eq!(notes.take(), [1, 101, 2, 102]);
    drop(zero);
}

#[convoke::test]
async fn what_is_emitted_does_not_wait_for_its_turn() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let _slow = bus.on(slow(&notes, ms(10))).unwrap();
    publish(&bus, 1..=2);
    settled().await;
    assert!(after(ms(10), bus.emit(Tick(3))).await.is_ok());
    bus.drain().await;
    assert_eq!(notes.take()[..2], [1, 3], "it begins while the first is under way, and before the second");
}

#[convoke::test]
async fn types_and_json_of_one_publisher_stay_in_order() {
    let bus = EventBus::default();
    let (typed, json) = (Notes::new(), Notes::new());
    let _typed = bus.on(note(&typed)).unwrap();
    let notes = json.clone();
    let _json = bus.on_topic("queues/*", move |event: &JsonEvent| notes.add(event.as_u64().unwrap())).unwrap();
    for number in 0..200 {
        match number % 3 {
            0 => bus.publish(Tick(number)).unwrap(),
            1 => bus.publish_json("queues/tick", json!(number)).unwrap(),
            _ => at_once(bus.publish_wait(Tick(number))).await.unwrap(),
        }
    }
    bus.drain().await;
    let expected: Vec<_> = (0..200).collect();
    assert_eq!((typed.take(), json.take()), (expected.clone(), expected));
}

#[convoke::test]
async fn a_thousand_events_for_one_listener_do_not_keep_another_waiting() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let (loud, quiet) = (notes.clone(), notes.clone());
    let _loud = bus.on(move |_: &Tick| loud.add("loud")).unwrap();
    let _quiet = bus.on_topic("queues/quiet", move |_: &JsonEvent| quiet.add("quiet")).unwrap();
    publish(&bus, 0..1000);
    bus.publish_json("queues/quiet", json!(1)).unwrap();
    at_once(bus.drain()).await;
    let place = notes.take().iter().position(|who| *who == "quiet").unwrap();
    assert!(place <= 64, "it had to wait for {place} of the other's");
}

// Its bound.

#[convoke::test]
async fn to_drop_the_oldest_is_the_default() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let guard = bus.on(note(&notes).capacity(2)).unwrap();
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
async fn to_refuse_is_an_error_of_publish_and_nobody_hears_the_event() {
    let bus = EventBus::default();
    let (before, notes, behind) = (Notes::new(), Notes::new(), Notes::new());
    let _before = bus.on(note(&before)).unwrap();
    let guard = bus.on(note(&notes).named("mail").capacity(2).overflow(Overflow::Refuse)).unwrap();
    let _behind = bus.on_topic("**", {
        let behind = behind.clone();
        move |event: &JsonEvent| behind.add(event.as_u64().unwrap())
    });
    publish(&bus, 1..=2);
    let error = bus.publish(Tick(3)).unwrap_err();
    assert_eq!(error, PublishError::Full { listener: "mail".into(), capacity: 2 });
    let text = "`mail` refuses more than 2 waiting: publish later, `publish_wait`, or raise its `capacity`";
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
    let wide = bus.on(note(&notes).capacity(2).overflow(Overflow::Refuse)).unwrap();
    let narrow = bus.on(note(&notes).named("narrow").capacity(1).overflow(Overflow::Refuse)).unwrap();
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

#[convoke::test(allow_failures)]
async fn a_queue_is_as_long_as_the_bus_says_unless_the_listener_says_otherwise() {
    let bus = EventBus::builder().capacity(3).build();
    let default = bus.on(|_: &Tick| ()).unwrap();
    let own = bus.on((|_: &Tick| ()).capacity(5)).unwrap();
    // Zero counts as 1, in both.
    let zero = bus.on((|_: &Tick| ()).capacity(0)).unwrap();
    publish(&bus, 0..10);
    assert_eq!([&default, &own, &zero].map(|guard| guard.info().waiting), [3, 5, 1]);
    let bus = EventBus::builder().capacity(0).build();
    let least = bus.on(|_: &Tick| ()).unwrap();
    publish(&bus, 0..10);
    assert_eq!((least.info().waiting, least.info().capacity), (1, 1));
    let usual = EventBus::default().on(|_: &Tick| ()).unwrap().info();
    assert_eq!((usual.capacity, usual.overflow), (1024, Overflow::DropOldest));
}

#[convoke::test]
async fn what_is_under_way_takes_no_place_in_the_queue() {
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

// Waiting for room.

#[convoke::test]
async fn publish_wait_waits_until_every_listener_has_room_whatever_its_policy() {
    for policy in [Overflow::DropOldest, Overflow::DropNewest, Overflow::Refuse] {
        let bus = EventBus::default();
        let (notes, other) = (Notes::new(), Notes::new());
        let guard = bus.on(slow(&notes, ms(10)).capacity(1).overflow(policy)).unwrap();
        let _other = bus.on(note(&other)).unwrap();
        at_once(bus.publish_wait(Tick(1))).await.unwrap();
        settled().await;
        at_once(bus.publish_wait(Tick(2))).await.unwrap();
        after(ms(10), bus.publish_wait(Tick(3))).await.unwrap();
        after(ms(10), bus.publish_wait(Tick(4))).await.unwrap();
        bus.drain().await;
        assert_eq!(notes.take(), [1, 101, 2, 102, 3, 103, 4, 104]);
        assert_eq!((other.take(), guard.info().dropped), (vec![1, 2, 3, 4], 0));
    }
}

/// A bus with a listener that hangs and has no more room.
async fn without_room(bus: EventBus) -> (EventBus, Subscription) {
    let hangs = async |_: Arc<Tick>| sleep(3600 * SECOND).await;
    let guard = bus.on(hangs.named("hangs").capacity(1).timeout(3600 * SECOND)).unwrap();
    publish(&bus, [1]);
    settled().await;
    publish(&bus, [2]);
    (bus, guard)
}

#[convoke::test]
async fn publish_wait_gives_up_after_thirty_seconds() {
    let (bus, guard) = without_room(EventBus::default()).await;
    let other = Notes::new();
    let _other = bus.on(note(&other)).unwrap();
    let error = after(30 * SECOND, bus.publish_wait(Tick(3))).await.unwrap_err();
    assert_eq!(error, PublishError::NoRoom { listener: "hangs".into(), after: 30 * SECOND });
    assert_eq!(error.to_string(), "`hangs` had no room for 30s: raise its `capacity` or its `concurrency`");
    settled().await;
    assert!(other.take().is_empty(), "nobody hears of it");
    assert_eq!(guard.info().dropped, 0);
    drop(guard);
    sleep(3600 * SECOND).await;
}

#[convoke::test]
async fn publish_wait_gives_up_after_what_the_bus_was_told() {
    let (bus, guard) = without_room(EventBus::builder().room_timeout(ms(5)).build()).await;
    let error = after(ms(5), bus.publish_wait(Tick(3))).await.unwrap_err();
    assert_eq!(error, PublishError::NoRoom { listener: "hangs".into(), after: ms(5) });
    drop(guard);
    sleep(3600 * SECOND).await;
}

#[convoke::test]
async fn several_may_wait_for_room_and_each_gets_it() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let guard = bus.on(slow(&notes, ms(10)).capacity(1)).unwrap();
    publish(&bus, [1]);
    settled().await;
    publish(&bus, [2]);
    let waiting: Vec<_> = (3..=6).map(|tick| actix_rt::spawn(bus.publish_wait(Tick(tick)))).collect();
    // One that gives up takes nobody else's place.
    let impatient = tokio::time::timeout(ms(1), bus.publish_wait(Tick(7)));
    assert!(impatient.await.is_err());
    after(ms(39), async {
        for waiting in waiting {
            waiting.await.unwrap().unwrap();
        }
    })
    .await;
    bus.drain().await;
    let mut heard: Vec<_> = notes.take().into_iter().filter(|tick| *tick < 100).collect();
    heard.sort();
    assert_eq!((heard, guard.info().dropped), (vec![1, 2, 3, 4, 5, 6], 0));
}

/// A waker that counts how often it was used, and of which there are as many as are kept.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[convoke::test]
async fn who_has_given_up_waiting_for_room_is_forgotten_at_once() {
    let (bus, guard) = without_room(EventBus::default()).await;
    let (impatient, patient) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
    let waker = |bell: &Arc<Bell>| Waker::from(bell.clone());
    let mut waits = Box::pin(bus.publish_wait(Tick(3)));
    let by = waker(&patient);
    // It is asked as often as its task likes, and kept once.
    (0..3).for_each(|_| assert!(waits.as_mut().poll(&mut Context::from_waker(&by)).is_pending()));
    drop(by);
    let kept = Arc::strong_count(&patient) - 1;
    for number in 0..1_000 {
        let by = waker(&impatient);
        let mut gives_up = Box::pin(bus.publish_wait(Tick(number)));
        assert!(gives_up.as_mut().poll(&mut Context::from_waker(&by)).is_pending());
        assert!(Arc::strong_count(&impatient) > 2, "nobody is told when there is room");
    }
    assert_eq!(Arc::strong_count(&impatient), 1, "some are still known");
    drop(guard);
    assert_eq!((impatient.0.load(Ordering::Relaxed), patient.0.load(Ordering::Relaxed)), (0, 1));
    assert!((1..=2).contains(&kept), "{kept} wakers of one");
    at_once(waits).await.unwrap();
    assert_eq!(Arc::strong_count(&patient), 1);
    sleep(3600 * SECOND).await;
}

#[convoke::test]
async fn who_waits_for_room_minds_those_who_come_and_go_meanwhile() {
    let (bus, hangs) = without_room(EventBus::default()).await;
    let waiting = actix_rt::spawn(bus.publish_wait(Tick(3)));
    settled().await;
    let notes = Notes::new();
    let newcomer = bus.on(note(&notes)).unwrap();
    settled().await;
    assert!(!waiting.is_finished());
    drop(hangs);
    at_once(waiting).await.unwrap().unwrap();
    settled().await;
    assert_eq!(notes.take(), [3]);
    drop(newcomer);
    sleep(3600 * SECOND).await;
}

#[convoke::test]
async fn a_listener_that_waits_for_room_in_its_own_queue_gives_up_in_time() {
    let bus = EventBus::builder().room_timeout(ms(7)).build();
    let told = Notes::new();
    let notes = told.clone();
    let own = async move |tick: Arc<Tick>, bus: EventBus| {
        if tick.0 == 1 {
            sleep(ms(1)).await;
            notes.add(bus.publish_wait(Tick(3)).await.unwrap_err().to_string());
        }
    };
    let _own = bus.on(own.named("own").capacity(1)).unwrap();
    publish(&bus, [1]);
    settled().await;
    publish(&bus, [2]);
    after(ms(8), bus.drain()).await;
    assert_eq!(told.take(), ["`own` had no room for 7ms: raise its `capacity` or its `concurrency`"]);
}

// Its end.

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

#[convoke::test(allow_failures)]
async fn an_event_may_be_published_while_another_is_dropped_for_it() {
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
    let _echo = bus.on((move |_: &Echo| *count.borrow_mut() += 1).capacity(1)).unwrap();
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
