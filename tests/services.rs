//! A service alone: its lifecycle, what it hears, what restarts it, and who finds it.

use std::cell::{Cell, RefCell};
use std::future::{Future, IntoFuture};
use std::rc::Rc;

use actix::prelude::*;
use convoke::prelude::*;
use serde::{Deserialize, Serialize};

use super::common::{Notes, SECOND, after, at_once, ms, settled, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

/// What a clerk does with an order, or in a hook.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Well,
    Fail,
    Panic,
    Hang,
}

impl Act {
    async fn play(self) -> Handled {
        match self {
            Self::Well => Ok(()),
            Self::Fail => Err("as told".into()),
            Self::Panic => panic!("as told"),
            Self::Hang => std::future::pending().await,
        }
    }
}

/// What all clerks of a test share.
#[derive(Clone)]
struct Office {
    notes: Notes<String>,
    built: Rc<Cell<u64>>,
    start: Rc<Cell<Act>>,
    stop: Rc<Cell<Act>>,
}

impl Office {
    fn new() -> Self {
        let well = || Rc::new(Cell::new(Act::Well));
        Self { notes: Notes::new(), built: Rc::default(), start: well(), stop: well() }
    }

    fn hire(&self) -> Clerk {
        self.built.set(self.built.get() + 1);
        Clerk { office: self.clone(), number: self.built.get() }
    }
}

#[derive(BaseService)]
#[service(on(OrderPlaced), topics("stock/*"), start = open, begin = begin, stop = close)]
struct Clerk {
    office: Office,
    number: u64,
}

impl Clerk {
    fn note(&self, note: &str) {
        self.office.notes.add(format!("{}: {note}", self.number));
    }

    async fn open(&mut self) -> Handled {
        self.note("open");
        self.office.start.get().play().await
    }

    fn begin(&mut self, _: &mut Context<Self>) {
        self.note("begin");
    }

    fn close(&mut self) -> impl Future<Output = Handled> + use<> {
        self.note("close");
        self.office.stop.get().play()
    }
}

impl Handler<Heard<OrderPlaced>> for Clerk {
    type Result = Handled;

    fn handle(&mut self, order: Heard<OrderPlaced>, ctx: &mut Context<Self>) -> Handled {
        self.note(&format!("order {}", order.id));
        match order.id {
            500 => return Err("no such order".into()),
            666 => panic!("cursed order"),
            700 => ctx.stop(),
            800 => ctx.degrade("the pen is dry"),
            801 => ctx.recover(),
            900 => ctx.restart("had enough"),
            _ => {}
        }
        Ok(())
    }
}

impl Handler<Heard<JsonEvent>> for Clerk {
    type Result = Handled;

    fn handle(&mut self, event: Heard<JsonEvent>, _: &mut Context<Self>) -> Handled {
        self.note(event.topic());
        Ok(())
    }
}

#[derive(Message)]
#[rtype(result = "u64")]
struct Number;

impl Handler<Number> for Clerk {
    type Result = u64;

    fn handle(&mut self, _: Number, _: &mut Context<Self>) -> u64 {
        self.number
    }
}

/// Writes down every change of a status.
fn watch(bus: &EventBus) -> Rc<RefCell<Vec<String>>> {
    let seen: Rc<RefCell<Vec<String>>> = Rc::default();
    let notes = seen.clone();
    bus.on(move |status: &ServiceStatus| notes.borrow_mut().push(status.to_string())).unwrap().forever();
    seen
}

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

#[convoke::test(allow_failures)]
async fn each_restart_follows_its_own_ends() {
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

#[convoke::test(allow_failures)]
async fn who_comes_later_to_a_service_that_is_away_waits_as_long() {
    let (bus, office) = (EventBus::default(), Office::new());
    let hire = office.clone();
    let hour = Backoff::exponential(3600 * SECOND).longest(3600 * SECOND);
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

#[convoke::test(allow_failures)]
async fn what_a_service_that_is_away_has_no_room_for_is_refused() {
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

#[convoke::test(allow_failures)]
async fn an_error_that_panics_when_it_is_shown_is_an_error_like_others() {
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
