//! `RateLimit`.

use convoke::testing::expect_failure;

use super::*;

/// Emits so many at once, and returns when each was done, with those that failed.
async fn flood(bus: &EventBus, count: u32) -> Vec<(u32, Duration, bool)> {
    let start = Instant::now();
    let notes = Notes::new();
    let mut left = Vec::new();
    for number in 0..count {
        let (bus, notes) = (bus.clone(), notes.clone());
        left.push(actix_rt::spawn(async move {
            let report = bus.emit(Ping(number)).await;
            notes.add((number, start.elapsed(), report.is_ok()));
        }));
    }
    for one in left {
        one.await.unwrap();
    }
    notes.take()
}

fn done_at(millis: &[u64]) -> Vec<(u32, Duration, bool)> {
    millis.iter().zip(0..).map(|(millis, number)| (number, ms(*millis), true)).collect()
}

#[convoke::test]
async fn with_a_burst_of_one_calls_come_through_evenly_and_in_the_order_in_which_they_came() {
    let bus = EventBus::default();
    let _guard = bus.on((|_: &Ping| ()).with(RateLimit::per_second(10).burst(1))).unwrap();
    assert_eq!(flood(&bus, 5).await, done_at(&[0, 100, 200, 300, 400]));
}

#[convoke::test]
async fn a_burst_comes_through_at_once_and_is_saved_up_again() {
    let bus = EventBus::default();
    let _guard = bus.on((|_: &Ping| ()).with(RateLimit::per_second(10).burst(3))).unwrap();
    assert_eq!(flood(&bus, 5).await, done_at(&[0, 0, 0, 100, 200]));
    sleep(ms(200)).await;
    assert_eq!(flood(&bus, 3).await, done_at(&[0, 0, 100]));
    sleep(HOUR).await;
    assert_eq!(flood(&bus, 4).await, done_at(&[0, 0, 0, 100]));
}

#[convoke::test]
async fn by_default_the_burst_is_the_number_of_calls() {
    let bus = EventBus::default();
    let _guard = bus.on((|_: &Ping| ()).with(RateLimit::new(2, 60 * SECOND).wait(HOUR)).timeout(HOUR)).unwrap();
    assert_eq!(flood(&bus, 4).await, done_at(&[0, 0, 30_000, 60_000]));
}

#[convoke::test]
async fn who_comes_later_does_not_overtake_those_who_wait() {
    let heard = Notes::new();
    let notes = heard.clone();
    let bus = EventBus::default();
    let listener = move |ping: &Ping| notes.add(ping.0);
    let _guard = bus.on(listener.with(RateLimit::per_second(10).burst(1))).unwrap();
    let waiting = flood(&bus, 3);
    let late = async {
        sleep(ms(100)).await;
        bus.emit(Ping(99)).await
    };
    let (_, report) = after(ms(300), async { tokio::join!(waiting, late) }).await;
    assert!(report.is_ok());
    assert_eq!(heard.take(), [0, 1, 2, 99]);
}

#[convoke::test]
async fn who_would_wait_longer_than_allowed_is_refused() {
    let bus = EventBus::default();
    let limit = RateLimit::per_second(10).burst(1).wait(ms(250));
    let _guard = bus.on((|_: &Ping| ()).with(limit)).unwrap();
    let ends = flood(&bus, 5).await;
    assert_eq!(ends[..3], done_at(&[0, 100, 200]));
    assert_eq!(ends[3..], [(3, ms(200), false), (4, ms(200), false)]);

    let bus = EventBus::default();
    let limit = RateLimit::new(1, HOUR).wait(ms(250));
    let _guard = bus.on((|_: &Ping| ()).with(limit)).unwrap();
    assert_eq!(flood(&bus, 2).await, [(0, ms(0), true), (1, ms(0), false)]);
}

#[convoke::test]
async fn refuse_ends_what_has_no_place_at_once_with_an_error_that_names_the_limit() {
    let notes = Notes::new();
    let bus = EventBus::default();
    let _guard = bus.on(noting(&notes, |_| Ok(())).with(RateLimit::new(1, 5 * SECOND).refuse())).unwrap();
    assert!(at_once(bus.emit(Ping(1))).await.is_ok());
    let refused = "failed: no more than 1 call in 5s are let through: try again later, or raise the limit";
    assert_eq!(text(&at_once(bus.emit(Ping(2))).await), refused);
    sleep(5 * SECOND - ms(1)).await;
    assert_eq!(text(&at_once(bus.emit(Ping(3))).await), refused);
    sleep(ms(1)).await;
    assert!(at_once(bus.emit(Ping(4))).await.is_ok());
    assert_eq!(notes.len(), 2);
}

#[convoke::test]
async fn around_a_bus_each_listener_has_places_of_its_own_unless_they_are_shared() {
    expect_failure("mail");
    for (limit, passed) in [(RateLimit::new(2, HOUR), 4), (RateLimit::new(2, HOUR).together(), 2)] {
        let notes = Notes::new();
        let bus = EventBus::builder().with(limit.refuse()).build();
        let _one = bus.on(noting(&notes, |_| Ok(()))).unwrap();
        let _other = bus.on(noting(&notes, |_| Ok(()))).unwrap();
        for number in 0..5 {
            drop(at_once(bus.emit(Ping(number))).await);
        }
        assert_eq!(notes.len(), passed);
    }
}

#[convoke::test]
async fn one_limit_may_be_shared_by_some_listeners_of_a_bus() {
    expect_failure("mail");
    let (limited, free) = (Notes::new(), Notes::new());
    let limit = Arc::new(RateLimit::new(2, HOUR).refuse().together());
    let share = || {
        let limit = limit.clone();
        async move |call: Call, next: Next| limit.clone().handle(call, next).await
    };
    let bus = EventBus::default();
    let _one = bus.on(noting(&limited, |_| Ok(())).with(share())).unwrap();
    let _other = bus.on(noting(&limited, |_| Ok(())).with(share())).unwrap();
    let _free = bus.on(noting(&free, |_| Ok(()))).unwrap();
    for number in 0..5 {
        drop(at_once(bus.emit(Ping(number))).await);
    }
    assert_eq!((limited.len(), free.len()), (2, 5));
}

#[convoke::test]
async fn a_call_that_is_dropped_while_it_waits_takes_no_place() {
    let bus = EventBus::default();
    let limit = RateLimit::new(1, SECOND).burst(1);
    let _guard = bus.on((|_: &Ping| ()).timeout(ms(1500)).with(limit)).unwrap();
    let start = Instant::now();
    assert!(at_once(bus.emit(Ping(1))).await.is_ok());
    let (second, third) = tokio::join!(bus.emit(Ping(2)), bus.emit(Ping(3)));
    // The third would have had its place after two seconds.
    assert_eq!((second.is_ok(), error(&third)), (true, ListenerError::TimedOut(ms(1500))));
    sleep(ms(500)).await;
    assert!(at_once(bus.emit(Ping(4))).await.is_ok());
    assert_eq!(start.elapsed(), 2 * SECOND);
}

#[convoke::test]
async fn the_first_that_waits_may_be_dropped_and_the_next_takes_its_place() {
    let bus = EventBus::default();
    let limit = RateLimit::new(1, SECOND).burst(1);
    // It is outermost, and drops the second call after half a second.
    let impatient = async |call: Call, next: Next| match call.event::<Ping>() {
        Some(ping) if ping.0 == 2 => match tokio::time::timeout(ms(500), next.run(call)).await {
            Ok(handled) => handled,
            Err(_) => Err("dropped".into()),
        },
        _ => next.run(call).await,
    };
    let _guard = bus.on((|_: &Ping| ()).with(impatient).with(limit)).unwrap();
    assert!(at_once(bus.emit(Ping(1))).await.is_ok());
    let both = async { tokio::join!(bus.emit(Ping(2)), bus.emit(Ping(3))) };
    let (second, third) = after(SECOND, both).await;
    assert_eq!((text(&second).as_str(), third.is_ok()), ("failed: dropped", true));
}

#[convoke::test]
async fn no_number_is_too_large_or_too_small() {
    expect_failure("Ping");
    for limit in [
        RateLimit::new(0, Duration::ZERO),
        RateLimit::new(1, Duration::MAX).burst(u32::MAX),
        RateLimit::new(u32::MAX, Duration::MAX),
        RateLimit::new(u32::MAX, Duration::from_nanos(1)),
        RateLimit::per_second(0).burst(0),
    ] {
        let bus = EventBus::default();
        let limit = limit.wait(Duration::MAX);
        let _guard = bus.on((|_: &Ping| ()).with(limit).timeout(24 * HOUR)).unwrap();
        for number in 0..2 {
            drop(bus.emit(Ping(number)).await);
        }
        assert!(bus.emit(Ping(9)).await.failed().all(|(_, error)| *error == ListenerError::TimedOut(24 * HOUR)));
    }
}

#[convoke::test]
async fn a_panic_of_the_listener_has_used_its_place_and_holds_up_nobody() {
    let bus = EventBus::default();
    let listener = |ping: &Ping| {
        if ping.0 == 0 {
            panic!("boom")
        }
    };
    let _guard = bus.on(listener.with(RateLimit::new(1, SECOND).burst(1))).unwrap();
    assert_eq!(error(&at_once(bus.emit(Ping(0))).await), ListenerError::Panicked("boom".to_owned()));
    assert!(after(SECOND, bus.emit(Ping(1))).await.is_ok());
}
