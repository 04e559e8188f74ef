//! `Logging`.

use super::*;
use std::sync::OnceLock;

use log::{Level, LevelFilter, Log, Metadata, Record};

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
        "events::middleware::logging::logging_writes_event_listener_result_and_duration_and_neither_payload_nor_authorization",
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
    ["ill", "hung", "boom"].into_iter().for_each(convoke::testing::expect_failure);
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
    convoke::testing::expect_failure("mail");
    let notes = Notes::new();
    let bus = EventBus::default();
    let flaky = noting(&notes, |call| if call < 2 { failed("no connection") } else { Ok(()) });
    let flaky = flaky.with(RetryInPlace::fixed(SECOND)).with(Logging::new());
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
