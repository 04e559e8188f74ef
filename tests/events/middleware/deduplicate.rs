//! `Deduplicate`.

use convoke::testing::expect_failure;

use super::*;

/// Delivers all again that became dead letters by being unacknowledged.
async fn deliver_again(bus: &EventBus) {
    let letters = bus.dead_letters().redrive_all();
    assert!(letters > 0);
    bus.drain().await;
}

#[convoke::test]
async fn what_comes_again_is_skipped_as_done() {
    let notes = Notes::new();
    let bus = EventBus::builder().with(twice_at_once).with(Deduplicate::new(SECOND)).build();
    let _mail = bus.on(noting(&notes, |_| Ok(()))).unwrap();
    assert!(at_once(bus.emit(Ping(1))).await.is_ok());
    assert_eq!(notes.len(), 1);
    assert!(at_once(bus.emit(Ping(1))).await.is_ok());
    assert_eq!(notes.len(), 2, "an equal event is another one");
}

#[convoke::test]
async fn each_listener_hears_of_it_once() {
    let notes = Notes::new();
    let bus = EventBus::builder().with(twice_at_once).with(Deduplicate::new(SECOND)).build();
    let _one = bus.on(noting(&notes, |_| Ok(()))).unwrap();
    let _other = bus.on(noting(&notes, |_| Ok(()))).unwrap();
    assert!(at_once(bus.emit(Ping(1))).await.is_ok());
    assert_eq!(notes.len(), 2);
}

#[convoke::test]
async fn what_failed_or_panicked_may_come_again() {
    let fail: [fn() -> Result<(), ListenerError>; 2] = [|| failed("no connection"), || panic!("boom")];
    for fail in fail {
        let notes = Notes::new();
        let bus = EventBus::builder().with(Deduplicate::new(HOUR)).build();
        let _mail = bus.on(noting(&notes, move |call| if call == 1 { fail() } else { Ok(()) })).unwrap();
        assert!(!at_once(bus.emit(Ping(1))).await.is_ok());
        deliver_again(&bus).await;
        assert_eq!((notes.len(), bus.dead_letters().len()), (2, 0));
    }
}

#[convoke::test]
async fn what_was_dropped_may_come_again() {
    let calls = Rc::new(Cell::new(0));
    let count = calls.clone();
    let hangs_once = async move |_: Arc<Ping>| {
        count.set(count.get() + 1);
        if count.get() == 1 {
            std::future::pending::<()>().await;
        }
    };
    let bus = EventBus::builder().with(Deduplicate::new(HOUR)).build();
    let _mail = bus.on(hangs_once.timeout(SECOND)).unwrap();
    assert_eq!(error(&after(SECOND, bus.emit(Ping(1))).await), ListenerError::TimedOut(SECOND));
    deliver_again(&bus).await;
    assert_eq!((calls.get(), bus.dead_letters().len()), (2, 0));
}

#[convoke::test]
async fn an_id_is_known_for_the_window_from_when_it_was_done_and_no_longer() {
    expect_failure("Ping");
    let calls = Rc::new(Cell::new(0));
    let count = calls.clone();
    let slow = async move |_: Arc<Ping>| {
        sleep(SECOND).await;
        count.set(count.get() + 1);
    };
    let bus = EventBus::builder().with(unacknowledged).with(Deduplicate::new(60 * SECOND)).build();
    let _mail = bus.on(slow).unwrap();
    drop(after(SECOND, bus.emit(Ping(1))).await);
    sleep(60 * SECOND - ms(1)).await;
    after(Duration::ZERO, deliver_again(&bus)).await;
    assert_eq!(calls.get(), 1);
    sleep(ms(1)).await;
    after(SECOND, deliver_again(&bus)).await;
    assert_eq!(calls.get(), 2);
    sleep(59 * SECOND).await;
    after(Duration::ZERO, deliver_again(&bus)).await;
    assert_eq!(calls.get(), 2);
}

#[convoke::test]
async fn beyond_the_capacity_the_oldest_id_is_forgotten() {
    expect_failure("Ping");
    let heard = Notes::new();
    let notes = heard.clone();
    let bus = EventBus::builder().with(unacknowledged).with(Deduplicate::new(HOUR).capacity(2)).build();
    let _mail = bus.on(move |ping: &Ping| notes.add(ping.0)).unwrap();
    for number in 1..=3 {
        drop(at_once(bus.emit(Ping(number))).await);
    }
    assert_eq!(heard.take(), [1, 2, 3]);
    // 1 is run anew, by which 2 is forgotten, and so on.
    deliver_again(&bus).await;
    assert_eq!(heard.take(), [1, 2, 3]);
    let newest = bus.dead_letters().list().last().unwrap().id;
    bus.dead_letters().redrive(newest).unwrap();
    bus.drain().await;
    assert_eq!(heard.len(), 0);
}

#[convoke::test]
async fn with_a_window_or_a_capacity_of_zero_only_what_is_under_way_is_known() {
    expect_failure("mail");
    for deduplicate in [Deduplicate::new(Duration::ZERO), Deduplicate::new(HOUR).capacity(0)] {
        let notes = Notes::new();
        let bus = EventBus::builder().with(unacknowledged).with(deduplicate).build();
        let _mail = bus.on(noting(&notes, |_| Ok(()))).unwrap();
        drop(at_once(bus.emit(Ping(1))).await);
        deliver_again(&bus).await;
        assert_eq!(notes.len(), 2);
    }
}

/// A listener that takes a second and answers by the number of its call, and how often it was called.
fn slow(answer: fn(u32) -> Result<(), ListenerError>) -> (Rc<Cell<u32>>, Listening<Ping>) {
    let calls = Rc::new(Cell::new(0));
    let count = calls.clone();
    let listener = async move |_: Arc<Ping>| {
        count.set(count.get() + 1);
        let call = count.get();
        sleep(SECOND).await;
        answer(call)
    };
    (calls, listener.named("slow"))
}

#[convoke::test]
async fn what_comes_while_the_first_is_under_way_waits_for_it_and_is_skipped_if_it_went_well() {
    let (calls, slow) = slow(|_| Ok(()));
    let bus = EventBus::default();
    let _slow = bus.on(slow.with(twice_at_once).with(Deduplicate::new(HOUR))).unwrap();
    assert!(after(SECOND, bus.emit(Ping(1))).await.is_ok());
    assert_eq!(calls.get(), 1);
}

#[convoke::test]
async fn what_comes_while_the_first_is_under_way_is_run_itself_if_that_failed() {
    let (calls, slow) = slow(|call| if call == 1 { failed("no connection") } else { Ok(()) });
    let results = Arc::new(Mutex::new(Vec::new()));
    let told = results.clone();
    let thrice = async move |call: Call, next: Next| -> Handled {
        let run = || next.run(call.clone());
        let (first, second, third) = tokio::join!(run(), run(), run());
        told.lock().unwrap().extend([first.is_ok(), second.is_ok(), third.is_ok()]);
        Ok(())
    };
    let bus = EventBus::default();
    let _slow = bus.on(slow.with(thrice).with(Deduplicate::new(HOUR))).unwrap();
    assert!(after(2 * SECOND, bus.emit(Ping(1))).await.is_ok());
    assert_eq!((calls.get(), &*results.lock().unwrap()), (2, &vec![false, true, true]));
}

#[convoke::test]
async fn what_comes_while_the_first_is_under_way_is_run_itself_if_that_is_dropped() {
    let (calls, slow) = slow(|_| Ok(()));
    let first_is_dropped = async |call: Call, next: Next| {
        let first = tokio::time::timeout(ms(500), next.run(call.clone()));
        let (first, second) = tokio::join!(first, next.run(call));
        assert!(first.is_err());
        second
    };
    let bus = EventBus::default();
    let _slow = bus.on(slow.with(first_is_dropped).with(Deduplicate::new(HOUR))).unwrap();
    assert!(after(ms(1500), bus.emit(Ping(1))).await.is_ok());
    assert_eq!(calls.get(), 2);
}

#[convoke::test(seeds = 500)]
async fn in_no_order_of_events_is_it_run_after_it_went_well_or_waited_for_in_vain() {
    const DELIVERIES: usize = 5;
    let (calls, slow) = slow(|call| if call < 3 { failed("no connection") } else { Ok(()) });
    let (well, ill) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (counts, counts_ill) = (well.clone(), ill.clone());
    // Each delivery is a task of its own, so that the seed orders them.
    let often = async move |call: Call, next: Next| -> Handled {
        let (ended, mut all) = tokio::sync::mpsc::channel(DELIVERIES);
        for _ in 0..DELIVERIES {
            let (call, next, ended) = (call.clone(), next.clone(), ended.clone());
            convoke::testing::spawn(async move { ended.send(next.run(call).await).await.unwrap() });
        }
        drop(ended);
        while let Some(handled) = all.recv().await {
            if handled.is_ok() { &counts } else { &counts_ill }.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    let bus = EventBus::default();
    let _slow = bus.on(slow.with(often).with(Deduplicate::new(HOUR))).unwrap();
    assert!(after(3 * SECOND, bus.emit(Ping(1))).await.is_ok());
    assert_eq!((calls.get(), ill.load(Ordering::Relaxed), well.load(Ordering::Relaxed)), (3, 2, 3));
}
