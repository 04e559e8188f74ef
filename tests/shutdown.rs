//! An application that is told to end by a signal: each is a process of its own, this binary once more.
//!
//! Nothing here is measured in time: a test waits for lines of the child, and whoever waits for `LONG` waits for ever.

use std::cell::RefCell;
use std::future::{Future, pending};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::{self, Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::task::{Context as Polling, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use actix::prelude::*;
use convoke::prelude::*;
use convoke::{Services, ServicesHandle, Shutdown, ShutdownSignal, shutdown_signal};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::common::ms;

use crate::common::on_a_system;

const LONG: Duration = Duration::from_secs(300);

const HOUR: Duration = Duration::from_secs(3600);

/// Tells a child which it is.
const CHILD: &str = "CONVOKE_TEST_CHILD";

fn child() -> Option<u64> {
    Some(std::env::var(CHILD).ok()?.parse().unwrap())
}

/// A test of this binary in a process of its own.
struct Application {
    process: process::Child,
    lines: mpsc::Receiver<String>,
    seen: String,
}

impl Application {
    /// Runs this test there, which asks `child()`.
    fn start(test: &str, number: u64) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("shutdown::{test}"), "--nocapture"]).env(CHILD, number.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (told, lines) = mpsc::channel();
        let out: Box<dyn BufRead + Send> = Box::new(BufReader::new(process.stdout.take().unwrap()));
        let err: Box<dyn BufRead + Send> = Box::new(BufReader::new(process.stderr.take().unwrap()));
        for reader in [out, err] {
            let told = told.clone();
            thread::spawn(move || reader.lines().map_while(Result::ok).try_for_each(|line| told.send(line)));
        }
        Self { process, lines, seen: String::new() }
    }

    /// Waits until it says this.
    fn says(&mut self, what: &str) -> &mut Self {
        loop {
            match self.lines.recv_timeout(LONG) {
                Ok(line) => {
                    self.seen += &line;
                    self.seen.push('\n');
                    if line.contains(what) {
                        return self;
                    }
                }
                Err(error) => panic!("it never said {what:?} ({error}), but\n{}", self.seen),
            }
        }
    }

    fn signal(&mut self, signal: Signal) -> &mut Self {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
        self
    }

    /// Waits for its end; returns how it ended, and all that it has said.
    fn ends(mut self) -> (ExitStatus, String) {
        loop {
            match self.lines.recv_timeout(LONG) {
                Ok(line) => self.seen = format!("{}{line}\n", self.seen),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("it does not end:\n{}", self.seen),
            }
        }
        (self.process.wait().unwrap(), std::mem::take(&mut self.seen))
    }

    #[track_caller]
    fn ends_with(self, code: i32, saying: &str) {
        let (status, seen) = self.ends();
        assert!(
            status.code() == Some(code) && seen.contains(saying),
            "{status}, and not {code} and {saying:?}:\n{seen}"
        );
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.process.kill();
    }
}

/// What a child says. The first line of a test has its name before it.
fn say(what: &str) {
    println!("\n{what}");
}

/// A child logs to its parent.
fn application(run: impl Future<Output = ()>) {
    env_logger::builder().filter_module("convoke", log::LevelFilter::Debug).init();
    on_a_system(run);
}

fn block() {
    loop {
        thread::park();
    }
}

/// Waits on a plain thread.
fn block_on(what: impl Future<Output = ()>) {
    struct Unpark(thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut what = pin!(what);
    while what.as_mut().poll(&mut Polling::from_waker(&waker)) == Poll::Pending {
        thread::park();
    }
}

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: usize,
}

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "ledger/closed")]
struct LedgerClosed {
    booked: usize,
}

/// What is in flight: so many published, and so many whose report somebody awaits.
const PUBLISHED: usize = 8_000;
const EMITTED: usize = 2_000;

/// How often each event was heard by one listener.
#[derive(Clone)]
struct Tally(Rc<RefCell<Vec<u32>>>);

impl Tally {
    fn new() -> Self {
        Self(Rc::new(RefCell::new(vec![0; PUBLISHED + EMITTED])))
    }

    fn heard(&self, id: usize) {
        self.0.borrow_mut()[id] += 1;
    }

    /// How many were heard once.
    fn once(&self) -> usize {
        self.0.borrow().iter().filter(|heard| **heard == 1).count()
    }
}

/// Where a listener stands still until the signal has come, so that it comes while the rest waits.
#[derive(Clone)]
struct Gate {
    at: usize,
    open: watch::Receiver<bool>,
}

impl Gate {
    async fn pass(&mut self, id: usize, who: &str) {
        if id == self.at {
            say(&format!("{who} has come to its gate"));
            self.open.wait_for(|open| *open).await.unwrap();
        }
        tokio::task::yield_now().await;
    }
}

#[derive(BaseService)]
#[service(on(OrderPlaced), stop = close)]
struct Billing {
    booked: Tally,
    gate: Gate,
    bus: EventBus,
}

impl Billing {
    fn close(&mut self) -> impl Future<Output = Handled> + use<> {
        let (booked, bus) = (self.booked.clone(), self.bus.clone());
        async move {
            bus.publish(LedgerClosed { booked: booked.once() })?;
            Ok(())
        }
    }
}

impl Handler<Heard<OrderPlaced>> for Billing {
    type Result = ResponseFuture<Handled>;

    fn handle(&mut self, order: Heard<OrderPlaced>, _: &mut Context<Self>) -> Self::Result {
        let (booked, mut gate) = (self.booked.clone(), self.gate.clone());
        Box::pin(async move {
            gate.pass(order.id, "billing").await;
            booked.heard(order.id);
            Ok(())
        })
    }
}

/// Has thousands of events in flight when the signal comes, and says what has become of them.
async fn busy(seed: u64) {
    let signal = shutdown_signal().or_exit_after(2 * LONG);
    let mut seen = shutdown_signal().never_exit();
    let random = |nth: u64| (nth + seed).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32) as usize % PUBLISHED;
    let (open, is_open) = watch::channel(false);
    let gate = |nth| Gate { at: random(nth), open: is_open.clone() };

    let bus = EventBus::builder().capacity(PUBLISHED + EMITTED).listener_timeout(LONG).build();
    let (logged, mailed, booked, closed) = (Tally::new(), Tally::new(), Tally::new(), Rc::new(RefCell::new(vec![])));
    let tally = logged.clone();
    let _log = bus.on(move |order: &OrderPlaced| tally.heard(order.id)).unwrap();
    let (tally, passing) = (mailed.clone(), gate(1));
    let mail = async move |order: Arc<OrderPlaced>| {
        passing.clone().pass(order.id, "mail").await;
        tally.heard(order.id);
    };
    let _mail = bus.on(mail).unwrap();
    let books = closed.clone();
    let _closed = bus.on(move |ledger: &LedgerClosed| books.borrow_mut().push(ledger.booked)).unwrap();
    let (tally, passing) = (booked.clone(), gate(1_000_000));
    let billing = move |bus| Billing { booked: tally.clone(), gate: passing.clone(), bus };
    let billing = Billing::supervised(&bus, billing).drain_timeout(LONG).stop_timeout(LONG);
    let services = Services::new(&bus).add(billing).drain_timeout(LONG).stop_timeout(LONG).await.unwrap();

    for id in 0..PUBLISHED {
        bus.publish(OrderPlaced { id }).unwrap();
    }
    let emit = |id| {
        let bus = bus.clone();
        actix_rt::spawn(async move { bus.emit(OrderPlaced { id }).await.is_ok() })
    };
    let emissions: Vec<_> = (PUBLISHED..PUBLISHED + EMITTED).map(emit).collect();
    actix_rt::spawn(async move {
        seen.wait().await;
        open.send_replace(true);
    });

    let report = services.run_until(signal).await;
    let mut answered = 0;
    for emission in emissions {
        answered += usize::from(emission.await.unwrap());
    }
    say(&format!(
        "logged {}, mailed {}, booked {}, answered {answered}, closed with {:?}, {} dead letters; clean: {}, hurried: {}",
        logged.once(),
        mailed.once(),
        booked.once(),
        closed.borrow(),
        bus.dead_letters().len(),
        report.is_clean(),
        report.hurried,
    ));
}

#[test]
fn a_signal_amid_thousands_of_events_loses_none() {
    if let Some(seed) = child() {
        return application(busy(seed));
    }
    let runs = if std::env::var_os("CONVOKE_FULL").is_some() { 100 } else { 20 };
    for seed in 0..runs {
        let mut application = Application::start("a_signal_amid_thousands_of_events_loses_none", seed);
        application.says("come to its gate").says("come to its gate");
        application.signal(if seed % 2 == 0 { Signal::TERM } else { Signal::INT });
        let all = PUBLISHED + EMITTED;
        let expected = format!(
            "logged {all}, mailed {all}, booked {all}, answered {EMITTED}, closed with [{all}], 0 dead letters; \
             clean: true, hurried: false"
        );
        let (status, seen) = application.ends();
        assert!(status.code() == Some(0) && seen.contains(&expected), "seed {seed}: {status}\n{seen}");
    }
}

/// Hangs with its only event, and in its `stop`.
#[derive(BaseService)]
#[service(on(OrderPlaced), stop = close)]
struct Stuck;

impl Stuck {
    fn close(&mut self) -> impl Future<Output = Handled> + use<> {
        pending()
    }
}

impl Handler<Heard<OrderPlaced>> for Stuck {
    type Result = ResponseFuture<Handled>;

    fn handle(&mut self, _: Heard<OrderPlaced>, _: &mut Context<Self>) -> Self::Result {
        Box::pin(pending())
    }
}

/// Services of which one, and one listener, hang with an event, and everybody waits so long for them.
async fn stuck(patience: Duration) -> (EventBus, ServicesHandle) {
    let bus = EventBus::builder().listener_timeout(HOUR).build();
    bus.on(async |_: Arc<OrderPlaced>| pending::<()>().await).unwrap().forever();
    let stuck = Stuck::supervised(&bus, |_| Stuck).drain_timeout(patience).stop_timeout(patience);
    let services = Services::new(&bus).add(stuck).drain_timeout(patience).stop_timeout(patience).await.unwrap();
    bus.publish(OrderPlaced { id: 0 }).unwrap();
    tokio::task::yield_now().await;
    (bus, services)
}

#[test]
fn a_second_signal_hurries_who_would_wait_for_ever() {
    if child().is_some() {
        return application(async {
            let (_bus, services) = stuck(HOUR).await;
            let mut signal = shutdown_signal();
            say("ready");
            signal.wait().await;
            say("once");
            let report = services.run_until(signal).await;
            say(&format!("drained: {}, hurried: {}", report.drained, report.hurried));
        });
    }
    for [first, second] in [[Signal::TERM, Signal::TERM], [Signal::INT, Signal::INT], [Signal::TERM, Signal::INT]] {
        let mut application = Application::start("a_second_signal_hurries_who_would_wait_for_ever", 0);
        application.says("ready").signal(first).says("once").signal(second);
        application.ends_with(0, "drained: false, hurried: true");
    }
}

#[test]
fn a_listener_that_hangs_holds_no_exit() {
    if child().is_some() {
        return application(async {
            let (_bus, services) = stuck(ms(20)).await;
            let signal = shutdown_signal();
            say("ready");
            let report = services.run_until(signal).await;
            say(&format!("drained: {}, hurried: {}", report.drained, report.hurried));
        });
    }
    let mut application = Application::start("a_listener_that_hangs_holds_no_exit", 0);
    application.says("ready").signal(Signal::TERM);
    application.ends_with(0, "drained: false, hurried: false");
}

/// A listener blocks the arbiter, with the services in `run_until`.
async fn blocked(signal: ShutdownSignal) {
    let bus = EventBus::default();
    let _block = bus.on(|_: &OrderPlaced| {
        say("blocks");
        block();
    });
    let services = Services::new(&bus).await.unwrap();
    bus.publish(OrderPlaced { id: 0 }).unwrap();
    services.run_until(signal).await;
}

#[test]
fn a_listener_that_blocks_its_thread_holds_no_exit() {
    if child().is_some() {
        return application(blocked(shutdown_signal().or_exit_after(ms(20))));
    }
    for signal in [Signal::TERM, Signal::INT] {
        let mut application = Application::start("a_listener_that_blocks_its_thread_holds_no_exit", 0);
        application.says("blocks").signal(signal);
        application.ends_with(1, "the process ends now: it had not shut down 20ms after it was told to");
    }
}

/// A log that never comes back: it stands for one whose lock the blocked thread holds.
struct Silent;

impl log::Log for Silent {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.level() == log::Level::Error {
            block();
        }
    }

    fn flush(&self) {}
}

#[test]
fn a_log_that_blocks_holds_no_exit() {
    if child().is_some() {
        log::set_logger(&Silent).unwrap();
        log::set_max_level(log::LevelFilter::Error);
        return on_a_system(blocked(shutdown_signal().or_exit_after(ms(20))));
    }
    let mut application = Application::start("a_log_that_blocks_holds_no_exit", 0);
    application.says("blocks").signal(Signal::TERM);
    application.ends_with(1, "blocks");
}

#[test]
fn a_third_signal_ends_at_once_who_is_blocked() {
    if child().is_some() {
        // Made here, or the first signal might come before it.
        let signal = shutdown_signal().or_exit_after(HOUR);
        thread::spawn(move || {
            let (first, second) = signal.into_signals();
            block_on(first);
            say("once");
            block_on(second);
            say("twice");
            block();
        });
        return application(blocked(shutdown_signal().or_exit_after(HOUR)));
    }
    let mut application = Application::start("a_third_signal_ends_at_once_who_is_blocked", 0);
    application.says("blocks").signal(Signal::TERM).says("once").signal(Signal::INT).says("twice");
    application.signal(Signal::TERM);
    application.ends_with(1, "the process ends now: SIGTERM has come once more");
}

#[test]
fn after_a_plain_await_a_second_signal_ends_it() {
    if child().is_some() {
        return application(async {
            let signal = shutdown_signal();
            say("ready");
            signal.await;
            say("shuts down by itself");
            block();
        });
    }
    let mut application = Application::start("after_a_plain_await_a_second_signal_ends_it", 0);
    application.says("ready").signal(Signal::INT).says("shuts down by itself").signal(Signal::INT);
    application.ends_with(1, "the process ends now: SIGINT has come once more");
}

#[test]
fn a_signal_before_the_first_poll_is_heard() {
    if child().is_some() {
        return application(async {
            let signal = shutdown_signal();
            say("ready");
            std::io::stdin().read_line(&mut String::new()).unwrap();
            signal.await;
            say("heard");
        });
    }
    let mut application = Application::start("a_signal_before_the_first_poll_is_heard", 0);
    application.says("ready").signal(Signal::TERM);
    application.process.stdin.take().unwrap().write_all(b"go on\n").unwrap();
    application.ends_with(0, "heard");
}

/// How many threads of this process listen to signals.
#[cfg(target_os = "linux")]
fn ears() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let names = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim() == "convoke-signals").count()
}

#[test]
fn when_the_last_is_dropped_signals_do_what_they_did_before() {
    if let Some(dropped) = child() {
        return application(async move {
            let (first, second) = (shutdown_signal(), shutdown_signal());
            #[cfg(target_os = "linux")]
            assert_eq!(ears(), 1, "one thread hears for all");
            drop((first, second));
            #[cfg(target_os = "linux")]
            while ears() > 0 {
                thread::yield_now();
            }
            let again = (dropped == 0).then(shutdown_signal);
            say("ready");
            match again {
                Some(signal) => signal.await,
                None => block(),
            }
            say("heard again");
        });
    }
    let mut application = Application::start("when_the_last_is_dropped_signals_do_what_they_did_before", 0);
    application.says("ready").signal(Signal::INT);
    application.ends_with(0, "heard again");
    for signal in [Signal::TERM, Signal::INT] {
        let mut application = Application::start("when_the_last_is_dropped_signals_do_what_they_did_before", 1);
        application.says("ready").signal(signal);
        let (status, seen) = application.ends();
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status}: {seen}");
    }
}

#[test]
fn when_all_has_shut_down_no_time_runs_any_more() {
    if child().is_some() {
        return application(async {
            let services = Services::new(&EventBus::default()).await.unwrap();
            let signal = shutdown_signal();
            say("ready");
            let report = services.run_until(signal).await;
            say(&format!("clean: {}", report.is_clean()));
            block();
        });
    }
    let mut application = Application::start("when_all_has_shut_down_no_time_runs_any_more", 0);
    application.says("ready").signal(Signal::TERM).says("clean: true").signal(Signal::TERM);
    let (status, seen) = application.ends();
    assert_eq!(status.signal(), Some(Signal::TERM.as_raw()), "{status}: {seen}");
}
