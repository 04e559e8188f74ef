//! What a broker answers to `Inspect`: open rounds and whom each waits for, the last outcomes, how each emitter did.

use std::sync::Arc;

use actix::Addr;
use convoke::prelude::*;
use convoke::{BrokerSnapshot, EmitterStats, Inspect};
use serde_json::json;

use crate::common::{SECOND, after, at_once, join_all, missing, ms, settled, sleep, timed_out};

/// Kept, missed, late, last: by emitter, in the order of joining.
fn stats(snapshot: &BrokerSnapshot) -> Vec<[u64; 4]> {
    let row = |EmitterStats { kept, missed, late, last, .. }: &EmitterStats| [*kept, *missed, *late, *last];
    snapshot.emitters.iter().map(row).collect()
}

fn names<'a>(of: impl IntoIterator<Item = &'a convoke::EmitterRef>) -> Vec<&'a str> {
    of.into_iter().map(|emitter| &*emitter.name).collect()
}

async fn look(broker: &Addr<Broker<u32>>) -> BrokerSnapshot {
    at_once(broker.inspect()).await.unwrap()
}

#[convoke::test]
async fn a_broker_that_has_done_nothing_says_so() {
    let broker = Broker::<u32>::new(SECOND).named("orders").start();
    let snapshot = broker.send(Inspect).await.unwrap();
    assert_eq!((snapshot.broker.as_str(), snapshot.timeout), ("orders", SECOND));
    assert_eq!((snapshot.open_count, snapshot.resolved, snapshot.cancelled), (0, 0, 0));
    assert!(snapshot.emitters.is_empty() && snapshot.consumers.is_empty());
    assert!(snapshot.open.is_empty() && snapshot.recent.is_empty() && snapshot.most_often_last.is_none());
}

#[convoke::test]
async fn an_open_round_says_whom_it_waits_for_and_for_how_long() {
    let broker = Broker::new(SECOND).start();
    let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
    let _first = one.emit(1);
    sleep(ms(100)).await;
    three.do_emit_for("a", 3).unwrap();
    three.do_emit(3).unwrap();
    sleep(ms(100)).await;
    let open = look(&broker).await.open;
    let rounds: Vec<_> = open.iter().map(|round| (round.round.get(), round.key.clone())).collect();
    assert_eq!(rounds, [(1, None), (2, Some("a".into()))]);
    assert_eq!((names(&open[0].kept), names(&open[0].waits_for)), (vec!["one", "three"], vec!["two"]));
    assert_eq!((names(&open[1].kept), names(&open[1].waits_for)), (vec!["three"], vec!["one", "two"]));
    assert_eq!((open[0].open_for, open[0].left), (ms(200), ms(800)));
    assert_eq!((&*open[0].kept_at, &*open[1].kept_at), (&[ms(0), ms(100)][..], &[ms(0)][..]));
    assert_eq!((open[1].open_for, open[1].left), (ms(100), ms(900)));
    drop(two);
}

#[convoke::test]
async fn what_is_left_is_the_time_to_the_next_deadline_of_any_kind() {
    let broker = Broker::new(SECOND).idle_timeout(ms(600)).release(Release::at_least(2)).start();
    let [one] = join_all(&broker, ["one"]).await;
    let _quick = Emitter::join(&broker, Emitter::new("quick").deadline(ms(200))).await.unwrap();
    let _first = one.emit(1);
    settled().await;
    assert_eq!(look(&broker).await.open[0].left, ms(200), "the emitter's own");
    sleep(ms(300)).await;
    assert_eq!(look(&broker).await.open[0].left, ms(300), "the idle timeout");
}

#[convoke::test]
async fn an_open_round_names_those_who_are_required_and_not_there() {
    let broker = Broker::new(SECOND).release(Release::required(["stock", "payment"])).start();
    let [stock] = join_all(&broker, ["stock"]).await;
    let first = stock.emit(1);
    settled().await;
    assert_eq!(look(&broker).await.open[0].unfilled, [Arc::<str>::from("payment")]);
    let [payment] = join_all(&broker, ["payment"]).await;
    assert!(look(&broker).await.open[0].unfilled.is_empty());
    payment.do_emit(2).unwrap();
    assert!(at_once(first).await.unwrap().is_resolved());
}

#[convoke::test]
async fn of_many_open_rounds_the_earliest_are_described_and_all_are_counted() {
    let broker = Broker::new(SECOND).start();
    let [one, _two] = join_all(&broker, ["one", "two"]).await;
    (0..150).for_each(|key| one.do_emit_for(key, 1).unwrap());
    settled().await;
    let snapshot = look(&broker).await;
    assert_eq!(snapshot.open_count, 150);
    let rounds: Vec<_> = snapshot.open.iter().map(|round| round.round.get()).collect();
    assert_eq!(rounds, (1..=convoke::DESCRIBED_ROUNDS as u64).collect::<Vec<_>>());
}

#[convoke::test]
async fn the_last_outcomes_are_remembered_up_to_the_number_asked_for() {
    let broker = Broker::new(SECOND).history(3).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    two.do_emit(2).unwrap();
    assert!(at_once(one.emit(1)).await.unwrap().is_resolved());
    assert!(after(SECOND, one.emit_for("a", 1)).await.unwrap().is_cancelled());
    let first = one.emit(1);
    sleep(ms(20)).await;
    assert!(at_once(two.veto("no")).await.unwrap().is_cancelled());
    assert!(at_once(first).await.unwrap().is_cancelled());
    one.do_emit(1).unwrap();
    sleep(ms(10)).await;
    // It is late once for the round it vetoed.
    assert!(at_once(two.emit(2)).await.is_ok());

    let snapshot = look(&broker).await;
    assert_eq!((snapshot.resolved, snapshot.cancelled), (2, 2));
    let rounds: Vec<u64> = snapshot.recent.iter().map(|past| past.round.get()).collect();
    assert_eq!(rounds, [2, 3, 4], "the latest last, and the first forgotten");
    let [late, vetoed, resolved] = &snapshot.recent[..] else { unreachable!() };
    assert_eq!((&late.cause, &late.key), (&Some(timed_out(["two"])), &Some("a".into())));
    assert_eq!((late.elapsed, late.signals, names(&late.missing)), (SECOND, 1, vec!["two"]));
    assert!(matches!(&vetoed.cause, Some(Cause::Vetoed { by, .. }) if by.id == two.id()));
    assert!(resolved.is_resolved() && !late.is_resolved());
    assert_eq!((resolved.elapsed, resolved.signals, resolved.partial), (ms(10), 2, false));
}

#[convoke::test]
async fn a_history_of_zero_remembers_nothing_and_counts_on() {
    let broker = Broker::new(SECOND).history(0).start();
    let [one] = join_all(&broker, ["one"]).await;
    assert!(at_once(one.emit(1)).await.unwrap().is_resolved());
    let snapshot = look(&broker).await;
    assert_eq!((snapshot.recent.len(), snapshot.resolved), (0, 1));
}

#[convoke::test]
async fn a_partial_round_is_marked_in_the_history() {
    let broker = Broker::new(SECOND).on_timeout(OnTimeout::DeliverPartial).start();
    let [one, _two] = join_all(&broker, ["one", "two"]).await;
    assert_eq!(missing(&after(SECOND, one.emit(1)).await.unwrap()), ["two"]);
    let past = look(&broker).await.recent.pop().unwrap();
    assert!(past.partial && past.is_resolved());
    assert_eq!(names(&past.missing), ["two"]);
    assert_eq!(stats(&look(&broker).await), [[1, 0, 0, 0], [0, 1, 0, 0]]);
}

#[convoke::test]
async fn every_emitter_is_known_by_what_it_kept_missed_was_late_for_and_was_last_in() {
    let broker = Broker::new(SECOND).start();
    let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
    // Resolved; two is the last.
    one.do_emit(1).unwrap();
    three.do_emit(3).unwrap();
    assert!(at_once(two.emit(2)).await.unwrap().is_resolved());
    // Three misses it, and comes late.
    one.do_emit(1).unwrap();
    assert!(after(SECOND, two.emit(2)).await.unwrap().is_cancelled());
    assert!(matches!(at_once(three.emit(3)).await, Err(EmitError::Late { .. })));
    assert_eq!(stats(&look(&broker).await), [[2, 0, 0, 0], [2, 0, 0, 1], [1, 1, 1, 0]]);
    // A veto is nobody's miss.
    one.do_emit(1).unwrap();
    assert!(at_once(two.veto("no")).await.unwrap().is_cancelled());
    assert_eq!(stats(&look(&broker).await), [[3, 0, 0, 0], [2, 0, 0, 1], [1, 1, 1, 0]]);
    assert_eq!(look(&broker).await.most_often_last.unwrap().id, two.id());
}

#[convoke::test]
async fn an_emitter_that_comes_back_under_its_id_keeps_its_record() {
    let broker = Broker::new(SECOND).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    two.do_emit(2).unwrap();
    assert!(at_once(one.emit(1)).await.unwrap().is_resolved());
    let id = two.id();
    two.leave();
    settled().await;
    assert_eq!(look(&broker).await.emitters.len(), 1);
    let again = Emitter::join(&broker, Emitter::new("two").with_id(id)).await.unwrap();
    assert_eq!(stats(&look(&broker).await), [[1, 0, 0, 1], [1, 0, 0, 0]]);
    drop(again);
}

#[convoke::test]
async fn a_snapshot_is_serialized_for_people_and_consoles() {
    convoke::testing::expect_failure("log");
    let broker = Broker::new(SECOND).named("orders").start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let _log = Consumer::join(&broker, Consumer::new(|_: Cancelled<u32>| Err("no ink")).named("log")).await.unwrap();
    let first = one.emit_for(7, 1);
    settled().await;
    assert!(at_once(two.veto_for(7, "no")).await.unwrap().is_cancelled());
    assert!(at_once(first).await.unwrap().is_cancelled());
    one.do_emit_for("a", 1).unwrap();
    sleep(ms(250)).await;
    let (one, two) = (json!({ "id": one.id(), "name": "one" }), json!({ "id": two.id(), "name": "two" }));
    let with = |who: &serde_json::Value, kept: u64, vetoed: u64| json!({ "id": who["id"], "name": who["name"], "kept": kept, "missed": 0, "vetoed": vetoed, "late": 0, "last": 0 });
    let expected = json!({
        "broker": "orders",
        "timeout": { "secs": 1, "nanos": 0 },
        "emitters": [with(&one, 1, 0), with(&two, 0, 1)],
        "consumers": ["log"],
        "open_count": 1,
        "open": [{
            "round": 2,
            "key": "a",
            "open_for": { "secs": 0, "nanos": 250_000_000 },
            "left": { "secs": 0, "nanos": 750_000_000 },
            "kept": [one],
            "kept_at": [{ "secs": 0, "nanos": 0 }],
            "waits_for": [two],
            "vetoed": [],
            "unfilled": [],
        }],
        "resolved": 0,
        "cancelled": 1,
        "recent": [{
            "round": 1,
            "key": 7,
            "cause": { "vetoed": { "by": two, "reason": "no" } },
            "partial": false,
            "elapsed": { "secs": 0, "nanos": 0 },
            "signals": 1,
            "missing": [],
            "unfilled": [],
            "vetoed": [],
            "failed_consumers": [{ "consumer": "log", "error": { "failed": "no ink" } }],
        }],
        "most_often_last": null,
    });
    assert_eq!(serde_json::to_value(look(&broker).await).unwrap(), expected);
}

#[convoke::test]
async fn a_snapshot_never_waits_for_consumers_not_even_when_many_rounds_close_at_once() {
    closing_rounds_are_looked_at(300).await;
}

#[convoke::test(seeds = 200)]
async fn a_snapshot_never_waits_for_consumers_whatever_the_order() {
    closing_rounds_are_looked_at(3).await;
}

/// Asks while rounds are closing whose consumer is slow, until all of them have.
async fn closing_rounds_are_looked_at(rounds: u32) {
    let broker = Broker::new(SECOND).start();
    let [one, _two] = join_all(&broker, ["one", "two"]).await;
    let slow = Consumer::new(async |_: Outcome<u32>| sleep(20 * SECOND).await).concurrency(1_000);
    let slow = Consumer::join(&broker, slow).await.unwrap();
    (0..rounds).for_each(|key| one.do_emit_for(key, 1).unwrap());
    settled().await;
    sleep(SECOND).await;
    loop {
        let snapshot = look(&broker).await;
        assert!(snapshot.open.len() <= snapshot.open_count);
        if snapshot.open_count == 0 {
            assert_eq!(snapshot.cancelled, u64::from(rounds));
            break;
        }
    }
    drop(slow);
    sleep(20 * SECOND).await;
}
