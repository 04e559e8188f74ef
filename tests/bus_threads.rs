//! A bus on several arbiters and plain threads, on the real clock: nothing here waits for time to pass, and whoever waits
//! for longer than `LONG` waits for ever.
#![allow(clippy::async_yields_async, reason = "what runs on one arbiter hands back what another awaits")]

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use actix::{Arbiter, System};
use convoke::prelude::*;
use convoke::{AskError, DeadLetters, Emitting, ListenerError, Reason, Request, RequestAll, testing};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;
use tokio::sync::oneshot;

use crate::common::{on, on_a_system};

const LONG: Duration = Duration::from_secs(300);

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Event, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[event(topic = "threads/tick")]
struct Tick {
    by: usize,
    number: u64,
}

const fn tick(number: u64) -> Tick {
    Tick { by: 0, number }
}

fn system(test: impl Future<Output = ()>) {
    on_a_system(soon(test));
}

async fn promptly<T>(who: &str, what: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LONG / 3, what).await {
        Ok(result) => result,
        Err(_) => panic!("{who} is left waiting"),
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, what).await.expect("nobody answered")
}

/// Waits on a plain thread that has no runtime at all.
fn block_on<T>(what: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    assert!(tokio::runtime::Handle::try_current().is_err());
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut what = pin!(what);
    loop {
        if let Poll::Ready(result) = what.as_mut().poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        thread::park_timeout(LONG);
    }
}

/// Asks again and again, so that nothing that lasts but a moment is missed.
fn spin_on<T>(what: impl Future<Output = T>) -> T {
    let mut what = pin!(what);
    loop {
        if let Poll::Ready(result) = what.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return result;
        }
        std::hint::spin_loop();
    }
}

fn stop(arbiter: Arbiter) {
    arbiter.stop();
    arbiter.join().unwrap();
}

/// How many actors of ours live on that arbiter once it has come to rest.
async fn live_on(arbiter: &Arbiter) -> usize {
    on(arbiter, async || {
        testing::settle().await;
        testing::live_count()
    })
    .await
}

/// Runs this on a plain thread.
async fn elsewhere<T: Send + 'static>(task: impl FnOnce() -> T + Send + 'static) -> T {
    let (told, result) = oneshot::channel();
    let thread = thread::spawn(move || {
        assert!(System::try_current().is_none());
        drop(told.send(task()));
    });
    let result = result.await;
    thread.join().unwrap();
    result.unwrap()
}

/// What several threads write down.
struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T> Log<T> {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn add(&self, note: T) {
        self.0.lock().unwrap().push(note);
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn last(&self) -> Option<T>
    where
        T: Copy,
    {
        self.0.lock().unwrap().last().copied()
    }

    fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A listener that writes down the numbers of what it hears.
fn note(log: &Log<u64>) -> impl Fn(&Tick) + Send + 'static {
    let log = log.clone();
    move |tick| log.add(tick.number)
}

/// Registers a listener on that arbiter.
async fn listen(arbiter: &Arbiter, bus: &EventBus, log: &Log<u64>) -> Subscription {
    let (bus, listener) = (bus.clone(), note(log));
    on(arbiter, async move || bus.on(listener.named("remote")).unwrap()).await
}

#[test]
fn whatever_an_application_holds_may_be_held_on_any_thread() {
    fn is_send<T: Send>(_: T) {}
    fn is_sync<T: Send + Sync>() {}
    is_sync::<EventBus>();
    is_sync::<Subscription>();
    is_sync::<DeadLetters>();
    is_sync::<(DeadLetter, JsonEvent, Heard<Tick>, Metadata, Report)>();
    is_sync::<(PublishError, ListenError, DispatchError, AskError, ListenerError, Reason)>();
    is_send(None::<(Emitting<Tick>, Request<u64>, RequestAll<u64>)>);
    let bus = EventBus::default();
    is_send((bus.publish_wait(tick(1)), bus.drain(), convoke::dispatch(tick(1))));
    is_send(bus.request::<u64>(tick(1)).into_future());
}

#[test]
fn a_thread_without_an_arbiter_cannot_listen_and_is_told_what_to_do() {
    let bus = EventBus::default();
    let error = bus.on(|_: &Tick| ()).unwrap_err();
    assert_eq!(error, ListenError::NoArbiter);
    let text = "no actix system on this thread: register under #[actix::main] or inside System::new().block_on(…)";
    assert_eq!(error.to_string(), text);
    assert_eq!(bus.on_topic("**", |_: &JsonEvent| ()).unwrap_err(), ListenError::NoArbiter);
    assert_eq!(bus.answer(|_: &Tick| Answer(1)).unwrap_err(), ListenError::NoArbiter);
    // Nor in a runtime that is none of actix.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(async { bus.on(|_: &Tick| ()) }).unwrap_err(), ListenError::NoArbiter);
    assert!(bus.subscriptions().is_empty());
}

#[test]
fn a_listener_runs_on_the_arbiter_that_registered_it_and_need_not_be_send() {
    system(async {
        let (arbiter, bus) = (Arbiter::new(), EventBus::default());
        let (threads, to) = (Log::new(), bus.clone());
        let (sync, later) = (threads.clone(), threads.clone());
        let (home, guards) = on(&arbiter, async move || {
            let local = Rc::new(());
            let sync = to.on(move |_: &Tick| {
                sync.add(thread::current().id());
                drop(local.clone());
            });
            let later = to.on(async move |_: Arc<Tick>| {
                let local = Rc::new(());
                tokio::task::yield_now().await;
                later.add(thread::current().id());
                drop(local);
            });
            (thread::current().id(), [sync.unwrap(), later.unwrap()])
        })
        .await;
        let report = bus.emit(tick(1)).timed().await;
        assert!(report.is_ok() && report.iter().all(|result| result.took.is_some()), "{report}");
        bus.publish(tick(2)).unwrap();
        let by_thread = bus.clone();
        assert!(elsewhere(move || block_on(by_thread.emit(tick(3)))).await.is_ok());
        bus.drain().await;
        let threads = threads.take();
        assert_eq!(threads.len(), 6);
        assert!(threads.iter().all(|thread| *thread == home), "{threads:?}");
        drop(guards);
        assert_eq!(live_on(&arbiter).await, 0);
        stop(arbiter);
    });
}

#[test]
fn a_thread_without_a_runtime_emits_publishes_asks_and_drains() {
    system(async {
        let (arbiter, bus, log) = (Arbiter::new(), EventBus::default(), Log::new());
        let remote = listen(&arbiter, &bus, &log).await;
        let here = bus.on(note(&log)).unwrap();
        let later = log.clone();
        let later = bus.on(async move |tick: Arc<Tick>| {
            tokio::task::yield_now().await;
            later.add(tick.number);
        });
        let _answerer = bus.answer(|asked: &Tick| Answer(asked.number * 2)).unwrap();
        let (to, heard) = (bus.clone(), log.clone());
        elsewhere(move || {
            let report = block_on(to.emit(tick(1)));
            assert!(report.is_ok() && report.len() == 3, "{report}");
            assert_eq!(heard.take(), [1; 3]);
            assert!(block_on(to.emit_json("threads/tick", json!({ "by": 0, "number": 2 })).unwrap()).is_ok());
            assert_eq!(heard.take(), [2; 3]);

            to.publish(tick(3)).unwrap();
            block_on(to.drain());
            assert_eq!(heard.take(), [3; 3]);
            block_on(to.publish_wait(tick(4))).unwrap();
            to.publish_json("threads/tick", json!({ "by": 0, "number": 5 })).unwrap();
            block_on(to.drain());
            let mut numbers = heard.take();
            numbers.sort();
            assert_eq!(numbers, [4, 4, 4, 5, 5, 5]);

            assert_eq!(block_on(to.request::<u64>(tick(21)).into_future()).unwrap(), 42);
            assert_eq!(block_on(to.request_all::<u64>(tick(21)).into_future()).unwrap(), [42]);
        })
        .await;
        drop((remote, here, later));
        stop(arbiter);
    });
}

/// What a listener of one registration has heard, by emitter.
type Heard8 = Arc<Mutex<BTreeMap<usize, Vec<u64>>>>;

/// How far the emitters of the test below have come: before each event, and after it.
struct Progress {
    begun: [AtomicU64; 8],
    done: [AtomicU64; 8],
    over: AtomicBool,
}

impl Progress {
    fn of(counters: &[AtomicU64; 8]) -> [u64; 8] {
        std::array::from_fn(|by| counters[by].load(Ordering::SeqCst))
    }
}

/// Registers, hears what eight threads emit, and unregisters, several times; exactly what was emitted meanwhile is heard.
async fn come_and_go(bus: EventBus, progress: Arc<Progress>, rounds: usize) {
    for round in 0..rounds {
        let (heard, ended) = (Heard8::default(), Arc::new(AtomicBool::new(false)));
        let (notes, over) = (heard.clone(), ended.clone());
        let listener = move |tick: &Tick| {
            assert!(!over.load(Ordering::SeqCst), "a call began after `unsubscribe` returned");
            notes.lock().unwrap().entry(tick.by).or_default().push(tick.number);
        };
        let guard = bus.on(listener).unwrap();
        // What begins after this must be heard.
        let begun = Progress::of(&progress.begun);
        while (0..8).any(|by| progress.done[by].load(Ordering::SeqCst) < begun[by] + 3) {
            tokio::task::yield_now().await;
        }
        let done = Progress::of(&progress.done);
        // What was emitted is heard by now; what was published may still wait.
        let all_heard = || {
            let heard = heard.lock().unwrap();
            (0..8).all(|by| {
                let numbers = heard.get(&by).map(Vec::as_slice).unwrap_or_default();
                (begun[by] + 1..=done[by]).all(|number| numbers.contains(&number))
            })
        };
        while !all_heard() {
            tokio::task::yield_now().await;
        }
        match round % 2 {
            0 => guard.unsubscribe().await,
            _ => elsewhere(move || block_on(guard.unsubscribe())).await,
        }
        ended.store(true, Ordering::SeqCst);
        for (by, numbers) in &*heard.lock().unwrap() {
            let mut once = numbers.clone();
            once.sort();
            once.dedup();
            assert_eq!(once.len(), numbers.len(), "an event of {by} was heard twice: {numbers:?}");
            let published: Vec<_> = numbers.iter().filter(|number| *number % 4 != 0).collect();
            assert!(published.is_sorted(), "{by} published in another order: {published:?}");
        }
    }
}

#[test]
fn nothing_is_missed_after_on_returned_and_nothing_heard_after_unsubscribe_returned() {
    const ROUNDS: usize = 30;
    system(async {
        let bus = EventBus::default();
        let progress =
            Arc::new(Progress { begun: Default::default(), done: Default::default(), over: AtomicBool::new(false) });
        let emitters: Vec<_> = (0..8)
            .map(|by| {
                let (bus, progress) = (bus.clone(), progress.clone());
                thread::spawn(move || {
                    let mut failed = Vec::new();
                    for number in 1.. {
                        if progress.over.load(Ordering::SeqCst) {
                            break;
                        }
                        progress.begun[by].store(number, Ordering::SeqCst);
                        let event = Tick { by, number };
                        // Every fourth is emitted, and awaited, so that no queue grows without end.
                        match number % 4 {
                            0 => failed.extend(block_on(bus.emit(event)).ok().err()),
                            _ => _ = bus.publish(event).unwrap(),
                        }
                        progress.done[by].store(number, Ordering::SeqCst);
                    }
                    failed
                })
            })
            .collect();
        let arbiters: [Arbiter; 8] = std::array::from_fn(|_| Arbiter::new());
        let mut rounds = Vec::new();
        for arbiter in &arbiters {
            let (bus, progress) = (bus.clone(), progress.clone());
            let (told, result) = oneshot::channel();
            arbiter.spawn_fn(move || {
                actix_rt::spawn(async move {
                    come_and_go(bus, progress, ROUNDS).await;
                    let _ = told.send(());
                });
            });
            rounds.push(result);
        }
        for round in rounds {
            round.await.expect("a registration has missed something, or heard too much");
        }
        progress.over.store(true, Ordering::SeqCst);
        for emitter in emitters {
            let failed = emitter.join().unwrap();
            assert!(failed.is_empty(), "nobody has failed, but some have ended: {failed:?}");
        }
        assert!(bus.subscriptions().is_empty());
        arbiters.into_iter().for_each(stop);
    });
}

#[test]
fn a_listener_that_ends_while_an_event_is_on_its_way_is_no_failure() {
    const ROUNDS: usize = 20_000;
    system(async {
        let (arbiter, bus) = (Arbiter::new(), EventBus::default());
        let over = Arc::new(AtomicBool::new(false));
        let emitter = {
            let (bus, over) = (bus.clone(), over.clone());
            thread::spawn(move || {
                let mut failed = Vec::new();
                while !over.load(Ordering::SeqCst) && failed.is_empty() {
                    failed.extend(block_on(bus.emit(tick(1))).ok().err());
                }
                over.store(true, Ordering::SeqCst);
                failed
            })
        };
        let (to, ended) = (bus.clone(), over.clone());
        on(&arbiter, async move || {
            for _ in 0..ROUNDS {
                drop(to.on(|_: &Tick| ()).unwrap());
                tokio::task::yield_now().await;
                if ended.load(Ordering::SeqCst) {
                    break;
                }
            }
        })
        .await;
        over.store(true, Ordering::SeqCst);
        let failed = emitter.join().unwrap();
        assert!(failed.is_empty(), "the arbiter is well, only the registration has ended: {failed:?}");
        assert_eq!(bus.dead_letters().total(), 0);
        stop(arbiter);
    });
}

#[test]
fn what_one_thread_publishes_is_heard_in_its_order_on_every_arbiter() {
    const EVENTS: u64 = 5_000;
    system(async {
        let (arbiters, bus) = ([Arbiter::new(), Arbiter::new()], EventBus::builder().capacity(1 << 20).build());
        let mut listeners = Vec::new();
        for arbiter in &arbiters {
            for slow in [false, true] {
                let (to, heard) = (bus.clone(), Log::new());
                let notes = heard.clone();
                let listener = async move |tick: Arc<Tick>| {
                    if slow {
                        tokio::task::yield_now().await;
                    }
                    notes.add((*tick).clone());
                };
                listeners.push((heard, on(arbiter, async move || to.on(listener).unwrap()).await));
            }
        }
        let publishers: Vec<_> = (0..4)
            .map(|by| {
                let bus = bus.clone();
                thread::spawn(move || {
                    (0..EVENTS).for_each(|number| {
                        bus.publish(Tick { by, number }).unwrap();
                    })
                })
            })
            .collect();
        publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
        bus.drain().await;
        for (heard, guard) in listeners {
            let heard = heard.take();
            for by in 0..4 {
                let numbers: Vec<_> = heard.iter().filter(|tick| tick.by == by).map(|tick| tick.number).collect();
                assert_eq!(numbers, (0..EVENTS).collect::<Vec<_>>(), "what {by} published");
            }
            assert_eq!(guard.info().done, 4 * EVENTS);
        }
        arbiters.into_iter().for_each(stop);
    });
}

#[test]
fn drain_returns_when_nothing_is_queued_or_running_on_two_arbiters_that_publish_to_each_other() {
    const HOPS: u64 = 200;
    system(async {
        let (arbiter, bus) = (Arbiter::new(), EventBus::builder().max_depth(1_000).build());
        let hops = Arc::new(AtomicU64::new(0));
        let hop = |parity: u64| {
            let hops = hops.clone();
            // The last is heard by nobody.
            let mine = move |tick: &Tick| tick.number % 2 == parity && tick.number < HOPS;
            let hop = async move |tick: Arc<Tick>, bus: EventBus| {
                tokio::task::yield_now().await;
                bus.publish(Tick { by: tick.by, number: tick.number + 1 }).unwrap();
                tokio::task::yield_now().await;
                hops.fetch_add(1, Ordering::SeqCst);
            };
            (hop, mine)
        };
        let (even, is_even) = hop(0);
        let _even = bus.on(even.when(is_even)).unwrap();
        let ((odd, is_odd), to) = (hop(1), bus.clone());
        let odd = on(&arbiter, async move || to.on(odd.when(is_odd)).unwrap()).await;
        for round in 1..=50 {
            bus.publish(tick(0)).unwrap();
            match round % 2 {
                0 => bus.drain().await,
                _ => {
                    let bus = bus.clone();
                    elsewhere(move || block_on(bus.drain())).await;
                }
            }
            assert_eq!(hops.load(Ordering::SeqCst), round * HOPS, "it returned while something was under way");
        }
        drop(odd);
        stop(arbiter);
    });
}

#[test]
fn an_arbiter_that_has_stopped_takes_its_listeners_along() {
    system(async {
        let (arbiter, bus, log) = (Arbiter::new(), EventBus::default(), Log::new());
        let here = bus.on(note(&log)).unwrap();
        let remote = listen(&arbiter, &bus, &log).await;
        let to = bus.clone();
        let hangs = async |_: Arc<Tick>| std::future::pending::<()>().await;
        let hangs = on(&arbiter, async move || to.on(hangs.named("hangs")).unwrap()).await;
        let emission = actix_rt::spawn(bus.emit(tick(1)));
        bus.publish(tick(2)).unwrap();
        bus.publish(tick(3)).unwrap();
        while log.len() < 6 {
            tokio::task::yield_now().await;
        }
        stop(arbiter);
        let report = emission.await.unwrap();
        assert_eq!(report.failed().collect::<Vec<_>>(), [("hangs", &ListenerError::Gone)]);
        let mut letters: Vec<_> = bus.dead_letters().list().iter().map(|letter| letter.to_string()).collect();
        letters.iter_mut().for_each(|letter| *letter = letter.split_once(": ").unwrap().1.to_owned());
        letters.sort();
        let gone = "Tick: `hangs` was gone before it was done";
        assert_eq!(letters, [gone, gone, "Tick: `hangs`: its arbiter is gone"]);

        assert!(!remote.is_active() && !hangs.is_active() && here.is_active());
        assert_eq!(bus.subscriptions().len(), 1);
        let report = bus.emit(tick(4)).await;
        assert!(report.is_ok() && report.len() == 1, "{report}");
        bus.publish(tick(5)).unwrap();
        bus.drain().await;
        log.take();
        // The guards still answer.
        hangs.unsubscribe().await;
        drop((remote, here));
    });
}

/// Says when it is dropped, and waits to be let go.
struct Stopper(Option<(oneshot::Sender<()>, mpsc::Receiver<()>)>);

impl Drop for Stopper {
    fn drop(&mut self) {
        if let Some((dropping, go)) = self.0.take() {
            let _ = dropping.send(());
            let _ = go.recv_timeout(LONG);
        }
    }
}

#[test]
fn what_is_on_its_way_to_an_arbiter_that_stops_is_told_as_gone() {
    system(async {
        let (arbiter, bus, log) = (Arbiter::new(), EventBus::default(), Log::new());
        let mut stoppers = Vec::new();
        let mut stopper = || {
            let ((dropping, dropped), (go, gone)) = (oneshot::channel(), mpsc::channel());
            stoppers.push((dropped, go));
            Stopper(Some((dropping, gone)))
        };
        // One stands before the bus in the runtime of that arbiter and one behind, whichever of them goes first.
        let (before, behind) = (stopper(), stopper());
        let hold = |stopper| {
            move || {
                actix_rt::spawn(async move {
                    let _stopper: Stopper = stopper;
                    std::future::pending::<()>().await;
                });
            }
        };
        arbiter.spawn_fn(hold(before));
        let _remote = listen(&arbiter, &bus, &log).await;
        arbiter.spawn_fn(hold(behind));
        on(&arbiter, async || ()).await;
        arbiter.stop();
        for (dropped, go) in stoppers {
            dropped.await.unwrap();
            let letters = bus.dead_letters().total();
            let mut emission = pin!(bus.emit(tick(1)));
            let now = std::future::poll_fn(|cx| Poll::Ready(emission.as_mut().poll(cx))).await;
            bus.publish(tick(2)).unwrap();
            let waiting = actix_rt::spawn(bus.publish_wait(tick(3)));
            let drain = actix_rt::spawn(bus.drain());
            tokio::task::yield_now().await;
            go.send(()).unwrap();
            let report = match now {
                Poll::Ready(report) => report,
                Poll::Pending => promptly("the emission", emission).await,
            };
            // By the time the second stopper is dropped the registration may be gone, and nobody is called.
            let failed: Vec<_> = report.failed().map(|(_, error)| error.clone()).collect();
            assert!(failed == [ListenerError::Gone] || report.is_empty(), "{report}");
            promptly("who waits for room", waiting).await.unwrap().unwrap();
            promptly("the drain", drain).await.unwrap();
            if !report.is_empty() {
                while bus.dead_letters().total() < letters + 3 {
                    tokio::task::yield_now().await;
                }
            }
        }
        arbiter.join().unwrap();
        assert!(bus.subscriptions().is_empty());
        assert!(log.take().is_empty());
        assert!(bus.dead_letters().total() >= 3);
    });
}

/// How many of `Fragile` have been dropped.
static BROKEN: AtomicUsize = AtomicUsize::new(0);

/// An event that panics when it is dropped, but not while another panic unwinds, which would end the process.
#[derive(Event, Debug, Serialize, Deserialize)]
#[event(topic = "threads/fragile")]
struct Fragile(u64);

impl Drop for Fragile {
    fn drop(&mut self) {
        BROKEN.fetch_add(1, Ordering::SeqCst);
        assert!(thread::panicking(), "an event that panics when it is dropped");
    }
}

#[test]
fn an_event_that_panics_when_it_is_dropped_leaves_no_listener_behind_of_an_arbiter_that_stops() {
    const EACH: usize = 3;
    system(async {
        // Nobody keeps an event as a dead letter: the inbox and the queues have the last of each.
        let (arbiter, bus) = (Arbiter::new(), EventBus::builder().dead_letters(0).build());
        let (dropping, dropped) = oneshot::channel();
        let (go, gone) = mpsc::channel();
        let to = bus.clone();
        let guards = on(&arbiter, async move || {
            // The runtime of that arbiter drops what it runs in this order: this goes before the bus.
            actix_rt::spawn(async move {
                let _stopper = Stopper(Some((dropping, gone)));
                std::future::pending::<()>().await;
            });
            let hangs = async |_: Arc<Fragile>| std::future::pending::<()>().await;
            [to.on(hangs.named("hangs")).unwrap(), to.on((|_: &Tick| ()).named("neighbour")).unwrap()]
        })
        .await;
        // One is called, and the others wait in the queue.
        (0..EACH).for_each(|number| {
            bus.publish(Fragile(number as u64)).unwrap();
        });
        on(&arbiter, testing::settle).await;
        assert_eq!(guards[0].info().waiting, EACH - 1);
        arbiter.stop();
        dropped.await.unwrap();
        assert_eq!(bus.subscriptions().len(), 2, "the stopper has to go first");
        // These wait in the inbox.
        let mut emissions = Vec::new();
        for number in 0..EACH as u64 {
            bus.publish(Fragile(number)).unwrap();
            let mut emission = Box::pin(bus.emit(Fragile(number)));
            assert!(emission.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            emissions.push(emission);
        }
        let drain = actix_rt::spawn(bus.drain());
        tokio::task::yield_now().await;
        go.send(()).unwrap();
        arbiter.join().unwrap();
        for emission in emissions {
            let report = promptly("an emission", emission).await;
            assert_eq!(report.failed().collect::<Vec<_>>(), [("hangs", &ListenerError::Gone)]);
        }
        promptly("the drain", drain).await.unwrap();
        assert!(bus.subscriptions().is_empty(), "{:?}", bus.subscriptions());
        assert!(bus.emit(tick(1)).await.is_empty());
        assert_eq!(BROKEN.load(Ordering::SeqCst), 3 * EACH);
        // What was under way, what waited in the queue, and what waited in the inbox in both ways.
        assert_eq!(bus.dead_letters().total(), 3 * EACH as u64);
        for guard in guards {
            promptly("the end", guard.unsubscribe()).await;
        }
    });
}

/// Keeps that arbiter busy while `here` runs on this one, and then has it do something before anything else.
async fn while_busy<H, T: Send + 'static>(
    arbiter: &Arbiter,
    here: impl AsyncFnOnce() -> H,
    then: impl FnOnce() -> T + Send + 'static,
) -> (H, T) {
    let ((told, busy), (go, gone)) = (oneshot::channel(), mpsc::channel::<()>());
    let there = on(arbiter, async move || {
        told.send(()).unwrap();
        gone.recv_timeout(LONG).unwrap();
        then()
    });
    let here = async {
        busy.await.unwrap();
        let here = here().await;
        go.send(()).unwrap();
        here
    };
    tokio::join!(here, there)
}

#[test]
fn an_event_that_comes_after_the_end_of_its_listener_is_a_dead_letter() {
    system(async {
        let (arbiter, bus, log) = (Arbiter::new(), EventBus::default(), Log::new());
        let remote = listen(&arbiter, &bus, &log).await;
        // So that its arbiter has another.
        let other = listen(&arbiter, &bus, &log).await;
        while_busy(&arbiter, async || bus.publish(tick(1)).unwrap(), move || drop(remote)).await;
        bus.drain().await;
        assert_eq!(log.take(), [1]);
        let letters = bus.dead_letters().list();
        assert_eq!(letters.iter().map(|letter| letter.reason.clone()).collect::<Vec<_>>(), [Reason::Ended]);
        drop(other);
        stop(arbiter);
    });
}

#[test]
fn an_event_for_a_registration_that_has_ended_does_not_say_that_the_arbiter_is_gone() {
    system(async {
        let (arbiter, bus, log) = (Arbiter::new(), EventBus::default(), Log::new());
        let remote = std::cell::Cell::new(Some(listen(&arbiter, &bus, &log).await));
        let there = arbiter.handle();
        // While an event is published the only listener of the other arbiter ends, and so does what the bus has there.
        let condition = move |_: &Tick| {
            if let Some(remote) = remote.take() {
                let (ended, end) = mpsc::channel();
                there.spawn_fn(move || {
                    drop(remote);
                    actix_rt::spawn(async move {
                        testing::settle().await;
                        ended.send(()).unwrap();
                    });
                });
                end.recv_timeout(LONG).unwrap();
            }
            true
        };
        let here = bus.on((|_: &Tick| ()).when(condition)).unwrap();
        bus.publish(tick(1)).unwrap();
        let letters: Vec<_> = bus.dead_letters().list().iter().map(|letter| letter.reason.clone()).collect();
        // It was on its way before, and came or came too late.
        assert!(letters.iter().all(|reason| *reason == Reason::Ended), "the arbiter is well: {letters:?}");
        drop(here);
        stop(arbiter);
    });
}

#[test]
fn to_refuse_is_all_or_nothing_across_arbiters() {
    system(async {
        let (arbiters, bus, log) = ([Arbiter::new(), Arbiter::new()], EventBus::default(), Log::new());
        let here = bus.on(note(&log).named("here")).unwrap();
        let free = listen(&arbiters[0], &bus, &log).await;
        let (to, go, begun) = (bus.clone(), Arc::new(tokio::sync::Notify::new()), Log::new());
        let (until, begins) = (go.clone(), begun.clone());
        let full = on(&arbiters[1], async move || {
            let full = async move |tick: Arc<Tick>| {
                begins.add(tick.number);
                until.notified().await;
            };
            to.on(full.named("full").capacity(2).all_or_none()).unwrap()
        });
        let full = full.await;
        bus.publish(tick(1)).unwrap();
        while begun.len() < 1 {
            tokio::task::yield_now().await;
        }
        bus.publish(tick(2)).unwrap();
        bus.publish(tick(3)).unwrap();
        let error = bus.publish(tick(4)).unwrap_err();
        assert_eq!(error, PublishError::Full { listener: "full".into(), capacity: 2 });
        let to = bus.clone();
        assert_eq!(elsewhere(move || to.publish(tick(5))).await.unwrap_err(), error);
        while log.len() < 6 {
            tokio::task::yield_now().await;
        }
        testing::settle().await;
        on(&arbiters[0], testing::settle).await;
        let mut heard = log.take();
        heard.sort();
        assert_eq!(heard, [1, 1, 2, 2, 3, 3], "nobody hears what one has refused");
        for done in 1..=3 {
            go.notify_one();
            while full.info().done < done {
                tokio::task::yield_now().await;
            }
        }
        bus.drain().await;
        bus.publish(tick(6)).unwrap();
        go.notify_one();
        bus.drain().await;
        assert_eq!(full.info().done, 4);
        assert_eq!((full.info().dropped, full.info().waiting), (0, 0));
        drop((here, free));
        arbiters.into_iter().for_each(stop);
    });
}

#[test]
fn several_threads_that_wait_for_room_lose_nothing() {
    const EVENTS: u64 = 3_000;
    system(async {
        let bus = EventBus::default();
        let done = Arc::new(AtomicU64::new(0));
        let count = done.clone();
        let slow = async move |_: Arc<Tick>| {
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            count.fetch_add(1, Ordering::SeqCst);
        };
        let slow = bus.on(slow.named("slow").capacity(1)).unwrap();
        let publishers: Vec<_> = (0..3)
            .map(|by| {
                let bus = bus.clone();
                thread::spawn(move || {
                    (0..EVENTS).for_each(|number| spin_on(bus.publish_wait(Tick { by, number })).unwrap());
                })
            })
            .collect();
        while !publishers.iter().all(|publisher| publisher.is_finished()) {
            tokio::task::yield_now().await;
        }
        publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
        bus.drain().await;
        assert_eq!((slow.info().dropped, done.load(Ordering::SeqCst)), (0, 3 * EVENTS));
    });
}

#[test]
fn who_waits_for_room_is_told_when_a_condition_gives_it_back() {
    system(async {
        let (arbiter, bus) = (Arbiter::new(), EventBus::builder().room_timeout(HOUR).build());
        let to = bus.clone();
        let picky = on(&arbiter, async move || {
            to.on((|_: &Tick| ()).named("picky").capacity(1).when(|tick| tick.number > 9)).unwrap()
        });
        let picky = picky.await;
        let (first, second) = (bus.publish_wait(tick(1)), bus.publish_wait(tick(2)));
        let here = async move || {
            first.await.unwrap();
            let second = actix_rt::spawn(second);
            testing::settle().await;
            assert!(!second.is_finished(), "there was no room");
            second
        };
        let (second, ()) = while_busy(&arbiter, here, || ()).await;
        assert_eq!(second.await.unwrap(), Ok(()), "the first was not wanted, so there was room");
        drop(picky);
        stop(arbiter);
    });
}

#[test]
fn a_panic_in_what_an_event_from_another_thread_is_made_of_harms_no_neighbour() {
    #[derive(Event)]
    #[event(topic = "threads/unwritable")]
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

    system(async {
        let (arbiter, bus, log) = (Arbiter::new(), EventBus::default(), Log::new());
        let neighbour = listen(&arbiter, &bus, &log).await;
        let to = bus.clone();
        let guards = on(&arbiter, async move || {
            let json = to.on_topic("threads/unwritable", (|_: &JsonEvent| ()).named("json")).unwrap();
            (json, to.on((|_: &Unwritable| ()).named("typed")).unwrap())
        })
        .await;
        let report = bus.emit(Unwritable).await;
        assert_eq!(report.failed().map(|(name, _)| name).collect::<Vec<_>>(), ["json"]);
        let report = bus.emit_json("threads/unwritable", json!(1)).unwrap().await;
        assert_eq!(report.failed().map(|(name, _)| name).collect::<Vec<_>>(), ["typed"]);
        bus.publish(Unwritable).unwrap();
        bus.publish_json("threads/unwritable", json!(1)).unwrap();
        bus.drain().await;
        assert_eq!(bus.dead_letters().total(), 4);
        assert!(bus.emit(tick(1)).await.is_ok());
        bus.publish(tick(2)).unwrap();
        bus.drain().await;
        assert_eq!(log.take(), [1, 2]);
        assert_eq!(bus.subscriptions().len(), 3);
        drop((neighbour, guards));
        stop(arbiter);
    });
}

#[test]
fn what_is_heard_as_json_on_another_arbiter_is_each_event_itself() {
    system(async {
        let (arbiter, bus, log) = (Arbiter::new(), EventBus::default(), Log::new());
        let _here = bus.on(|_: &Tick| ()).unwrap();
        let (to, notes) = (bus.clone(), log.clone());
        let remote = on(&arbiter, async move || {
            to.on_topic("threads/*", move |event: &JsonEvent| notes.add(event["number"].as_u64().unwrap())).unwrap()
        });
        let remote = remote.await;
        for number in 0..100 {
            assert!(bus.emit(tick(number)).await.is_ok());
            // It has let go of the event by then.
            on(&arbiter, async || ()).await;
        }
        assert_eq!(log.take(), (0..100).collect::<Vec<_>>());
        drop(remote);
        stop(arbiter);
    });
}

#[test]
fn an_emission_that_is_dropped_has_begun_all_the_same() {
    system(async {
        let (arbiter, bus, log) = (Arbiter::new(), EventBus::default(), Log::new());
        let (to, notes, go) = (bus.clone(), log.clone(), Arc::new(tokio::sync::Notify::new()));
        let until = go.clone();
        let remote = async move |tick: Arc<Tick>| {
            until.notified().await;
            notes.add(tick.number);
            Err::<(), _>("in vain")
        };
        let remote = on(&arbiter, async move || to.on(remote.named("remote")).unwrap()).await;
        let mut emission = Box::pin(bus.emit(tick(1)));
        assert!(std::future::poll_fn(|cx| Poll::Ready(emission.as_mut().poll(cx))).await.is_pending());
        drop(emission);
        // One that nobody has polled has not begun.
        drop(bus.emit(tick(2)));
        go.notify_one();
        bus.drain().await;
        assert_eq!(log.take(), [1]);
        let letters: Vec<_> = bus.dead_letters().list().iter().map(|letter| letter.to_string()).collect();
        assert_eq!(letters, ["dead letter 1: Tick: `remote` failed: in vain"]);
        drop(remote);
        stop(arbiter);
    });
}

#[test]
fn once_is_once_whoever_emits_and_publishes() {
    const ROUNDS: u64 = 300;
    system(async {
        let (arbiter, bus) = (Arbiter::new(), EventBus::default());
        for round in 0..ROUNDS {
            let calls = Arc::new(AtomicUsize::new(0));
            let (to, count) = (bus.clone(), calls.clone());
            let later = async move |_: Arc<Tick>| {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
            };
            let once = on(&arbiter, async move || to.on(later.once()).unwrap()).await;
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let bus = bus.clone();
                    thread::spawn(move || match round % 2 {
                        0 => block_on(bus.emit(tick(1))).len(),
                        _ => {
                            (0..3).for_each(|number| {
                                bus.publish(tick(number)).unwrap();
                            });
                            1
                        }
                    })
                })
                .collect();
            let called: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
            bus.drain().await;
            assert_eq!(calls.load(Ordering::SeqCst), 1);
            assert!(round % 2 == 1 || called == 1, "{called} reports name it");
            assert!(!once.is_active() && bus.subscriptions().is_empty());
            assert_eq!(bus.dead_letters().total(), 0, "{:?}", bus.dead_letters().list());
        }
        stop(arbiter);
    });
}

#[test]
fn a_late_subscriber_hears_the_retained_event_and_all_later_ones_once_each() {
    const ROUNDS: usize = 100;
    system(async {
        let bus = EventBus::default();
        let (allowed, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        bus.publish_retained("threads/kept", json!(0)).unwrap();
        let publisher = {
            let (bus, allowed, over) = (bus.clone(), allowed.clone(), over.clone());
            thread::spawn(move || {
                let mut last = 0;
                while !over.load(Ordering::SeqCst) {
                    if last < allowed.load(Ordering::SeqCst) {
                        last += 1;
                        bus.publish_retained("threads/kept", json!(last)).unwrap();
                    } else {
                        thread::yield_now();
                    }
                }
                last
            })
        };
        for _ in 0..ROUNDS {
            let heard = Log::new();
            let notes = heard.clone();
            let listener = move |event: &JsonEvent| notes.add(event.as_u64().unwrap());
            // It publishes while the listener is registered.
            let last = allowed.fetch_add(10, Ordering::SeqCst) + 10;
            let guard = bus.on_topic("threads/*", listener).unwrap();
            while heard.last() != Some(last) {
                tokio::task::yield_now().await;
            }
            drop(guard);
            let heard = heard.take();
            let expected: Vec<_> = (heard[0]..=last).collect();
            assert_eq!(heard, expected, "one was missed, or heard twice");
        }
        over.store(true, Ordering::SeqCst);
        let last = publisher.join().unwrap();
        let heard = Log::new();
        let notes = heard.clone();
        let _late = bus.on_topic("**", move |event: &JsonEvent| notes.add(event.as_u64().unwrap())).unwrap();
        bus.drain().await;
        assert_eq!(heard.take(), [last]);
    });
}

#[test]
fn what_is_queued_is_heard_after_the_last_handle_of_the_bus_is_gone() {
    const EVENTS: u64 = 1_000;
    system(async {
        let (arbiter, bus, log) = (Arbiter::new(), EventBus::default(), Log::new());
        let alive = Arc::new(());
        let (to, notes, witness) = (bus.clone(), log.clone(), alive.clone());
        on(&arbiter, async move || {
            let later = async move |tick: Arc<Tick>| {
                tokio::task::yield_now().await;
                notes.add(tick.number);
                let _ = &witness;
            };
            to.on(later).unwrap().forever();
        })
        .await;
        (0..EVENTS).for_each(|number| {
            bus.publish(tick(number)).unwrap();
        });
        drop(bus);
        while Arc::strong_count(&alive) > 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(log.take(), (0..EVENTS).collect::<Vec<_>>());
        assert_eq!(live_on(&arbiter).await, 0);
        stop(arbiter);
    });
}

#[test]
fn what_is_provided_to_a_bus_goes_with_it() {
    struct Provided(#[allow(dead_code, reason = "it is counted")] Arc<()>);

    system(async {
        let (arbiter, alive) = (Arbiter::new(), Arc::new(()));
        let bus = EventBus::builder().provide(Provided(alive.clone())).build();
        let to = bus.clone();
        let remote = on(&arbiter, async move || to.on(|_: &Tick, _: Inject<Provided>| ()).unwrap()).await;
        bus.on(|_: &Tick, _: Inject<Provided>| ()).unwrap().forever();
        assert_eq!(bus.emit(tick(1)).await.len(), 2);
        let by_thread = bus.clone();
        elsewhere(move || block_on(by_thread.emit(tick(2)))).await;
        bus.publish(tick(3)).unwrap();
        bus.drain().await;
        drop((bus, remote));
        while Arc::strong_count(&alive) > 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(live_on(&arbiter).await, 0);
        stop(arbiter);
    });
}

#[test]
fn a_guard_that_is_dropped_on_another_thread_asks_for_the_end() {
    system(async {
        let (arbiter, bus, log) = (Arbiter::new(), EventBus::default(), Log::new());
        let remote = listen(&arbiter, &bus, &log).await;
        let info = remote.info();
        assert_eq!((info.listener.as_ref(), info.hears.as_str()), ("remote", "Tick"));
        elsewhere(move || drop(remote)).await;
        assert!(bus.subscriptions().is_empty(), "it is struck off at once");
        assert!(bus.emit(tick(1)).await.is_empty());
        assert_eq!(live_on(&arbiter).await, 0);
        assert!(log.take().is_empty());
        stop(arbiter);
    });
}

#[test]
fn unsubscribe_waits_for_an_arbiter_that_is_busy_but_not_for_a_call_under_way() {
    system(async {
        let (arbiter, bus, log) = (Arbiter::new(), EventBus::default(), Log::new());
        let remote = listen(&arbiter, &bus, &log).await;
        let here = async move || {
            let mut ended = Box::pin(remote.unsubscribe());
            assert!(std::future::poll_fn(|cx| Poll::Ready(ended.as_mut().poll(cx))).await.is_pending());
            ended
        };
        while_busy(&arbiter, here, || ()).await.0.await;

        let to = bus.clone();
        let hangs = async |_: Arc<Tick>| std::future::pending::<()>().await;
        let hangs = on(&arbiter, async move || to.on(hangs.timeout(HOUR)).unwrap()).await;
        let emission = actix_rt::spawn(bus.emit(tick(1)));
        testing::settle().await;
        on(&arbiter, testing::settle).await;
        hangs.unsubscribe().await;
        assert!(!emission.is_finished(), "what is under way goes on");
        stop(arbiter);
        assert!(!emission.await.unwrap().is_ok());
    });
}

#[test]
fn a_question_is_answered_across_arbiters_and_the_first_answer_wins() {
    system(async {
        let (arbiters, bus) = ([Arbiter::new(), Arbiter::new()], EventBus::default());
        let mut answerers = Vec::new();
        for (arbiter, offset) in arbiters.iter().zip([100, 200]) {
            let to = bus.clone();
            let answerer = async move |asked: Arc<Tick>| match asked.number {
                // One hangs, and is not waited for.
                0 if offset == 100 => std::future::pending().await,
                1 => Err("I do not know"),
                number => Ok(number + offset),
            };
            answerers.push(on(arbiter, async move || to.answer(answerer).unwrap()).await);
        }
        assert_eq!(bus.request::<u64>(tick(0)).await.unwrap(), 200);
        let to = bus.clone();
        assert_eq!(elsewhere(move || block_on(to.request::<u64>(tick(0)).into_future())).await.unwrap(), 200);
        let mut all = bus.request_all::<u64>(tick(2)).await.unwrap();
        all.sort();
        assert_eq!(all, [102, 202]);
        let failed = bus.request::<u64>(tick(1)).await.unwrap_err();
        assert!(matches!(&failed, AskError::Failed(report) if report.failed().count() == 2), "{failed}");
        let error = bus.request::<&'static str>(tick(1)).await.unwrap_err();
        assert_eq!(error.to_string(), "nobody answers Tick with `&str`: register one with `bus.answer(…)`");
        arbiters.into_iter().for_each(stop);
        assert!(matches!(bus.request::<u64>(tick(2)).await.unwrap_err(), AskError::NoAnswerer { .. }));
        drop(answerers);
    });
}

#[test]
fn the_bus_that_is_installed_serves_all_arbiters_of_its_system_and_no_other_thread() {
    system(async {
        let (arbiter, bus, log) = (Arbiter::new(), EventBus::default(), Log::new());
        let _here = bus.on(note(&log)).unwrap();
        let installed = bus.install().unwrap();
        let report = on(&arbiter, async || convoke::dispatch(tick(1)).await).await.unwrap();
        assert!(report.is_ok() && report.len() == 1, "{report}");
        assert!(convoke::dispatch(tick(2)).await.unwrap().is_ok());
        assert_eq!(log.take(), [1, 2]);
        let error = elsewhere(|| block_on(convoke::dispatch(tick(3)))).await.unwrap_err();
        assert_eq!(error, DispatchError::NoSystem);
        let text = "no actix system on this thread: dispatch under #[actix::main], or use a bus by hand";
        assert_eq!(error.to_string(), text);
        let to = bus.clone();
        assert_eq!(elsewhere(move || to.install()).await.unwrap_err(), DispatchError::NoSystem);
        elsewhere(move || drop(installed)).await;
        let error = on(&arbiter, async || convoke::dispatch(tick(4)).await).await.unwrap_err();
        assert_eq!(error, DispatchError::NotInstalled);
        stop(arbiter);
    });
}

#[test]
fn systems_on_one_thread_have_their_listeners_and_their_installed_bus_each() {
    let (bus, log) = (EventBus::default(), Log::new());
    let [first, second] = [System::new(), System::new()];
    let guards: Vec<_> = [&first, &second]
        .into_iter()
        .map(|system| system.block_on(soon(async { bus.on(note(&log)).unwrap() })))
        .collect();
    assert_eq!(bus.subscriptions().len(), 2);
    for _ in 0..2 {
        bus.publish(tick(1)).unwrap();
        for system in [&first, &second] {
            system.block_on(soon(async {
                testing::settle().await;
                assert_eq!(log.take(), [1], "each hears where it lives");
            }));
        }
    }
    drop((first, guards));
    second.block_on(soon(testing::settle()));
    assert!(bus.subscriptions().is_empty());
}

#[test]
fn an_arbiter_that_stands_still_takes_so_many_events_and_the_others_are_told_as_too_many() {
    // What `station.rs` sets as the bound of what may be on its way.
    const DOOR: u64 = 1 << 16;
    system(async {
        let (arbiter, bus, log) = (Arbiter::new(), EventBus::builder().capacity(1 << 20).build(), Log::new());
        let remote = listen(&arbiter, &bus, &log).await;
        let to = bus.clone();
        let here = async move || {
            (0..DOOR + 2).for_each(|number| {
                to.publish(tick(number)).unwrap();
            });
            to.emit(tick(0)).await
        };
        let (report, ()) = while_busy(&arbiter, here, || ()).await;
        assert_eq!(report.failed().collect::<Vec<_>>(), [("remote", &ListenerError::Busy)]);
        bus.drain().await;
        assert_eq!(log.take(), (0..DOOR).collect::<Vec<_>>());
        let letters = bus.dead_letters().take_all();
        let reasons: Vec<_> = letters.iter().map(|letter| letter.reason.clone()).collect();
        assert_eq!(reasons, [Reason::Busy, Reason::Busy, Reason::Failed(ListenerError::Busy)]);
        assert!(bus.emit(tick(1)).await.is_ok(), "it has recovered");
        drop(remote);
        stop(arbiter);
    });
}

#[test]
fn a_waker_that_panics_harms_no_listener_of_another_arbiter() {
    struct Faulty;

    impl Wake for Faulty {
        fn wake(self: Arc<Self>) {
            assert!(thread::panicking(), "a waker");
        }
    }

    system(async {
        let (arbiter, bus, log) = (Arbiter::new(), EventBus::default(), Log::new());
        let (neighbour, other) = (listen(&arbiter, &bus, &log).await, listen(&arbiter, &bus, &log).await);
        let waker = Waker::from(Arc::new(Faulty));
        let to = bus.clone();
        let here = async move || {
            let mut emission = Box::pin(to.emit(tick(1)));
            let mut drain = Box::pin(to.drain());
            let mut ended = Box::pin(other.unsubscribe());
            let mut cx = Context::from_waker(&waker);
            assert!(emission.as_mut().poll(&mut cx).is_pending());
            assert!(drain.as_mut().poll(&mut cx).is_pending());
            assert!(ended.as_mut().poll(&mut cx).is_pending());
            (emission, drain, ended)
        };
        let ((emission, drain, ended), ()) = while_busy(&arbiter, here, || ()).await;
        on(&arbiter, testing::settle).await;
        promptly("the emission", emission).await.ok().unwrap();
        promptly("the drain", drain).await;
        promptly("the end", ended).await;
        log.take();
        assert!(bus.emit(tick(2)).await.is_ok());
        bus.publish(tick(3)).unwrap();
        bus.drain().await;
        assert_eq!(log.take(), [2, 3], "the neighbour is deaf");
        assert!(neighbour.is_active());
        drop(neighbour);
        stop(arbiter);
    });
}

#[test]
fn one_bus_at_a_time_is_installed_for_a_system() {
    system(async {
        let (first, second) = (EventBus::default(), EventBus::default());
        let error = convoke::dispatch(tick(1)).await.unwrap_err();
        assert_eq!(error, DispatchError::NotInstalled);
        let text = "no bus is installed for this system: `let _installed = bus.install()?` first";
        assert_eq!(error.to_string(), text);
        let installed = first.install().unwrap();
        let error = second.install().unwrap_err();
        assert_eq!(error, DispatchError::Taken);
        assert_eq!(error.to_string(), "another bus is installed for this system: drop its guard first");
        drop(installed);
        let log = Log::new();
        let _guard = second.on(note(&log)).unwrap();
        let installed = second.install().unwrap();
        // The guard holds the bus.
        drop(second);
        assert_eq!(convoke::dispatch(tick(2)).await.unwrap().len(), 1);
        drop(installed);
        testing::settle().await;
        assert_eq!(convoke::dispatch(tick(3)).await.unwrap_err(), DispatchError::NotInstalled);
        assert_eq!(log.take(), [2]);
    });
}
