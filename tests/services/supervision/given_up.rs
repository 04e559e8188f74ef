//! A supervisor that has given up, and is started again by the one above it: what is published meanwhile waits, and nobody is
//! said to have failed for good. And one that nobody starts again: what is published to any of it is told.

use convoke::Services;
use convoke::testing::expect_failure;

use super::*;

const STRATEGIES: [Strategy; 3] = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne];

/// `a`, `b` and `c`, which no restart is allowed.
fn spent(stage: &Stage, strategy: Strategy) -> Supervisor {
    three(stage, strategy).budget(0, SECOND).backoff(Backoff::fixed(10 * SECOND))
}

/// What became of this mark: who has heard it, each once, and of whom it is a dead letter.
fn fate_of(stage: &Stage, mark: u32) -> (Vec<String>, Vec<String>) {
    let mut heard = stage.notes.take();
    heard.retain(|note| note.ends_with(&format!(" {mark}")));
    heard.sort();
    let letters = stage.bus.dead_letters().take_all();
    let mut letters: Vec<_> =
        letters.iter().filter(|letter| letter.event == "Mark").filter_map(|letter| letter.listener.clone()).collect();
    letters.sort();
    (heard, letters.iter().map(|who| who.to_string()).collect())
}

#[track_caller]
fn assert_heard(stage: &Stage, mark: u32, by: [&str; 3], case: &str) {
    let (heard, letters) = fate_of(stage, mark);
    assert_eq!(heard, by.map(|who| format!("{who} {mark}")), "{case}");
    assert!(letters.is_empty(), "{case}: {letters:?}");
}

/// What is told of every change of a status.
fn watched(bus: &EventBus) -> Notes<String> {
    let notes = Notes::new();
    let seen = notes.clone();
    bus.on(move |status: &ServiceStatus| seen.add(status.to_string())).unwrap().forever();
    notes
}

#[convoke::test]
async fn what_is_published_meanwhile_waits() {
    ["a", "b", "c"].into_iter().for_each(expect_failure);
    for strategy in STRATEGIES {
        for fallen in ["a", "b", "c"] {
            let case = format!("{strategy:?} {fallen}");
            let stage = Stage::new();
            let states_seen = watched(&stage.bus);
            let top = Supervisor::one_for_one(&stage.bus, "top").add(spent(&stage, strategy)).await.unwrap();
            stage.publish(fallen, Act::Panic);
            settled().await;
            stage.mark(7);
            let (bus, reports) = (stage.bus.clone(), Notes::new());
            let report = reports.clone();
            convoke::testing::spawn(async move { report.add(bus.emit(Mark(8)).await.is_ok()) });
            settled().await;
            let away = "top running, all restarting, a restarting, b restarting, c restarting";
            assert_eq!(states(&top.statuses()), away, "{case}");
            sleep(10 * SECOND).await;
            settled().await;
            let up = "top running, all running, a running, b running, c running";
            assert_eq!(states(&top.statuses()), up, "{case}");
            assert_eq!(reports.take(), [true], "{case}");
            assert_heard(&stage, 7, ["a2", "b2", "c2"], &case);
            let failed: Vec<_> = states_seen.take().into_iter().filter(|status| status.contains("failed")).collect();
            assert!(failed.is_empty(), "{case}: {failed:?}");
            at_once(top.stop()).await;
        }
    }
}

#[convoke::test]
async fn it_waits_too_while_the_next_start_fails() {
    ["a", "b", "c"].into_iter().for_each(expect_failure);
    for strategy in STRATEGIES {
        for (hook, act) in [("build", Act::Fail), ("start", Act::Panic), ("begin", Act::Panic)] {
            let case = format!("{strategy:?} {hook}");
            let stage = Stage::new();
            stage.say("b", hook, [Act::Well, act, act, Act::Well]);
            let inner = spent(&stage, strategy).backoff(Backoff::fixed(SECOND));
            let top = Supervisor::one_for_one(&stage.bus, "top").add(inner).await.unwrap();
            stage.publish("b", Act::Panic);
            settled().await;
            for second in 0..3 {
                stage.mark(second);
                sleep(SECOND).await;
                settled().await;
            }
            assert_eq!(states(&top.statuses()), "top running, all running, a running, b running, c running", "{case}");
            let heard = stage.notes.take();
            for second in 0..3 {
                let mark = format!(" {second}");
                assert_eq!(heard.iter().filter(|note| note.ends_with(&mark)).count(), 3, "{case}: {heard:?}");
            }
            assert!(stage.bus.dead_letters().take_all().iter().all(|letter| letter.event != "Mark"), "{case}");
            at_once(top.stop()).await;
        }
    }
}

#[convoke::test]
async fn it_waits_for_a_supervisor_far_above() {
    ["a", "b", "c"].into_iter().for_each(expect_failure);
    for strategy in STRATEGIES {
        let stage = Stage::new();
        let middle =
            Supervisor::one_for_all(&stage.bus, "middle").budget(0, SECOND).backoff(Backoff::fixed(20 * SECOND));
        let middle = middle.add(spent(&stage, strategy)).add(stage.member("x"));
        let top = Services::new(&stage.bus).add(middle).live_needs("c").await.unwrap();
        stage.publish("b", Act::Panic);
        settled().await;
        stage.mark(7);
        settled().await;
        let away = "middle restarting, all restarting, a restarting, b restarting, c restarting, x restarting";
        assert_eq!(states(&top.statuses()), away, "{strategy:?}");
        assert!(top.health().is_live(), "it comes back");
        sleep(20 * SECOND).await;
        settled().await;
        let (heard, letters) = fate_of(&stage, 7);
        assert_eq!(heard, ["a2 7", "b2 7", "c2 7", "x2 7"], "{strategy:?}");
        assert!(letters.is_empty());
        at_once(top.shutdown()).await;
    }
}

#[convoke::test]
async fn beyond_the_last_restart_all_of_it_refuses_and_says_why() {
    ["a", "b", "c"].into_iter().for_each(expect_failure);
    for strategy in STRATEGIES {
        for restart in [Restart::Always, Restart::Never] {
            let case = format!("{strategy:?} {restart:?}");
            let stage = Stage::new();
            // What waits is handled before they stop, as when somebody orders it.
            let running = Services::new(&stage.bus).add(spent(&stage, strategy).restart(restart)).await.unwrap();
            for _ in 0..if restart == Restart::Always { 6 } else { 1 } {
                stage.publish("b", Act::Panic);
                sleep(11 * SECOND).await;
                settled().await;
            }
            assert_eq!(states(&running.statuses()), "all failed, a stopped, b failed, c stopped", "{case}");
            assert_eq!(who_hears(&stage.bus), ["a", "b", "c"], "{case}");
            fate_of(&stage, 7);
            stage.mark(7);
            settled().await;
            let letters = stage.bus.dead_letters().list();
            let of_a: Vec<_> = letters
                .iter()
                .filter(|letter| letter.listener.as_deref() == Some("a"))
                .map(|one| one.reason.to_string())
                .collect();
            let expected = "failed: the service `a` was stopped: its supervisor `all` has failed: `b` panicked: as told; of its \
                            supervisor, no restart is allowed";
            assert_eq!(of_a.len(), 1, "{case}");
            assert!(of_a[0].starts_with(expected), "{case}: {}", of_a[0]);
            assert_eq!(fate_of(&stage, 7), (vec![], ["a", "b", "c"].map(str::to_owned).to_vec()), "{case}");
            assert_eq!(at_once(running.failed()).await.service, "all", "{case}");
            at_once(running.shutdown()).await;
            assert!(stage.bus.subscriptions().is_empty(), "{case}");
        }
    }
}

#[convoke::test]
async fn a_shutdown_waits_for_it_with_what_it_is_to_handle() {
    expect_failure("b");
    let stage = Stage::new();
    let running = Services::new(&stage.bus).add(spent(&stage, Strategy::OneForAll).backoff(Backoff::fixed(4 * SECOND)));
    let running = running.await.unwrap();
    stage.publish("b", Act::Panic);
    settled().await;
    stage.mark(7);
    let report = running.run_until(std::future::ready(())).await;
    assert!(report.drained && report.ended_by.is_none(), "{report}");
    assert_eq!(states(&report.services), "all stopped, a stopped, b stopped, c stopped");
    assert_heard(&stage, 7, ["a2", "b2", "c2"], "");
}

/// Both give up at once, each in the hope of the one restart that is left.
#[convoke::test]
async fn of_two_that_hope_for_one_restart_neither_loses_a_word() {
    ["b1", "b2"].into_iter().for_each(expect_failure);
    let stage = Stage::new();
    let half = |name: &'static str, a, b| {
        let half = Supervisor::one_for_all(&stage.bus, name).budget(0, SECOND).backoff(Backoff::fixed(10 * SECOND));
        half.add(stage.member(a)).add(stage.member(b))
    };
    let top = Supervisor::one_for_all(&stage.bus, "top").budget(1, 60 * SECOND);
    let top = top.add(half("one", "a1", "b1")).add(half("two", "a2", "b2")).await.unwrap();
    stage.publish("b1", Act::Panic);
    stage.publish("b2", Act::Panic);
    stage.mark(7);
    settled().await;
    stage.mark(8);
    sleep(30 * SECOND).await;
    settled().await;
    let given: Vec<_> =
        stage.notes.take().into_iter().filter(|note| note.ends_with(" 7") || note.ends_with(" 8")).collect();
    let letters = stage.bus.dead_letters().take_all();
    let lost = letters.iter().filter(|letter| letter.event == "Mark").count();
    assert_eq!(given.len() + lost, 8, "{given:?}, {} and {lost} letters", states(&top.statuses()));
    drop(top);
}

#[convoke::test]
async fn who_orders_the_end_meanwhile_has_it_at_once() {
    ["a", "b", "c"].into_iter().for_each(expect_failure);
    for strategy in STRATEGIES {
        let stage = Stage::new();
        let top = Supervisor::one_for_one(&stage.bus, "top").add(spent(&stage, strategy)).await.unwrap();
        stage.publish("b", Act::Panic);
        settled().await;
        stage.mark(7);
        let statuses = at_once(top.stop()).await;
        assert_eq!(states(&statuses), "top stopped, all stopped, a stopped, b stopped, c stopped");
        assert_eq!(fate_of(&stage, 7), (vec![], ["a", "b", "c"].map(str::to_owned).to_vec()), "{strategy:?}");
        assert!(stage.bus.subscriptions().is_empty());
    }
}

/// The start of a supervisor ends with a child of it that has started and fails, and says so.
#[convoke::test]
async fn a_supervisor_that_still_starts_fails_with_a_child_that_has_started() {
    expect_failure("a");
    for strategy in [Strategy::OneForOne] {
        let stage = Stage::new();
        stage.say("c", "start", [Act::Take(50 * SECOND)]);
        let telling = stage.clone();
        convoke::testing::spawn(async move {
            sleep(SECOND).await;
            telling.publish("a", Act::Panic);
        });
        let error = after(SECOND, spent(&stage, strategy).into_future()).await.unwrap_err();
        let why = "did not start: `a` panicked: as told; of its supervisor, no restart is allowed";
        assert_eq!(error.to_string(), why);
        settled().await;
        assert!(stage.bus.subscriptions().is_empty());
    }
}
