//! How often it may come back.

use convoke::testing::expect_failure;

use super::*;

#[convoke::test]
async fn one_beyond_its_own_budget_ends_all() {
    expect_failure("b");
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
        let all_told =
            [&format!("all has failed: `b` {why}"), "a is stopped", &format!("b has failed: {why}"), "c is stopped"];
        assert_eq!(told(&all.statuses()), all_told, "{strategy:?}");
        assert_eq!(who_hears(&stage.bus), ["a", "b", "c"], "which refuse what comes");
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
        let all_told =
            [&format!("all has failed: `c` {why}"), "a is stopped", "b is stopped", &format!("c has failed: {why}")];
        assert_eq!(told(&all.statuses()), all_told, "{strategy:?}");
        // Nobody is left waiting, and nothing vanishes.
        assert_eq!(at_once(addr.send(Number)).await, Err(ServiceError::Stopped { service: "b".to_owned() }));
        let handled = stage.notes.take().iter().filter(|note| note.ends_with(" 1")).count();
        let letters = stage.bus.dead_letters().list();
        let marks = letters.iter().filter(|letter| letter.event == "Mark").count();
        assert_eq!(handled + marks, 3, "{strategy:?}");
        let report = at_once(stage.bus.emit(Mark(2))).await;
        let mut refused: Vec<_> = report.failed().map(|(who, _)| who.to_owned()).collect();
        refused.sort();
        assert!(report.len() == 3 && refused == ["a", "b", "c"], "{report}");
        assert_eq!(who_hears(&stage.bus), ["a", "b", "c"]);
        at_once(all.stop()).await;
        assert!(stage.bus.subscriptions().is_empty());
    }
}

#[convoke::test]
async fn a_restart_that_was_long_ago_no_longer_counts() {
    ["a", "b", "c"].into_iter().for_each(expect_failure);
    let stage = Stage::new();
    let all = three(&stage, Strategy::OneForOne).budget(2, 60 * SECOND).await.unwrap();
    for who in ["a", "b", "c", "a", "b", "c"] {
        stage.publish(who, Act::Panic);
        sleep(31 * SECOND).await;
    }
    assert_eq!(states(&all.statuses()), "all running, a running, b running, c running");
    all.stop().await;
}

#[convoke::test]
async fn the_time_of_the_supervisor_is_its_own_and_not_that_of_who_falls() {
    ["b", "a"].into_iter().for_each(expect_failure);
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

#[convoke::test]
async fn a_start_that_never_succeeds_again_is_ended_by_the_budget_however_long_it_takes() {
    expect_failure("b");
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
            assert_eq!(who_hears(&stage.bus), ["a", "b"], "which refuse what comes");
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
