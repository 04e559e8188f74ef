//! What may be held, emitted and registered on which thread.

use super::*;

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
    let text = "no actix system on this thread: register under #[actix::main], #[convoke::test] or inside System::new().block_on(…)";
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
        EventBus::installed().unwrap().publish(tick(4)).unwrap();
        testing::settle().await;
        assert_eq!(elsewhere(|| EventBus::installed().unwrap_err()).await, DispatchError::NoSystem);
        drop(installed);
        assert_eq!(EventBus::installed().unwrap_err(), DispatchError::NotInstalled);
        testing::settle().await;
        assert_eq!(convoke::dispatch(tick(3)).await.unwrap_err(), DispatchError::NotInstalled);
        assert_eq!(log.take(), [2, 4]);
    });
}
