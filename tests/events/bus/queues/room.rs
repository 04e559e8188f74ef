//! Waiting for room.

use super::*;

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
