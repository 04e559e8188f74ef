//! Supervisors of supervisors.

use convoke::testing::expect_failure;

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

#[convoke::test]
async fn a_supervisor_that_has_failed_is_started_again_by_the_one_above() {
    expect_failure("a");
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

#[convoke::test]
async fn beyond_the_root_all_has_failed_and_nobody_waits() {
    expect_failure("b");
    for inner in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let stage = Stage::new();
        let mut y = stage.member("y");
        let addr = y.addr();
        let inner = Supervisor::new(&stage.bus, "inner", inner)
            .budget(0, SECOND)
            .backoff(Backoff::exponential(SECOND))
            .add(stage.member("a"))
            .add(stage.member("b"));
        let all = Supervisor::one_for_all(&stage.bus, "top").budget(1, 60 * SECOND).add(inner).add(y).await.unwrap();
        stage.publish("b", Act::Panic);
        settled().await;
        assert_eq!(all.status().state, ServiceState::Running);
        // `y` is away with its neighbor, and comes back with it.
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
        let mut refused: Vec<_> = report.failed().map(|(who, _)| who.to_owned()).collect();
        refused.sort();
        assert!(report.len() == 3 && refused == ["a", "b", "y"], "{report}");
        assert_eq!(who_hears(&stage.bus), ["a", "b", "y"], "which refuse what comes, as nobody brings them back");
        at_once(all.stop()).await;
        assert!(stage.bus.subscriptions().is_empty());
    }
}

#[convoke::test]
async fn who_stops_what_is_just_failing_waits_until_all_of_it_has_stopped() {
    expect_failure("b");
    let stage = Stage::new();
    stage.say("a", "stop", [Act::Take(5 * SECOND)]);
    let b = stage.member("b").budget(0, SECOND);
    let all = Supervisor::one_for_one(&stage.bus, "all").add(stage.member("a")).add(b).await.unwrap();
    stage.publish("b", Act::Panic);
    sleep(SECOND).await;
    let statuses = after(4 * SECOND, all.stop()).await;
    assert!(statuses.iter().all(|status| status.state.is_over()), "{:?}", told(&statuses));
}
