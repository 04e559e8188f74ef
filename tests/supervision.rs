//! Several services together: what falls with which, in which order, within which budget; and an application of them.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::future::{Future, IntoFuture};
use std::rc::Rc;
use std::time::Duration;

use actix::prelude::*;
use convoke::prelude::*;
use convoke::{
    Backoff, OnError, Restart, ServiceError, ServiceState, Strategy, Supervised, Supervisor, SupervisorHandle,
};
use tokio::sync::oneshot;

use crate::common::{Notes, SECOND, after, at_once, ms, settled, sleep};

/// What a member does in a hook, or when it is told.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Well,
    Fail,
    Panic,
    Hang,
    Take(Duration),
    Stop,
}

impl Act {
    async fn play(self) -> Handled {
        match self {
            Self::Well | Self::Stop => Ok(()),
            Self::Fail => Err("as told".into()),
            Self::Panic => panic!("as told"),
            Self::Hang => std::future::pending().await,
            Self::Take(time) => {
                sleep(time).await;
                Ok(())
            }
        }
    }
}

/// Every member hears it, and the one that it is for acts.
#[derive(Event, Clone, Copy, Debug)]
#[event(local)]
struct Do(&'static str, Act);

/// Every member notes it.
#[derive(Event, Clone, Copy, Debug)]
#[event(local)]
struct Mark(u32);

/// What all members of a test share.
#[derive(Clone)]
struct Stage {
    bus: EventBus,
    notes: Notes<String>,
    built: Rc<RefCell<HashMap<&'static str, u32>>>,
    acts: Rc<RefCell<Acts>>,
}

/// What is told to a member in a hook, the next first.
type Acts = HashMap<(&'static str, &'static str), VecDeque<Act>>;

impl Stage {
    fn new() -> Self {
        Self { bus: EventBus::default(), notes: Notes::new(), built: Rc::default(), acts: Rc::default() }
    }

    /// What a member does the next times that it comes to a hook; afterwards as the last of them.
    fn say<const N: usize>(&self, who: &'static str, hook: &'static str, acts: [Act; N]) {
        self.acts.borrow_mut().insert((who, hook), acts.into());
    }

    fn next(&self, who: &'static str, hook: &'static str) -> Act {
        let mut acts = self.acts.borrow_mut();
        let Some(acts) = acts.get_mut(&(who, hook)) else { return Act::Well };
        if acts.len() > 1 { acts.pop_front().unwrap() } else { acts[0] }
    }

    fn member(&self, who: &'static str) -> Supervised<Member> {
        let stage = self.clone();
        let build = move |_| {
            let number = {
                let mut built = stage.built.borrow_mut();
                let number = built.entry(who).or_default();
                *number += 1;
                *number
            };
            let stage = stage.clone();
            match stage.next(who, "build") {
                Act::Fail => return Err("as told"),
                Act::Panic => panic!("as told"),
                _ => {}
            }
            Ok(Member { who, number, stage })
        };
        Member::supervised(&self.bus, build).named(who).backoff(Backoff::none())
    }

    /// What was noted since the last look, in one line.
    #[track_caller]
    fn noted(&self, expected: &str) {
        assert_eq!(self.notes.take().join(", "), expected);
    }

    fn publish(&self, who: &'static str, act: Act) {
        self.bus.publish(Do(who, act)).unwrap();
    }

    fn mark(&self, number: u32) {
        self.bus.publish(Mark(number)).unwrap();
    }
}

#[derive(BaseService)]
#[service(on(Do, Mark), start = open, begin = begin, stop = close)]
struct Member {
    who: &'static str,
    number: u32,
    stage: Stage,
}

impl Member {
    fn note(&self, note: &str) {
        self.stage.notes.add(format!("{}{} {note}", self.who, self.number));
    }

    async fn open(&mut self) -> Handled {
        self.note("start");
        self.stage.next(self.who, "start").play().await
    }

    fn begin(&mut self, ctx: &mut Context<Self>) {
        match self.stage.next(self.who, "begin") {
            Act::Panic => panic!("as told"),
            Act::Stop => ctx.stop(),
            _ => {}
        }
    }

    fn close(&mut self) -> impl Future<Output = Handled> + use<> {
        self.note("stop");
        self.stage.next(self.who, "stop").play()
    }
}

impl Handler<Heard<Do>> for Member {
    type Result = Handled;

    fn handle(&mut self, told: Heard<Do>, ctx: &mut Context<Self>) -> Handled {
        let Do(who, act) = *told;
        if who != self.who {
            return Ok(());
        }
        match act {
            Act::Fail => return Err("as told".into()),
            Act::Panic => panic!("as told"),
            Act::Stop => ctx.stop(),
            _ => {}
        }
        Ok(())
    }
}

impl Handler<Heard<Mark>> for Member {
    type Result = Handled;

    fn handle(&mut self, mark: Heard<Mark>, _: &mut Context<Self>) -> Handled {
        self.note(&mark.0.to_string());
        Ok(())
    }
}

#[derive(Message)]
#[rtype(result = "u32")]
struct Number;

impl Handler<Number> for Member {
    type Result = u32;

    fn handle(&mut self, _: Number, _: &mut Context<Self>) -> u32 {
        self.number
    }
}

/// How all are, by the name of the state.
fn states(statuses: &[ServiceStatus]) -> String {
    let states: Vec<_> = statuses.iter().map(|status| format!("{} {}", status.service, status.state)).collect();
    states.join(", ")
}

/// Three members, under a supervisor of this strategy.
fn three(stage: &Stage, strategy: Strategy) -> Supervisor {
    Supervisor::new(&stage.bus, "all", strategy).add(stage.member("a")).add(stage.member("b")).add(stage.member("c"))
}

mod strategies {
    use super::*;

    #[convoke::test(allow_failures)]
    async fn what_falls_takes_along_what_the_strategy_says() {
        let table = [
            (Strategy::OneForOne, "a", "a2 start"),
            (Strategy::OneForOne, "b", "b2 start"),
            (Strategy::OneForAll, "a", "c1 stop, b1 stop, a2 start, b2 start, c2 start"),
            (Strategy::OneForAll, "b", "c1 stop, a1 stop, a2 start, b2 start, c2 start"),
            (Strategy::OneForAll, "c", "b1 stop, a1 stop, a2 start, b2 start, c2 start"),
            (Strategy::RestForOne, "a", "c1 stop, b1 stop, a2 start, b2 start, c2 start"),
            (Strategy::RestForOne, "b", "c1 stop, b2 start, c2 start"),
            (Strategy::RestForOne, "c", "c2 start"),
        ];
        for (strategy, who, expected) in table {
            for act in [Act::Panic, Act::Stop] {
                let stage = Stage::new();
                let all = at_once(three(&stage, strategy).into_future()).await.unwrap();
                stage.noted("a1 start, b1 start, c1 start");
                stage.publish(who, act);
                settled().await;
                stage.noted(expected);
                assert_eq!(states(&all.statuses()), "all running, a running, b running, c running");
                at_once(all.stop()).await;
                assert!(stage.bus.subscriptions().is_empty());
                let numbers = stage.built.borrow();
                let stops: Vec<_> = ["c", "b", "a"].iter().map(|who| format!("{who}{} stop", numbers[who])).collect();
                stage.noted(&stops.join(", "));
            }
        }
    }

    #[convoke::test]
    async fn what_waits_for_those_that_are_taken_along_is_kept_and_handled_once_in_its_order() {
        for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
            let stage = Stage::new();
            let all = Supervisor::new(&stage.bus, "all", strategy)
                .add(stage.member("a").backoff(Backoff::exponential(SECOND)))
                .add(stage.member("b"))
                .add(stage.member("c"))
                .await
                .unwrap();
            stage.publish("a", Act::Panic);
            stage.mark(1);
            settled().await;
            stage.mark(2);
            sleep(ms(100)).await;
            stage.mark(3);
            settled().await;
            assert_eq!(all.statuses()[1].state, ServiceState::Restarting);
            sleep(SECOND).await;
            stage.mark(4);
            settled().await;
            let notes = stage.notes.take();
            for who in ["a", "b", "c"] {
                let marks = notes.iter().filter(|note| note.starts_with(who));
                let marks: Vec<_> = marks.filter_map(|note| note.split(' ').nth(1)?.parse::<u32>().ok()).collect();
                assert_eq!(marks, [1, 2, 3, 4], "{strategy:?} {who}: {notes:?}");
            }
            assert_eq!(stage.bus.dead_letters().len(), 1, "that which panicked");
            all.stop().await;
        }
    }

    #[convoke::test(allow_failures)]
    async fn a_message_to_a_neighbour_that_is_taken_along_waits_for_it() {
        let stage = Stage::new();
        let mut b = stage.member("b");
        let addr = b.addr();
        let a = stage.member("a").backoff(Backoff::exponential(SECOND));
        let all = Supervisor::one_for_all(&stage.bus, "all").add(a).add(b).await.unwrap();
        stage.publish("a", Act::Panic);
        settled().await;
        assert_eq!(addr.status().state, ServiceState::Restarting);
        assert_eq!(addr.send(Number).await, Ok(2));
        all.stop().await;
        assert_eq!(at_once(addr.send(Number)).await, Err(ServiceError::Stopped { service: "b".to_owned() }));
    }

    #[convoke::test(allow_failures)]
    async fn one_that_has_done_its_work_takes_nobody_along_and_stays() {
        for (restart, act, expected) in [
            (Restart::OnFailure, Act::Stop, "stopped"),
            (Restart::Never, Act::Stop, "stopped"),
            (Restart::Never, Act::Panic, "failed"),
        ] {
            for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
                let stage = Stage::new();
                let all = Supervisor::new(&stage.bus, "all", strategy)
                    .add(stage.member("a"))
                    .add(stage.member("b").restart(restart))
                    .add(stage.member("c"))
                    .await
                    .unwrap();
                stage.notes.take();
                stage.publish("b", act);
                settled().await;
                stage.noted("");
                assert_eq!(states(&all.statuses()), format!("all running, a running, b {expected}, c running"));
                // Nor does it come back with the others.
                stage.publish("a", Act::Panic);
                settled().await;
                assert_eq!(states(&all.statuses()), format!("all running, a running, b {expected}, c running"));
                all.stop().await;
                assert!(stage.bus.subscriptions().is_empty());
            }
        }
    }

    #[convoke::test(allow_failures)]
    async fn two_that_fall_at_once_are_both_built_anew() {
        for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
            for (one, other) in [("a", "b"), ("b", "a"), ("c", "a"), ("b", "c")] {
                let stage = Stage::new();
                let all = three(&stage, strategy).await.unwrap();
                stage.publish(one, Act::Panic);
                stage.publish(other, Act::Panic);
                stage.mark(1);
                settled().await;
                assert_eq!(states(&all.statuses()), "all running, a running, b running, c running");
                let notes = stage.notes.take();
                for who in ["a1", "a2", "b1", "b2", "c1", "c2"] {
                    let starts = notes.iter().filter(|note| **note == format!("{who} start")).count();
                    assert!(starts <= 1, "{strategy:?} {one} {other}: {notes:?}");
                }
                let marks = notes.iter().filter(|note| note.ends_with(" 1")).count();
                assert_eq!(marks, 3, "{strategy:?} {one} {other}: {notes:?}");
                all.stop().await;
                assert!(stage.bus.subscriptions().is_empty());
            }
        }
    }

    #[convoke::test(allow_failures)]
    async fn one_before_it_that_falls_during_its_backoff_takes_it_along() {
        let stage = Stage::new();
        let all = Supervisor::rest_for_one(&stage.bus, "all")
            .add(stage.member("a"))
            .add(stage.member("b").backoff(Backoff::exponential(60 * SECOND)))
            .add(stage.member("c"))
            .await
            .unwrap();
        stage.notes.take();
        stage.publish("b", Act::Panic);
        sleep(SECOND).await;
        stage.noted("c1 stop");
        stage.publish("a", Act::Panic);
        settled().await;
        stage.noted("a2 start, b2 start, c2 start");
        assert_eq!(states(&all.statuses()), "all running, a running, b running, c running");
        all.stop().await;
    }

    #[convoke::test(allow_failures)]
    async fn one_before_it_that_ends_for_good_during_its_backoff_leaves_it_to_come_back() {
        let stage = Stage::new();
        let all = Supervisor::rest_for_one(&stage.bus, "all")
            .add(stage.member("a").restart(Restart::Never))
            .add(stage.member("b").backoff(Backoff::exponential(60 * SECOND)))
            .add(stage.member("c"))
            .await
            .unwrap();
        stage.publish("b", Act::Panic);
        sleep(SECOND).await;
        stage.publish("a", Act::Panic);
        sleep(120 * SECOND).await;
        assert_eq!(states(&all.statuses()), "all running, a failed, b running, c running");
        all.stop().await;
    }

    #[convoke::test(allow_failures)]
    async fn one_that_fails_in_the_middle_of_a_restart_is_tried_again_and_those_after_it_with_it() {
        let table = [
            (Strategy::OneForAll, "c1 stop, b1 stop, a2 start, b2 start, a2 stop, a3 start, b3 start, c2 start"),
            (Strategy::RestForOne, "c1 stop, b1 stop, a2 start, b2 start, b3 start, c2 start"),
        ];
        for (strategy, expected) in table {
            for act in [Act::Fail, Act::Panic] {
                let stage = Stage::new();
                let all = three(&stage, strategy).await.unwrap();
                stage.notes.take();
                stage.say("b", "start", [act, Act::Well]);
                stage.publish("a", Act::Panic);
                stage.mark(1);
                settled().await;
                let notes = stage.notes.take();
                let (marks, hooks): (Vec<_>, Vec<_>) = notes.into_iter().partition(|note| note.ends_with(" 1"));
                assert_eq!(hooks.join(", "), expected, "{strategy:?}");
                assert_eq!(marks.len(), 3, "{marks:?}");
                assert_eq!(states(&all.statuses()), "all running, a running, b running, c running");
                all.stop().await;
            }
        }
    }

    #[convoke::test(allow_failures)]
    async fn one_that_fails_in_a_restart_and_does_not_come_back_leaves_the_others_to_come_back() {
        for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
            for hook in ["build", "start", "begin"] {
                let stage = Stage::new();
                let all = Supervisor::new(&stage.bus, "all", strategy)
                    .add(stage.member("a"))
                    .add(stage.member("b").restart(Restart::Never))
                    .add(stage.member("c"))
                    .await
                    .unwrap();
                stage.say("b", hook, [Act::Panic]);
                stage.publish("a", Act::Panic);
                sleep(60 * SECOND).await;
                assert_eq!(
                    states(&all.statuses()),
                    "all running, a running, b failed, c running",
                    "{strategy:?} {hook}"
                );
                all.stop().await;
            }
        }
    }

    #[convoke::test(allow_failures)]
    async fn who_awaits_a_neighbour_waits_no_longer_than_a_call_may_take_while_others_stop() {
        let stage = Stage::new();
        let all = Supervisor::one_for_all(&stage.bus, "all")
            .add(stage.member("a").stop_timeout(60 * SECOND))
            .add(stage.member("b").handler_timeout(5 * SECOND))
            .await
            .unwrap();
        stage.say("a", "stop", [Act::Hang]);
        stage.publish("b", Act::Panic);
        settled().await;
        let report = after(30 * SECOND, stage.bus.emit(Mark(1))).await;
        assert_eq!(report.failed().map(|(who, _)| who).collect::<Vec<_>>(), ["a", "b"], "{report}");
        drop(all);
        sleep(100 * SECOND).await;
    }
}

/// How all are, with what went wrong.
fn told(statuses: &[ServiceStatus]) -> Vec<String> {
    statuses.iter().map(ToString::to_string).collect()
}

/// Has the supervisor start, and stops waiting for it after this long.
/// The names of those who are registered, each once.
fn who_hears(bus: &EventBus) -> Vec<String> {
    let names: std::collections::BTreeSet<_> = bus.subscriptions().iter().map(|one| one.listener.to_string()).collect();
    names.into_iter().collect()
}

async fn start_and_give_up(start: impl IntoFuture<Output = Result<SupervisorHandle, StartError>>, after: Duration) {
    let mut start = Box::pin(start.into_future());
    assert!(tokio::time::timeout(after, start.as_mut()).await.is_err(), "it has started");
}

mod budgets {
    use super::*;

    #[convoke::test(allow_failures)]
    async fn one_beyond_its_own_budget_ends_all() {
        for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
            let stage = Stage::new();
            let all = Supervisor::new(&stage.bus, "all", strategy)
                .add(stage.member("a"))
                .add(stage.member("b").budget(1, 60 * SECOND))
                .add(stage.member("c"))
                .await
                .unwrap();
            for _ in 0..2 {
                stage.publish("b", Act::Panic);
                settled().await;
            }
            let why = "panicked: as told; 1 restart within 60s of running is the most";
            let all_told = [
                &format!("all has failed: `b` {why}"),
                "a is stopped",
                &format!("b has failed: {why}"),
                "c is stopped",
            ];
            assert_eq!(told(&all.statuses()), all_told, "{strategy:?}");
            assert_eq!(who_hears(&stage.bus), ["b"], "which refuses what comes");
            assert_eq!(told(&at_once(all.stop()).await), all_told, "who stops what has failed changes nothing");
            assert!(stage.bus.subscriptions().is_empty());
        }
    }

    #[convoke::test]
    async fn all_together_have_the_budget_of_the_supervisor() {
        for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
            let stage = Stage::new();
            let mut b = stage.member("b");
            let addr = b.addr();
            let all = Supervisor::new(&stage.bus, "all", strategy)
                .budget(2, 60 * SECOND)
                .add(stage.member("a"))
                .add(b)
                .add(stage.member("c"))
                .await
                .unwrap();
            for who in ["a", "b"] {
                stage.publish(who, Act::Panic);
                settled().await;
                assert_eq!(states(&all.statuses()), "all running, a running, b running, c running", "{strategy:?}");
            }
            stage.publish("c", Act::Panic);
            stage.mark(1);
            settled().await;
            let why = "panicked: as told; of its supervisor, 2 restarts within 60s of running are the most";
            let all_told = [
                &format!("all has failed: `c` {why}"),
                "a is stopped",
                "b is stopped",
                &format!("c has failed: {why}"),
            ];
            assert_eq!(told(&all.statuses()), all_told, "{strategy:?}");
            // Nobody is left waiting, and nothing vanishes.
            assert_eq!(at_once(addr.send(Number)).await, Err(ServiceError::Stopped { service: "b".to_owned() }));
            let handled = stage.notes.take().iter().filter(|note| note.ends_with(" 1")).count();
            let letters = stage.bus.dead_letters().list();
            let marks = letters.iter().filter(|letter| letter.event == "Mark").count();
            assert_eq!(handled + marks, 3, "{strategy:?}");
            let report = at_once(stage.bus.emit(Mark(2))).await;
            assert!(report.len() == 1 && report.failed().all(|(who, _)| who == "c"), "{report}");
            assert_eq!(who_hears(&stage.bus), ["c"]);
            at_once(all.stop()).await;
            assert!(stage.bus.subscriptions().is_empty());
        }
    }

    #[convoke::test(allow_failures)]
    async fn a_restart_that_was_long_ago_no_longer_counts() {
        let stage = Stage::new();
        let all = three(&stage, Strategy::OneForOne).budget(2, 60 * SECOND).await.unwrap();
        for who in ["a", "b", "c", "a", "b", "c"] {
            stage.publish(who, Act::Panic);
            sleep(31 * SECOND).await;
        }
        assert_eq!(states(&all.statuses()), "all running, a running, b running, c running");
        all.stop().await;
    }

    #[convoke::test(allow_failures)]
    async fn the_time_of_the_supervisor_is_its_own_and_not_that_of_who_falls() {
        let stage = Stage::new();
        stage.say("b", "start", [Act::Well, Act::Take(1000 * SECOND), Act::Well]);
        let b = stage.member("b").start_timeout(2000 * SECOND);
        let all = Supervisor::one_for_one(&stage.bus, "all").budget(2, 60 * SECOND);
        let all = all.add(stage.member("a")).add(b).await.unwrap();
        for (who, then) in [("b", 1000), ("a", 100), ("b", 200), ("b", 0)] {
            stage.publish(who, Act::Panic);
            sleep(then * SECOND).await;
            settled().await;
        }
        assert_eq!(states(&all.statuses()), "all running, a running, b running");
        all.stop().await;
    }

    #[convoke::test(allow_failures)]
    async fn a_start_that_never_succeeds_again_is_ended_by_the_budget_however_long_it_takes() {
        for (hook, act, wait) in [
            ("build", Act::Fail, Duration::ZERO),
            ("build", Act::Panic, Duration::ZERO),
            ("start", Act::Fail, Duration::ZERO),
            ("start", Act::Panic, Duration::ZERO),
            ("begin", Act::Panic, Duration::ZERO),
            ("begin", Act::Stop, Duration::ZERO),
            ("start", Act::Hang, 20 * SECOND),
            ("start", Act::Take(20 * SECOND), 20 * SECOND),
        ] {
            let stage = Stage::new();
            stage.say("b", hook, [Act::Well, act]);
            let mut b = stage.member("b").start_timeout(20 * SECOND).budget(3, SECOND);
            let addr = b.addr();
            let all = Supervisor::one_for_all(&stage.bus, "all").add(stage.member("a")).add(b).await.unwrap();
            stage.publish("b", Act::Panic);
            settled().await;
            let (sent, emitted) = tokio::join!(addr.send(Number), stage.bus.emit(Mark(1)));
            if act == Act::Take(20 * SECOND) {
                // That is in time, if only just: it is no failure.
                assert_eq!(sent, Ok(2));
            } else {
                assert!(sent.is_err(), "{hook} {act:?}: {sent:?}");
                assert!(emitted.is_empty() || !emitted.is_ok(), "{hook} {act:?}: {emitted}");
                sleep(3 * wait).await;
                settled().await;
                assert_eq!(states(&all.statuses()), "all failed, a stopped, b failed", "{hook} {act:?}");
                assert_eq!(who_hears(&stage.bus), ["b"], "which refuses what comes");
            }
            all.stop().await;
            assert!(stage.bus.subscriptions().is_empty());
        }
    }

    #[convoke::test]
    async fn one_that_falls_as_soon_as_it_runs_is_ended_by_the_budget() {
        let stage = Stage::new();
        let all = three(&stage, Strategy::RestForOne).await.unwrap();
        for _ in 0..100 {
            stage.publish("b", Act::Panic);
        }
        settled().await;
        assert_eq!(states(&all.statuses()), "all failed, a stopped, b failed, c stopped");
        assert_eq!(stage.built.borrow()["b"], 6);
        assert_eq!(stage.bus.dead_letters().total(), 100 * 3 - heard_by_others(&stage), "each is handled or reported");
        drop(all);
    }

    /// `a` and `c` note nothing of what is for `b`, so this counts by what the subscriptions would have: all that `a` has
    /// heard before it stopped, and `c`.
    fn heard_by_others(stage: &Stage) -> u64 {
        let reported = |who: &str| {
            stage.bus.dead_letters().list().iter().filter(|letter| letter.listener.as_deref() == Some(who)).count()
        };
        assert_eq!(reported("b"), 100, "it has handled none");
        (200 - reported("a") - reported("c")) as u64
    }
}

mod nesting {
    use super::*;

    /// `top [x, inner [a, b], y]`.
    fn nested(stage: &Stage, top: Strategy, inner: Strategy) -> Supervisor {
        let inner = Supervisor::new(&stage.bus, "inner", inner)
            .budget(1, 60 * SECOND)
            .backoff(Backoff::none())
            .add(stage.member("a"))
            .add(stage.member("b"));
        Supervisor::new(&stage.bus, "top", top).add(stage.member("x")).add(inner).add(stage.member("y"))
    }

    #[convoke::test(allow_failures)]
    async fn a_supervisor_that_has_failed_is_started_again_by_the_one_above() {
        let table = [
            (Strategy::OneForOne, "b2 stop, a3 start, b3 start"),
            (Strategy::OneForAll, "b2 stop, y1 stop, x1 stop, x2 start, a3 start, b3 start, y2 start"),
            (Strategy::RestForOne, "b2 stop, y1 stop, a3 start, b3 start, y2 start"),
        ];
        for (top, expected) in table {
            let stage = Stage::new();
            let all = nested(&stage, top, Strategy::OneForAll).await.unwrap();
            stage.noted("x1 start, a1 start, b1 start, y1 start");
            stage.publish("a", Act::Panic);
            settled().await;
            stage.noted("b1 stop, a2 start, b2 start");
            stage.publish("a", Act::Panic);
            settled().await;
            stage.noted(expected);
            let running = "top running, x running, inner running, a running, b running, y running";
            assert_eq!(states(&all.statuses()), running);
            assert_eq!(all.statuses()[2].restarts, 1);
            at_once(all.stop()).await;
            assert!(stage.bus.subscriptions().is_empty());
            let stops = stage.notes.take();
            let stops: Vec<_> = stops.iter().map(|note| &note[..1]).collect();
            assert_eq!(stops, ["y", "b", "a", "x"]);
        }
    }

    #[convoke::test(allow_failures)]
    async fn beyond_the_root_all_has_failed_and_nobody_waits() {
        for inner in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
            let stage = Stage::new();
            let mut y = stage.member("y");
            let addr = y.addr();
            let inner = Supervisor::new(&stage.bus, "inner", inner)
                .budget(0, SECOND)
                .backoff(Backoff::exponential(SECOND))
                .add(stage.member("a"))
                .add(stage.member("b"));
            let all =
                Supervisor::one_for_all(&stage.bus, "top").budget(1, 60 * SECOND).add(inner).add(y).await.unwrap();
            stage.publish("b", Act::Panic);
            settled().await;
            assert_eq!(all.status().state, ServiceState::Running);
            // `y` is away with its neighbour, and comes back with it.
            assert_eq!(addr.send(Number).await, Ok(2));
            settled().await;
            stage.publish("b", Act::Panic);
            settled().await;
            assert_eq!(states(&all.statuses()), "top failed, inner failed, a stopped, b failed, y stopped");
            assert_eq!(
                all.status().error.unwrap(),
                "`inner` `b` panicked: as told; of its supervisor, no restart is allowed; of its supervisor, 1 restart \
                 within 60s of running is the most"
            );
            assert!(at_once(addr.send(Number)).await.is_err());
            let report = at_once(stage.bus.emit(Mark(1))).await;
            assert!(report.len() == 1 && report.failed().all(|(who, _)| who == "b"), "{report}");
            assert_eq!(who_hears(&stage.bus), ["b"]);
            at_once(all.stop()).await;
            assert!(stage.bus.subscriptions().is_empty());
        }
    }

    #[convoke::test(allow_failures)]
    async fn who_stops_what_is_just_failing_waits_until_all_of_it_has_stopped() {
        let stage = Stage::new();
        stage.say("a", "stop", [Act::Take(5 * SECOND)]);
        let b = stage.member("b").budget(0, SECOND);
        let all = Supervisor::one_for_one(&stage.bus, "all").add(stage.member("a")).add(b).await.unwrap();
        stage.publish("b", Act::Panic);
        sleep(SECOND).await;
        let statuses = after(4 * SECOND, all.stop()).await;
        assert!(statuses.iter().all(|status| status.state.is_over()), "{:?}", told(&statuses));
    }
}

mod stops {
    use super::*;

    /// What has been dropped or stopped leaves nothing behind: no service that is not over, no subscription, no actor.
    #[track_caller]
    fn assert_gone(stage: &Stage, who: &str) {
        assert!(stage.bus.subscriptions().is_empty(), "{who}");
        assert_eq!(convoke::testing::alive(), [""; 0], "{who}");
    }

    #[convoke::test(allow_failures)]
    async fn a_stop_or_a_drop_at_any_moment_ends_all() {
        // What is told to whom, and for how long the supervisor is let alone after that.
        let moments: [(&str, &str, Act, Duration); 5] = [
            ("running", "", Act::Well, ms(0)),
            ("in the backoff", "", Act::Panic, SECOND),
            ("in a start that hangs", "start", Act::Hang, 200 * SECOND),
            ("in a start that takes long", "start", Act::Take(20 * SECOND), 200 * SECOND),
            ("while a neighbour stops", "stop", Act::Take(3 * SECOND), SECOND),
        ];
        for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
            for (moment, hook, act, wait) in moments {
                for drops in [false, true] {
                    let stage = Stage::new();
                    let who = if hook == "stop" { "c" } else { "b" };
                    if !hook.is_empty() {
                        stage.say(who, hook, [if hook == "stop" { act } else { Act::Well }, act]);
                    }
                    let b = stage.member("b").start_timeout(1000 * SECOND);
                    let b = b.backoff(Backoff::exponential(100 * SECOND).longest(100 * SECOND)).patience(5000 * SECOND);
                    let mut b = b.handler_timeout(5000 * SECOND);
                    let addr = b.addr();
                    let all = Supervisor::new(&stage.bus, "all", strategy);
                    let all = all.add(stage.member("a")).add(b).add(stage.member("c")).await.unwrap();
                    if act != Act::Well {
                        stage.publish("b", Act::Panic);
                    }
                    sleep(wait).await;
                    if let Act::Take(_) = act
                        && hook == "start"
                    {
                        // Into the middle of one of the starts, wherever that is.
                        while addr.status().state != ServiceState::Starting {
                            stage.publish("b", Act::Panic);
                            sleep(ms(700)).await;
                        }
                    }
                    let what = format!("{strategy:?} {moment}, drop {drops}, {}", addr.status());
                    let waiting = {
                        let (told, answer) = oneshot::channel();
                        let (addr, bus) = (addr.clone(), stage.bus.clone());
                        convoke::testing::spawn(async move {
                            let answers = tokio::join!(addr.send(Number), bus.emit(Mark(1)));
                            let _ = told.send(answers);
                        });
                        answer
                    };
                    settled().await;
                    if drops {
                        drop(all);
                    } else {
                        all.stop().await;
                    }
                    sleep(10 * SECOND).await;
                    let Ok(answers) = tokio::time::timeout(ms(1), waiting).await else {
                        panic!("{what}: left waiting")
                    };
                    assert_eq!(
                        answers.unwrap().0.is_ok(),
                        act == Act::Well || !addr.status().state.is_over(),
                        "{what}"
                    );
                    assert!(addr.status().state.is_over(), "{what}: {}", addr.status());
                    assert_gone(&stage, &what);
                }
            }
        }
    }

    #[convoke::test]
    async fn who_no_longer_waits_for_a_start_has_all_stopped() {
        for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
            let stage = Stage::new();
            stage.say("b", "start", [Act::Hang]);
            start_and_give_up(three(&stage, strategy), SECOND).await;
            settled().await;
            stage.noted("a1 start, b1 start, a1 stop");
            assert_gone(&stage, &format!("{strategy:?}"));
        }
    }

    #[convoke::test]
    async fn who_no_longer_waits_at_once_has_all_stopped_at_once() {
        for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
            let stage = Stage::new();
            stage.say("b", "start", [Act::Hang]);
            start_and_give_up(three(&stage, strategy), ms(0)).await;
            settled().await;
            assert_gone(&stage, &format!("{strategy:?}"));
        }
    }

    #[convoke::test]
    async fn a_stop_that_hangs_is_cut_off_by_its_own_timeout_and_the_next_is_asked_then() {
        let stage = Stage::new();
        stage.say("b", "stop", [Act::Hang]);
        let b = stage.member("b").stop_timeout(7 * SECOND);
        let all = Supervisor::one_for_all(&stage.bus, "all").add(stage.member("a")).add(b).add(stage.member("c"));
        let all = all.await.unwrap();
        stage.notes.take();
        let statuses = after(7 * SECOND, all.stop()).await;
        stage.noted("c1 stop, b1 stop, a1 stop");
        assert_eq!(
            told(&statuses),
            ["all is stopped", "a is stopped", "b is stopped: had not stopped after 7s", "c is stopped"]
        );
        assert_gone(&stage, "hangs");
    }

    #[convoke::test]
    async fn a_stop_that_nobody_awaits_any_longer_goes_on() {
        let stage = Stage::new();
        stage.say("b", "stop", [Act::Take(7 * SECOND)]);
        let all = three(&stage, Strategy::OneForOne).await.unwrap();
        assert!(tokio::time::timeout(SECOND, all.stop()).await.is_err());
        sleep(6 * SECOND).await;
        settled().await;
        assert_gone(&stage, "given up");
    }

    #[convoke::test]
    async fn one_that_panics_while_it_is_drained_is_not_waited_for() {
        for (act, error) in [(Act::Panic, Some("panicked: as told")), (Act::Stop, None)] {
            let stage = Stage::new();
            let member = stage.member("a").await.unwrap();
            stage.mark(1);
            stage.publish("a", act);
            stage.mark(2);
            stage.publish("a", Act::Well);
            let status = at_once(member.stop()).await;
            assert_eq!((status.state, status.error.as_deref()), (ServiceState::Stopped, error));
            let handled = stage.notes.take().iter().filter(|note| note.starts_with("a1 ") && note.len() == 4).count();
            let letters = stage.bus.dead_letters().list();
            let marks = letters.iter().filter(|letter| letter.event == "Mark").count();
            assert_eq!(handled + marks, 2);
            assert_gone(&stage, "drained");
        }
    }

    #[convoke::test(allow_failures)]
    async fn nothing_is_handled_by_one_that_is_to_be_built_anew() {
        let stage = Stage::new();
        let member = stage.member("a").on_error(OnError::Restart).await.unwrap();
        stage.notes.take();
        stage.publish("a", Act::Fail);
        stage.publish("a", Act::Panic);
        settled().await;
        assert_eq!(member.status().restarts, 2);
        stage.noted("a2 start, a3 start");
        member.stop().await;
    }
}

mod applications {
    use convoke::{Services, ServicesHandle, Shutdown};

    use super::*;

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
    async fn one_that_does_not_stop_in_time_is_late_and_holds_up_nobody() {
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

    #[convoke::test(allow_failures)]
    async fn a_second_signal_hurries() {
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

    #[convoke::test(allow_failures)]
    async fn it_is_ready_as_long_as_all_run() {
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
}
