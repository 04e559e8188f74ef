//! A test does not stay green over a panic: what has failed and was not looked at fails it at its end, by name.

use std::panic::{AssertUnwindSafe, catch_unwind};

use convoke::prelude::*;
use convoke::testing::{self, allow_failures, expect_failure};
use serde::{Deserialize, Serialize};

use crate::common::settled;

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
         `failed()`) or its dead letter, name it with `convoke::testing::expect_failure(…)`, or write \
         `#[convoke::test(allow_failures)]`"
    );
    let end = end_of(async |bus| drop(bus.emit(OrderPlaced { id: 666 }).await)).unwrap_err();
    assert!(end.contains("`mail` on OrderPlaced: failed: no address; `log` on OrderPlaced: panicked: "), "{end}");
    assert_eq!(end_of(async |_| {}), Ok(()), "and not the next one");
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
