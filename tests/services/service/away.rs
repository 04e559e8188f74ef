//! What it is told while it is away.

use convoke::testing::expect_failure;

use super::*;

#[convoke::test]
async fn who_awaits_an_event_by_a_service_that_is_away_waits_as_long_as_a_call_may_take() {
    let (bus, office) = (EventBus::default(), Office::new());
    let hire = office.clone();
    let clerk = Clerk::supervised(&bus, move |_| hire.hire()).handler_timeout(5 * SECOND);
    let clerk = clerk.backoff(Backoff::exponential(60 * SECOND)).await.unwrap();
    assert!(!at_once(bus.emit(OrderPlaced { id: 666 })).await.is_ok());
    let report = after(5 * SECOND, bus.emit(OrderPlaced { id: 1 })).await;
    assert_eq!(report.to_string(), "OrderPlaced: 1 listener, 1 failed: `Clerk` was not done after 5s");
    sleep(60 * SECOND).await;
    assert_eq!(clerk.status().state, ServiceState::Running);
    assert!(office.notes.take().iter().all(|note| note != "2: order 1"));
    clerk.stop().await;
}

#[convoke::test]
async fn who_comes_later_to_a_service_that_is_away_waits_as_long() {
    expect_failure("Clerk");
    let (bus, office) = (EventBus::default(), Office::new());
    let hire = office.clone();
    let hour = Backoff::exponential(3600 * SECOND).max_delay(3600 * SECOND);
    let clerk = Clerk::supervised(&bus, move |_| hire.hire()).handler_timeout(5 * SECOND).backoff(hour).await.unwrap();
    bus.publish(OrderPlaced { id: 666 }).unwrap();
    for wait in [0, 6, 1] {
        sleep(wait * SECOND).await;
        let (other, report) = tokio::join!(
            async {
                sleep(2 * SECOND).await;
                after(5 * SECOND, bus.emit(OrderPlaced { id: 2 })).await
            },
            after(5 * SECOND, bus.emit(OrderPlaced { id: 1 }))
        );
        assert!(!report.is_ok() && !other.is_ok(), "{report}, {other}");
    }
    clerk.stop().await;
}

#[convoke::test]
async fn what_a_service_that_is_away_has_no_room_for_is_refused() {
    expect_failure("Clerk");
    let (bus, office) = (EventBus::default(), Office::new());
    let hire = office.clone();
    let clerk =
        Clerk::supervised(&bus, move |_| hire.hire()).capacity(2).backoff(Backoff::exponential(SECOND)).await.unwrap();
    bus.publish(OrderPlaced { id: 666 }).unwrap();
    settled().await;
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            actix_rt::spawn({
                let clerk = clerk.addr();
                async move { clerk.send(Number).await }
            })
        })
        .collect();
    settled().await;
    let busy = at_once(clerk.send(Number)).await.unwrap_err();
    assert_eq!(
        busy.to_string(),
        "the service `Clerk` takes no more now: it restarts, or as many messages wait as may; try again later"
    );
    assert_eq!(clerk.try_send(Number), Err(busy));
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap(), Ok(2));
    }
    clerk.stop().await;
}

/// Takes a second before and after.
async fn slowly(call: Call, next: Next) -> Handled {
    sleep(SECOND).await;
    let handled = next.run(call).await;
    sleep(SECOND).await;
    handled
}

#[convoke::test]
async fn a_stop_waits_for_what_stands_around_the_service() {
    let (bus, office) = (EventBus::builder().with(slowly).build(), Office::new());
    let hire = office.clone();
    let clerk = Clerk::supervised(&bus, move |_| hire.hire()).await.unwrap();
    office.notes.take();
    for id in [1, 500] {
        bus.publish(OrderPlaced { id }).unwrap();
    }
    let status = after(4 * SECOND, clerk.stop()).await;
    assert_eq!(status.error, None);
    assert_eq!(office.notes.take(), ["1: order 1", "1: order 500", "1: close"]);
    assert_eq!(bus.dead_letters().len(), 1);
}

/// An error that cannot be shown.
#[derive(Debug)]
struct Unspeakable;

impl std::fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("unspeakable")
    }
}

impl std::error::Error for Unspeakable {}

#[convoke::test]
async fn an_error_that_panics_when_it_is_shown_is_an_error_like_others() {
    expect_failure("Clerk");
    let (bus, office) = (EventBus::default(), Office::new());
    let error = Clerk::supervised(&bus, |_| Err::<Clerk, _>(Unspeakable)).await.unwrap_err();
    assert_eq!(error.to_string(), "could not be built: an error that panics when it is shown: unspeakable");
    let hire = office.clone();
    let once = Cell::new(true);
    let clerk = Clerk::supervised(&bus, move |_| match hire.built.get() {
        1 if once.replace(false) => Err(Unspeakable),
        _ => Ok(hire.hire()),
    });
    let clerk = clerk.backoff(Backoff::none()).await.unwrap();
    bus.publish(OrderPlaced { id: 666 }).unwrap();
    settled().await;
    assert_eq!((clerk.status().state, clerk.status().restarts), (ServiceState::Running, 2));
}

#[convoke::test]
async fn what_somebody_has_unregistered_is_subscribed_anew_with_the_next_actor() {
    let (bus, office) = (EventBus::default(), Office::new());
    let hire = office.clone();
    let clerk = Clerk::supervised(&bus, move |_| hire.hire()).backoff(Backoff::none()).await.unwrap();
    bus.publish(OrderPlaced { id: 900 }).unwrap();
    bus.clear();
    assert!(bus.subscriptions().is_empty());
    let ended = clerk.addr().present().unwrap();
    ended.do_send(Fall);
    settled().await;
    assert_eq!(bus.subscriptions().len(), 2);
    assert_eq!(bus.emit(OrderPlaced { id: 1 }).await.len(), 1);
    assert_eq!(clerk.status().restarts, 1);
}

#[derive(Message)]
#[rtype(result = "()")]
struct Fall;

impl Handler<Fall> for Clerk {
    type Result = ();

    fn handle(&mut self, _: Fall, ctx: &mut Context<Self>) {
        ctx.restart("told to");
    }
}

/// Asks a clerk for its number when it hears of an order.
#[derive(BaseService)]
#[service(on(OrderPlaced))]
struct Boss {
    clerk: ServiceAddr<Clerk>,
    notes: Notes<String>,
}

impl Handler<Heard<OrderPlaced>> for Boss {
    type Result = ResponseFuture<Handled>;

    fn handle(&mut self, order: Heard<OrderPlaced>, _: &mut Context<Self>) -> Self::Result {
        let (clerk, notes) = (self.clerk.clone(), self.notes.clone());
        Box::pin(async move {
            if order.id == 2 {
                sleep(2 * SECOND).await; // as long as it takes the clerk to fall
            }
            let asked = clerk.send(Number).await;
            notes.add(match &asked {
                Ok(number) => format!("boss: {number}"),
                Err(error) => format!("boss: {error}"),
            });
            asked?;
            Ok(())
        })
    }
}

#[convoke::test]
async fn who_restarts_together_with_whom_it_asks_does_not_wait_for_it() {
    let (bus, office) = (EventBus::default(), Office::new());
    let hire = office.clone();
    let mut clerk = Clerk::supervised(&bus, move |_| hire.hire()).backoff(Backoff::exponential(SECOND));
    let addr = clerk.addr();
    let notes = office.notes.clone();
    let asked = addr.clone();
    let boss = Boss::supervised(&bus, move |_| Boss { clerk: asked.clone(), notes: notes.clone() });
    let all = convoke::Supervisor::rest_for_one(&bus, "all").add(clerk).add(boss).await.unwrap();
    bus.publish(OrderPlaced { id: 2 }).unwrap();
    sleep(SECOND).await;
    office.notes.take();
    addr.try_send(Fall).unwrap();
    bus.publish(OrderPlaced { id: 3 }).unwrap();
    sleep(4 * SECOND).await;
    assert_eq!(
        office.notes.take(),
        [
            "boss: the service `Clerk` restarts together with who asks it: ask again when both are back",
            "2: open",
            "2: begin",
            "2: order 3",
            "boss: 2"
        ]
    );
    assert!(all.statuses().iter().all(|status| status.state == ServiceState::Running));
    assert_eq!(bus.dead_letters().len(), 1);
    all.stop().await;
}

#[convoke::test]
async fn who_waits_for_it_to_run_is_told_when_it_does_and_when_it_never_will() {
    let (bus, office) = (EventBus::default(), Office::new());
    let hire = office.clone();
    let mut clerk =
        Clerk::supervised(&bus, move |_| hire.hire()).backoff(Backoff::exponential(SECOND)).budget(1, SECOND);
    let addr = clerk.addr();
    let early = at_once(addr.running()).await.unwrap_err();
    assert_eq!(early.to_string(), "the service `Clerk` does not run: it was stopped, or not started");
    let clerk = clerk.await.unwrap();
    assert_eq!(at_once(clerk.running()).await, Ok(()));
    addr.try_send(Fall).unwrap();
    settled().await;
    assert_eq!(addr.running().await, Ok(()));
    assert_eq!(clerk.status().restarts, 1);
    addr.try_send(Fall).unwrap();
    settled().await;
    let failed = at_once(addr.running()).await.unwrap_err().to_string();
    assert_eq!(failed, "the service `Clerk` has failed: told to; 1 restart within 1s of running is the most");
}
