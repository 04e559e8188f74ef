//! A test does not stay green over a panic: what has failed and was not looked at fails it at its end, by name.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use actix::prelude::*;
use convoke::prelude::*;
use convoke::testing::{self, allow_failures, expect_failure};
use convoke::transport::Memory;
use convoke::{Services, Worker};
use serde::{Deserialize, Serialize};

use crate::common::{SECOND, settled, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

/// What a test says in the end, if it fails.
fn end_of<F: AsyncFnOnce(EventBus)>(test: F) -> Result<(), String> {
    let run = catch_unwind(AssertUnwindSafe(|| {
        testing::run("this test", async || {
            let bus = EventBus::default();
            let mail = bus.on((|_: &OrderPlaced| Err::<(), _>("no address")).named("mail")).unwrap();
            let _log = bus.on((|order: &OrderPlaced| assert_ne!(order.id, 666)).named("log")).unwrap();
            test(bus).await;
            drop(mail);
        });
    }));
    run.map_err(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default())
}

const ORDER: OrderPlaced = OrderPlaced { id: 7 };

#[test]
fn a_listener_that_failed_or_panicked_fails_the_test_by_name() {
    let end = end_of(async |bus| {
        bus.publish(ORDER).unwrap();
        settled().await;
    });
    assert_eq!(
        end.unwrap_err(),
        "this test did not look at what has failed: `mail` on OrderPlaced: failed: no address; look at its report (`ok()`, \
         `failed()`), its dead letter, the round's `consumed()` or the service's status, name it with \
         `convoke::testing::expect_failure(…)`, or write `#[convoke::test(allow_failures)]`"
    );
    let end = end_of(async |bus| drop(bus.emit(OrderPlaced { id: 666 }).await)).unwrap_err();
    assert!(end.contains("`mail` on OrderPlaced: failed: no address; `log` on OrderPlaced: panicked: "), "{end}");
    assert_eq!(end_of(async |_| {}), Ok(()), "and not the next one");
}

#[test]
fn an_error_under_one_of_many_seeds_fails_the_test_and_names_it() {
    let runs = std::cell::Cell::new(0);
    let body = || {
        runs.set(runs.get() + 1);
        std::future::ready(if runs.get() == 2 { Err("in the second") } else { Ok(()) })
    };
    let panic = catch_unwind(AssertUnwindSafe(|| testing::run_test_under_seeds("this test", 3, body))).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert_eq!(text, "this test failed under seed 1: \"in the second\"; CONVOKE_SEED=1 replays it");
}

#[test]
fn a_report_is_looked_at_whole_and_what_is_expected_hides_nobody() {
    let both = OrderPlaced { id: 666 };
    assert_eq!(end_of(async |bus| drop(bus.emit(both).await.ok().unwrap_err())), Ok(()));
    let end = end_of(async |bus| {
        testing::expect_failure("mail");
        for _ in 0..1001 {
            drop(bus.emit(ORDER).await);
        }
        drop(bus.emit(OrderPlaced { id: 666 }).await);
    });
    let end = end.unwrap_err();
    assert!(end.contains("`log` on OrderPlaced: panicked: ") && !end.contains("`mail`"), "{end}");
}

#[test]
fn what_was_looked_at_fails_nothing() {
    type Test = fn(EventBus) -> std::pin::Pin<Box<dyn Future<Output = ()>>>;
    let tests: [(&str, Test); 7] = [
        ("ok", |bus| Box::pin(async move { drop(bus.emit(ORDER).await.ok().unwrap_err()) })),
        ("failed", |bus| Box::pin(async move { assert_eq!(bus.emit(ORDER).await.failed().count(), 1) })),
        ("iter", |bus| Box::pin(async move { assert_eq!(bus.emit(ORDER).await.iter().count(), 2) })),
        ("its letter", |bus| {
            Box::pin(async move {
                bus.publish(ORDER).unwrap();
                settled().await;
                assert_eq!(bus.dead_letters().list().len(), 1);
            })
        }),
        ("a listener to letters", |bus| {
            Box::pin(async move {
                let _letters = bus.on(|_: &DeadLetter| {}).unwrap();
                bus.publish(ORDER).unwrap();
                settled().await;
            })
        }),
        ("expected by its listener", |bus| {
            Box::pin(async move {
                expect_failure("mail");
                drop(bus.emit(ORDER).await);
            })
        }),
        ("allowed", |bus| {
            Box::pin(async move {
                allow_failures();
                drop(bus.emit(OrderPlaced { id: 666 }).await);
            })
        }),
    ];
    for (how, test) in tests {
        assert_eq!(end_of(async |bus| test(bus).await), Ok(()), "{how}");
    }
}

#[test]
fn a_report_that_was_read_says_nothing_of_another() {
    let end = end_of(async |bus| {
        assert!(!bus.emit(ORDER).await.is_ok());
        drop(bus.emit(ORDER).await);
    });
    assert!(end.unwrap_err().contains("`mail` on OrderPlaced"));
    let end = end_of(async |bus| {
        expect_failure("mail");
        drop(bus.emit(OrderPlaced { id: 666 }).await);
    });
    assert!(
        end.unwrap_err().starts_with("this test did not look at what has failed: `log` on OrderPlaced: panicked: ")
    );
}

/// Ships what a round has gathered, and fails.
async fn round() -> Resolved<u32> {
    let broker = Broker::new(SECOND).start();
    let stock = Emitter::join(&broker, "stock").await.unwrap();
    let shipping = Consumer::new(|_: Resolved<u32>| Err::<(), _>("no van")).named("shipping");
    let _shipping = Consumer::join(&broker, shipping).await.unwrap();
    let outcome = stock.emit(3).await.unwrap();
    settled().await;
    outcome.resolved().unwrap().clone()
}

#[test]
fn so_does_a_consumer_of_a_round() {
    let end = end_of(async |_| drop(round().await)).unwrap_err();
    assert!(
        end.starts_with("this test did not look at what has failed: `shipping` on a round: failed: no van; "),
        "{end}"
    );
    let end = end_of(async |_| assert_eq!(round().await.consumed().await.failed.len(), 1));
    assert_eq!(end, Ok(()), "it was looked at");
    let end = end_of(async |_| {
        expect_failure("shipping");
        drop(round().await);
    });
    assert_eq!(end, Ok(()), "it was expected");
}

/// Panics when it is told to: in a handler of a message, and at once or a second later.
#[derive(BaseService)]
#[service(name = "billing")]
struct Billing;

#[derive(Message)]
#[rtype(result = "()")]
struct Panic(Duration);

impl Handler<Panic> for Billing {
    type Result = ();

    fn handle(&mut self, Panic(after): Panic, ctx: &mut Context<Self>) {
        if after.is_zero() {
            panic!("as told");
        }
        ctx.run_later(after, |_, _| panic!("as told"));
    }
}

async fn told(bus: &EventBus, after: Duration) -> ServiceHandle<Billing> {
    let billing = Billing::supervised(bus, |_| Billing).await.unwrap();
    billing.try_send(Panic(after)).unwrap();
    sleep(2 * after).await;
    settled().await;
    billing
}

#[test]
fn so_does_a_service_that_panics_over_no_event() {
    for after in [Duration::ZERO, SECOND] {
        let end = end_of(async |bus| drop(told(&bus, after).await)).unwrap_err();
        assert!(end.starts_with("this test did not look at what has failed: `billing`: panicked: as told; "), "{end}");
        let end = end_of(async |bus| assert_ne!(told(&bus, after).await.status().state, ServiceState::Failed));
        assert_eq!(end, Ok(()), "it was looked at how it is");
        let end = end_of(async |bus| {
            expect_failure("billing");
            drop(told(&bus, after).await);
        });
        assert_eq!(end, Ok(()), "it was expected");
    }
    let end = end_of(async |bus| {
        let billing = Billing::supervised(&bus, |_| Billing).await.unwrap();
        assert!(billing.send(Panic(Duration::ZERO)).await.is_err());
    });
    assert_eq!(end, Ok(()), "who has sent it was told");
}

#[test]
fn a_service_that_fails_for_good_over_no_event_does_too() {
    let end = end_of(async |bus| {
        let mut times = 0;
        let billing = Billing::supervised(&bus, move |_| {
            times += 1;
            if times == 1 { Ok(Billing) } else { Err("no ledger") }
        });
        let billing = billing.backoff(Backoff::none()).budget(0, SECOND).await.unwrap();
        billing.try_send(Panic(Duration::ZERO)).unwrap();
        settled().await;
        drop(billing);
    });
    let end = end.unwrap_err();
    assert!(end.contains("`billing`: panicked: as told; look at"), "once for one end: {end}");
}

#[test]
fn a_worker_that_still_runs_is_left_behind() {
    let worker = |bus: &EventBus| Worker::new(Memory::queue("orders"), bus);
    let end = end_of(async |bus| std::mem::forget(worker(&bus).start().await.unwrap()));
    assert!(end.unwrap_err().starts_with("this test left behind: the worker of `memory:orders`; drop its guard"));
    let end = end_of(async |bus| drop(worker(&bus).start().await.unwrap()));
    assert_eq!(end, Ok(()), "it drains");
    let end = end_of(async |bus| drop(Services::new(&bus).add(worker(&bus)).await.unwrap()));
    assert_eq!(end, Ok(()), "it is stopped with the others");
}

#[convoke::test(allow_failures)]
async fn a_test_may_allow_all_of_it() {
    let bus = EventBus::default();
    let _mail = bus.on((|_: &OrderPlaced| -> () { panic!("no address") }).named("mail")).unwrap();
    drop(bus.emit(ORDER).await);
}

#[convoke::test(seeds = 3, allow_failures)]
async fn and_so_may_one_of_many_seeds() {
    let bus = EventBus::default();
    let _mail = bus.on((|_: &OrderPlaced| Err::<(), _>("no address")).named("mail")).unwrap();
    drop(bus.emit(ORDER).await);
}
