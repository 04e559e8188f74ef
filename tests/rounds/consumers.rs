//! Who receives what a round has gathered: closures, sync and async, and any actor; and what becomes of one that fails.

use std::fmt;
use std::future::pending;

use actix::{Actor, ActorContext, Addr, Context, Handler, ResponseFuture};
use convoke::prelude::*;
use convoke::{ConsumerError, FailedConsumer};

use crate::common::{Notes, SECOND, after, at_once, join_all, ms, settled, sleep};

fn failed(name: &str, error: ConsumerError) -> FailedConsumer {
    FailedConsumer { consumer: name.into(), error }
}

/// A broker with one emitter, so that each of its signals is a resolved round.
async fn soloist() -> (Addr<Broker<u32>>, EmitterHandle<u32>) {
    let broker = Broker::new(SECOND).start();
    let [one] = join_all(&broker, ["one"]).await;
    (broker, one)
}

#[convoke::test]
async fn a_consumer_hears_the_kind_of_outcome_that_it_asks_for() {
    let (broker, one) = soloist().await;
    let [two] = join_all(&broker, ["two"]).await;
    let (resolved, cancelled, all) = (Notes::new(), Notes::new(), Notes::new());
    let notes = (resolved.clone(), cancelled.clone(), all.clone());
    let _guards = (
        Consumer::join(&broker, move |round: Resolved<u32>| notes.0.add(round.round().get())).await.unwrap(),
        Consumer::join(&broker, move |round: Cancelled<u32>| notes.1.add(round.round().get())).await.unwrap(),
        Consumer::join(&broker, move |round: Outcome<u32>| notes.2.add(round.round().get())).await.unwrap(),
    );
    for number in 1..=4 {
        one.do_emit(1).unwrap();
        let outcome = if number % 2 == 0 { two.veto("no") } else { two.emit(2) };
        let consumed = at_once(at_once(outcome).await.unwrap().consumed()).await;
        assert_eq!((consumed.consumers, consumed.is_ok()), (3, true));
    }
    assert_eq!((resolved.take(), cancelled.take(), all.take()), (vec![1, 3], vec![2, 4], vec![1, 2, 3, 4]));
}

#[convoke::test]
async fn a_consumer_is_a_closure_or_a_function_sync_or_async_that_may_fail() {
    fn function(round: Resolved<u32>) -> Result<(), std::num::ParseIntError> {
        format!("{:?}", round.payloads()).parse::<u32>().map(drop)
    }
    async fn later(_: Outcome<u32>) -> Handled {
        sleep(ms(5)).await;
        Err(Failure::new("later failed"))
    }
    let (broker, one) = soloist().await;
    let _guards = (
        Consumer::join(&broker, |_: Resolved<u32>| ()).await.unwrap(),
        Consumer::join(&broker, |_: Resolved<u32>| Ok::<(), fmt::Error>(())).await.unwrap(),
        Consumer::join(&broker, async |_: Resolved<u32>| ()).await.unwrap(),
        Consumer::join(&broker, async |_: Resolved<u32>| Ok::<(), fmt::Error>(())).await.unwrap(),
        Consumer::join(&broker, Consumer::new(function).named("function")).await.unwrap(),
        Consumer::join(&broker, Consumer::new(later).named("later")).await.unwrap(),
        Consumer::join(&broker, async |_: Resolved<u32>| Err(fmt::Error)).await.unwrap(),
    );
    let consumed = after(ms(5), at_once(one.emit(1)).await.unwrap().consumed()).await;
    assert_eq!(consumed.consumers, 7);
    let error = |text: &str| ConsumerError::Failed(text.into());
    let expected = [
        failed("function", error("invalid digit found in string")),
        failed("consumer 7", error("an error occurred when formatting an argument")),
        failed("later", error("later failed")),
    ];
    assert_eq!(consumed.failed, expected);
}

#[convoke::test]
async fn an_error_that_quotes_its_source_is_told_once() {
    let (broker, one) = soloist().await;
    let fails = |_: Resolved<u32>| Err(BrokerError::Join(JoinError::BrokerGone));
    let _guard = Consumer::join(&broker, Consumer::new(fails).named("mail")).await.unwrap();
    let consumed = at_once(at_once(one.emit(1)).await.unwrap().consumed()).await;
    let text = "the broker is gone: hold its address as long as it is needed";
    assert_eq!(consumed.failed[0].to_string(), format!("consumer `mail` failed: {text}"));
}

#[convoke::test]
async fn a_consumer_that_fails_panics_hangs_or_is_slow_stops_no_other_and_is_named() {
    let broker = Broker::new(SECOND).consumer_timeout(10 * SECOND).start();
    let [one] = join_all(&broker, ["one"]).await;
    let heard = Notes::new();
    let notes = heard.clone();
    let panics = |_: Resolved<u32>| -> () { panic!("in the middle of it") };
    let panics_later = async |round: Resolved<u32>| -> () {
        sleep(SECOND).await;
        panic!("with {:?}", round.payloads());
    };
    let _guards = [
        Consumer::join(&broker, Consumer::new(|_: Resolved<u32>| Err(fmt::Error)).named("fails")).await.unwrap(),
        Consumer::join(&broker, Consumer::new(panics).named("panics")).await.unwrap(),
        Consumer::join(&broker, Consumer::new(panics_later).named("panics later")).await.unwrap(),
        Consumer::join(&broker, Consumer::new(async |_: Resolved<u32>| pending::<()>().await).named("hangs"))
            .await
            .unwrap(),
        Consumer::join(&broker, Consumer::new(async |_: Resolved<u32>| sleep(9 * SECOND).await).named("slow"))
            .await
            .unwrap(),
        Consumer::join(&broker, move |round: Resolved<u32>| notes.add(round.payloads().to_vec())).await.unwrap(),
    ];
    let outcome = at_once(one.emit(1)).await.unwrap();
    settled().await;
    assert_eq!(heard.take(), [[1]], "the last one does not wait for the others");

    let consumed = after(10 * SECOND, outcome.consumed()).await;
    let expected = [
        failed("fails", ConsumerError::Failed("an error occurred when formatting an argument".into())),
        failed("panics", ConsumerError::Panicked("in the middle of it".into())),
        failed("panics later", ConsumerError::Panicked("with [1]".into())),
        failed("hangs", ConsumerError::TimedOut(10 * SECOND)),
    ];
    assert_eq!((consumed.consumers, &consumed.failed[..]), (6, &expected[..]));
    settled().await;
    assert_eq!(broker.inspect().await.unwrap().recent[0].failed_consumers, expected);
    let texts = consumed.failed.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(texts[1], "consumer `panics` panicked: in the middle of it");
    assert_eq!(texts[3], "consumer `hangs` was not done after 10s");

    // Whoever has panicked or hung hears of the next round all the same.
    let consumed = after(10 * SECOND, at_once(one.emit(2)).await.unwrap().consumed()).await;
    assert_eq!(consumed.failed.len(), 4);
}

#[convoke::test]
async fn a_consumer_takes_the_rounds_in_their_order_one_at_a_time() {
    let (broker, one) = soloist().await;
    let heard = Notes::new();
    let notes = heard.clone();
    let slow = async move |round: Resolved<u32>| {
        notes.add(("begins", round.payloads()[0]));
        sleep(ms(100)).await;
        notes.add(("ends", round.payloads()[0]));
    };
    let _guard = Consumer::join(&broker, slow).await.unwrap();
    let mut outcomes = Vec::new();
    for number in 0..3 {
        outcomes.push(at_once(one.emit(number)).await.unwrap());
    }
    let last = outcomes.pop().unwrap();
    assert!(after(ms(300), last.consumed()).await.is_ok());
    let expected = (0..3).flat_map(|number| [("begins", number), ("ends", number)]);
    assert_eq!(heard.take(), expected.collect::<Vec<_>>());
}

#[convoke::test]
async fn a_consumer_takes_as_many_rounds_at_a_time_as_it_says() {
    let (broker, one) = soloist().await;
    let at_work = Notes::new();
    let notes = at_work.clone();
    let slow = async move |_: Resolved<u32>| {
        notes.add(());
        sleep(ms(100)).await;
        notes.pop();
    };
    let _guard = Consumer::join(&broker, Consumer::new(slow).concurrency(3)).await.unwrap();
    let mut outcomes = Vec::new();
    for number in 0..7 {
        outcomes.push(at_once(one.emit(number)).await.unwrap());
    }
    for (waves, left) in [(1, 3), (2, 3), (3, 1)] {
        settled().await;
        assert_eq!(at_work.len(), left, "in wave {waves}");
        sleep(ms(100)).await;
    }
    assert!(at_once(outcomes.pop().unwrap().consumed()).await.is_ok());
}

#[convoke::test]
async fn emit_does_not_wait_for_the_consumers() {
    let (broker, one) = soloist().await;
    let _guard = Consumer::join(&broker, async |_: Resolved<u32>| sleep(5 * SECOND).await).await.unwrap();
    let first = at_once(one.emit(1)).await.unwrap();
    let second = at_once(one.emit(2)).await.unwrap();
    assert_eq!(broker.inspect().await.unwrap().open_count, 0);
    assert!(after(10 * SECOND, async { tokio::join!(first.consumed(), second.consumed()) }).await.1.is_ok());
}

#[convoke::test]
async fn a_consumer_that_is_dropped_finishes_what_it_has_and_hears_no_more() {
    let (broker, one) = soloist().await;
    let heard = Notes::new();
    let notes = heard.clone();
    let slow = async move |round: Resolved<u32>| {
        sleep(SECOND).await;
        notes.add(round.payloads()[0]);
    };
    let guard = Consumer::join(&broker, slow).await.unwrap();
    let (first, second) = (at_once(one.emit(1)).await.unwrap(), at_once(one.emit(2)).await.unwrap());
    drop(guard);
    settled().await;
    let third = at_once(one.emit(3)).await.unwrap();
    assert_eq!(at_once(third.consumed()).await.consumers, 0);
    assert!(after(2 * SECOND, async { tokio::join!(first.consumed(), second.consumed()) }).await.1.is_ok());
    assert_eq!(heard.take(), [1, 2]);
}

#[convoke::test]
async fn a_consumer_that_joins_while_a_round_is_open_hears_of_it() {
    let (broker, one) = soloist().await;
    let [two] = join_all(&broker, ["two"]).await;
    let first = one.emit(1);
    settled().await;
    let _guard = Consumer::join(&broker, |_: Resolved<u32>| ()).await.unwrap();
    two.do_emit(2).unwrap();
    assert_eq!(at_once(at_once(first).await.unwrap().consumed()).await.consumers, 1);
}

/// An actor of the user's own that consumes whatever kind it is asked to.
struct Ledger {
    heard: Notes<String>,
    answer: fn(&mut Context<Ledger>) -> ResponseFuture<Handled>,
}

impl Ledger {
    fn start(answer: fn(&mut Context<Self>) -> ResponseFuture<Handled>) -> (Addr<Self>, Notes<String>) {
        let heard = Notes::new();
        (Actor::start(Self { heard: heard.clone(), answer }), heard)
    }
}

impl Actor for Ledger {
    type Context = Context<Self>;
}

macro_rules! consumes {
    ($($kind:ident),*) => {$(
        impl Handler<$kind<u32>> for Ledger {
            type Result = ResponseFuture<Handled>;

            fn handle(&mut self, round: $kind<u32>, ctx: &mut Context<Self>) -> Self::Result {
                self.heard.add(format!("{} {:?}", stringify!($kind), round.payloads()));
                (self.answer)(ctx)
            }
        }
    )*};
}

consumes!(Resolved, Cancelled, Outcome);

#[convoke::test]
async fn any_actor_is_a_consumer_by_what_it_handles() {
    let (broker, one) = soloist().await;
    let [two] = join_all(&broker, ["two"]).await;
    let (ledger, heard) = Ledger::start(|_| Box::pin(async { Ok(()) }));
    let _guards = [
        broker.add_consumer("a", ledger.clone().recipient::<Resolved<u32>>()).await.unwrap(),
        broker.add_consumer("b", ledger.clone().recipient::<Cancelled<u32>>()).await.unwrap(),
        broker.add_consumer("c", ledger.clone().recipient::<Outcome<u32>>()).await.unwrap(),
    ];
    assert_eq!(broker.inspect().await.unwrap().consumers.iter().map(|name| &**name).collect::<String>(), "abc");
    for second in [false, true] {
        let first = one.emit(1);
        settled().await;
        let outcome = if second { two.emit(2) } else { two.veto("no") };
        let consumed = at_once(at_once(outcome).await.unwrap().consumed()).await;
        assert_eq!((consumed.consumers, consumed.is_ok()), (3, true));
        assert!(at_once(first).await.is_ok());
    }
    assert_eq!(heard.take(), ["Cancelled [1]", "Outcome [1]", "Resolved [1, 2]", "Outcome [1, 2]"]);
}

#[convoke::test]
async fn an_actor_that_fails_panics_hangs_or_is_gone_stops_no_other_and_is_named() {
    let broker = Broker::new(SECOND).consumer_timeout(10 * SECOND).start();
    let [one] = join_all(&broker, ["one"]).await;
    let fine: fn(&mut Context<Ledger>) -> ResponseFuture<Handled> = |_| Box::pin(async { Ok(()) });
    let ledgers = [
        ("fails", Ledger::start(|_| Box::pin(async { Err(Failure::new("no more ink")) }))),
        ("panics", Ledger::start(|_| panic!("in the middle of it"))),
        ("hangs", Ledger::start(|_| Box::pin(pending()))),
        (
            "stops",
            Ledger::start(|ctx| {
                ctx.terminate();
                Box::pin(pending())
            }),
        ),
        ("gone", Ledger::start(fine)),
        ("fine", Ledger::start(fine)),
    ];
    let mut guards = Vec::new();
    for (name, (ledger, _)) in &ledgers {
        let ledger = ledger.clone().recipient::<Outcome<u32>>().downgrade();
        guards.push(broker.add_consumer(*name, ledger).await.unwrap());
    }
    let mut held: Vec<_> = ledgers.into_iter().collect();
    drop(held.remove(4));
    settled().await;
    let consumed = after(10 * SECOND, at_once(one.emit(1)).await.unwrap().consumed()).await;
    assert_eq!(held.last().unwrap().1.1.take(), ["Outcome [1]"]);
    let mut failures = consumed.failed;
    failures.sort_by_key(|failed| failed.consumer.clone());
    let expected = [
        failed("fails", ConsumerError::Failed("no more ink".into())),
        failed("gone", ConsumerError::Gone),
        failed("hangs", ConsumerError::TimedOut(10 * SECOND)),
        failed("panics", ConsumerError::Gone),
        // Its answer outlives it, as the table of the design says, and never comes.
        failed("stops", ConsumerError::TimedOut(10 * SECOND)),
    ];
    assert_eq!(failures, expected);
}

#[convoke::test]
async fn a_guard_keeps_an_actor_alive_that_was_given_as_a_recipient_and_not_as_a_weak_one() {
    for weak in [false, true] {
        let (broker, one) = soloist().await;
        let (ledger, heard) = Ledger::start(|_| Box::pin(async { Ok(()) }));
        let address = ledger.downgrade();
        let recipient = ledger.recipient::<Outcome<u32>>();
        let guard = if weak {
            let guard = broker.add_consumer("ledger", recipient.downgrade()).await.unwrap();
            drop(recipient);
            guard
        } else {
            broker.add_consumer("ledger", recipient).await.unwrap()
        };
        settled().await;
        let consumed = at_once(at_once(one.emit(1)).await.unwrap().consumed()).await;
        let gone = [failed("ledger", ConsumerError::Gone)];
        assert_eq!((consumed.failed, heard.len()), if weak { (gone.to_vec(), 0) } else { (vec![], 1) });
        drop(guard);
        settled().await;
        assert_eq!(at_once(at_once(one.emit(2)).await.unwrap().consumed()).await.consumers, 0);
        assert!(address.upgrade().is_none_or(|ledger| !ledger.connected()), "nobody keeps it");
    }
}

#[convoke::test]
async fn consumers_have_the_names_they_were_given_or_a_number() {
    let (broker, _one) = soloist().await;
    let guards = [
        Consumer::join(&broker, |_: Resolved<u32>| ()).await.unwrap(),
        Consumer::join(&broker, Consumer::new(|_: Resolved<u32>| ()).named("log")).await.unwrap(),
        Consumer::join(&broker, |_: Resolved<u32>| ()).await.unwrap(),
    ];
    assert_eq!(guards.each_ref().map(|guard| guard.name()), ["consumer 1", "log", "consumer 3"]);
}
