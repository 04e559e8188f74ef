//! Applications: start, failure and shutdown of all.

use super::*;
use convoke::testing::expect_failure;
use convoke::{OnFailed, Services, ServicesError, ServicesHandle, Shutdown};

/// A service of an application, which notes and does in its hooks what the stage says.
macro_rules! part {
    ($part:ident $(needs $($need:ident),+)?) => {
        #[derive(BaseService)]
        #[service(on(Mark), start = open, stop = close $(, needs($($need),+))?)]
        struct $part(Stage);

        impl $part {
            fn with(stage: &Stage) -> Supervised<Self> {
                let stage = stage.clone();
                Self::supervised(&stage.bus.clone(), move |_| Self(stage.clone())).backoff(Backoff::none())
            }

            async fn open(&mut self) -> Handled {
                self.0.notes.add(format!("{} start", Self::NAME));
                self.0.next(Self::NAME, "start").play().await
            }

            fn close(&mut self) -> impl Future<Output = Handled> + use<> {
                self.0.notes.add(format!("{} stop", Self::NAME));
                self.0.next(Self::NAME, "stop").play()
            }
        }

        impl Handler<Heard<Mark>> for $part {
            type Result = ResponseFuture<Handled>;

            fn handle(&mut self, mark: Heard<Mark>, ctx: &mut Context<Self>) -> Self::Result {
                self.0.notes.add(format!("{} {}", Self::NAME, mark.0));
                let act = self.0.next(Self::NAME, "mark");
                if act == Act::Stop {
                    ctx.degrade("as told");
                }
                Box::pin(act.play())
            }
        }
    };
}

part!(Db);
part!(Cache needs Db);
part!(Search needs Db);
part!(Api needs Cache, Search);
part!(Egg needs Hen);
part!(Hen needs Coop);
part!(Coop needs Egg);

fn four(stage: &Stage) -> Services {
    Services::new(&stage.bus)
        .add(Api::with(stage))
        .add(Search::with(stage))
        .add(Cache::with(stage))
        .add(Db::with(stage))
}

#[track_caller]
fn assert_gone(stage: &Stage) {
    assert!(stage.bus.subscriptions().is_empty());
    assert_eq!(convoke::testing::alive(), [""; 0]);
}

#[convoke::test]
async fn what_is_needed_starts_before_and_what_stands_side_by_side_starts_together() {
    let stage = Stage::new();
    for part in ["Db", "Cache", "Search", "Api"] {
        stage.say(part, "start", [Act::Take(SECOND)]);
        stage.say(part, "stop", [Act::Take(SECOND)]);
    }
    let application = after(3 * SECOND, four(&stage).into_future()).await.unwrap();
    stage.noted("Db start, Search start, Cache start, Api start");
    assert_eq!(states(&application.statuses()), "Api running, Search running, Cache running, Db running");
    let report = after(3 * SECOND, application.shutdown()).await;
    stage.noted("Api stop, Search stop, Cache stop, Db stop");
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.took, report.drained, report.hurried), (3 * SECOND, true, false));
    assert_eq!(report.to_string(), "4 of 4 services stopped after 3s");
    assert_gone(&stage);
}

#[convoke::test]
async fn what_does_not_start_stops_what_had_started_and_is_named_at_once() {
    for (act, why) in [(Act::Fail, "as told"), (Act::Panic, "panicked: as told")] {
        let stage = Stage::new();
        stage.say("Search", "start", [act]);
        stage.say("Cache", "start", [Act::Take(7 * SECOND)]);
        stage.say("Db", "stop", [Act::Take(2 * SECOND)]);
        let error = after(2 * SECOND, four(&stage).into_future()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("the service `Search` did not start: {why}"));
        stage.noted("Db start, Search start, Cache start, Db stop");
        assert_gone(&stage);
    }
}

#[convoke::test]
async fn a_start_that_takes_too_long_is_named_and_ended() {
    let stage = Stage::new();
    stage.say("Search", "start", [Act::Hang]);
    stage.say("Cache", "start", [Act::Take(SECOND)]);
    let start = four(&stage).start_timeout(5 * SECOND);
    let error = after(5 * SECOND, start.into_future()).await.unwrap_err();
    assert_eq!(error.to_string(), "not started after 5s: Search; raise `start_timeout`, or start less");
    stage.noted("Db start, Search start, Cache start, Cache stop, Db stop");
    assert_gone(&stage);
}

#[convoke::test]
async fn who_gives_up_the_start_has_all_stopped() {
    for wait in [ms(0), SECOND] {
        let stage = Stage::new();
        stage.say("Search", "start", [Act::Hang]);
        let mut start = Box::pin(four(&stage).into_future());
        assert!(tokio::time::timeout(wait, start.as_mut()).await.is_err());
        drop(start);
        settled().await;
        assert_gone(&stage);
    }
}

#[convoke::test]
async fn what_does_not_fit_together_is_said_before_anything_starts() {
    let stage = Stage::new();
    let error = at_once(Services::new(&stage.bus).add(Api::with(&stage)).add(Cache::with(&stage)).into_future());
    let error = error.await.unwrap_err();
    assert_eq!(error.to_string(), "the service `Api` needs `Search`, which was not added: add it, or name it so");
    let ring = Services::new(&stage.bus).add(Egg::with(&stage)).add(Hen::with(&stage)).add(Coop::with(&stage));
    let error = at_once(ring.into_future()).await.unwrap_err();
    assert_eq!(error.to_string(), "services need each other: Egg → Hen → Coop → Egg; break the cycle");
    let twice = Services::new(&stage.bus).add(Db::with(&stage)).add(Cache::with(&stage).named("Db"));
    let error = at_once(twice.into_future()).await.unwrap_err();
    assert!(error.to_string().contains("`Db`"), "{error}");
    stage.noted("");
    assert_gone(&stage);
}

#[convoke::test]
async fn one_that_is_needed_may_stand_in_a_supervisor() {
    let stage = Stage::new();
    let stores = Supervisor::one_for_all(&stage.bus, "stores").add(Db::with(&stage)).add(Cache::with(&stage));
    let application = Services::new(&stage.bus).add(Api::with(&stage)).add(Search::with(&stage)).add(stores);
    let application = at_once(application.into_future()).await.unwrap();
    stage.noted("Db start, Cache start, Search start, Api start");
    let report = at_once(application.shutdown()).await;
    assert!(report.is_clean(), "{report}");
    stage.noted("Api stop, Search stop, Cache stop, Db stop");
    assert_gone(&stage);
}

/// The first signal at once, the second after this long.
struct Twice(Duration);

impl Shutdown for Twice {
    fn into_signals(self) -> (impl Future<Output = ()>, impl Future<Output = ()>) {
        (std::future::ready(()), sleep(self.0))
    }
}

#[convoke::test]
async fn every_phase_of_a_shutdown_has_its_deadline() {
    // What hangs where; how long that takes with the defaults, and what is said of it.
    let table = [
        ("nothing", "stop", Act::Well, ms(0), "4 of 4 services stopped after 0ns"),
        (
            "Cache",
            "stop",
            Act::Hang,
            10 * SECOND,
            "4 of 4 services stopped after 10s; Cache is stopped: had not stopped after 10s",
        ),
        ("Cache", "mark", Act::Take(3 * SECOND), 3 * SECOND, "4 of 4 services stopped after 3s"),
        (
            "Cache",
            "mark",
            Act::Take(12 * SECOND),
            12 * SECOND,
            "4 of 4 services stopped after 12s, not all events were handled",
        ),
    ];
    for (who, hook, act, wait, expected) in table {
        let stage = Stage::new();
        stage.say(who, hook, [act]);
        let application = four(&stage).await.unwrap();
        stage.mark(1);
        let report = after(wait, application.shutdown()).await;
        assert_eq!(report.to_string(), expected, "{who} {hook} {act:?}");
        assert_eq!(report.is_clean(), !expected.contains("not "), "{expected}");
        assert_gone(&stage);
    }
}

#[convoke::test]
async fn what_becomes_a_dead_letter_meanwhile_is_counted_and_what_was_one_before_is_not() {
    let stage = Stage::new();
    stage.say("Cache", "mark", [Act::Fail, Act::Fail, Act::Well]);
    let application = four(&stage).await.unwrap();
    stage.mark(1);
    settled().await;
    assert_eq!(stage.bus.dead_letters().len(), 1);
    stage.mark(2);
    let report = at_once(application.shutdown()).await;
    assert_eq!((report.dead_letters, report.drained, report.is_clean()), (1, true, false));
    assert_eq!(stage.bus.dead_letters().total(), 2);
    assert_eq!(report.to_string(), "4 of 4 services stopped after 0ns, 1 dead letter");
    let application = four(&stage).await.unwrap();
    stage.mark(3);
    let report = at_once(application.shutdown()).await;
    assert!(report.is_clean() && report.dead_letters == 0, "{report}");
    assert_gone(&stage);
}

#[convoke::test]
async fn one_that_does_not_stop_in_time_is_late_and_holds_up_nobody() {
    ["Cache", "Db"].into_iter().for_each(expect_failure);
    let stage = Stage::new();
    stage.say("Cache", "stop", [Act::Hang]);
    let cache = Cache::with(&stage).stop_timeout(1000 * SECOND);
    let application = Services::new(&stage.bus).stop_timeout(4 * SECOND).add(cache).add(Db::with(&stage));
    let application = application.await.unwrap();
    let report = after(4 * SECOND, application.shutdown()).await;
    assert!(report.late.contains(&"Cache".to_owned()), "{report:?}");
    settled().await;
    assert_gone(&stage);
}

#[convoke::test]
async fn a_second_signal_hurries() {
    ["Cache", "Db"].into_iter().for_each(expect_failure);
    for (who, hook) in [("Cache", "stop"), ("Cache", "mark"), ("Api", "stop"), ("Db", "mark")] {
        let stage = Stage::new();
        stage.say(who, hook, [Act::Hang]);
        let application = four(&stage).await.unwrap();
        stage.mark(1);
        let report = after(2 * SECOND, application.run_until(Twice(2 * SECOND))).await;
        assert!(report.hurried && !report.is_clean(), "{who} {hook}: {report}");
        settled().await;
        assert_gone(&stage);
    }
}

#[convoke::test]
async fn a_second_signal_that_nobody_needs_changes_nothing() {
    let stage = Stage::new();
    let application = four(&stage).await.unwrap();
    let report = at_once(application.run_until(Twice(SECOND))).await;
    assert!(report.is_clean() && !report.hurried, "{report}");
    assert_gone(&stage);
}

#[convoke::test]
async fn it_shuts_down_when_the_signal_comes_and_not_before() {
    let stage = Stage::new();
    let application = four(&stage).await.unwrap();
    let report = after(9 * SECOND, application.run_until(sleep(9 * SECOND))).await;
    assert!(report.is_clean() && report.took.is_zero(), "{report}");
    assert_gone(&stage);
}

#[convoke::test]
async fn what_a_service_emits_while_it_stops_is_handled() {
    let stage = Stage::new();
    let heard = Notes::new();
    let notes = heard.clone();
    let listener = stage.bus.on(async move |mark: std::sync::Arc<Mark>| {
        sleep(SECOND).await;
        notes.add(mark.0);
    });
    let _listener = listener.unwrap();
    let bus = stage.bus.clone();
    let db = Member::supervised(&stage.bus, {
        let stage = stage.clone();
        move |_| Member { who: "last", number: 1, stage: stage.clone() }
    });
    stage.say("last", "stop", [Act::Take(SECOND)]);
    let application = Services::new(&stage.bus).add(db).await.unwrap();
    convoke::testing::spawn(async move {
        sleep(ms(500)).await;
        bus.publish(Mark(7)).unwrap();
    });
    let report = after(ms(1500), application.shutdown()).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(heard.take(), [7]);
}

#[convoke::test]
async fn a_dropped_application_stops() {
    let stage = Stage::new();
    let application = four(&stage).await.unwrap();
    drop(application);
    settled().await;
    assert_gone(&stage);
}

fn ready(application: &ServicesHandle) -> (bool, String) {
    let (health, report) = (application.health(), application.health().report());
    assert!(health.is_live() && report.live, "in virtual time it always is");
    assert_eq!((health.is_ready(), health.statuses()), (report.ready, application.statuses()));
    assert_eq!(report.services, application.statuses());
    (report.ready, states(&report.services))
}

#[convoke::test]
async fn it_is_ready_as_long_as_all_run() {
    expect_failure("Db");
    let stage = Stage::new();
    let db = Db::with(&stage).backoff(Backoff::exponential(10 * SECOND)).budget(1, 3600 * SECOND);
    let all = Supervisor::one_for_one(&stage.bus, "all").add(stage.member("m"));
    let application = Services::new(&stage.bus).add(Cache::with(&stage)).add(db).add(all).await.unwrap();
    let health = application.health();
    let all_run = "Cache running, Db running, all running, m running";
    assert_eq!(ready(&application), (true, all_run.to_owned()));

    stage.say("Cache", "mark", [Act::Stop, Act::Well]);
    stage.mark(1);
    settled().await;
    assert_eq!(ready(&application), (true, all_run.replacen("running", "degraded", 1)));

    for (expected, comes_back) in [("restarting", true), ("failed", false)] {
        stage.say("Db", "mark", [Act::Panic, Act::Well]);
        stage.mark(2);
        settled().await;
        let degraded = format!("Cache degraded, Db {expected}, all running, m running");
        assert_eq!(ready(&application), (false, degraded));
        sleep(20 * SECOND).await;
        assert_eq!(ready(&application).0, comes_back);
    }
    let report = at_once(application.shutdown()).await;
    assert!(!report.is_clean());
    assert!(!health.is_ready());
    assert_eq!(states(&health.statuses()), "Cache stopped, Db failed, all stopped, m stopped");
    assert_gone(&stage);
}

#[convoke::test]
async fn one_that_is_never_started_again_ends_the_application_from_within_a_supervisor() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let stage = Stage::new();
        let all = Supervisor::new(&stage.bus, "all", strategy).add(stage.member("a"));
        let all = all.add(stage.member("b").restart(Restart::Never));
        let top = Supervisor::one_for_one(&stage.bus, "top").add(all);
        let running = Services::new(&stage.bus).add(top).live_needs("b").await.unwrap();
        stage.publish("b", Act::Panic);
        settled().await;
        assert!(!running.health().is_live() && !running.health().is_ready());
        assert_eq!(at_once(running.failed()).await.to_string(), "b has failed: panicked: as told");
        stage.bus.dead_letters().take_all();
        let report = at_once(running.run_until(std::future::pending())).await;
        assert_eq!(report.ended_by.as_deref(), Some("b"));
    }
}

#[convoke::test]
async fn one_whose_supervisor_has_failed_for_good_is_missing_for_a_probe() {
    expect_failure("b");
    let stage = Stage::new();
    let inner = three(&stage, Strategy::OneForOne).budget(0, SECOND).restart(Restart::Never);
    let running = Services::new(&stage.bus).add(inner).live_needs("a").await.unwrap();
    assert!(running.health().is_live());
    stage.publish("b", Act::Panic);
    settled().await;
    assert_eq!(states(&running.statuses()), "all failed, a stopped, b failed, c stopped");
    assert!(!running.health().is_live(), "nobody starts `a` again");
    running.shutdown().await;
}

#[derive(BaseService)]
#[service(needs(Member), start = open)]
struct Late;

impl Late {
    async fn open(&mut self) {
        sleep(20 * SECOND).await;
    }
}

#[convoke::test]
async fn one_that_fails_while_others_still_start_is_seen() {
    expect_failure("b");
    for inside in [false, true] {
        let stage = Stage::new();
        let start = || {
            let b = stage.member("b").restart(Restart::Never);
            let late = Late::supervised(&stage.bus, |_| Late);
            let services = Services::new(&stage.bus).add(late);
            if inside { services.add(Supervisor::one_for_one(&stage.bus, "all").add(b)) } else { services.add(b) }
        };
        let fail = || {
            let stage = stage.clone();
            convoke::testing::spawn(async move {
                sleep(SECOND).await;
                stage.publish("b", Act::Panic);
            })
        };
        fail();
        let error = after(SECOND, start().into_future()).await.unwrap_err();
        assert!(matches!(&error, ServicesError::Failed { service, .. } if service == "b"), "{error}");
        let expected = "the service `b` has failed, while others were still starting: panicked: as told";
        assert_eq!(error.to_string(), expected);
        settled().await;
        assert!(stage.bus.subscriptions().is_empty());

        fail();
        let report = after(SECOND, start().run_until(std::future::pending())).await.unwrap();
        assert_eq!(report.ended_by.as_deref(), Some("b"));
        assert!(stage.bus.subscriptions().is_empty());

        fail();
        let running = after(20 * SECOND, start().on_failed(OnFailed::GoOn).into_future()).await.unwrap();
        assert_eq!(at_once(running.failed()).await.service, "b");
        running.shutdown().await;
    }
}

#[test]
fn without_an_arbiter_nothing_starts() {
    let stage = Stage::new();
    let mut start = four(&stage).into_future();
    let mut polled = std::pin::pin!(async move { start.as_mut().await });
    let waker = std::task::Waker::noop();
    match polled.as_mut().poll(&mut std::task::Context::from_waker(waker)) {
        std::task::Poll::Ready(Err(error)) => assert!(error.to_string().starts_with("no actix system"), "{error}"),
        other => panic!("{other:?}"),
    }
    stage.noted("");
}

#[convoke::test]
async fn a_name_is_borne_once_inside_supervisors_too() {
    let stage = Stage::new();
    let inside = || Supervisor::one_for_one(&stage.bus, "all").add(stage.member("a")).add(stage.member("b"));
    let named = |error: ServicesError| match error {
        ServicesError::Twice { name } => name,
        other => panic!("{other}"),
    };
    let of = async |services: Services| named(at_once(services.into_future()).await.unwrap_err());
    let services = || Services::new(&stage.bus);
    assert_eq!(of(services().add(inside()).add(stage.member("a"))).await, "a");
    assert_eq!(of(services().add(stage.member("b")).add(inside())).await, "b");
    assert_eq!(of(services().add(inside()).add(stage.member("all"))).await, "all");
    assert_eq!(of(services().add(inside().add(stage.member("a")))).await, "a");
    assert_eq!(of(services().add(inside().add(Supervisor::one_for_one(&stage.bus, "b")))).await, "b");
    stage.noted("");
    assert!(stage.bus.subscriptions().is_empty());
}
