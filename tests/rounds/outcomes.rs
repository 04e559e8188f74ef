//! A round from the first signal to the outcome that everybody hears.

use actix::Addr;
use convoke::prelude::*;
use convoke::{Emit, EmitterId, Join, Kept, Leave, Veto};
use uuid::Uuid;

use crate::common::{
    Notes, SECOND, after, at_once, cause, join_all, kept_by, missing, ms, on_a_system, settled, sleep, timed_out,
};

fn broker() -> Addr<Broker<u32>> {
    Broker::new(SECOND).start()
}

#[convoke::test]
async fn when_all_have_kept_their_promise_everyone_hears_one_outcome() {
    let broker = Broker::new(SECOND).start();
    let [stock, payment] = join_all(&broker, ["stock", "payment"]).await;
    let (stock, payment) = at_once(async { tokio::join!(stock.emit("3 left"), payment.emit("paid")) }).await;
    let (stock, payment) = (stock.unwrap(), payment.unwrap());
    assert!(stock.is_resolved() && !stock.is_cancelled());
    assert_eq!(stock.payloads(), ["3 left", "paid"]);
    assert_eq!(stock.to_string(), "round #1 resolved after 0ns with 2 signals");
    assert_eq!(told(&stock), told(&payment));
    assert!(missing(&stock).is_empty());
}

#[convoke::test]
async fn payloads_come_in_the_order_of_emission_each_with_its_emitter_and_the_time_since_the_opening() {
    let broker = broker();
    let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
    sleep(ms(10)).await;
    three.do_emit(3).unwrap();
    sleep(ms(200)).await;
    one.do_emit(1).unwrap();
    sleep(ms(500)).await;
    let outcome = at_once(two.emit(2)).await.unwrap().resolved().unwrap();

    let signals: Vec<_> = outcome.signals().map(|signal| (signal.emitter.id, signal.at, *signal.payload)).collect();
    assert_eq!(signals, [(three.id(), ms(0), 3), (one.id(), ms(200), 1), (two.id(), ms(700), 2)]);
    assert_eq!(outcome.signals().map(|signal| &*signal.emitter.name).collect::<Vec<_>>(), ["three", "one", "two"]);
    assert_eq!(outcome.payloads(), [3, 1, 2]);
    assert_eq!(outcome.elapsed(), ms(700));
    assert!(!outcome.is_partial());
}

#[convoke::test]
async fn a_round_nobody_completes_is_cancelled_at_its_deadline_and_says_who_is_missing() {
    let broker = broker();
    let [stock, payment, fraud] = join_all(&broker, ["stock", "payment", "fraud"]).await;
    payment.do_emit(2).unwrap();
    let outcome = after(SECOND, stock.emit(1)).await.unwrap();
    assert_eq!(cause(&outcome), timed_out(["fraud"]));
    assert_eq!(missing(&outcome), ["fraud"]);
    assert_eq!(outcome.payloads(), [2, 1]);
    assert_eq!(outcome.elapsed(), SECOND);
    assert_eq!(outcome.to_string(), "round #1 cancelled after 1s: timed out; missing fraud");
    drop(fraud);
}

#[convoke::test]
async fn a_signal_that_comes_too_late_is_told_which_round_went_on_without_it() {
    let broker = broker();
    let [one, three] = join_all(&broker, ["one", "three"]).await;
    one.do_emit(1).unwrap();
    sleep(ms(1_100)).await;
    let error = at_once(three.emit(3)).await.unwrap_err();
    assert_eq!(error.to_string(), "round #1 went on without this signal: it came too late");
    // It has been told once; the next one opens a round.
    three.do_emit(3).unwrap();
    assert_eq!(at_once(one.emit(1)).await.unwrap().to_string(), "round #2 resolved after 0ns with 2 signals");
}

/// All that an outcome tells; its `Debug` does not show what was emitted.
fn told<P: std::fmt::Debug>(outcome: &Outcome<P>) -> String {
    format!("{outcome:?} {:?}", outcome.payloads())
}

#[convoke::test]
async fn emitters_pledges_callbacks_and_consumers_all_hear_the_same() {
    let broker = broker();
    let heard = Notes::new();
    let note = |heard: &Notes<String>| {
        let heard = heard.clone();
        move |round: Outcome<u32>| heard.add(told(&round))
    };
    let one = Emitter::join(&broker, Emitter::new("one").on_outcome(note(&heard))).await.unwrap();
    let [two] = join_all(&broker, ["two"]).await;
    let summoned = heard.clone();
    let asked = Emitter::new("asked").on_summons(move |pledge| {
        let summoned = summoned.clone();
        let kept = pledge.keep_and_wait(7);
        actix_rt::spawn(async move { summoned.add(told(&kept.await.unwrap())) });
    });
    let asked = Emitter::join(&broker, asked).await.unwrap();
    let sync = Consumer::join(&broker, note(&heard)).await.unwrap();
    let later = heard.clone();
    let later = async move |round: Outcome<u32>| later.add(told(&round));
    let later = Consumer::join(&broker, later).await.unwrap();

    for cancelled in [false, true] {
        let first = one.emit(1);
        sleep(ms(3)).await;
        let second = if cancelled { two.veto("no") } else { two.emit(2) };
        let (first, second) = at_once(async { tokio::join!(first, second) }).await;
        settled().await;
        let all = heard.take();
        assert_eq!(all.len(), 4, "the callback, the pledge and two consumers: {all:?}");
        for heard in [first, second].map(|outcome| told(&outcome.unwrap())) {
            assert!(all.iter().all(|other| *other == heard), "{heard} and {all:?}");
        }
    }
    drop((asked, sync, later));
}

#[convoke::test]
async fn do_emit_does_not_wait() {
    let broker = broker();
    let heard = Notes::new();
    let notes = heard.clone();
    let consumer = Consumer::join(&broker, move |round: Resolved<u32>| notes.add(round.payloads().to_vec())).await;
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    one.do_emit(1).unwrap();
    two.do_emit_for("other", 0).unwrap();
    two.do_emit(2).unwrap();
    settled().await;
    assert_eq!(heard.take(), [[1, 2]]);
    drop(consumer.unwrap());
}

#[convoke::test]
async fn an_emission_that_nobody_awaits_is_still_a_signal() {
    let broker = broker();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    drop(one.emit(1));
    assert_eq!(at_once(two.emit(2)).await.unwrap().payloads(), [1, 2]);
}

#[convoke::test]
async fn what_a_handle_does_an_address_does_by_message() {
    let broker = broker();
    let one = Emitter::new("one").start();
    let who = one.send(Join { broker: broker.clone() }).await.unwrap().unwrap();
    assert_eq!(&*who.name, "one");
    let [two] = join_all(&broker, ["two"]).await;

    let emit = one.send(Emit { key: Some("a".into()), payload: 1 });
    two.do_emit_for("a", 2).unwrap();
    let outcome = at_once(emit).await.unwrap().unwrap();
    assert_eq!(outcome.key(), Some(&RoundKey::from("a")));
    // A message travels through the emitter, so the direct signal was first.
    assert_eq!(outcome.payloads(), [2, 1]);

    two.do_emit_for("a", 2).unwrap();
    let outcome = at_once(one.send(Veto::of("a", "sold out"))).await.unwrap().unwrap();
    assert_eq!(outcome.to_string(), "round #2 of `a` cancelled after 0ns: vetoed by one: sold out");
    two.do_emit(2).unwrap();
    let outcome = at_once(one.send(Veto::new("no"))).await.unwrap().unwrap();
    assert_eq!(outcome.round().get(), 3);

    two.do_emit(2).unwrap();
    settled().await;
    one.send(Leave).await.unwrap();
    let error = at_once(one.send(Emit { key: None, payload: 1 })).await.unwrap().unwrap_err();
    assert_eq!(error, EmitError::NotJoined);
    assert_eq!(at_once(one.send(Veto::<u32>::new("no"))).await.unwrap().unwrap_err(), EmitError::NotJoined);
}

#[convoke::test]
async fn what_a_handle_does_an_address_does_by_method() {
    let broker = broker();
    let one = Emitter::new("one").start();
    assert_eq!(at_once(EmitterExt::emit(&one, 1)).await.unwrap_err(), EmitError::NotJoined);
    let id = EmitterExt::join(&one, &broker).await.unwrap().id;
    let [two] = join_all(&broker, ["two"]).await;
    assert_ne!(id, two.id());

    one.do_send(Emit { key: None, payload: 1 });
    assert_eq!(at_once(two.emit(2)).await.unwrap().payloads().len(), 2);
    one.do_send(Emit { key: Some(7.into()), payload: 1 });
    assert_eq!(at_once(two.emit_for(7, 2)).await.unwrap().key(), Some(&RoundKey::from(7)));
    let (mine, theirs) = at_once(async { tokio::join!(one.emit_for(8, 1), two.addr().emit_for(8, 2)) }).await;
    assert_eq!(mine.unwrap().round(), theirs.unwrap().round());
    two.do_emit(2).unwrap();
    assert!(at_once(one.veto("no")).await.unwrap().is_cancelled());
    EmitterExt::leave(&one).await.unwrap();
    assert_eq!(broker.inspect().await.unwrap().emitters.len(), 1);
}

#[convoke::test]
async fn an_emitter_is_called_back_when_its_promise_is_kept_and_only_then() {
    let broker = Broker::new(SECOND).repeat_emit(RepeatEmit::Replaces).start();
    let kept = Notes::new();
    let notes = kept.clone();
    let one = Emitter::join(&broker, Emitter::new("one").on_kept(move |kept: Kept| notes.add(kept))).await.unwrap();
    let [two] = join_all(&broker, ["two"]).await;
    two.do_emit_for("a", 2).unwrap();
    sleep(ms(30)).await;
    let outcome = at_once(one.emit_for("a", 1)).await.unwrap();
    settled().await;
    assert_eq!(kept.take(), [Kept { round: outcome.round(), key: Some("a".into()), at: ms(30) }]);

    two.do_emit(2).unwrap();
    sleep(SECOND + ms(1)).await;
    assert!(matches!(at_once(one.emit(1)).await, Err(EmitError::Late { .. })));
    settled().await;
    assert_eq!(kept.len(), 0, "a promise that was not kept");
}

#[convoke::test]
async fn a_veto_cancels_the_round_for_everyone() {
    let broker = broker();
    let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
    let (first, third) = (one.emit(1), three.emit(3));
    let vetoed = at_once(two.veto("no money")).await.unwrap();
    for outcome in [&vetoed, &at_once(first).await.unwrap(), &at_once(third).await.unwrap()] {
        assert!(matches!(cause(outcome), Cause::Vetoed { by, reason } if by.id == two.id() && &*reason == "no money"));
        assert_eq!((kept_by(outcome), missing(outcome)), (vec!["one", "three"], vec![]));
    }
}

#[convoke::test]
async fn who_has_kept_its_promise_may_still_veto() {
    let broker = broker();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let first = one.emit(1);
    let outcome = at_once(one.veto("on second thoughts")).await.unwrap();
    assert_eq!(outcome.to_string(), "round #1 cancelled after 0ns: vetoed by one: on second thoughts; missing two");
    assert!(at_once(first).await.unwrap().is_cancelled());
    drop(two);
}

#[convoke::test]
async fn an_abort_cancels_the_round_for_everyone_with_its_reason() {
    let broker = broker();
    let [one, _two] = join_all(&broker, ["one", "two"]).await;
    let (unkeyed, keyed) = (one.emit(1), one.emit_for("a", 1));
    settled().await;
    broker.abort("closing time").await.unwrap();
    assert_eq!(cause(&at_once(unkeyed).await.unwrap()), Cause::Aborted("closing time".into()));
    broker.abort_for("a", "that too").await.unwrap();
    let outcome = at_once(keyed).await.unwrap();
    assert_eq!(outcome.to_string(), "round #2 of `a` cancelled after 0ns: aborted: that too; missing two");
}

#[convoke::test]
async fn who_leaves_is_waited_for_no_more_and_what_it_emitted_stays() {
    let broker = broker();
    let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
    let first = one.emit(1);
    settled().await;
    two.leave();
    one.leave();
    let outcome = at_once(three.emit(3)).await.unwrap();
    assert!(outcome.is_resolved() && missing(&outcome).is_empty());
    assert_eq!(kept_by(&outcome), ["one", "three"]);
    assert_eq!(at_once(first).await.unwrap().payloads(), [1, 3]);
}

#[convoke::test]
async fn a_round_is_resolved_when_the_last_who_owes_it_leaves() {
    let broker = broker();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let first = one.emit(1);
    settled().await;
    two.leave();
    let outcome = at_once(first).await.unwrap();
    assert!(outcome.is_resolved() && kept_by(&outcome) == ["one"] && missing(&outcome).is_empty());
}

#[convoke::test]
async fn an_emitter_has_the_id_it_was_given_or_a_new_uuid_of_version_7() {
    let broker = broker();
    let id = Uuid::from_u128(17);
    let given = Emitter::join(&broker, Emitter::new("given").with_id(id)).await.unwrap();
    assert_eq!((given.id(), given.name(), given.id().to_string()), (EmitterId::from(id), "given", id.to_string()));
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    assert_ne!(one.id(), two.id());
    assert_eq!(one.id().as_uuid().get_version_num(), 7);
    assert_eq!(Uuid::parse_str(one.broker().as_str()).unwrap().get_version_num(), 7);
}

#[convoke::test]
async fn an_emitter_belongs_to_one_broker_at_a_time() {
    let (first, second) = (Broker::new(SECOND).named("first").start(), broker());
    let one = Emitter::join(&first, "one").await.unwrap();
    let error = one.addr().join(&second).await.unwrap_err();
    assert_eq!(error.to_string(), "the emitter is a member of the broker `first`: let it leave that one first");
    let address = one.addr().clone();
    one.leave();
    address.join(&second).await.unwrap();
    assert!(at_once(EmitterExt::emit(&address, 1)).await.unwrap().is_resolved());
    assert!(first.inspect().await.unwrap().emitters.is_empty());
}

#[convoke::test]
async fn joining_twice_at_once_is_an_error_for_the_second() {
    let (broker, other) = (broker(), broker());
    let one = Emitter::new("one").start();
    let (first, second) = tokio::join!(one.join(&broker), one.join(&other));
    assert_eq!(first.unwrap().name.as_ref(), "one");
    assert_eq!(second.unwrap_err(), JoinError::Joining);
}

#[convoke::test]
async fn what_is_handed_to_the_broker_lives_as_long_as_the_broker() {
    let broker = broker();
    let [one] = join_all(&broker, ["one"]).await;
    let heard = Notes::new();
    let notes = heard.clone();
    let consumer = Consumer::new(move |round: Outcome<u32>| notes.add(round.round().get())).named("log");
    let consumer = Consumer::join(&broker, consumer).await.unwrap();
    assert_eq!(consumer.name(), "log");
    consumer.forever();
    let asked = Emitter::join(&broker, Emitter::new("asked").on_summons(|pledge| pledge.keep(2))).await.unwrap();
    drop(asked.forever());
    assert_eq!(at_once(one.emit(1)).await.unwrap().payloads(), [1, 2]);
    settled().await;
    assert_eq!(heard.take(), [1]);
    broker.stop();
    drop(broker);
    settled().await;
    assert_eq!(convoke::testing::alive(), ["the emitter `one`"]);
}

#[convoke::test]
async fn a_broker_lives_as_long_as_an_address_or_the_guard_of_a_member() {
    let broker = broker();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    drop(broker);
    let first = one.emit(1);
    assert!(at_once(two.emit(2)).await.unwrap().is_resolved());
    drop(two);
    assert!(at_once(first).await.unwrap().is_resolved());
    drop(one);
    settled().await;
    assert!(convoke::testing::alive().is_empty());
}

#[convoke::test]
async fn rounds_follow_one_another() {
    let broker = broker();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    for number in 1..=100 {
        two.do_emit(number).unwrap();
        let outcome = at_once(one.emit(number)).await.unwrap();
        assert_eq!((outcome.round().get(), outcome.payloads()), (u64::from(number), &[number, number][..]));
    }
    assert_eq!(broker.inspect().await.unwrap().resolved, 100);
}

#[convoke::test]
async fn what_was_emitted_goes_with_the_round_though_its_broker_has_nothing_more_to_do() {
    let broker = Broker::new(SECOND).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let payload = std::sync::Arc::new(7);
    one.do_emit(payload.clone()).unwrap();
    assert!(at_once(two.emit(payload.clone())).await.unwrap().is_resolved());
    settled().await;
    assert_eq!(std::sync::Arc::strong_count(&payload), 1);
    let snapshot = broker.inspect().await.unwrap();
    assert_eq!((snapshot.resolved, snapshot.open_count, snapshot.recent[0].signals), (1, 0, 2));
}

#[convoke::test]
async fn rounds_that_close_together_are_all_counted() {
    let broker = Broker::new(SECOND).history(1_000).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    (0..300).for_each(|key| one.do_emit_for(key, 1).unwrap());
    settled().await;
    (0..300).for_each(|key| two.do_emit_for(key, 2).unwrap());
    settled().await;
    // The next round of a key finds none.
    one.do_emit_for(7, 1).unwrap();
    assert_eq!(at_once(two.emit_for(7, 2)).await.unwrap().round().get(), 301);
    let snapshot = broker.inspect().await.unwrap();
    assert_eq!((snapshot.resolved, snapshot.open_count, snapshot.recent.len()), (301, 0, 301));
    assert!(snapshot.emitters.iter().all(|emitter| emitter.kept == 301), "{:?}", snapshot.emitters);
}

#[convoke::test]
async fn an_outcome_reads_like_a_sentence() {
    let broker = Broker::new(ms(1_500)).release(Release::at_least(2)).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let cancelled = after(ms(1_500), one.emit_for("a", 1)).await.unwrap();
    let text = "round #1 of `a` cancelled after 1.5s: timed out with 1 of the 2 signals it needs; missing two";
    assert_eq!(cancelled.to_string(), text);
    assert_eq!(format!("{cancelled:?}"), text, "it is an error as well");
    two.leave();
    let solo = Broker::new(SECOND).start();
    let [one] = join_all(&solo, ["one"]).await;
    let resolved = at_once(one.emit(1)).await.unwrap();
    assert_eq!(resolved.to_string(), "round #1 resolved after 0ns with 1 signal");
    assert_eq!(format!("{resolved:?}"), "Resolved { round: 1, elapsed: 0ns, signals: [one at 0ns] }");
}

#[test]
fn rounds_run_in_a_system_of_ones_own() {
    let outcome = on_a_system(async {
        let broker = broker();
        let [one] = join_all(&broker, ["one"]).await;
        one.emit(1).await
    });
    assert_eq!(outcome.unwrap().payloads(), [1]);
}
