//! Arbiters that stop, and listeners that end before their event has come.

use super::*;

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
            [to.on(hangs.named("hangs")).unwrap(), to.on((|_: &Tick| ()).named("neighbor")).unwrap()]
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
