//! `CircuitBreaker`.

use convoke::testing::expect_failure;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// Emits to a bus with a listener named `mail`; says how that ended.
async fn mail(bus: &EventBus) -> Result<(), String> {
    let report = at_once(bus.emit(Ping(1))).await;
    if report.is_ok() { Ok(()) } else { Err(text(&report)) }
}

fn refused(wait: &str) -> Result<(), String> {
    Err(format!("failed: not run for another {wait}, after 2 failures in a row: failed: no connection"))
}

#[convoke::test]
async fn it_opens_after_so_many_failures_in_a_row_and_hands_on_their_errors_as_they_are() {
    let notes = Notes::new();
    let bus = EventBus::builder().with(CircuitBreaker::new(2).pause(MINUTE)).build();
    let listener = noting(&notes, |call| match call {
        1 => Err(ListenerError::Unprovided("no pool".to_owned())),
        2 => Ok(()),
        _ => failed("no connection"),
    });
    let _mail = bus.on(listener).unwrap();
    assert_eq!(mail(&bus).await, Err("could not be called: no pool".to_owned()));
    assert_eq!(mail(&bus).await, Ok(()), "it begins to count anew");
    for _ in 0..2 {
        assert_eq!(mail(&bus).await, Err("failed: no connection".to_owned()));
    }
    assert_eq!(mail(&bus).await, refused("60s"));
    sleep(MINUTE - ms(1)).await;
    assert_eq!(mail(&bus).await, refused("1ms"));
    assert_eq!(notes.len(), 4);
}

#[convoke::test]
async fn after_the_pause_one_trial_closes_it() {
    let notes = Notes::new();
    let bus = EventBus::builder().with(CircuitBreaker::new(1)).build();
    let _mail = bus.on(noting(&notes, |call| if call % 2 == 1 { failed("no connection") } else { Ok(()) })).unwrap();
    assert!(mail(&bus).await.is_err());
    sleep(30 * SECOND).await;
    assert_eq!(mail(&bus).await, Ok(()));
    assert_eq!(mail(&bus).await, Err("failed: no connection".to_owned()), "closed, it runs");
    assert_eq!(notes.len(), 3);
}

#[convoke::test]
async fn a_trial_that_fails_opens_it_for_another_pause() {
    let notes = Notes::new();
    let bus = EventBus::builder().with(CircuitBreaker::new(2).pause(MINUTE)).build();
    let _mail = bus.on(noting(&notes, |_| failed("no connection"))).unwrap();
    for _ in 0..2 {
        assert_eq!(mail(&bus).await, Err("failed: no connection".to_owned()));
    }
    for runs in 3..6 {
        sleep(MINUTE).await;
        assert_eq!(mail(&bus).await, Err("failed: no connection".to_owned()), "one failure is enough");
        assert_eq!(mail(&bus).await, refused("60s"));
        assert_eq!(notes.len(), runs);
    }
}

/// A bus with a listener that fails as often as the breaker allows, and then is as said; and the breaker is open.
async fn open<F: Future<Output = ()> + 'static>(then: impl Fn(u32) -> F + 'static) -> (EventBus, Subscription) {
    let calls = Rc::new(Cell::new(0));
    let then = Rc::new(then);
    let listener = async move |_: Arc<Ping>| {
        calls.set(calls.get() + 1);
        if calls.get() <= 2 {
            return Err("no connection");
        }
        then(calls.get() - 2).await;
        Ok(())
    };
    let bus = EventBus::builder().with(CircuitBreaker::new(2).pause(MINUTE)).build();
    let guard = bus.on(listener.named("mail").timeout(10 * SECOND)).unwrap();
    for _ in 0..2 {
        assert!(mail(&bus).await.is_err());
    }
    assert_eq!(mail(&bus).await, refused("60s"));
    (bus, guard)
}

#[convoke::test]
async fn while_a_trial_is_under_way_others_are_refused() {
    let (bus, _guard) = open(|_| sleep(SECOND)).await;
    sleep(MINUTE).await;
    let trial = actix_rt::spawn(bus.emit(Ping(1)));
    settled().await;
    let busy = "failed: not run while another call tries whether it works again, after 2 failures in a row: failed: no \
                connection";
    assert_eq!(mail(&bus).await, Err(busy.to_owned()));
    assert!(after(SECOND, trial).await.unwrap().is_ok());
    assert!(after(SECOND, bus.emit(Ping(1))).await.is_ok());
}

#[convoke::test]
async fn a_trial_that_is_dropped_has_failed_and_does_not_leave_it_half_open_for_ever() {
    let hangs_once = async |trial| {
        if trial == 1 {
            std::future::pending::<()>().await;
        }
    };
    let (bus, _guard) = open(hangs_once).await;
    sleep(MINUTE).await;
    assert_eq!(error(&after(10 * SECOND, bus.emit(Ping(1))).await), ListenerError::TimedOut(10 * SECOND));
    let dropped =
        "failed: not run for another 60s, after 2 failures in a row: failed: it was dropped before it was done";
    assert_eq!(mail(&bus).await, Err(dropped.to_owned()));
    sleep(MINUTE).await;
    assert_eq!(mail(&bus).await, Ok(()));
    assert_eq!(mail(&bus).await, Ok(()));
}

#[convoke::test]
async fn a_listener_that_hangs_or_panics_opens_it_too() {
    let hung = async |_: Arc<Ping>| std::future::pending::<()>().await;
    let bus = EventBus::builder().with(CircuitBreaker::new(2)).build();
    let guard = bus.on(hung.timeout(SECOND)).unwrap();
    for _ in 0..2 {
        assert_eq!(error(&after(SECOND, bus.emit(Ping(1))).await), ListenerError::TimedOut(SECOND));
    }
    assert!(mail(&bus).await.unwrap_err().contains("not run for another 30s"));
    drop(guard);
    let _guard = bus.on(|_: &Ping| -> () { panic!("boom") }).unwrap();
    for _ in 0..2 {
        assert_eq!(mail(&bus).await, Err("panicked: boom".to_owned()));
    }
    assert!(mail(&bus).await.unwrap_err().ends_with("after 2 failures in a row: panicked: boom"));
}

#[convoke::test]
async fn what_began_before_it_opened_changes_it_no_more() {
    expect_failure("mail");
    let calls = Cell::new(0);
    let listener = async move |_: Arc<Ping>| {
        calls.set(calls.get() + 1);
        match calls.get() {
            // These two begin first and end last.
            1 => {
                sleep(SECOND).await;
                Ok(())
            }
            2 => {
                sleep(MINUTE / 2).await;
                failed("too late")
            }
            _ => failed("no connection"),
        }
    };
    let bus = EventBus::builder().with(CircuitBreaker::new(2).pause(MINUTE)).build();
    let _mail = bus.on(listener.named("mail").timeout(HOUR)).unwrap();
    let early: Vec<_> = [1, 2].map(|number| actix_rt::spawn(bus.emit(Ping(number)))).into();
    settled().await;
    for _ in 0..2 {
        assert_eq!(mail(&bus).await, Err("failed: no connection".to_owned()));
    }
    for one in early {
        drop(one.await.unwrap());
    }
    assert_eq!(mail(&bus).await, refused("30s"));
}

#[convoke::test]
async fn errors_that_do_not_count_show_that_the_listener_works() {
    let notes = Notes::new();
    let listener = noting(&notes, |call| match call {
        2 | 5 => failed("no such address"),
        _ => Err(ListenerError::TimedOut(SECOND)),
    });
    let breaker = CircuitBreaker::new(2).pause(MINUTE).when(|error| matches!(error, ListenerError::TimedOut(_)));
    let bus = EventBus::builder().with(breaker).build();
    let _mail = bus.on(listener).unwrap();
    for _ in 0..4 {
        assert!(!mail(&bus).await.unwrap_err().contains("not run"));
    }
    assert!(mail(&bus).await.unwrap_err().contains("not run"));
    sleep(MINUTE).await;
    assert_eq!(mail(&bus).await, Err("failed: no such address".to_owned()), "the trial");
    assert_eq!(mail(&bus).await, Err("was not done after 1s".to_owned()), "closed, it runs");
    assert_eq!(notes.len(), 6);
}

#[convoke::test]
async fn around_a_bus_each_listener_has_a_circuit_of_its_own() {
    let (ill, well) = (Notes::new(), Notes::new());
    let bus = EventBus::builder().with(CircuitBreaker::new(0)).build();
    let _ill = bus.on(noting(&ill, |_| failed("no connection"))).unwrap();
    let _well = bus.on(noting(&well, |_| Ok(()))).unwrap();
    for _ in 0..5 {
        assert!(mail(&bus).await.is_err());
    }
    assert_eq!((ill.len(), well.len()), (1, 5));
}
