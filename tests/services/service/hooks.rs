//! `start` and `stop` of a service, in each form that they may have.

use std::sync::Mutex;

use super::*;
use crate::common::in_a_process_of_its_own;

#[derive(BaseService)]
#[service(start = open, stop = close)]
struct Plain(Notes<&'static str>);

impl Plain {
    fn open(&mut self) {
        self.0.add("open");
    }

    fn close(&mut self) -> Handled {
        self.0.add("close");
        Err("the till is short".into())
    }
}

#[convoke::test]
async fn hooks_may_be_plain_functions() {
    convoke::testing::expect_failure("Plain");
    let (bus, notes) = (EventBus::default(), Notes::new());
    let given = notes.clone();
    let plain = Plain::supervised(&bus, move |_| Plain(given.clone())).await.unwrap();
    let stopped = at_once(plain.stop()).await;
    assert_eq!(notes.take(), ["open", "close"]);
    assert!(stopped.to_string().contains("the till is short"), "{stopped}");
}

#[convoke::test]
async fn a_plain_start_that_fails_keeps_it_from_starting() {
    #[derive(BaseService)]
    #[service(start = open)]
    struct Closed;

    impl Closed {
        fn open(&mut self) -> Result<(), &'static str> {
            Err("no key")
        }
    }

    let error = at_once(Closed::supervised(&EventBus::default(), |_| Closed).into_future()).await.unwrap_err();
    assert!(error.to_string().contains("no key"), "{error}");
}

#[convoke::test]
async fn the_actor_alone_is_started_by_its_name() {
    let notes = Notes::new();
    let actor = Actor::start(Plain(notes.clone()));
    settled().await;
    assert!(actor.connected());
    assert_eq!(notes.take(), [""; 0], "it is no service");
}

/// What was logged of services in this process.
static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Log;

impl log::Log for Log {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target() == "convoke::service" && metadata.level() == log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            LINES.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// In a process of its own, because a process has one logger.
#[test]
fn a_service_that_is_started_as_a_plain_actor_is_warned_of() {
    in_a_process_of_its_own(
        "services::service::hooks::a_service_that_is_started_as_a_plain_actor_is_warned_of",
        || {
            log::set_logger(&Log).unwrap();
            log::set_max_level(log::LevelFilter::Warn);
            convoke::testing::run("plain", async || {
                // Its stop fails, which is none of what is tested here.
                convoke::testing::expect_failure("Plain");
                let told = || {
                    let mut lines = std::mem::take(&mut *LINES.lock().unwrap());
                    lines.retain(|line| line.contains("plain actor"));
                    lines
                };
                let bus = EventBus::default();
                let kept = Plain::supervised(&bus, |_| Plain(Notes::new())).await.unwrap();
                kept.stop().await;
                assert_eq!(told(), [""; 0]);
                let warned = "`Plain` was started as a plain actor: it hears no event, its `start` and `stop` are not called, and \
                              nobody restarts it; write `supervised(&bus, …).await?`";
                let actor = Actor::start(Plain(Notes::new()));
                settled().await;
                assert_eq!(told(), [warned]);
                let supervised = actix::Supervisor::start(|_| Quiet);
                settled().await;
                assert_eq!(told(), [""; 0], "it declares nothing that it would miss");
                drop((actor, supervised));
            });
        },
    );
}

#[derive(BaseService)]
struct Quiet;

impl actix::Supervised for Quiet {}
