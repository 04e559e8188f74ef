//! What stands around listeners: the order of nesting, and every middleware that comes ready-made but `Measure`, which is
//! tested beside its code.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::Arbiter;
use convoke::middleware::{Authorize, CircuitBreaker, Deduplicate, Logging, RateLimit, Retry, Timeout};
use convoke::prelude::*;
use convoke::{ListenerError, Listening, Middleware};
use tokio::time::Instant;

use crate::common::{Notes, SECOND, after, at_once, ms, on_a_system, settled, sleep};

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Event)]
#[event(local)]
struct Ping(u32);

/// What a listener that is alone on its bus did not do.
#[track_caller]
fn error(report: &Report) -> ListenerError {
    let mut failed = report.failed();
    match (failed.next(), failed.next()) {
        (Some((_, error)), None) => error.clone(),
        _ => panic!("not one failure, but {report}"),
    }
}

fn text(report: &Report) -> String {
    error(report).to_string()
}

/// A listener that notes when it was called, and answers by the number of the call, the first being 1.
fn noting(notes: &Notes<Duration>, answer: impl Fn(u32) -> Result<(), ListenerError> + 'static) -> Listening<Ping> {
    let (notes, start, count) = (notes.clone(), Instant::now(), Cell::new(0));
    let listener = move |_: &Ping| {
        notes.add(start.elapsed());
        count.set(count.get() + 1);
        answer(count.get())
    };
    listener.named("mail")
}

fn failed(text: &str) -> Result<(), ListenerError> {
    Err(ListenerError::Failed(text.to_owned()))
}

/// Hands the call on, with everything that comes to it.
async fn twice_at_once(call: Call, next: Next) -> Handled {
    let (one, other) = tokio::join!(next.run(call.clone()), next.run(call));
    one.and(other)
}

/// The call has gone well, but whoever delivers it is not told, so that it becomes a dead letter to be delivered again.
async fn unacknowledged(call: Call, next: Next) -> Handled {
    next.run(call).await?;
    Err("the connection broke before the acknowledgement".into())
}

/// Counts how often it was dropped.
struct OnDrop(Rc<Cell<u32>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

mod nesting {
    use super::*;

    #[convoke::test]
    async fn the_first_that_was_put_stands_outermost_and_those_of_the_bus_outside_of_the_subscriptions() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let named = |name: &'static str| {
            let order = order.clone();
            async move |call: Call, next: Next| -> Handled {
                order.lock().unwrap().push(format!("{name} in"));
                let handled = next.run(call).await;
                order.lock().unwrap().push(format!("{name} out"));
                handled
            }
        };
        let bus = EventBus::builder().with(named("bus 1")).with(named("bus 2")).build();
        let heard = order.clone();
        let listener = move |_: &Ping| heard.lock().unwrap().push("listener".to_owned());
        let _guard = bus.on(listener.with(named("own 1")).with(named("own 2"))).unwrap();
        assert!(at_once(bus.emit(Ping(1))).await.is_ok());
        assert_eq!(
            *order.lock().unwrap(),
            [
                "bus 1 in",
                "bus 2 in",
                "own 1 in",
                "own 2 in",
                "listener",
                "own 2 out",
                "own 1 out",
                "bus 2 out",
                "bus 1 out",
            ]
        );
    }

    #[convoke::test]
    async fn a_middleware_may_call_next_twice_one_after_the_other_or_at_once() {
        let notes = Notes::new();
        let bus = EventBus::default();
        let again = async |call: Call, next: Next| {
            next.run(call.clone()).await?;
            next.run(call).await
        };
        let _one = bus.on(noting(&notes, |_| Ok(())).with(again)).unwrap();
        assert!(at_once(bus.emit(Ping(1))).await.is_ok());
        assert_eq!(notes.len(), 2);

        let bus = EventBus::default();
        let slow = async |_: Arc<Ping>| sleep(SECOND).await;
        let _two = bus.on(slow.with(twice_at_once)).unwrap();
        assert!(after(SECOND, bus.emit(Ping(1))).await.is_ok());
    }

    #[convoke::test]
    async fn a_middleware_may_never_call_next_and_its_answer_is_the_listeners() {
        let notes = Notes::new();
        let bus = EventBus::default();
        let _well = bus.on(noting(&notes, |_| Ok(())).with(async |_: Call, _: Next| Ok(()))).unwrap();
        let refuse = async |_: Call, _: Next| -> Handled { Err(ListenerError::Busy.into()) };
        let _refused = bus.on(noting(&notes, |_| Ok(())).with(refuse)).unwrap();
        let report = at_once(bus.emit(Ping(1))).await;
        assert_eq!((report.len(), error(&report), notes.len()), (2, ListenerError::Busy, 0));
    }

    #[convoke::test]
    async fn a_call_says_which_listener_and_which_event_it_is_about() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = seen.clone();
        let look = async move |call: Call, next: Next| -> Handled {
            let number = call.event::<Ping>().map(|ping| ping.0);
            told.lock().unwrap().push((call.subscription(), call.listener().to_owned(), call.event_name(), number));
            next.run(call).await
        };
        let bus = EventBus::builder().with(look).build();
        let one = bus.on((|_: &Ping| ()).named("twin")).unwrap();
        let other = bus.on((|_: &Ping| ()).named("twin")).unwrap();
        assert!(at_once(bus.emit(Ping(7))).await.is_ok());
        let call = |guard: &Subscription| (guard.id(), "twin".to_owned(), "Ping".to_owned(), Some(7));
        assert_eq!(*seen.lock().unwrap(), [call(&one), call(&other)]);
        assert_ne!(one.id(), other.id());
    }

    #[convoke::test]
    async fn a_panic_of_the_listener_is_an_error_in_the_middleware() {
        let seen = Arc::new(Mutex::new(None));
        let told = seen.clone();
        let look = async move |call: Call, next: Next| -> Handled {
            let handled = next.run(call).await;
            *told.lock().unwrap() = handled.as_ref().err().map(ToString::to_string);
            handled
        };
        let bus = EventBus::builder().with(look).build();
        let _guard = bus.on(|_: &Ping| -> () { panic!("boom") }).unwrap();
        assert_eq!(error(&at_once(bus.emit(Ping(1))).await), ListenerError::Panicked("boom".to_owned()));
        assert_eq!(seen.lock().unwrap().as_deref(), Some("panicked: boom"));
    }
}

mod logging {
    use std::sync::OnceLock;

    use log::{Level, LevelFilter, Log, Metadata, Record};

    use super::*;

    /// What was logged in this process.
    static LINES: OnceLock<Mutex<Vec<String>>> = OnceLock::new();

    struct Capture;

    impl Log for Capture {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &Record<'_>) {
            let line = format!("{} {}: {}", record.level(), record.target(), record.args());
            LINES.get_or_init(Mutex::default).lock().unwrap().push(line);
        }

        fn flush(&self) {}
    }

    /// The lines of this level since the last look.
    fn lines(level: Level) -> Vec<String> {
        let lines = std::mem::take(&mut *LINES.get_or_init(Mutex::default).lock().unwrap());
        lines.into_iter().filter(|line| line.starts_with(level.as_str())).collect()
    }

    #[derive(Event)]
    #[event(local, contains_personal_data)]
    struct Moved {
        _address: &'static str,
    }

    /// In a process of its own, because a process has one logger.
    #[test]
    fn logging_writes_event_listener_result_and_duration_and_neither_payload_nor_authorization() {
        crate::common::in_a_process_of_its_own(
            "middleware::logging::logging_writes_event_listener_result_and_duration_and_neither_payload_nor_authorization",
            || {
                log::set_logger(&Capture).unwrap();
                log::set_max_level(LevelFilter::Trace);
                convoke::testing::run("logging", what_is_logged);
                convoke::testing::run("logging", what_else_is_logged);
                log::set_max_level(LevelFilter::Info);
                convoke::testing::run("logging", nothing_beyond_the_level);
            },
        );
    }

    async fn what_is_logged() {
        let bus = EventBus::builder().with(Logging::new().level(Level::Trace)).build().with_authorization("hunter2");
        let _well = bus.on((|_: &Moved| ()).named("well")).unwrap();
        let _ill = bus.on((|_: &Moved| Err::<(), _>("no connection")).named("ill")).unwrap();
        let slow = async |_: Arc<Moved>| sleep(2 * SECOND).await;
        let _slow = bus.on(slow.named("slow")).unwrap();
        let hung = async |_: Arc<Moved>| std::future::pending::<()>().await;
        let _hung = bus.on(hung.named("hung").timeout(3 * SECOND)).unwrap();
        let _boom = bus.on((|_: &Moved| -> () { panic!("on purpose") }).named("boom")).unwrap();
        drop(after(3 * SECOND, bus.emit(Moved { _address: "Elm Street" })).await);
        assert_eq!(
            lines(Level::Trace),
            [
                "TRACE convoke::listener: Moved: listener `well` is done after 0ns",
                "TRACE convoke::listener: Moved: listener `ill` failed: no connection, after 0ns",
                "TRACE convoke::listener: Moved: listener `boom` panicked: on purpose, after 0ns",
                "TRACE convoke::listener: Moved: listener `slow` is done after 2s",
                "TRACE convoke::listener: Moved: listener `hung` was dropped after 3s",
            ]
        );
    }

    async fn what_else_is_logged() {
        let notes = Notes::new();
        let bus = EventBus::default();
        let flaky = noting(&notes, |call| if call < 2 { failed("no connection") } else { Ok(()) });
        let flaky = flaky.with(Retry::fixed(SECOND)).with(Logging::new());
        let _flaky = bus.on(flaky).unwrap();
        lines(Level::Debug);
        assert!(after(SECOND, bus.emit(Ping(1))).await.is_ok());
        assert_eq!(
            lines(Level::Debug),
            [
                "DEBUG convoke::listener: Ping: listener `mail` failed: no connection, after 0ns",
                "DEBUG convoke::listener: Ping: listener `mail` failed: no connection, in attempt 1 of 3; the next in 1s",
                "DEBUG convoke::listener: Ping: listener `mail` is done after 0ns",
            ]
        );

        let bus = EventBus::default();
        let flaky = noting(&notes, |call| if call < 2 { failed("no connection") } else { Ok(()) });
        let _flaky = bus.on(flaky.with(CircuitBreaker::new(1).pause(SECOND))).unwrap();
        lines(Level::Warn);
        drop(at_once(bus.emit(Ping(1))).await);
        assert_eq!(
            lines(Level::Warn)[0],
            "WARN convoke::listener: the circuit of `mail` is open for 1s: it failed: no connection"
        );
        sleep(SECOND).await;
        assert!(at_once(bus.emit(Ping(1))).await.is_ok());
        assert_eq!(lines(Level::Debug), ["DEBUG convoke::listener: the circuit of `mail` is closed again"]);
    }

    async fn nothing_beyond_the_level() {
        let bus = EventBus::builder().with(Logging::new()).build();
        let _well = bus.on(|_: &Ping| ()).unwrap();
        lines(Level::Debug);
        assert!(at_once(bus.emit(Ping(1))).await.is_ok());
        assert_eq!(lines(Level::Debug), [""; 0]);
    }
}

mod timeout {
    use super::*;

    #[convoke::test]
    async fn a_run_ends_after_exactly_its_limit_and_is_dropped_where_it_waits() {
        let dropped = Rc::new(Cell::new(0));
        let guard = dropped.clone();
        let hung = async move |_: Arc<Ping>| {
            let _guard = OnDrop(guard.clone());
            std::future::pending::<()>().await;
        };
        let bus = EventBus::default();
        let _hung = bus.on(hung.with(Timeout::new(ms(250)))).unwrap();
        let report = after(ms(250), bus.emit(Ping(1))).await;
        assert_eq!(error(&report), ListenerError::TimedOut(ms(250)));
        assert_eq!(dropped.get(), 1);
    }

    #[convoke::test]
    async fn what_is_done_in_time_is_not_touched() {
        let slow = async |_: Arc<Ping>| sleep(ms(249)).await;
        let bus = EventBus::builder().with(Timeout::new(ms(250))).build();
        let _slow = bus.on(slow).unwrap();
        assert!(after(ms(249), bus.emit(Ping(1))).await.is_ok());
    }

    #[convoke::test]
    async fn what_is_ready_at_once_ends_well_even_if_the_limit_is_zero() {
        let bus = EventBus::builder().with(Timeout::new(Duration::ZERO)).build();
        let _ready = bus.on(async |_: Arc<Ping>| ()).unwrap();
        assert!(at_once(bus.emit(Ping(1))).await.is_ok());
        let _slow = bus.on(async |_: Arc<Ping>| sleep(SECOND).await).unwrap();
        assert_eq!(error(&bus.emit(Ping(1)).await), ListenerError::TimedOut(Duration::ZERO));
    }

    #[convoke::test]
    async fn a_limit_without_end_is_none() {
        let bus = EventBus::builder().with(Timeout::new(Duration::MAX)).build();
        let _slow = bus.on(async |_: Arc<Ping>| sleep(SECOND).await).unwrap();
        assert!(after(SECOND, bus.emit(Ping(1))).await.is_ok());
    }

    #[convoke::test]
    async fn inside_of_a_retry_it_limits_each_attempt_and_outside_of_it_all_of_them() {
        let hung = || async |_: Arc<Ping>| std::future::pending::<()>().await;
        let bus = EventBus::default();
        let each = hung().with(Retry::fixed(SECOND)).with(Timeout::new(2 * SECOND));
        let _each = bus.on(each).unwrap();
        let report = after(8 * SECOND, bus.emit(Ping(1))).await;
        assert_eq!(text(&report), "failed: was not done after 2s (after 3 attempts)");

        let bus = EventBus::default();
        let all = hung().with(Timeout::new(4 * SECOND)).with(Retry::fixed(SECOND)).with(Timeout::new(2 * SECOND));
        let _all = bus.on(all).unwrap();
        let report = after(4 * SECOND, bus.emit(Ping(1))).await;
        assert_eq!(error(&report), ListenerError::TimedOut(4 * SECOND));
    }

    #[convoke::test]
    async fn the_listeners_own_timeout_comes_first_if_it_is_shorter() {
        let hung = async |_: Arc<Ping>| std::future::pending::<()>().await;
        let bus = EventBus::default();
        let _hung = bus.on(hung.timeout(SECOND).with(Timeout::new(2 * SECOND))).unwrap();
        let report = after(SECOND, bus.emit(Ping(1))).await;
        assert_eq!(error(&report), ListenerError::TimedOut(SECOND));
    }
}

mod retry {
    use super::*;

    #[convoke::test]
    async fn fixed_delays_stand_between_the_attempts_and_the_first_success_ends_them() {
        let notes = Notes::new();
        let flaky = noting(&notes, |call| if call < 3 { failed("no connection") } else { Ok(()) });
        let bus = EventBus::default();
        let _flaky = bus.on(flaky.with(Retry::fixed(SECOND).attempts(5))).unwrap();
        assert!(after(2 * SECOND, bus.emit(Ping(1))).await.is_ok());
        assert_eq!(notes.take(), [Duration::ZERO, SECOND, 2 * SECOND]);
    }

    #[convoke::test]
    async fn the_error_after_the_last_attempt_is_the_last_and_says_how_many_were_made() {
        let cases = [
            (failed as fn(&str) -> _, "failed: attempt 3 (after 3 attempts)"),
            (|text| panic!("{text}"), "panicked: attempt 3 (after 3 attempts)"),
            (|_| Err(ListenerError::TimedOut(SECOND)), "failed: was not done after 1s (after 3 attempts)"),
            (
                |_| Err(ListenerError::Unprovided("no pool".to_owned())),
                "could not be called: no pool (after 3 attempts)",
            ),
        ];
        for (fail, text) in cases {
            let notes = Notes::new();
            let listener = noting(&notes, move |call| fail(&format!("attempt {call}")));
            let bus = EventBus::default();
            let _guard = bus.on(listener.with(Retry::fixed(SECOND))).unwrap();
            let report = after(2 * SECOND, bus.emit(Ping(1))).await;
            assert_eq!((super::text(&report).as_str(), notes.len()), (text, 3));
        }
    }

    #[convoke::test]
    async fn one_attempt_is_none_too_many_and_its_error_stays_as_it_is() {
        for attempts in [0, 1] {
            let notes = Notes::new();
            let bus = EventBus::default();
            let retry = Retry::fixed(SECOND).attempts(attempts);
            let _guard = bus.on(noting(&notes, |_| Err(ListenerError::TimedOut(HOUR))).with(retry)).unwrap();
            let report = at_once(bus.emit(Ping(1))).await;
            assert_eq!((error(&report), notes.len()), (ListenerError::TimedOut(HOUR), 1));
        }
    }

    /// When a listener that always fails was called, as delays.
    async fn delays(retry: Retry) -> Vec<Duration> {
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
            let delays = delays(Retry::exponential(SECOND).max_delay(10 * SECOND).attempts(8)).await;
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
            convoke::testing::run_seeds("equal seeds", seeds, || delays(Retry::exponential(SECOND).attempts(6)))
        };
        assert_eq!(run(3), run(3));
        // With a seed from outside there is but that one.
        if std::env::var_os(convoke::testing::SEED_VARIABLE).is_none() {
            assert_ne!(run(3), run(4));
        }
    }

    #[convoke::test]
    async fn no_number_is_too_large() {
        let retry = Retry::exponential(Duration::MAX).max_delay(SECOND).attempts(300);
        assert!(delays(retry).await.into_iter().all(|delay| delay <= SECOND + ms(1)));
        let retry = Retry::exponential(Duration::from_nanos(1)).max_delay(SECOND).attempts(300);
        assert!(delays(retry).await.into_iter().all(|delay| delay <= SECOND + ms(1)));
        for retry in [Retry::exponential(Duration::MAX), Retry::exponential(HOUR), Retry::fixed(Duration::MAX)] {
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
            let _guard = bus.on(listener.with(Retry::fixed(SECOND))).unwrap();
            assert_eq!((error(&at_once(bus.emit(Ping(1))).await), notes.len()), (last, 1));
        }
    }

    #[convoke::test]
    async fn a_permanent_error_is_not_retried_whether_a_listener_or_a_middleware_returns_it() {
        let send = |_: &Ping| Err::<(), _>(convoke::Permanent::new("no such address"));
        let refuse = async |_: Call, _: Next| -> Handled { Err(convoke::Permanent::new("no such address").into()) };
        for listening in [send.with(Retry::fixed(SECOND)), (|_: &Ping| ()).with(Retry::fixed(SECOND)).with(refuse)] {
            let bus = EventBus::default();
            let _guard = bus.on(listening).unwrap();
            assert_eq!(text(&at_once(bus.emit(Ping(1))).await), "failed for good: no such address");
        }
    }

    #[convoke::test]
    async fn what_authorize_or_an_open_circuit_refuses_inside_of_it_is_not_retried() {
        let notes = Notes::new();
        let bus = EventBus::default();
        let listener = noting(&notes, |_| Ok(())).with(Retry::fixed(SECOND)).with(Authorize::new(|_: &Call| false));
        let guard = bus.on(listener).unwrap();
        assert!(text(&at_once(bus.emit(Ping(1))).await).contains("may not hear"));
        drop(guard);

        let listener = noting(&notes, |_| failed("no connection"));
        let _guard = bus.on(listener.with(Retry::fixed(SECOND).attempts(9)).with(CircuitBreaker::new(2))).unwrap();
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
        let retry = Retry::fixed(SECOND).attempts(9).when(|error| matches!(error, ListenerError::TimedOut(_)));
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
        let _guard = bus.on(listener.with(Retry::fixed(SECOND).attempts(99))).unwrap();
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
        let _guard = bus.on(listener.with(Retry::fixed(SECOND))).unwrap();
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
        let bus = EventBus::builder().with(Retry::fixed(SECOND)).build();
        let _guard = bus.answer(answerer).unwrap();
        assert_eq!(after(2 * SECOND, bus.request::<u32>(Ping(10)).into_future()).await.unwrap(), 13);
    }
}

mod rate_limit {
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

    #[convoke::test(allow_failures)]
    async fn around_a_bus_each_listener_has_places_of_its_own_unless_they_are_shared() {
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

    #[convoke::test(allow_failures)]
    async fn one_limit_may_be_shared_by_some_listeners_of_a_bus() {
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

    #[convoke::test(allow_failures)]
    async fn no_number_is_too_large_or_too_small() {
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
}

mod authorize {
    use super::*;

    #[derive(Debug)]
    struct NotKnown(String);

    impl std::fmt::Display for NotKnown {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "nobody knows `{}`", self.0)
        }
    }

    impl std::error::Error for NotKnown {}

    fn token(call: &Call) -> &str {
        call.metadata().authorization.expose()
    }

    #[convoke::test]
    async fn a_check_lets_through_what_it_allows_and_nothing_else() {
        let notes = Notes::new();
        let bus = EventBus::builder().with(Authorize::new(|call: &Call| token(call) == "Bearer 1234")).build();
        let _mail = bus.on(noting(&notes, |_| Ok(()))).unwrap();
        assert!(at_once(bus.with_authorization("Bearer 1234").emit(Ping(1))).await.is_ok());
        assert_eq!(notes.len(), 1);
        for bus in [bus.clone(), bus.with_authorization("Bearer 12345")] {
            let report = at_once(bus.emit(Ping(2))).await;
            let refused = "failed: `mail` may not hear of this Ping: its authorization does not allow it";
            assert_eq!((text(&report).as_str(), notes.len()), (refused, 1));
        }
    }

    #[convoke::test]
    async fn the_error_of_a_check_is_the_reason_without_the_token_that_it_quotes() {
        let scheme_and_token = |call: &Call| Err::<(), _>(NotKnown(token(call).to_owned()));
        let token_alone = |call: &Call| Err::<(), _>(NotKnown(token(call).replace("Bearer ", "")));
        let without = |_: &Call| Err::<(), _>("closed on Sundays");
        for (check, reason) in [
            (Authorize::new(scheme_and_token), "nobody knows `(hidden)`"),
            (Authorize::new(token_alone), "nobody knows `(hidden)`"),
            (Authorize::new(without), "closed on Sundays"),
        ] {
            let bus = EventBus::builder().with(check).build().with_authorization("Bearer hunter2");
            let _mail = bus.on((|_: &Ping| ()).named("mail")).unwrap();
            let report = at_once(bus.emit(Ping(1))).await;
            assert_eq!(text(&report), format!("failed: `mail` may not hear of this Ping: {reason}"));
        }
    }

    #[convoke::test]
    async fn a_check_may_be_async() {
        let notes = Notes::new();
        let check = async |call: &Call| {
            sleep(SECOND).await;
            if token(call) == "Bearer 1234" { Ok(()) } else { Err("not on the list") }
        };
        let bus = EventBus::builder().with(Authorize::new_async(check)).build();
        let _mail = bus.on(noting(&notes, |_| Ok(()))).unwrap();
        assert!(after(SECOND, bus.with_authorization("Bearer 1234").emit(Ping(1))).await.is_ok());
        let report = after(SECOND, bus.emit(Ping(2))).await;
        assert_eq!(text(&report), "failed: `mail` may not hear of this Ping: not on the list");
        assert_eq!(notes.take(), [SECOND]);
    }

    #[convoke::test]
    async fn a_check_that_panics_lets_nothing_through() {
        let notes = Notes::new();
        let now = Authorize::new(|_: &Call| -> bool { panic!("no list") });
        let later = Authorize::new_async(async |_: &Call| -> bool { panic!("no list") });
        for check in [now, later] {
            let bus = EventBus::builder().with(check).build();
            let _mail = bus.on(noting(&notes, |_| Ok(()))).unwrap();
            assert_eq!(error(&at_once(bus.emit(Ping(1))).await), ListenerError::Panicked("no list".to_owned()));
        }
        assert_eq!(notes.len(), 0);
    }
}

mod deduplicate {
    use super::*;

    /// Delivers all again that became dead letters by being unacknowledged.
    async fn deliver_again(bus: &EventBus) {
        let letters = bus.dead_letters().redrive_all();
        assert!(letters > 0);
        bus.drain().await;
    }

    #[convoke::test]
    async fn what_comes_again_is_skipped_as_done() {
        let notes = Notes::new();
        let bus = EventBus::builder().with(twice_at_once).with(Deduplicate::new(SECOND)).build();
        let _mail = bus.on(noting(&notes, |_| Ok(()))).unwrap();
        assert!(at_once(bus.emit(Ping(1))).await.is_ok());
        assert_eq!(notes.len(), 1);
        assert!(at_once(bus.emit(Ping(1))).await.is_ok());
        assert_eq!(notes.len(), 2, "an equal event is another one");
    }

    #[convoke::test]
    async fn each_listener_hears_of_it_once() {
        let notes = Notes::new();
        let bus = EventBus::builder().with(twice_at_once).with(Deduplicate::new(SECOND)).build();
        let _one = bus.on(noting(&notes, |_| Ok(()))).unwrap();
        let _other = bus.on(noting(&notes, |_| Ok(()))).unwrap();
        assert!(at_once(bus.emit(Ping(1))).await.is_ok());
        assert_eq!(notes.len(), 2);
    }

    #[convoke::test]
    async fn what_failed_or_panicked_may_come_again() {
        let fail: [fn() -> Result<(), ListenerError>; 2] = [|| failed("no connection"), || panic!("boom")];
        for fail in fail {
            let notes = Notes::new();
            let bus = EventBus::builder().with(Deduplicate::new(HOUR)).build();
            let _mail = bus.on(noting(&notes, move |call| if call == 1 { fail() } else { Ok(()) })).unwrap();
            assert!(!at_once(bus.emit(Ping(1))).await.is_ok());
            deliver_again(&bus).await;
            assert_eq!((notes.len(), bus.dead_letters().len()), (2, 0));
        }
    }

    #[convoke::test]
    async fn what_was_dropped_may_come_again() {
        let calls = Rc::new(Cell::new(0));
        let count = calls.clone();
        let hangs_once = async move |_: Arc<Ping>| {
            count.set(count.get() + 1);
            if count.get() == 1 {
                std::future::pending::<()>().await;
            }
        };
        let bus = EventBus::builder().with(Deduplicate::new(HOUR)).build();
        let _mail = bus.on(hangs_once.timeout(SECOND)).unwrap();
        assert_eq!(error(&after(SECOND, bus.emit(Ping(1))).await), ListenerError::TimedOut(SECOND));
        deliver_again(&bus).await;
        assert_eq!((calls.get(), bus.dead_letters().len()), (2, 0));
    }

    #[convoke::test(allow_failures)]
    async fn an_id_is_known_for_the_window_from_when_it_was_done_and_no_longer() {
        let calls = Rc::new(Cell::new(0));
        let count = calls.clone();
        let slow = async move |_: Arc<Ping>| {
            sleep(SECOND).await;
            count.set(count.get() + 1);
        };
        let bus = EventBus::builder().with(unacknowledged).with(Deduplicate::new(60 * SECOND)).build();
        let _mail = bus.on(slow).unwrap();
        drop(after(SECOND, bus.emit(Ping(1))).await);
        sleep(60 * SECOND - ms(1)).await;
        after(Duration::ZERO, deliver_again(&bus)).await;
        assert_eq!(calls.get(), 1);
        sleep(ms(1)).await;
        after(SECOND, deliver_again(&bus)).await;
        assert_eq!(calls.get(), 2);
        sleep(59 * SECOND).await;
        after(Duration::ZERO, deliver_again(&bus)).await;
        assert_eq!(calls.get(), 2);
    }

    #[convoke::test(allow_failures)]
    async fn beyond_the_capacity_the_oldest_id_is_forgotten() {
        let heard = Notes::new();
        let notes = heard.clone();
        let bus = EventBus::builder().with(unacknowledged).with(Deduplicate::new(HOUR).capacity(2)).build();
        let _mail = bus.on(move |ping: &Ping| notes.add(ping.0)).unwrap();
        for number in 1..=3 {
            drop(at_once(bus.emit(Ping(number))).await);
        }
        assert_eq!(heard.take(), [1, 2, 3]);
        // 1 is run anew, by which 2 is forgotten, and so on.
        deliver_again(&bus).await;
        assert_eq!(heard.take(), [1, 2, 3]);
        let newest = bus.dead_letters().list().last().unwrap().id;
        bus.dead_letters().redrive(newest).unwrap();
        bus.drain().await;
        assert_eq!(heard.len(), 0);
    }

    #[convoke::test(allow_failures)]
    async fn with_a_window_or_a_capacity_of_zero_only_what_is_under_way_is_known() {
        for deduplicate in [Deduplicate::new(Duration::ZERO), Deduplicate::new(HOUR).capacity(0)] {
            let notes = Notes::new();
            let bus = EventBus::builder().with(unacknowledged).with(deduplicate).build();
            let _mail = bus.on(noting(&notes, |_| Ok(()))).unwrap();
            drop(at_once(bus.emit(Ping(1))).await);
            deliver_again(&bus).await;
            assert_eq!(notes.len(), 2);
        }
    }

    /// A listener that takes a second and answers by the number of its call, and how often it was called.
    fn slow(answer: fn(u32) -> Result<(), ListenerError>) -> (Rc<Cell<u32>>, Listening<Ping>) {
        let calls = Rc::new(Cell::new(0));
        let count = calls.clone();
        let listener = async move |_: Arc<Ping>| {
            count.set(count.get() + 1);
            let call = count.get();
            sleep(SECOND).await;
            answer(call)
        };
        (calls, listener.named("slow"))
    }

    #[convoke::test]
    async fn what_comes_while_the_first_is_under_way_waits_for_it_and_is_skipped_if_it_went_well() {
        let (calls, slow) = slow(|_| Ok(()));
        let bus = EventBus::default();
        let _slow = bus.on(slow.with(twice_at_once).with(Deduplicate::new(HOUR))).unwrap();
        assert!(after(SECOND, bus.emit(Ping(1))).await.is_ok());
        assert_eq!(calls.get(), 1);
    }

    #[convoke::test]
    async fn what_comes_while_the_first_is_under_way_is_run_itself_if_that_failed() {
        let (calls, slow) = slow(|call| if call == 1 { failed("no connection") } else { Ok(()) });
        let results = Arc::new(Mutex::new(Vec::new()));
        let told = results.clone();
        let thrice = async move |call: Call, next: Next| -> Handled {
            let run = || next.run(call.clone());
            let (first, second, third) = tokio::join!(run(), run(), run());
            told.lock().unwrap().extend([first.is_ok(), second.is_ok(), third.is_ok()]);
            Ok(())
        };
        let bus = EventBus::default();
        let _slow = bus.on(slow.with(thrice).with(Deduplicate::new(HOUR))).unwrap();
        assert!(after(2 * SECOND, bus.emit(Ping(1))).await.is_ok());
        assert_eq!((calls.get(), &*results.lock().unwrap()), (2, &vec![false, true, true]));
    }

    #[convoke::test]
    async fn what_comes_while_the_first_is_under_way_is_run_itself_if_that_is_dropped() {
        let (calls, slow) = slow(|_| Ok(()));
        let first_is_dropped = async |call: Call, next: Next| {
            let first = tokio::time::timeout(ms(500), next.run(call.clone()));
            let (first, second) = tokio::join!(first, next.run(call));
            assert!(first.is_err());
            second
        };
        let bus = EventBus::default();
        let _slow = bus.on(slow.with(first_is_dropped).with(Deduplicate::new(HOUR))).unwrap();
        assert!(after(ms(1500), bus.emit(Ping(1))).await.is_ok());
        assert_eq!(calls.get(), 2);
    }

    #[convoke::test(seeds = 500)]
    async fn in_no_order_of_events_is_it_run_after_it_went_well_or_waited_for_in_vain() {
        const DELIVERIES: usize = 5;
        let (calls, slow) = slow(|call| if call < 3 { failed("no connection") } else { Ok(()) });
        let (well, ill) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let (counts, counts_ill) = (well.clone(), ill.clone());
        // Each delivery is a task of its own, so that the seed orders them.
        let often = async move |call: Call, next: Next| -> Handled {
            let (ended, mut all) = tokio::sync::mpsc::channel(DELIVERIES);
            for _ in 0..DELIVERIES {
                let (call, next, ended) = (call.clone(), next.clone(), ended.clone());
                convoke::testing::spawn(async move { ended.send(next.run(call).await).await.unwrap() });
            }
            drop(ended);
            while let Some(handled) = all.recv().await {
                if handled.is_ok() { &counts } else { &counts_ill }.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        };
        let bus = EventBus::default();
        let _slow = bus.on(slow.with(often).with(Deduplicate::new(HOUR))).unwrap();
        assert!(after(3 * SECOND, bus.emit(Ping(1))).await.is_ok());
        assert_eq!((calls.get(), ill.load(Ordering::Relaxed), well.load(Ordering::Relaxed)), (3, 2, 3));
    }
}

mod circuit_breaker {
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
        let _mail =
            bus.on(noting(&notes, |call| if call % 2 == 1 { failed("no connection") } else { Ok(()) })).unwrap();
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

    #[convoke::test(allow_failures)]
    async fn what_began_before_it_opened_changes_it_no_more() {
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
}

mod two_arbiters {
    use tokio::sync::oneshot;

    use super::*;

    /// Starts a listener on an arbiter of its own, which is stopped when the handle is dropped.
    struct Elsewhere(Arbiter);

    impl Elsewhere {
        async fn listen(bus: &EventBus, listener: impl Fn(&Ping) -> Result<(), &'static str> + Send + 'static) -> Self {
            let arbiter = Arbiter::new();
            let (told, registered) = oneshot::channel();
            let bus = bus.clone();
            arbiter.spawn_fn(move || {
                bus.on(listener.named("elsewhere")).unwrap().forever();
                told.send(()).unwrap();
            });
            registered.await.unwrap();
            Self(arbiter)
        }

        fn stop(self) {
            self.0.stop();
            self.0.join().unwrap();
        }
    }

    /// Runs a test in real time, in which nothing waits for time to pass.
    fn system(test: impl Future<Output = ()>) {
        on_a_system(async { tokio::time::timeout(MINUTE, test).await.expect("nobody answered") });
    }

    const MINUTE: Duration = Duration::from_secs(60);

    /// Emits from this arbiter and from a plain thread at the same time.
    async fn emit_from_both(bus: &EventBus, events: u32) {
        async fn emit(bus: EventBus, events: u32) {
            for number in 0..events {
                drop(bus.emit(Ping(number)).await);
            }
        }
        let (elsewhere, (told, done)) = (bus.clone(), oneshot::channel());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(emit(elsewhere, events));
            told.send(()).unwrap();
        });
        emit(bus.clone(), events).await;
        done.await.unwrap();
        thread.join().unwrap();
    }

    fn counting(
        count: &Arc<AtomicU32>,
        answer: Result<(), &'static str>,
    ) -> impl Fn(&Ping) -> Result<(), &'static str> + Send + use<> {
        let count = count.clone();
        move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            answer
        }
    }

    #[test]
    fn a_rate_limit_that_is_shared_lets_no_more_through_from_two_arbiters_than_from_one() {
        system(async {
            let limit = RateLimit::new(1, HOUR).burst(50).refuse().together();
            let bus = EventBus::builder().with(limit).build();
            let count = Arc::new(AtomicU32::new(0));
            let _here = bus.on(counting(&count, Ok(()))).unwrap();
            let elsewhere = Elsewhere::listen(&bus, counting(&count, Ok(()))).await;
            emit_from_both(&bus, 200).await;
            assert_eq!(count.load(Ordering::Relaxed), 50);
            elsewhere.stop();
        });
    }

    #[test]
    fn a_circuit_opens_for_the_listener_that_fails_and_not_for_the_one_on_another_arbiter() {
        system(async {
            let bus = EventBus::builder().with(CircuitBreaker::new(5).pause(HOUR)).build();
            let (well, ill) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
            let _here = bus.on(counting(&well, Ok(()))).unwrap();
            let elsewhere = Elsewhere::listen(&bus, counting(&ill, Err("no connection"))).await;
            emit_from_both(&bus, 200).await;
            assert_eq!((well.load(Ordering::Relaxed), ill.load(Ordering::Relaxed)), (400, 5));
            elsewhere.stop();
        });
    }

    #[test]
    fn each_arbiters_listener_hears_once_of_what_comes_twice() {
        system(async {
            let bus = EventBus::builder().with(twice_at_once).with(Deduplicate::new(HOUR)).build();
            let count = Arc::new(AtomicU32::new(0));
            let _here = bus.on(counting(&count, Ok(()))).unwrap();
            let elsewhere = Elsewhere::listen(&bus, counting(&count, Ok(()))).await;
            emit_from_both(&bus, 100).await;
            assert_eq!(count.load(Ordering::Relaxed), 400);
            elsewhere.stop();
        });
    }
}

// Actors that subscribe from within are no exception.

struct Clerk {
    bus: EventBus,
    heard: Rc<Cell<u64>>,
    subscription: Option<Subscription>,
}

impl actix::Actor for Clerk {
    type Context = actix::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.subscription = self.bus.subscribe::<Filed, Self>(ctx).ok();
    }
}

#[derive(Event)]
#[event(local)]
struct Filed(u64);

impl actix::Handler<Heard<Filed>> for Clerk {
    type Result = Handled;

    fn handle(&mut self, filed: Heard<Filed>, _: &mut Self::Context) -> Handled {
        if filed.0 == 13 {
            return Err("unlucky".into());
        }
        self.heard.set(self.heard.get() + filed.0);
        Ok(())
    }
}

#[convoke::test]
async fn middleware_of_the_bus_stands_around_an_actor_that_subscribes_from_within() {
    use actix::Actor;
    let only_even = async |call: Call, next: Next| match call.event::<Filed>() {
        Some(filed) if filed.0 == 3 => Err("odd".into()),
        _ => next.run(call).await,
    };
    let bus = EventBus::builder().with(only_even).build();
    let heard = Rc::new(Cell::new(0));
    let clerk = Clerk { bus: bus.clone(), heard: heard.clone(), subscription: None }.start();
    convoke::testing::settle().await;

    assert!(bus.emit(Filed(2)).await.is_ok());
    let report = bus.emit(Filed(3)).await;
    assert_eq!(report.to_string(), "Filed: 1 listener, 1 failed: `Clerk` failed: odd");
    let report = bus.emit(Filed(13)).await;
    assert_eq!(report.to_string(), "Filed: 1 listener, 1 failed: `Clerk` failed: unlucky");
    bus.publish(Filed(4)).unwrap();
    bus.publish(Filed(3)).unwrap();
    bus.drain().await;
    assert_eq!(heard.get(), 6);
    assert_eq!(bus.dead_letters().len(), 3);
    let info = &bus.subscriptions()[0];
    assert_eq!((info.done, info.failed, info.waiting), (2, 3, 0));

    bus.clear();
    assert_eq!(bus.emit(Filed(2)).await.len(), 0);
    drop(clerk);
    convoke::testing::settle().await;
}
