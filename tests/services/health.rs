//! The watchdog of services, in real time: a thread that notices who blocks the arbiter, says so, and takes it back.
//!
//! Nothing here depends on how fast the machine is: a state is waited for, and whoever waits for `LONG` waits for ever.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use actix::prelude::*;
use convoke::prelude::*;
use convoke::{Health, Services};
use serde::{Deserialize, Serialize};

use crate::common::{in_a_process_of_its_own, ms};

use crate::common::on_a_system;

const LONG: Duration = Duration::from_secs(300);

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "press/ordered")]
struct PressOrdered;

/// How often it was done.
static PRESSED: AtomicU64 = AtomicU64::new(0);

/// Stands where it is until it is told to go on, and takes its arbiter along.
#[derive(BaseService)]
#[service(on(PressOrdered))]
struct Press {
    go_on: mpsc::Receiver<()>,
}

impl Handler<Heard<PressOrdered>> for Press {
    type Result = Handled;

    fn handle(&mut self, _: Heard<PressOrdered>, _: &mut Context<Self>) -> Handled {
        self.go_on.recv_timeout(LONG)?;
        PRESSED.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// One that does nothing, so that there is another name that could be told.
#[derive(BaseService)]
struct Ledger;

/// What was logged of the services, from `warn` on.
struct Lines(Mutex<Vec<String>>);

static LINES: Lines = Lines(Mutex::new(Vec::new()));

impl Lines {
    fn with(&self, text: &str) -> Vec<String> {
        self.0.lock().unwrap().iter().filter(|line| line.contains(text)).cloned().collect()
    }
}

impl log::Log for Lines {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target() == "convoke::service" && metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.lock().unwrap().push(format!("{}: {}", record.level(), record.args()));
        }
    }

    fn flush(&self) {}
}

#[track_caller]
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LONG, "never {what}: {:?}", LINES.0.lock().unwrap());
        thread::yield_now();
    }
}

/// Runs services of which `Press` is one on a thread of its own; hands over their health, and the bus.
fn press(bound: Duration) -> (Health, EventBus, mpsc::Sender<()>, thread::JoinHandle<()>) {
    let (go_on, told) = mpsc::channel();
    let (give, given) = mpsc::channel();
    let thread = thread::spawn(move || {
        on_a_system(async move {
            let bus = EventBus::builder().listener_timeout(2 * LONG).build();
            let mut told = Some(told);
            let press = Press::supervised(&bus, move |_| told.take().map(|go_on| Press { go_on }).ok_or("only one"));
            let ledger = Ledger::supervised(&bus, |_| Ledger);
            let services = Services::new(&bus).add(ledger).add(press).live_within(bound).await.unwrap();
            let (end, ended) = tokio::sync::oneshot::channel::<()>();
            give.send((services.health(), bus, end)).unwrap();
            let end = async move { drop(ended.await) };
            assert!(services.run_until(end).await.is_clean());
        });
    });
    let (health, bus, end) = given.recv_timeout(LONG).unwrap();
    // Ends when the sender of the test is dropped.
    let (alive, gone) = mpsc::channel();
    thread::spawn(move || {
        while gone.recv().is_ok_and(|()| go_on.send(()).is_ok()) {}
        drop(end);
    });
    (health, bus, alive, thread)
}

#[test]
fn a_service_that_blocks_its_arbiter_is_named_until_that_answers_again() {
    in_a_process_of_its_own(
        "services::health::a_service_that_blocks_its_arbiter_is_named_until_that_answers_again",
        || {
            log::set_logger(&LINES).unwrap();
            log::set_max_level(log::LevelFilter::Warn);
            let (health, bus, go_on, thread) = press(ms(50));
            let mut named = 0;
            for orders in 1.. {
                let before = LINES.with("ERROR").len();
                wait_until("live", || health.is_live());
                bus.publish(PressOrdered).unwrap();
                wait_until("blocked, and told so", || LINES.with("ERROR").len() > before);
                // A slow machine may hold up the arbiter before its service does, which nobody is named for.
                if LINES.with("ERROR").pop().is_some_and(|line| line.contains("the service `Press` blocks it")) {
                    named += 1;
                    assert!(!health.is_live() && !health.report().live);
                    assert!(health.is_ready(), "the services still run: {:?}", health.report());
                }
                go_on.send(()).unwrap();
                wait_until("done", || PRESSED.load(Ordering::SeqCst) == orders);
                wait_until("live again", || health.is_live());
                if named == 2 {
                    break;
                }
            }
            drop(go_on);
            thread.join().unwrap();
            assert!(health.is_live() && !health.is_ready(), "all has stopped: {:?}", health.report());
            let blocks = LINES.with("blocks it");
            assert!(blocks.iter().all(|line| line.contains("has not answered for 50ms")), "{blocks:?}");
            assert!(LINES.with("Ledger").is_empty());
            assert!(LINES.with("WARN").iter().any(|line| line.contains("answers again")));
        },
    );
}

#[test]
fn who_answers_in_time_is_live_for_everybody() {
    let (health, bus, go_on, thread) = press(LONG);
    bus.publish(PressOrdered).unwrap();
    go_on.send(()).unwrap();
    // From another thread, and by a clone.
    assert!(
        thread::spawn({
            let health = health.clone();
            move || health.is_live()
        })
        .join()
        .unwrap()
    );
    assert!(health.is_ready());
    drop(go_on);
    thread.join().unwrap();
    assert!(!health.is_ready());
}

#[test]
fn an_arbiter_that_ends_with_its_services_is_not_alive() {
    let health = on_a_system(async {
        let arbiter = Arbiter::new();
        let (told, health) = mpsc::channel::<Health>();
        arbiter.spawn_fn(move || {
            actix_rt::spawn(async move {
                let bus = EventBus::default();
                let services = Services::new(&bus).add(Ledger::supervised(&bus, |_| Ledger)).await.unwrap();
                told.send(services.health()).unwrap();
                std::future::pending::<()>().await;
                drop(services);
            });
        });
        let health = health.recv_timeout(LONG).unwrap();
        assert!(health.is_live() && health.is_ready());
        arbiter.stop();
        arbiter.join().unwrap();
        health
    });
    assert!(!health.is_live() && !health.is_ready(), "{health:?}");
}
