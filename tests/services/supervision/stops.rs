//! In which order, and within which deadline, they stop.

use convoke::testing::expect_failure;

use super::*;

/// What has been dropped or stopped leaves nothing behind: no service that is not over, no subscription, no actor.
#[track_caller]
fn assert_gone(stage: &Stage, who: &str) {
    assert!(stage.bus.subscriptions().is_empty(), "{who}");
    assert_eq!(convoke::testing::alive(), [""; 0], "{who}");
}

#[convoke::test]
async fn a_stop_or_a_drop_at_any_moment_ends_all() {
    expect_failure("b");
    // What is told to whom, and for how long the supervisor is let alone after that.
    let moments: [(&str, &str, Act, Duration); 5] = [
        ("running", "", Act::Well, ms(0)),
        ("in the backoff", "", Act::Panic, SECOND),
        ("in a start that hangs", "start", Act::Hang, 200 * SECOND),
        ("in a start that takes long", "start", Act::Take(20 * SECOND), 200 * SECOND),
        ("while a neighbor stops", "stop", Act::Take(3 * SECOND), SECOND),
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
                let b = b.backoff(Backoff::exponential(100 * SECOND).max_delay(100 * SECOND)).patience(5000 * SECOND);
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
                let Ok(answers) = tokio::time::timeout(ms(1), waiting).await else { panic!("{what}: left waiting") };
                assert_eq!(answers.unwrap().0.is_ok(), act == Act::Well || !addr.status().state.is_over(), "{what}");
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
    expect_failure("b");
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

#[convoke::test]
async fn nothing_is_handled_by_one_that_is_to_be_built_anew() {
    expect_failure("a");
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
