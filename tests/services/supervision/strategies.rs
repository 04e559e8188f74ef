//! What falls with which.

use convoke::testing::expect_failure;

use super::*;

#[convoke::test]
async fn what_falls_takes_along_what_the_strategy_says() {
    ["a", "b", "c"].into_iter().for_each(expect_failure);
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

#[convoke::test]
async fn a_message_to_a_neighbor_that_is_taken_along_waits_for_it() {
    expect_failure("a");
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

#[convoke::test]
async fn one_that_has_done_its_work_takes_nobody_along_and_stays() {
    ["a", "b"].into_iter().for_each(expect_failure);
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

#[convoke::test]
async fn two_that_fall_at_once_are_both_built_anew() {
    ["a", "b", "c"].into_iter().for_each(expect_failure);
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

#[convoke::test]
async fn one_before_it_that_falls_during_its_backoff_takes_it_along() {
    ["b", "a"].into_iter().for_each(expect_failure);
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

#[convoke::test]
async fn one_before_it_that_ends_for_good_during_its_backoff_leaves_it_to_come_back() {
    ["b", "a"].into_iter().for_each(expect_failure);
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

#[convoke::test]
async fn one_that_fails_in_the_middle_of_a_restart_is_tried_again_and_those_after_it_with_it() {
    expect_failure("a");
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

#[convoke::test]
async fn one_that_fails_in_a_restart_and_does_not_come_back_leaves_the_others_to_come_back() {
    expect_failure("a");
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
            assert_eq!(states(&all.statuses()), "all running, a running, b failed, c running", "{strategy:?} {hook}");
            all.stop().await;
        }
    }
}

#[convoke::test]
async fn who_awaits_a_neighbor_waits_no_longer_than_a_call_may_take_while_others_stop() {
    ["a", "b"].into_iter().for_each(expect_failure);
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
