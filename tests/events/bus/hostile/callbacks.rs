//! What the bus calls that is not a listener: wakers, and the log.

use super::*;

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
    let neighbor = Notes::new();
    let _neighbor = bus.on(note(&neighbor)).unwrap();
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
    hears(&bus, &neighbor).await;
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
    in_a_process_of_its_own("events::bus::hostile::callbacks::a_log_that_panics_harms_no_listener", || {
        log::set_logger(&Furious).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        convoke::testing::run("a log that panics", async || {
            let bus = EventBus::default();
            let neighbor = Notes::new();
            let _fails = bus.on_topic("hostile/fails", |_: &JsonEvent| Err::<(), _>("no")).unwrap();
            let _later = bus.on_topic("hostile/fails", async |_: Arc<JsonEvent>| {
                sleep(ms(1)).await;
                Err::<(), _>("no")
            });
            let small =
                bus.on_topic("hostile/small", (|_: &JsonEvent| ()).capacity(1).overflow(Overflow::DropOldest)).unwrap();
            let _neighbor = bus.on(note(&neighbor)).unwrap();
            let report = bus.emit_json("hostile/fails", json!(1)).unwrap().await;
            assert_eq!(report.failed().count(), 2, "{report}");
            bus.publish_json("hostile/fails", json!(1)).unwrap();
            (0..3).for_each(|number| {
                bus.publish_json("hostile/small", json!(number)).unwrap();
            });
            sleep(ms(2)).await;
            assert_eq!((small.info().dropped, bus.dead_letters().total()), (2, 6));
            hears(&bus, &neighbor).await;
        });
    });
}
