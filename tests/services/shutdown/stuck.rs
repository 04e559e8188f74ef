//! Signals to what hangs or blocks, and to who waits by himself.

use super::*;

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
        let mut application = Application::start("stuck::a_second_signal_hurries_who_would_wait_for_ever", 0);
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
    let mut application = Application::start("stuck::a_listener_that_hangs_holds_no_exit", 0);
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
        let mut application = Application::start("stuck::a_listener_that_blocks_its_thread_holds_no_exit", 0);
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
    let mut application = Application::start("stuck::a_log_that_blocks_holds_no_exit", 0);
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
    let mut application = Application::start("stuck::a_third_signal_ends_at_once_who_is_blocked", 0);
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
    let mut application = Application::start("stuck::after_a_plain_await_a_second_signal_ends_it", 0);
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
    let mut application = Application::start("stuck::a_signal_before_the_first_poll_is_heard", 0);
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
    let mut application = Application::start("stuck::when_the_last_is_dropped_signals_do_what_they_did_before", 0);
    application.says("ready").signal(Signal::INT);
    application.ends_with(0, "heard again");
    for signal in [Signal::TERM, Signal::INT] {
        let mut application = Application::start("stuck::when_the_last_is_dropped_signals_do_what_they_did_before", 1);
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
    let mut application = Application::start("stuck::when_all_has_shut_down_no_time_runs_any_more", 0);
    application.says("ready").signal(Signal::TERM).says("clean: true").signal(Signal::TERM);
    let (status, seen) = application.ends();
    assert_eq!(status.signal(), Some(Signal::TERM.as_raw()), "{status}: {seen}");
}
