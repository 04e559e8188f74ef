//! The order, the bound and the end of what is queued for another arbiter.

use super::*;

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
                thread::spawn(move || (0..EVENTS).for_each(|number| bus.publish(Tick { by, number }).unwrap()))
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
            to.on(full.named("full").capacity(2).overflow(Overflow::Refuse)).unwrap()
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
        (0..EVENTS).for_each(|number| bus.publish(tick(number)).unwrap());
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
fn an_arbiter_that_stands_still_takes_so_many_events_and_the_others_are_told_as_too_many() {
    // What `station.rs` sets as the bound of what may be on its way.
    const DOOR: u64 = 1 << 16;
    system(async {
        let (arbiter, bus, log) = (Arbiter::new(), EventBus::builder().capacity(1 << 20).build(), Log::new());
        let remote = listen(&arbiter, &bus, &log).await;
        let to = bus.clone();
        let here = async move || {
            (0..DOOR + 2).for_each(|number| to.publish(tick(number)).unwrap());
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
