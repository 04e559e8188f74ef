//! Panics, JSON, answers and dependencies across arbiters.

use super::*;

#[test]
fn a_panic_in_what_an_event_from_another_thread_is_made_of_harms_no_neighbor() {
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
        let neighbor = listen(&arbiter, &bus, &log).await;
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
        drop((neighbor, guards));
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
fn a_waker_that_panics_harms_no_listener_of_another_arbiter() {
    struct Faulty;

    impl Wake for Faulty {
        fn wake(self: Arc<Self>) {
            assert!(thread::panicking(), "a waker");
        }
    }

    system(async {
        let (arbiter, bus, log) = (Arbiter::new(), EventBus::default(), Log::new());
        let (neighbor, other) = (listen(&arbiter, &bus, &log).await, listen(&arbiter, &bus, &log).await);
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
        assert_eq!(log.take(), [2, 3], "the neighbor is deaf");
        assert!(neighbor.is_active());
        drop(neighbor);
        stop(arbiter);
    });
}
