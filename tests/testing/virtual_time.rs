//! `#[convoke::test]` itself, and what stands beside it in `convoke::testing`.

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use actix::prelude::*;
use convoke::prelude::*;
use convoke::testing::{self, Crash};
use tokio::time::Instant;

use crate::common::{SECOND, at_once, join_all, settled, sleep};

/// The message with which a test fails that does this.
fn failure(test: impl AsyncFnOnce()) -> String {
    let run = catch_unwind(AssertUnwindSafe(|| testing::run("this test", || test())));
    *run.expect_err("it passed").downcast::<String>().unwrap()
}

#[convoke::test]
async fn time_stands_still_and_jumps() {
    let (virtually, really) = (Instant::now(), std::time::Instant::now());
    assert_eq!(virtually.elapsed().as_nanos(), 0);
    sleep(3600 * SECOND).await;
    assert_eq!(virtually.elapsed(), 3600 * SECOND);
    assert!(really.elapsed() < 3600 * SECOND);
}

#[test]
fn an_actor_that_is_left_behind_fails_the_test_and_is_named() {
    let message = failure(async || std::mem::forget(Broker::<u32>::new(SECOND).named("orders").start()));
    let text = "this test left behind: the broker `orders`; drop its guard or address before the test ends, ";
    assert!(message.starts_with(text), "{message}");
}

#[test]
fn every_kind_of_actor_is_named_when_it_is_left_behind() {
    let message = failure(async || {
        let broker = Broker::new(SECOND).named("orders").start();
        let [stock, payment] = join_all(&broker, ["stock", "payment"]).await;
        let log = Consumer::new(async |_: Outcome<u32>| sleep(20 * SECOND).await).named("log");
        let log = Consumer::join(&broker, log).await.unwrap();
        stock.do_emit(1).unwrap();
        settled().await;
        std::mem::forget((broker, stock, payment, log));
    });
    let actors = ["broker `orders`", "emitter `stock`", "emitter `payment`", "consumer `log`", "session of round #1"];
    for actor in actors {
        assert!(message.contains(&format!("the {actor}")), "{message}");
    }
}

#[test]
fn a_consumer_still_at_work_is_left_behind() {
    let message = failure(async || {
        let broker = Broker::new(SECOND).start();
        let [one] = join_all(&broker, ["one"]).await;
        let slow = Consumer::join(&broker, async |_: Outcome<u32>| sleep(20 * SECOND).await).await.unwrap();
        at_once(one.emit(1)).await.unwrap();
        drop(slow);
    });
    assert!(message.contains("consumer") && message.contains("await what it is at"), "{message}");
}

#[convoke::test]
async fn a_test_may_fail_with_an_error() -> Result<(), Box<dyn std::error::Error>> {
    let broker = Broker::new(SECOND).start();
    let one = Emitter::join(&broker, "one").await?;
    assert!(one.emit(1).await?.is_resolved());
    Ok(())
}

#[convoke::test]
#[should_panic(expected = "as the test says")]
async fn a_test_may_have_to_panic() {
    panic!("as the test says");
}

#[convoke::test]
async fn what_is_alive_is_counted_and_named() {
    assert_eq!((testing::live_count(), testing::alive().len()), (0, 0));
    let broker = Broker::<u32>::new(SECOND).named("orders").start();
    let [one] = join_all(&broker, ["one"]).await;
    assert_eq!(testing::live_count(), 2);
    assert_eq!(testing::alive(), ["the broker `orders`", "the emitter `one`"]);
    one.addr().do_send(Crash);
    settled().await;
    assert_eq!(testing::alive(), ["the broker `orders`"]);
}

#[test]
fn each_test_has_a_system_of_its_own_and_leaves_the_next_one_alone() {
    assert!(!failure(async || std::mem::forget(Broker::<u32>::new(SECOND).start())).is_empty());
    testing::run("the next", async || assert_eq!(testing::live_count(), 0));
}

#[test]
fn seeds_run_the_test_once_for_each_and_give_back_what_the_last_one_gave() {
    if std::env::var_os(testing::SEED_VARIABLE).is_some() {
        return;
    }
    let runs = Cell::new(0);
    let last = testing::run_seeds("seeded", 7, async || {
        runs.set(runs.get() + 1);
        runs.get()
    });
    assert_eq!((runs.get(), last), (7, 7));
}

#[test]
fn a_test_whose_two_runs_under_one_seed_differ_is_told_so() {
    // One actor more at every second run: what the choices depend on must not come from outside.
    let run = Cell::new(0);
    let explored = catch_unwind(AssertUnwindSafe(|| {
        testing::explore("fickle", 1, async || {
            run.set(run.get() + 1);
            let brokers: Vec<_> = (0..run.get() % 2 + 1).map(|_| Broker::<u32>::new(SECOND).start()).collect();
            settled().await;
            drop(brokers);
        })
    }));
    let message = *explored.expect_err("it passed").downcast::<String>().unwrap();
    assert!(message.contains("fickle: two runs of seed") && message.contains("differ"), "{message}");
}

#[test]
fn spawned_futures_interleave_under_a_seed_and_keep_their_order_without() {
    let order = async || {
        let order = Rc::new(Cell::new(0));
        for number in [1, 2, 3] {
            let order = order.clone();
            testing::spawn(async move { order.set(order.get() * 10 + number) });
        }
        settled().await;
        order.get()
    };
    assert_eq!(testing::run("without", order), 123);
    let mut seen = std::collections::BTreeSet::new();
    for seeds in 1..200 {
        seen.insert(testing::run_seeds("seeded", seeds, order));
    }
    if std::env::var_os(testing::SEED_VARIABLE).is_none() {
        assert_eq!(seen.len(), 6, "{seen:?}");
    }
}

/// Its stop never comes to rest, and lets no time pass.
#[derive(BaseService)]
#[service(stop = spin)]
struct Restless;

impl Restless {
    fn spin(&mut self) -> impl Future<Output = ()> + use<> {
        async {
            loop {
                tokio::task::yield_now().await;
            }
        }
    }
}

#[test]
fn services_are_stopped_before_a_test_is_checked_and_one_that_never_rests_is_named() {
    testing::run("tidy", async || {
        let bus = EventBus::default();
        Ledger::supervised(&bus, |_| Ledger).await.unwrap().forever();
        bus.publish_json("nobody/hears", serde_json::json!({})).unwrap();
    });
    let message = failure(async || {
        let bus = EventBus::default();
        Restless::supervised(&bus, |_| Restless).await.unwrap().forever();
    });
    assert!(message.starts_with("this test left behind: "), "{message}");
    assert!(message.contains("the service `Restless`"), "{message}");
}

#[derive(BaseService)]
struct Ledger;

/// An actor of the reader's own.
struct Own(Rc<Cell<u32>>);

impl Actor for Own {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Add(u32);

impl Handler<Add> for Own {
    type Result = ();

    fn handle(&mut self, Add(digit): Add, _: &mut Context<Self>) {
        self.0.set(self.0.get() * 10 + digit);
    }
}

#[test]
fn an_actor_of_ones_own_interleaves_under_a_seed_and_is_named_when_it_is_left() {
    let order = async || {
        let order = Rc::new(Cell::new(0));
        let actors: Vec<_> = (0..3).map(|_| testing::start(Own(order.clone()))).collect();
        (1..).zip(&actors).for_each(|(digit, actor)| actor.do_send(Add(digit)));
        settled().await;
        order.get()
    };
    assert_eq!(testing::run("without", order), 123);
    let seen: std::collections::BTreeSet<_> =
        (1..200).map(|seeds| testing::run_seeds("seeded", seeds, order)).collect();
    if std::env::var_os(testing::SEED_VARIABLE).is_none() {
        assert_eq!(seen.len(), 6, "{seen:?}");
    }
    let message = failure(async || std::mem::forget(testing::start(Own(Rc::default()))));
    assert!(message.starts_with("this test left behind: the actor `Own`; "), "{message}");
}
