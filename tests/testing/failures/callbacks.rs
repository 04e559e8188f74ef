//! An emitter that panics where no outcome says so, and a future of the test's own.

use std::sync::Arc;

use actix::Addr;
use convoke::prelude::*;
use convoke::testing::{self, Crash, expect_failure};
use convoke::transport::Memory;
use convoke::{Cause, OnLost};

use super::{Look, ORDER, OrderPlaced, end_of, red_until};
use crate::common::{SECOND, settled, sleep};

/// A value that panics when it is dropped, unless something else does already.
struct Bad;

impl Drop for Bad {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "in its drop");
    }
}

#[derive(Event)]
#[event(local)]
struct BadEvent(#[allow(dead_code, reason = "it is there to be dropped")] Bad);

#[test]
fn a_drop_that_panics_where_it_harms_nobody_is_seen() {
    let event = async |bus: EventBus| {
        let _listener = bus.on(|_: &BadEvent| ()).unwrap();
        bus.publish(BadEvent(Bad)).unwrap();
        bus.drain().await;
    };
    let emitted = async |bus: EventBus| {
        let _listener = bus.on(|_: &BadEvent| ()).unwrap();
        bus.emit(BadEvent(Bad)).await.ok().unwrap();
    };
    let listener = async |bus: EventBus| {
        let bad = Bad;
        let listens = move |_: &BadEvent| assert!(!std::ptr::eq(&bad, std::ptr::null()));
        drop(bus.on(listens).unwrap());
        settled().await;
    };
    let text = "`a drop`: panicked: in its drop";
    let expecting = || expect_failure("a drop");
    red_until(text, event, async |bus| {
        expecting();
        event(bus).await;
    });
    red_until(text, emitted, async |bus| {
        expecting();
        emitted(bus).await;
    });
    red_until(text, listener, async |bus| {
        expecting();
        listener(bus).await;
    });
}

/// Has a round of `payment` and `stock`, and returns its outcome.
async fn round(broker: &Addr<Broker<u32>>, payment: Emitter<u32>) -> Outcome<u32> {
    let _payment = Emitter::join(broker, payment).await.unwrap();
    let stock = Emitter::join(broker, "stock").await.unwrap();
    let outcome = stock.emit(3).await.unwrap();
    sleep(SECOND).await;
    outcome
}

fn payment() -> Emitter<u32> {
    Emitter::new("payment")
}

fn shrinking() -> Addr<Broker<u32>> {
    Broker::new(SECOND).on_lost(OnLost::Shrink).start()
}

#[test]
fn who_panics_at_a_summons_is_seen_under_shrink_too() {
    let run = async || {
        let outcome = round(&shrinking(), payment().on_summons(|_| panic!("at the summons"))).await;
        assert_eq!(outcome.payloads(), [3]);
        assert!(outcome.is_resolved() && !outcome.is_cancelled() && outcome.cause().is_none());
        assert!(!outcome.to_string().contains("payment"), "{outcome}");
    };
    red_until(
        "`payment`: panicked: at the summons",
        async |_| run().await,
        async |_| {
            expect_failure("payment");
            run().await;
        },
    );
}

#[test]
fn who_panics_at_an_outcome_or_once_it_has_kept_its_promise_is_seen() {
    let emitters: [fn() -> Emitter<u32>; 3] = [
        || payment().on_summons(|pledge| pledge.keep(1)).on_outcome(|_| panic!("too late")),
        || payment().on_summons(|pledge| pledge.keep(1)).on_kept(|_| panic!("too late")),
        || {
            payment().on_summons(async |pledge: Pledge<u32>| {
                pledge.keep(1);
                sleep(SECOND / 2).await;
                panic!("too late")
            })
        },
    ];
    for emitter in emitters {
        let run = async || assert!(round(&shrinking(), emitter()).await.is_resolved());
        red_until(
            "`payment`: panicked: too late",
            async |_| run().await,
            async |_| {
                expect_failure("payment");
                run().await;
            },
        );
    }
}

#[test]
fn a_round_that_was_cancelled_by_it_is_looked_at_by_its_outcome() {
    let cancelled = async || {
        let broker = Broker::new(SECOND).start();
        round(&broker, payment().on_summons(|_| panic!("at the summons"))).await
    };
    let end = end_of(async |_| drop(cancelled().await)).unwrap_err();
    assert!(end.contains("`payment`: panicked: at the summons"), "{end}");
    let looks: [(_, Look<Outcome<u32>>); 4] = [
        ("its cause", |outcome| assert!(matches!(outcome.cause(), Some(Cause::Lost(_))))),
        ("who is missing", |outcome| assert!(outcome.missing().count() > 0)),
        ("that it was cancelled", |outcome| assert!(outcome.is_cancelled())),
        ("its text", |outcome| assert!(outcome.to_string().contains("payment"))),
    ];
    for (how, look) in looks {
        assert_eq!(end_of(async |_| look(cancelled().await)), Ok(()), "{how}");
    }
}

#[test]
fn who_is_made_to_crash_by_the_test_needs_no_look() {
    let end = end_of(async |_| {
        let broker = shrinking();
        let payment = Emitter::join(&broker, payment()).await.unwrap();
        let _crashed = payment.addr().send(Crash).await;
        settled().await;
    });
    assert_eq!(end, Ok(()));
}

#[test]
fn a_spawned_future_that_panics_is_seen() {
    let run = async || {
        testing::spawn(async { panic!("on its own") });
        settled().await;
    };
    red_until(
        "`a spawned future`: panicked: on its own",
        async |_| run().await,
        async |_| {
            expect_failure("a spawned future");
            run().await;
        },
    );
    let kept = Arc::new(());
    let held = kept.clone();
    let end = end_of(async |_| {
        testing::spawn(async move { drop(held) });
        settled().await;
    });
    assert_eq!((end, Arc::strong_count(&kept)), (Ok(()), 1), "one that ends is as before");
}

#[test]
fn a_key_of_a_worker_that_panics_is_seen() {
    let work = async |bus: EventBus| {
        let queue = Memory::queue("orders");
        let shop = EventBus::builder().publisher("Shop").build();
        let _out = Route::new("Shop/*", queue.clone()).open(&shop).unwrap();
        shop.emit(ORDER).await.ok().unwrap();
        let _heard = bus.on(|_: &OrderPlaced| ()).unwrap();
        let worker = Worker::new(queue, &bus).ordered_by(|_| panic!("as told"));
        assert_eq!(worker.run_until(sleep(SECOND)).await.unwrap().done, 1);
    };
    red_until("`ordered_by` on OrderPlaced: panicked: as told", work, async |bus| {
        expect_failure("ordered_by");
        work(bus).await;
    });
}
