//! Its start, its end, and its restart.

use convoke::testing::expect_failure;

use super::*;

#[convoke::test]
async fn a_service_is_subscribed_when_it_runs_and_no_longer_when_it_has_stopped() {
    let (bus, office) = (EventBus::default(), Office::new());
    let hire = office.clone();
    let seen = watch(&bus);
    let clerk = at_once(Clerk::supervised(&bus, move |_| hire.hire()).into_future()).await.unwrap();
    assert_eq!(office.notes.take(), ["1: open", "1: begin"]);
    assert_eq!(clerk.status().state, ServiceState::Running);

    assert!(at_once(bus.emit(OrderPlaced { id: 7 })).await.is_ok());
    bus.publish_json("stock/low", serde_json::json!({})).unwrap();
    bus.drain().await;
    assert_eq!(office.notes.take(), ["1: order 7", "1: stock/low"]);
    assert_eq!(clerk.send(Number).await, Ok(1));

    let status = at_once(clerk.stop()).await;
    assert_eq!((status.state, status.error), (ServiceState::Stopped, None));
    assert_eq!(office.notes.take(), ["1: close"]);
    bus.drain().await;
    assert_eq!(*seen.borrow(), ["Clerk is starting", "Clerk is running", "Clerk is stopping", "Clerk is stopped"]);
    assert_eq!(bus.subscriptions().len(), 1, "only the watch is left");
    bus.clear();
}

#[convoke::test]
async fn a_panic_is_followed_by_a_new_actor_and_what_waited_is_heard_by_it() {
    let (bus, office) = (EventBus::default(), Office::new());
    let hire = office.clone();
    let seen = watch(&bus);
    let clerk = Clerk::supervised(&bus, move |_| hire.hire()).backoff(Backoff::exponential(SECOND)).await.unwrap();
    office.notes.take();
    for id in [1, 666, 2, 3] {
        bus.publish(OrderPlaced { id }).unwrap();
    }
    settled().await;
    assert_eq!(office.notes.take(), ["1: order 1", "1: order 666"]);
    assert_eq!(clerk.status().state, ServiceState::Restarting);
    assert_eq!(bus.subscriptions().iter().find(|info| info.hears == "OrderPlaced").unwrap().waiting, 2);
    assert_eq!(clerk.send(Number).await, Ok(2), "it waits for the next actor");
    settled().await;
    assert_eq!(office.notes.take(), ["2: open", "2: begin", "2: order 2", "2: order 3"]);
    let letters: Vec<_> = bus.dead_letters().list().iter().map(|letter| letter.reason.to_string()).collect();
    assert_eq!(letters, ["panicked: cursed order"]);
    assert_eq!(
        *seen.borrow(),
        [
            "Clerk is starting",
            "Clerk is running",
            "Clerk is restarting: panicked: cursed order",
            "Clerk is starting",
            "Clerk is running"
        ]
    );
    assert_eq!((clerk.status().restarts, clerk.status().errors), (1, 1));
    clerk.stop().await;
    bus.clear();
}

#[convoke::test]
async fn beyond_its_budget_it_has_failed_and_nobody_waits() {
    let (bus, office) = (EventBus::default(), Office::new());
    let hire = office.clone();
    let clerk = Clerk::supervised(&bus, move |_| hire.hire()).budget(2, 60 * SECOND).backoff(Backoff::none());
    let clerk = clerk.await.unwrap();
    for _ in 0..3 {
        bus.publish(OrderPlaced { id: 666 }).unwrap();
    }
    bus.publish(OrderPlaced { id: 1 }).unwrap();
    settled().await;
    let status = clerk.status();
    assert_eq!(status.state, ServiceState::Failed);
    assert_eq!(status.error.as_deref(), Some("panicked: cursed order; 2 restarts within 60s of running are the most"));
    let error = at_once(clerk.send(Number)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("the service `Clerk` has failed: {}", status.error.unwrap()));
    assert_eq!(bus.dead_letters().len(), 4);
    assert_eq!(at_once(clerk.stop()).await.state, ServiceState::Failed);
    assert!(bus.subscriptions().is_empty());
}

#[convoke::test]
async fn a_failed_start_leaves_nothing_behind() {
    for (act, expected) in [
        (Act::Fail, "did not start: as told"),
        (Act::Panic, "did not start: panicked: as told"),
        (Act::Hang, "had not started after 2s: raise its `start_timeout`, or start less"),
    ] {
        let (bus, office) = (EventBus::default(), Office::new());
        office.start.set(act);
        let hire = office.clone();
        let wait = if act == Act::Hang { 2 * SECOND } else { ms(0) };
        let start = Clerk::supervised(&bus, move |_| hire.hire()).start_timeout(2 * SECOND);
        let error = after(wait, start.into_future()).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(bus.subscriptions().is_empty());
        assert_eq!(office.notes.take(), ["1: open"]);
    }
}

/// What ends a clerk, and what is said of it.
const ENDS: [(u64, &str); 4] = [
    (666, "panicked: cursed order"),
    (700, "it stopped by itself"),
    (900, "had enough"),
    (500, "failed: no such order"),
];

#[convoke::test]
async fn each_restart_follows_its_own_ends() {
    expect_failure("Clerk");
    for restart in [Restart::Always, Restart::OnFailure, Restart::Never] {
        for (id, why) in ENDS {
            let (bus, office) = (EventBus::default(), Office::new());
            let hire = office.clone();
            let seen = watch(&bus);
            let clerk = Clerk::supervised(&bus, move |_| hire.hire())
                .restart(restart)
                .on_error(OnError::Restart)
                .backoff(Backoff::none())
                .await
                .unwrap();
            bus.publish(OrderPlaced { id }).unwrap();
            settled().await;
            let stopped = id == 700;
            let expected = match (restart, stopped) {
                (Restart::Always, _) | (Restart::OnFailure, false) => (ServiceState::Running, 2),
                (_, true) => (ServiceState::Stopped, 1),
                (_, false) => (ServiceState::Failed, 1),
            };
            assert_eq!((clerk.status().state, office.built.get()), expected, "{restart:?} {why}");
            let told = seen.borrow().iter().any(|status| status.ends_with(why));
            assert!(told || (stopped && restart != Restart::Always), "{restart:?} {why}: {:?}", seen.borrow());
            clerk.stop().await;
            assert_eq!(bus.subscriptions().len(), 1);
            bus.clear();
        }
    }
}

#[convoke::test]
async fn it_says_of_itself_that_it_is_degraded_and_well_again() {
    let (bus, office) = (EventBus::default(), Office::new());
    let hire = office.clone();
    let clerk = Clerk::supervised(&bus, move |_| hire.hire()).await.unwrap();
    bus.emit(OrderPlaced { id: 800 }).await.ok().unwrap();
    assert_eq!(clerk.status().to_string(), "Clerk is degraded: the pen is dry");
    bus.emit(OrderPlaced { id: 801 }).await.ok().unwrap();
    assert_eq!(clerk.status().to_string(), "Clerk is running");
    assert_eq!(clerk.status().restarts, 0);
}

#[convoke::test]
async fn a_stop_that_fails_or_hangs_is_told_and_ends() {
    convoke::testing::expect_failure("Clerk");
    for (act, expected, wait) in [
        (Act::Fail, "its stop failed: as told", ms(0)),
        (Act::Panic, "its stop panicked: as told", ms(0)),
        (Act::Hang, "had not stopped after 3s", 3 * SECOND),
    ] {
        let (bus, office) = (EventBus::default(), Office::new());
        office.stop.set(act);
        let hire = office.clone();
        let clerk = Clerk::supervised(&bus, move |_| hire.hire()).stop_timeout(3 * SECOND).await.unwrap();
        let status = after(wait, clerk.stop()).await;
        assert_eq!((status.state, status.error.as_deref()), (ServiceState::Stopped, Some(expected)));
        assert!(bus.subscriptions().is_empty());
    }
}

#[convoke::test]
async fn a_supervisor_says_if_what_a_service_needs_stands_after_it() {
    #[derive(BaseService)]
    struct Ledger;

    #[derive(BaseService)]
    #[service(needs(Ledger))]
    struct Billing;

    let bus = EventBus::default();
    let ledger = || Ledger::supervised(&bus, |_| Ledger);
    let billing = || Billing::supervised(&bus, |_| Billing);
    let wrong = || convoke::Supervisor::rest_for_one(&bus, "money").add(billing()).add(ledger());
    let error = wrong().await.unwrap_err();
    assert_eq!(error.to_string(), "`Billing` needs `Ledger`, which stands after it: add that first");
    let error = Services::new(&bus).add(wrong()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the service `Billing` of `money` needs `Ledger`, which stands after it: add that first"
    );
    let right = convoke::Supervisor::rest_for_one(&bus, "money").add(ledger()).add(billing()).await.unwrap();
    assert_eq!(right.status().state, ServiceState::Running);
    right.stop().await;
}

#[convoke::test]
async fn a_service_that_hears_nothing_and_that_nobody_addresses_lives_until_its_stop_is_done() {
    #[derive(BaseService)]
    #[service(stop = close)]
    struct Quiet(Notes<&'static str>);

    impl Quiet {
        fn close(&mut self) -> impl Future<Output = ()> + use<> {
            let notes = self.0.clone();
            async move {
                sleep(SECOND).await;
                notes.add("closed");
            }
        }
    }

    let (bus, notes) = (EventBus::default(), Notes::new());
    let closed = notes.clone();
    let quiet = Quiet::supervised(&bus, move |_| Quiet(closed.clone())).await.unwrap();
    sleep(3600 * SECOND).await;
    assert_eq!((quiet.status().state, quiet.status().restarts), (ServiceState::Running, 0));
    assert_eq!(after(SECOND, quiet.stop()).await.to_string(), "Quiet is stopped");
    assert_eq!(notes.take(), ["closed"]);
}
