//! A service that has failed for good is seen: by who waits for the end, by probes, and by who publishes to it.

use std::cell::RefCell;
use std::future::{pending, ready};
use std::rc::Rc;
use std::time::Duration;

use actix::prelude::*;
use convoke::prelude::*;
use convoke::transport::Memory;
use convoke::{OnFailed, Route, Services, ServicesError, ServicesHandle, Supervised, Supervisor, Worker};
use serde::{Deserialize, Serialize};

use crate::common::{SECOND, after, at_once, settled};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

/// Bills orders, and panics at the 666th.
#[derive(BaseService)]
#[service(on(OrderPlaced), topics("stock/*"), name = "billing")]
struct Billing {
    billed: Rc<RefCell<Vec<u64>>>,
}

impl Handler<Heard<OrderPlaced>> for Billing {
    type Result = Handled;

    fn handle(&mut self, order: Heard<OrderPlaced>, _: &mut Context<Self>) -> Handled {
        if order.id == 666 {
            panic!("cursed order");
        }
        self.billed.borrow_mut().push(order.id);
        Ok(())
    }
}

impl Handler<Heard<JsonEvent>> for Billing {
    type Result = Handled;

    fn handle(&mut self, _: Heard<JsonEvent>, _: &mut Context<Self>) -> Handled {
        Ok(())
    }
}

/// One that does nothing.
#[derive(BaseService)]
struct Ledger;

/// One that is never started again.
fn billing(bus: &EventBus) -> Supervised<Billing> {
    Billing::supervised(bus, |_| Billing { billed: Rc::default() }).restart(Restart::Never)
}

fn services(bus: &EventBus) -> Services {
    Services::new(bus).add(billing(bus)).add(Ledger::supervised(bus, |_| Ledger))
}

async fn fail(bus: &EventBus) {
    bus.publish(OrderPlaced { id: 666 }).unwrap();
    settled().await;
    bus.dead_letters().take_all();
}

fn letters(bus: &EventBus) -> Vec<String> {
    bus.dead_letters()
        .take_all()
        .iter()
        .map(|letter| format!("{} {:?}: {}", letter.event, letter.listener, letter.reason))
        .collect()
}

const REFUSED: &str = "OrderPlaced Some(\"billing\"): failed: the service `billing` has failed: panicked: cursed order";

#[convoke::test]
async fn who_waits_for_the_end_is_told_of_a_service_that_has_failed_for_good() {
    convoke::testing::expect_failure("billing");
    let bus = EventBus::default();
    let running = services(&bus).await.unwrap();
    bus.publish(OrderPlaced { id: 666 }).unwrap();
    let report = at_once(running.run_until(pending::<()>())).await;
    assert_eq!(report.ended_by.as_deref(), Some("billing"));
    assert!(!report.is_clean());
    assert!(report.to_string().contains("because `billing` has failed"), "{report}");
    assert_eq!(report.services[0].to_string(), "billing has failed: panicked: cursed order");
    assert_eq!(report.services[1].state, ServiceState::Stopped);

    let placed = {
        let bus = bus.clone();
        async move {
            actix::clock::sleep(SECOND).await;
            bus.publish(OrderPlaced { id: 666 }).unwrap();
        }
    };
    actix::spawn(placed);
    let report = after(SECOND, services(&bus).run_until(pending::<()>())).await.unwrap();
    assert_eq!(report.ended_by.as_deref(), Some("billing"), "as the services are started and awaited in one");
}

#[convoke::test]
async fn an_application_can_be_told_to_go_on_without_it() {
    let bus = EventBus::default();
    let running = services(&bus).on_failed(OnFailed::GoOn).await.unwrap();
    fail(&bus).await;
    let report = after(60 * SECOND, running.run_until(actix::clock::sleep(60 * SECOND))).await;
    assert_eq!(report.ended_by, None);
    assert_eq!(report.services[0].state, ServiceState::Failed);
}

#[convoke::test]
async fn one_that_comes_back_ends_nothing() {
    let bus = EventBus::default();
    let kept = Supervisor::one_for_one(&bus, "till")
        .add(billing(&bus).restart(Restart::Always).budget(0, SECOND))
        .restart(Restart::Always)
        .backoff(Backoff::none());
    let running = Services::new(&bus).add(kept).await.unwrap();
    fail(&bus).await;
    assert_eq!(running.statuses()[1].to_string(), "billing is running", "its supervisor has started it again");
    assert!(bus.emit(OrderPlaced { id: 1 }).await.is_ok(), "and nobody refuses in its place");
    assert_eq!(bus.subscriptions().len(), 2);
    let report = after(SECOND, running.run_until(actix::clock::sleep(SECOND))).await;
    assert_eq!(report.ended_by, None);
}

#[convoke::test]
async fn a_supervisor_beyond_its_restarts_ends_the_application() {
    let bus = EventBus::default();
    let kept = Supervisor::one_for_all(&bus, "till").add(billing(&bus).restart(Restart::Always).budget(0, SECOND));
    let running = Services::new(&bus).add(kept.restart(Restart::Never)).await.unwrap();
    fail(&bus).await;
    assert_eq!(at_once(running.failed()).await.service, "till");
    assert_eq!(
        letters_of_one_more(&bus).await,
        [
            "OrderPlaced Some(\"billing\"): failed: the service `billing` has failed: panicked: cursed order; no restart is allowed"
        ]
    );
    assert_eq!(at_once(running.run_until(pending::<()>())).await.ended_by.as_deref(), Some("till"));
}

async fn letters_of_one_more(bus: &EventBus) -> Vec<String> {
    bus.publish(OrderPlaced { id: 7 }).unwrap();
    settled().await;
    letters(bus)
}

#[convoke::test]
async fn probes_say_that_it_is_not_ready_and_not_live_only_if_it_is_needed_for_that() {
    let bus = EventBus::default();
    for needed in [false, true] {
        let services = services(&bus);
        let services = if needed { services.live_needs("billing") } else { services.live_needs("Ledger") };
        let running: ServicesHandle = services.await.unwrap();
        let health = running.health();
        assert!(health.is_live() && health.is_ready());
        fail(&bus).await;
        assert!(!health.is_ready());
        assert_eq!(health.is_live(), !needed);
        assert_eq!((health.report().live, health.report().ready), (!needed, false));
        running.shutdown().await;
    }
    let error = services(&bus).live_needs("biling").await.unwrap_err();
    assert!(matches!(&error, ServicesError::Unknown { name, .. } if name == "biling"));
    assert_eq!(error.to_string(), "`live_needs` names `biling`, which was not added: there are `billing`, `Ledger`");
}

#[convoke::test]
async fn what_is_published_to_it_becomes_dead_letters_until_somebody_ends_it() {
    let bus = EventBus::default();
    let handle = billing(&bus).await.unwrap();
    fail(&bus).await;
    assert_eq!(letters_of_one_more(&bus).await, [REFUSED]);
    let report = bus.emit(OrderPlaced { id: 8 }).await;
    assert_eq!(
        report.to_string(),
        "OrderPlaced: 1 listener, 1 failed: `billing` failed: the service `billing` has failed: panicked: cursed order"
    );
    bus.dead_letters().take_all();
    bus.publish_json("stock/low", serde_json::json!({})).unwrap();
    settled().await;
    assert_eq!(letters(&bus).len(), 1, "what it heard by its topic too");
    assert_eq!(at_once(handle.stop()).await.state, ServiceState::Failed);
    assert!(bus.subscriptions().is_empty());
}

#[convoke::test]
async fn a_worker_is_a_service_among_others_which_starts_last_and_drains_first() {
    let bus = EventBus::default();
    let states: Rc<RefCell<Vec<String>>> = Rc::default();
    let seen = states.clone();
    bus.on(move |status: &ServiceStatus| seen.borrow_mut().push(status.to_string())).unwrap().forever();
    let (queue, billed) = (Memory::queue("orders"), Rc::new(RefCell::new(Vec::new())));
    let kept = billed.clone();
    let running = Services::new(&bus)
        .add(Worker::new(queue.clone(), &bus).named("orders"))
        .add(Billing::supervised(&bus, move |_| Billing { billed: kept.clone() }))
        .await
        .unwrap();
    let outside = EventBus::builder().publisher("Shop").build();
    let _route = Route::new("**", queue).open(&outside).unwrap();
    for id in 1..=3 {
        assert!(outside.emit(OrderPlaced { id }).await.is_ok());
    }
    actix::clock::sleep(Duration::from_secs(2)).await;
    assert_eq!(*billed.borrow(), [1, 2, 3]);
    assert!(running.health().is_ready());
    assert!(running.run_until(ready(())).await.is_clean());
    let states = states.take();
    let place =
        |state: &str| states.iter().position(|other| other == state).unwrap_or_else(|| panic!("{state}: {states:?}"));
    assert!(place("billing is running") < place("orders is starting"));
    assert!(place("orders is stopped") < place("billing is stopping"));
}

#[convoke::test]
async fn a_worker_that_cannot_start_is_named_as_any_service_that_cannot() {
    let bus = EventBus::default();
    let worker = Worker::new(Memory::queue("orders"), &bus).timeout(Duration::ZERO);
    let error = Services::new(&bus).add(worker).await.unwrap_err();
    assert!(error.to_string().starts_with("the service `memory:orders` did not start: "), "{error}");
    let twice = Services::new(&bus)
        .add(Worker::new(Memory::queue("orders"), &bus))
        .add(Worker::new(Memory::queue("orders"), &bus));
    assert!(matches!(twice.await.unwrap_err(), ServicesError::Twice { .. }));
}

/// One whose end does not come.
#[derive(BaseService)]
#[service(stop = never)]
struct Slow;

impl Slow {
    fn never(&mut self) -> impl Future<Output = Handled> + use<> {
        pending()
    }
}

#[convoke::test]
async fn a_worker_that_drains_long_takes_of_the_time_in_which_all_have_to_stop() {
    let bus = EventBus::builder().listener_timeout(3600 * SECOND).build();
    let hangs = bus.on((async |_: std::sync::Arc<OrderPlaced>| pending::<()>().await).named("hangs")).unwrap();
    let queue = Memory::queue("orders");
    let running = Services::new(&bus)
        .add(Slow::supervised(&bus, |_| Slow).stop_timeout(1000 * SECOND))
        .add(Worker::new(queue.clone(), &bus).drain_timeout(20 * SECOND))
        .stop_timeout(25 * SECOND)
        .await
        .unwrap();
    let outside = EventBus::builder().publisher("Shop").build();
    let _route = Route::new("**", queue).open(&outside).unwrap();
    assert!(outside.emit(OrderPlaced { id: 1 }).await.is_ok());
    actix::clock::sleep(SECOND).await;
    let report = running.shutdown().await;
    assert_eq!(report.late, ["Slow"]);
    assert!(report.took < 36 * SECOND, "25 s for all that stops, and 10 s for the bus: {report}");
    drop(hangs);
    ["hangs", "Slow", "memory:orders"].into_iter().for_each(convoke::testing::expect_failure);
}

#[convoke::test]
async fn what_is_retained_was_handled_and_is_no_dead_letter_of_a_service_that_fails_later() {
    let bus = EventBus::default();
    let service = billing(&bus).await.unwrap();
    bus.publish_retained("stock/low", serde_json::json!({ "left": 3 })).unwrap();
    bus.drain().await;
    bus.publish(OrderPlaced { id: 666 }).unwrap();
    settled().await;
    let letters = bus.dead_letters().take_all();
    let events: Vec<_> = letters.iter().map(|letter| letter.event.as_str()).collect();
    assert_eq!(events, ["OrderPlaced"]);
    drop(service);
}
