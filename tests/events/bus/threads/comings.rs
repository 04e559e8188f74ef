//! Listeners that come and go while events are on their way.

use super::*;

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
                            _ => bus.publish(event).unwrap(),
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
                            (0..3).for_each(|number| bus.publish(tick(number)).unwrap());
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
