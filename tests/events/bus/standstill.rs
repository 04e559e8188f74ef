//! An arbiter that stands still holds up nobody else: every wait for it has a deadline. On the real clock, and an arbiter
//! stands still until it is told to go on, so that whoever waits for it without a deadline waits for ever.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use actix::Arbiter;
use convoke::prelude::*;
use convoke::{ListenerError, Reason, Report};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, oneshot};

use crate::common::{ms, on, on_a_system};

/// That of the listeners here.
const LIMIT: Duration = ms(300);

/// Who waits longer waits for ever.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "standstill/tick")]
struct Tick(u64);

async fn promptly<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("whoever waits for the arbiter waits for ever")
}

/// Has an arbiter stand still until the sender is dropped.
async fn stop_still(arbiter: &Arbiter) -> mpsc::Sender<()> {
    let (go_on, wait) = mpsc::channel::<()>();
    let (told, stands) = oneshot::channel();
    arbiter.spawn_fn(move || {
        let _ = told.send(());
        let _ = wait.recv();
    });
    stands.await.unwrap();
    go_on
}

/// A bus with a listener on another arbiter, which counts what it hears and is then at work for so long.
async fn bus_with_listener_on(arbiter: &Arbiter, work: Duration) -> (EventBus, Arc<AtomicU64>, Subscription) {
    let bus = EventBus::builder().listener_timeout(LIMIT).build();
    let heard = Arc::new(AtomicU64::new(0));
    let (there, count) = (bus.clone(), heard.clone());
    let subscription = on(arbiter, async move || {
        let hear = async move |_: Arc<Tick>| {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(work).await;
        };
        there.on(hear.named("far")).unwrap()
    });
    (bus, heard, subscription.await)
}

/// Asserts that the far one was waited for until its deadline, and no longer than a slow machine needs.
fn assert_timed_out(report: &Report, began: Instant) {
    let failed: Vec<_> = report.failed().collect();
    assert_eq!(failed, [("far", &ListenerError::TimedOut(LIMIT))]);
    let waited = began.elapsed();
    assert!(waited >= LIMIT, "{waited:?}");
    println!("figure: an emission to an arbiter that stands still ends after {waited:?}, for a limit of {LIMIT:?}");
}

fn stop(arbiter: Arbiter) {
    arbiter.stop();
    arbiter.join().unwrap();
}

#[test]
fn an_emission_to_an_arbiter_that_stands_still_ends_at_the_deadline_of_the_listener() {
    on_a_system(async {
        let arbiter = Arbiter::new();
        let (bus, heard, _far) = bus_with_listener_on(&arbiter, Duration::ZERO).await;
        let near = Arc::new(AtomicU64::new(0));
        let counted = near.clone();
        let count = move |_: &Tick| {
            counted.fetch_add(1, Ordering::SeqCst);
        };
        let _first = bus.on(count.clone().named("first")).unwrap();
        let _fails = bus.on((|_: &Tick| Err::<(), _>("as it does")).named("fails").priority(1)).unwrap();

        let report = promptly(bus.emit(Tick(0))).await;
        assert_eq!((report.len(), report.failed().count(), heard.load(Ordering::SeqCst)), (3, 1, 1), "{report}");

        let go_on = stop_still(&arbiter).await;
        let began = Instant::now();
        let report = promptly(bus.emit(Tick(1))).await;
        assert!(began.elapsed() >= LIMIT);
        let failed: Vec<_> = report.failed().map(|(name, error)| (name.to_owned(), error.clone())).collect();
        assert_eq!(failed[0], ("fails".to_owned(), ListenerError::Failed("as it does".to_owned())), "in their order");
        assert_eq!(failed[1], ("far".to_owned(), ListenerError::TimedOut(LIMIT)));
        assert_eq!((report.len(), failed.len(), near.load(Ordering::SeqCst)), (3, 2, 2));
        let of_far = |letter: &&Arc<convoke::DeadLetter>| letter.listener.as_deref() == Some("far");
        let letters = || bus.dead_letters().list().iter().filter(of_far).count();
        assert_eq!(letters(), 1, "it is told at once");

        // Its event is a dead letter, and does not come to it any more.
        drop(go_on);
        let report = promptly(bus.emit(Tick(2))).await;
        assert_eq!((report.failed().count(), heard.load(Ordering::SeqCst)), (1, 2), "{report}");
        assert_eq!(letters(), 1);
        stop(arbiter);
    });
}

#[test]
fn a_call_that_blocks_its_arbiter_is_waited_for_until_its_deadline_and_its_late_answer_does_no_harm() {
    on_a_system(async {
        let arbiter = Arbiter::new();
        let bus = EventBus::builder().listener_timeout(LIMIT).build();
        let (go_on, wait) = mpsc::channel::<()>();
        let there = bus.clone();
        let far = on(&arbiter, async move || {
            let hear = move |tick: &Tick| {
                if tick.0 == 1 {
                    let _ = wait.recv();
                }
            };
            there.on(hear.named("far")).unwrap()
        })
        .await;
        let began = Instant::now();
        let report = promptly(bus.emit(Tick(1))).await;
        assert_timed_out(&report, began);
        assert_eq!(bus.dead_letters().len(), 0, "it may be done yet");
        drop(go_on);
        assert!(promptly(bus.emit(Tick(2))).await.is_ok());
        assert_eq!((far.info().done, far.info().failed, bus.dead_letters().len()), (2, 0, 0));
        stop(arbiter);
    });
}

#[test]
fn an_arbiter_that_goes_on_keeps_the_deadline_itself() {
    on_a_system(async {
        let arbiter = Arbiter::new();
        let (bus, heard, far) = bus_with_listener_on(&arbiter, PATIENCE * 2).await;
        let began = Instant::now();
        let report = promptly(bus.emit(Tick(1))).await;
        assert_timed_out(&report, began);
        promptly(bus.drain()).await;
        assert_eq!((heard.load(Ordering::SeqCst), far.info().failed, bus.dead_letters().len()), (1, 1, 1), "told once");
        assert!(matches!(&bus.dead_letters().list()[0].reason, Reason::Failed(ListenerError::TimedOut(LIMIT))));
        stop(arbiter);
    });
}

#[test]
fn who_emits_without_a_runtime_waits_no_longer() {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    on_a_system(async {
        let arbiter = Arbiter::new();
        let (bus, _heard, _far) = bus_with_listener_on(&arbiter, Duration::ZERO).await;
        let go_on = stop_still(&arbiter).await;
        let emitter = bus.clone();
        let emission = thread::spawn(move || {
            let began = Instant::now();
            let waker = Waker::from(Arc::new(Unpark(thread::current())));
            let mut emission = pin!(emitter.emit(Tick(1)));
            loop {
                if let Poll::Ready(report) = emission.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return (report, began);
                }
                assert!(began.elapsed() < PATIENCE, "nobody wakes it");
                thread::park_timeout(PATIENCE);
            }
        });
        // And by a runtime that has no clock.
        let report = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async { bus.emit(Tick(2)).await })
        });
        let (first, began) = emission.join().unwrap();
        assert_timed_out(&first, began);
        assert_eq!(report.join().unwrap().failed().count(), 1);
        drop(go_on);
        stop(arbiter);
    });
}

#[test]
fn who_unsubscribes_from_an_arbiter_that_stands_still_waits_no_longer() {
    on_a_system(async {
        let arbiter = Arbiter::new();
        let (bus, heard, far) = bus_with_listener_on(&arbiter, Duration::ZERO).await;
        let go_on = stop_still(&arbiter).await;
        // On its way when the registration ends.
        bus.publish(Tick(1)).unwrap();
        promptly(far.unsubscribe()).await;
        drop(go_on);
        promptly(bus.drain()).await;
        assert_eq!(heard.load(Ordering::SeqCst), 0, "no call begins after that");
        assert_eq!(bus.dead_letters().len(), 1);
        stop(arbiter);
    });
}

#[test]
fn a_drain_leaves_out_an_arbiter_that_stands_still() {
    on_a_system(async {
        let arbiter = Arbiter::new();
        let (bus, heard, _far) = bus_with_listener_on(&arbiter, Duration::ZERO).await;
        let _near = bus.on(|_: &Tick| ()).unwrap();
        let go_on = stop_still(&arbiter).await;
        bus.publish(Tick(1)).unwrap();
        promptly(bus.drain()).await;
        drop(go_on);
        promptly(bus.drain()).await;
        assert_eq!(heard.load(Ordering::SeqCst), 1, "and waits for it again when it goes on");
        stop(arbiter);
    });
}

#[test]
fn a_drain_waits_for_an_arbiter_that_goes_on_however_long_that_takes() {
    on_a_system(async {
        let arbiter = Arbiter::new();
        let bus = EventBus::builder().listener_timeout(ms(20)).build();
        let (heard, goes_on) = (Arc::new(AtomicU64::new(0)), Arc::new(Semaphore::new(0)));
        let (there, count, wait) = (bus.clone(), heard.clone(), goes_on.clone());
        let far = on(&arbiter, async move || {
            let hear = async move |_: Arc<Tick>| {
                wait.acquire().await.unwrap().forget();
                count.fetch_add(1, Ordering::SeqCst);
            };
            there.on(hear.named("far").timeout(PATIENCE)).unwrap()
        });
        let _far = far.await;
        (0..10).for_each(|number| {
            bus.publish(Tick(number)).unwrap();
        });
        let mut drain = pin!(bus.drain());
        // Whoever waits looks only when the arbiter has had its turn, however late that is, and longer than the limit after it
        // has looked last: so often that one event takes longer than the limit, and none waits for a clock.
        while drain.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            tokio::time::sleep(ms(25)).await;
            goes_on.add_permits(1);
            let turns = async || {
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
            };
            promptly(on(&arbiter, turns)).await;
        }
        assert_eq!(heard.load(Ordering::SeqCst), 10);
        stop(arbiter);
    });
}
