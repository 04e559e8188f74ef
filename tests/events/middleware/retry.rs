//! `RetryInPlace`.

use super::*;

#[convoke::test]
async fn fixed_delays_stand_between_the_attempts_and_the_first_success_ends_them() {
    let notes = Notes::new();
    let flaky = noting(&notes, |call| if call < 3 { failed("no connection") } else { Ok(()) });
    let bus = EventBus::default();
    let _flaky = bus.on(flaky.with(RetryInPlace::fixed(SECOND).attempts(5))).unwrap();
    assert!(after(2 * SECOND, bus.emit(Ping(1))).await.is_ok());
    assert_eq!(notes.take(), [Duration::ZERO, SECOND, 2 * SECOND]);
}

#[convoke::test]
async fn the_error_after_the_last_attempt_is_the_last_and_says_how_many_were_made() {
    let cases = [
        (failed as fn(&str) -> _, "failed: attempt 3 (after 3 attempts)"),
        (|text| panic!("{text}"), "panicked: attempt 3 (after 3 attempts)"),
        (|_| Err(ListenerError::TimedOut(SECOND)), "failed: was not done after 1s (after 3 attempts)"),
        (|_| Err(ListenerError::Unprovided("no pool".to_owned())), "could not be called: no pool (after 3 attempts)"),
    ];
    for (fail, text) in cases {
        let notes = Notes::new();
        let listener = noting(&notes, move |call| fail(&format!("attempt {call}")));
        let bus = EventBus::default();
        let _guard = bus.on(listener.with(RetryInPlace::fixed(SECOND))).unwrap();
        let report = after(2 * SECOND, bus.emit(Ping(1))).await;
        assert_eq!((super::text(&report).as_str(), notes.len()), (text, 3));
    }
}

#[convoke::test]
async fn one_attempt_is_none_too_many_and_its_error_stays_as_it_is() {
    for attempts in [0, 1] {
        let notes = Notes::new();
        let bus = EventBus::default();
        let retry = RetryInPlace::fixed(SECOND).attempts(attempts);
        let _guard = bus.on(noting(&notes, |_| Err(ListenerError::TimedOut(HOUR))).with(retry)).unwrap();
        let report = at_once(bus.emit(Ping(1))).await;
        assert_eq!((error(&report), notes.len()), (ListenerError::TimedOut(HOUR), 1));
    }
}

/// When a listener that always fails was called, as delays.
async fn delays(retry: RetryInPlace) -> Vec<Duration> {
    let notes = Notes::new();
    let bus = EventBus::default();
    let listener = noting(&notes, |_| failed("always")).timeout(24 * 365 * HOUR).with(retry);
    let _guard = bus.on(listener).unwrap();
    assert!(!bus.emit(Ping(1)).await.is_ok());
    notes.take().windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[convoke::test]
async fn exponential_delays_lie_between_zero_and_a_ceiling_that_doubles_up_to_the_limit() {
    let ceilings = [1, 2, 4, 8, 10, 10, 10].map(|seconds| seconds * SECOND);
    let mut longest = [Duration::ZERO; 7];
    let mut shortest = [HOUR; 7];
    for _ in 0..100 {
        let delays = delays(RetryInPlace::exponential(SECOND).max_delay(10 * SECOND).attempts(8)).await;
        assert_eq!(delays.len(), 7);
        for (place, delay) in delays.into_iter().enumerate() {
            longest[place] = longest[place].max(delay);
            shortest[place] = shortest[place].min(delay);
        }
    }
    for place in 0..7 {
        // Timers count in milliseconds. That none of 100 is in the upper, or in the lower half, has a chance of 2^-100.
        assert!(longest[place] <= ceilings[place] + ms(1), "{longest:?}");
        assert!(longest[place] > ceilings[place] / 2, "{longest:?}");
        assert!(shortest[place] < ceilings[place] / 2, "{shortest:?}");
    }
}

#[test]
fn equal_seeds_give_equal_delays() {
    let run = |seeds| {
        convoke::testing::run_seeds("equal seeds", seeds, || delays(RetryInPlace::exponential(SECOND).attempts(6)))
    };
    assert_eq!(run(3), run(3));
    // With a seed from outside there is but that one.
    if std::env::var_os(convoke::testing::SEED_VARIABLE).is_none() {
        assert_ne!(run(3), run(4));
    }
}

#[convoke::test]
async fn no_number_is_too_large() {
    let retry = RetryInPlace::exponential(Duration::MAX).max_delay(SECOND).attempts(300);
    assert!(delays(retry).await.into_iter().all(|delay| delay <= SECOND + ms(1)));
    let retry = RetryInPlace::exponential(Duration::from_nanos(1)).max_delay(SECOND).attempts(300);
    assert!(delays(retry).await.into_iter().all(|delay| delay <= SECOND + ms(1)));
    for retry in
        [RetryInPlace::exponential(Duration::MAX), RetryInPlace::exponential(HOUR), RetryInPlace::fixed(Duration::MAX)]
    {
        let hopeless = retry.max_delay(Duration::MAX).attempts(u32::MAX);
        let bus = EventBus::default();
        let notes = Notes::new();
        let _guard = bus.on(noting(&notes, |_| failed("always")).timeout(SECOND).with(hopeless)).unwrap();
        assert_eq!(error(&after(SECOND, bus.emit(Ping(1))).await), ListenerError::TimedOut(SECOND));
    }
}

#[convoke::test]
async fn what_another_attempt_cannot_change_is_not_retried() {
    for last in [ListenerError::BadPayload("no order".to_owned()), ListenerError::Gone] {
        let (notes, fails) = (Notes::new(), last.clone());
        let bus = EventBus::default();
        let listener = noting(&notes, move |_| Err(fails.clone()));
        let _guard = bus.on(listener.with(RetryInPlace::fixed(SECOND))).unwrap();
        assert_eq!((error(&at_once(bus.emit(Ping(1))).await), notes.len()), (last, 1));
    }
}

#[convoke::test]
async fn a_permanent_error_is_not_retried_whether_a_listener_or_a_middleware_returns_it() {
    let send = |_: &Ping| Err::<(), _>(convoke::Permanent::new("no such address"));
    let refuse = async |_: Call, _: Next| -> Handled { Err(convoke::Permanent::new("no such address").into()) };
    for listening in
        [send.with(RetryInPlace::fixed(SECOND)), (|_: &Ping| ()).with(RetryInPlace::fixed(SECOND)).with(refuse)]
    {
        let bus = EventBus::default();
        let _guard = bus.on(listening).unwrap();
        assert_eq!(text(&at_once(bus.emit(Ping(1))).await), "failed for good: no such address");
    }
}

#[convoke::test]
async fn what_authorize_or_an_open_circuit_refuses_inside_of_it_is_not_retried() {
    let notes = Notes::new();
    let bus = EventBus::default();
    let listener = noting(&notes, |_| Ok(())).with(RetryInPlace::fixed(SECOND)).with(Authorize::new(|_: &Call| false));
    let guard = bus.on(listener).unwrap();
    assert!(text(&at_once(bus.emit(Ping(1))).await).contains("may not hear"));
    drop(guard);

    let listener = noting(&notes, |_| failed("no connection"));
    let _guard = bus.on(listener.with(RetryInPlace::fixed(SECOND).attempts(9)).with(CircuitBreaker::new(2))).unwrap();
    let report = after(2 * SECOND, bus.emit(Ping(1))).await;
    assert_eq!(
        text(&report),
        "failed: not run for another 29s, after 2 failures in a row: failed: no connection (after 3 attempts)"
    );
    assert_eq!(notes.len(), 2);
}

#[convoke::test]
async fn only_errors_for_which_the_condition_is_true_are_retried() {
    let notes = Notes::new();
    let bus = EventBus::default();
    let listener = noting(&notes, |call| match call {
        1 => Err(ListenerError::TimedOut(SECOND)),
        _ => failed("no such address"),
    });
    let retry = RetryInPlace::fixed(SECOND).attempts(9).when(|error| matches!(error, ListenerError::TimedOut(_)));
    let _guard = bus.on(listener.with(retry)).unwrap();
    let report = after(SECOND, bus.emit(Ping(1))).await;
    assert_eq!(text(&report), "failed: no such address (after 2 attempts)");
    assert_eq!(notes.len(), 2);
}

#[convoke::test]
async fn the_listeners_own_timeout_bounds_the_whole() {
    let notes = Notes::new();
    let bus = EventBus::default();
    let listener = noting(&notes, |_| failed("always")).timeout(ms(2500));
    let _guard = bus.on(listener.with(RetryInPlace::fixed(SECOND).attempts(99))).unwrap();
    let report = after(ms(2500), bus.emit(Ping(1))).await;
    assert_eq!(error(&report), ListenerError::TimedOut(ms(2500)));
    sleep(HOUR).await;
    assert_eq!(notes.take(), [Duration::ZERO, SECOND, 2 * SECOND]);
}

#[convoke::test]
async fn published_events_behind_one_that_is_retried_wait_for_it() {
    let heard = Notes::new();
    let notes = heard.clone();
    let listener = move |ping: &Ping| {
        notes.add(ping.0);
        if notes.len() < 3 { Err("no connection") } else { Ok(()) }
    };
    let bus = EventBus::default();
    let _guard = bus.on(listener.with(RetryInPlace::fixed(SECOND))).unwrap();
    bus.publish(Ping(1)).unwrap();
    bus.publish(Ping(2)).unwrap();
    after(2 * SECOND, bus.drain()).await;
    assert_eq!(heard.take(), [1, 1, 1, 2]);
    assert!(bus.dead_letters().is_empty());
}

#[convoke::test]
async fn an_answerer_that_is_retried_gives_the_answer_of_the_attempt_that_went_well() {
    let calls = Cell::new(0);
    let answerer = move |ping: &Ping| {
        calls.set(calls.get() + 1);
        if calls.get() < 3 { Err("no connection") } else { Ok(ping.0 + calls.get()) }
    };
    let bus = EventBus::builder().with(RetryInPlace::fixed(SECOND)).build();
    let _guard = bus.answer(answerer).unwrap();
    assert_eq!(after(2 * SECOND, bus.request::<u32>(Ping(10)).into_future()).await.unwrap(), 13);
}
