//! A broker, a session or an emitter is stopped, lost or crashes: nobody is left waiting, and nobody until the timeout.

use actix::Addr;
use convoke::prelude::*;
use convoke::testing::{self, Crash};
use convoke::{Emit, Gathered, Veto};

use crate::common::{
    Clerk, Notes, SECOND, after, assert_lost, at_once, cause, join_all, kept_by, missing, ms, out_of_reach, settled,
    sleep,
};

fn rules() -> Broker<u32> {
    Broker::new(3600 * SECOND)
}

/// Everything one may wait for at a broker, waiting: it has to end, now, however the broker ends.
async fn assert_nobody_waits(end: impl FnOnce(&Addr<Broker<u32>>)) {
    let broker = rules().start();
    let heard = Notes::new();
    let notes = heard.clone();
    let _guard = Consumer::join(&broker, move |round: Outcome<u32>| notes.add(cause(&round))).await.unwrap();
    let [one, two, silent] = join_all(&broker, ["one", "two", "silent"]).await;
    let pledged = Notes::new();
    let notes = pledged.clone();
    let clerk = Clerk::join(&broker, "clerk", move |pledge, _| notes.add(pledge.keep_and_wait(7))).await;
    let open = [one.emit(1), two.emit(2), one.emit_for("a", 1)];
    let by_message = actix_rt::spawn(one.addr().send(Emit { key: Some("b".into()), payload: 1 }));
    settled().await;
    let pledged = pledged.take();
    assert_eq!(pledged.len(), 3);

    end(&broker);
    for emission in open.into_iter().chain(pledged) {
        assert_eq!(cause(&at_once(emission).await.unwrap()), Cause::BrokerStopped);
    }
    let by_message = at_once(by_message).await.unwrap().unwrap();
    assert_eq!(cause(&by_message.unwrap()), Cause::BrokerStopped);
    settled().await;
    assert_eq!(heard.take(), vec![Cause::BrokerStopped; 3]);
    assert_gone(&broker, &one).await;
    drop((two, silent, clerk));
}

/// Whatever one asks of a broker that is gone is an error that says so.
async fn assert_gone(broker: &Addr<Broker<u32>>, one: &EmitterHandle<u32>) {
    const TEXT: &str = "the broker is gone: hold its address as long as it is needed";
    assert_eq!(at_once(one.emit(1)).await.unwrap_err(), EmitError::BrokerGone);
    assert_eq!(at_once(one.emit_for("a", 1)).await.unwrap_err().to_string(), TEXT);
    assert_eq!(one.do_emit(1).unwrap_err(), EmitError::BrokerGone);
    assert_eq!(at_once(one.veto("no")).await.unwrap_err(), EmitError::BrokerGone);
    assert_eq!(at_once(one.addr().emit(1)).await.unwrap_err(), EmitError::BrokerGone);
    assert_eq!(at_once(one.addr().send(Veto::new("no"))).await.unwrap().unwrap_err(), EmitError::BrokerGone);
    assert_eq!(at_once(Emitter::join(broker, "three")).await.unwrap_err().to_string(), TEXT);
    let consumer = at_once(Consumer::join(broker, |_: Resolved<u32>| ())).await;
    assert_eq!(consumer.unwrap_err(), JoinError::BrokerGone);
    assert_eq!(at_once(broker.inspect()).await.unwrap_err(), BrokerError::Gone);
    assert_eq!(at_once(broker.abort("x")).await.unwrap_err().to_string(), TEXT);
    assert_eq!(at_once(broker.set_timeout(SECOND)).await.unwrap_err(), BrokerError::Gone);
}

#[convoke::test]
async fn stopping_a_broker_leaves_nobody_waiting() {
    assert_nobody_waits(|broker| broker.stop()).await;
}

#[convoke::test]
async fn a_broker_that_crashes_leaves_nobody_waiting() {
    assert_nobody_waits(|broker| broker.do_send(Crash)).await;
}

#[convoke::test]
async fn what_waits_for_a_broker_that_ends_is_answered_at_once() {
    for crash in [false, true] {
        let broker = rules().start();
        let [one, _two] = join_all(&broker, ["one", "two"]).await;
        if crash {
            broker.do_send(Crash)
        } else {
            broker.stop()
        }
        // Nothing of this has been handled yet.
        let emissions = [one.emit(1), one.emit(1), one.emit_for("a", 1), one.veto_for("b", "no")];
        let inspect = broker.inspect();
        for emission in emissions {
            match at_once(emission).await {
                Ok(outcome) => assert_eq!(cause(&outcome), Cause::BrokerStopped),
                Err(error) => assert!(
                    matches!(error, EmitError::BrokerGone | EmitError::NoRound | EmitError::AlreadyKept { .. }),
                    "{error}"
                ),
            }
        }
        assert_eq!(at_once(inspect).await.unwrap_err(), BrokerError::Gone);
    }
}

#[convoke::test]
async fn signals_held_back_for_the_next_round_are_answered_when_the_broker_ends() {
    let broker = rules().repeat_emit(RepeatEmit::NextRound).start();
    let [one, _two] = join_all(&broker, ["one", "two"]).await;
    let [first, second] = [one.emit(1), one.emit(11)];
    settled().await;
    broker.stop();
    assert_eq!(cause(&at_once(first).await.unwrap()), Cause::BrokerStopped);
    assert_eq!(at_once(second).await.unwrap_err(), EmitError::BrokerGone);
}

#[convoke::test]
async fn who_waits_for_the_consumers_of_a_broker_that_ends_still_hears_of_them() {
    let broker = rules().start();
    let [one] = join_all(&broker, ["one"]).await;
    let _guard = Consumer::join(&broker, async |_: Resolved<u32>| sleep(5 * SECOND).await).await.unwrap();
    let outcome = at_once(one.emit(1)).await.unwrap();
    broker.stop();
    assert!(after(5 * SECOND, outcome.consumed()).await.is_ok());
}

#[convoke::test]
async fn a_session_whose_predicate_panics_is_lost_and_says_so_to_everyone() {
    let panics = |gathered: &Gathered<'_, u32>| match gathered.payloads() {
        [1, 2] => panic!("two was too much"),
        payloads => payloads.len() == 2,
    };
    let broker = rules().release(Release::when(panics)).start();
    let heard = Notes::new();
    let notes = heard.clone();
    let _guard = Consumer::join(&broker, move |round: Outcome<u32>| notes.add(round.is_resolved())).await.unwrap();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let (keyed, first) = (one.emit_for("a", 1), one.emit(1));
    let outcome = at_once(two.emit(2)).await.unwrap();
    assert_eq!(cause(&outcome), Cause::SessionLost);
    assert!(outcome.to_string().contains("the session was lost"), "{outcome}");
    assert_eq!(cause(&at_once(first).await.unwrap()), Cause::SessionLost);

    // The broker and its other rounds go on.
    two.do_emit_for("a", 3).unwrap();
    assert_eq!(at_once(keyed).await.unwrap().payloads(), [1, 3]);
    two.do_emit(3).unwrap();
    assert_eq!(at_once(one.emit(1)).await.unwrap().payloads(), [3, 1]);
    settled().await;
    assert_eq!(heard.take(), [false, true, true]);
    let snapshot = broker.inspect().await.unwrap();
    assert_eq!((snapshot.open_count, snapshot.resolved, snapshot.cancelled), (0, 2, 1));
}

#[convoke::test]
async fn a_predicate_that_panics_at_the_deadline_leaves_nobody_waiting() {
    // A clock is never as fine as a deadline: this one is looked at half a millisecond late.
    let timeout = SECOND - std::time::Duration::from_micros(500);
    let panics = move |gathered: &Gathered<'_, u32>| {
        assert!(gathered.elapsed() < timeout, "too long for me");
        false
    };
    let broker = Broker::new(timeout).release(Release::when(panics)).late_window(ms(0)).start();
    let [one, _two] = join_all(&broker, ["one", "two"]).await;
    for number in 1..=2 {
        let outcome = after(SECOND, one.emit(1)).await.unwrap();
        assert_eq!((cause(&outcome), outcome.round().get()), (Cause::SessionLost, number));
    }
    assert_eq!(broker.inspect().await.unwrap().open_count, 0);
}

#[convoke::test]
async fn an_emitter_that_crashes_is_lost_at_once() {
    let broker = rules().start();
    let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
    let first = one.emit(1);
    let pending = actix_rt::spawn(two.addr().send(Emit { key: Some("a".into()), payload: 2 }));
    settled().await;
    two.addr().do_send(Crash);
    assert_lost(&at_once(first).await.unwrap(), "two");
    three.do_emit_for("a", 3).unwrap();
    one.do_emit_for("a", 1).unwrap();
    let outcome = at_once(pending).await.unwrap().unwrap().unwrap();
    assert_eq!(kept_by(&outcome), ["two", "three", "one"], "what it emitted stays, and it hears the outcome");

    let gone = EmitError::EmitterGone { name: Some("two".into()) };
    assert_eq!(gone.to_string(), "the emitter `two` is gone: it was stopped or has panicked");
    assert_eq!(at_once(two.emit(2)).await.unwrap_err(), gone);
    assert_eq!(at_once(two.veto_for("a", "no")).await.unwrap_err(), gone);
    assert_eq!(two.do_emit(2), Err(gone));
    // An address knows no name.
    let gone = EmitError::EmitterGone { name: None };
    assert_eq!(gone.to_string(), "the emitter is gone: it was stopped or has panicked");
    assert_eq!(at_once(two.addr().emit(2)).await.unwrap_err(), gone);
    assert_eq!(at_once(two.addr().veto("no")).await.unwrap_err(), gone);
    assert_eq!(at_once(EmitterExt::leave(two.addr())).await.unwrap_err(), gone);
    let error = at_once(two.addr().join(&broker)).await.unwrap_err();
    assert_eq!(error.to_string(), "the emitter is gone: it was stopped or has panicked");
}

#[convoke::test]
async fn a_pledge_that_is_kept_when_its_emitter_has_crashed_is_of_one_that_is_gone_and_not_of_one_that_has_left() {
    for left in [false, true] {
        let broker = rules().on_lost(OnLost::Shrink).start();
        let [one, _two] = join_all(&broker, ["one", "two"]).await;
        let pledges = Notes::new();
        let notes = pledges.clone();
        let emitter = Emitter::new("asked").on_summons(move |pledge| notes.add(pledge));
        let asked = Emitter::join(&broker, emitter).await.unwrap();
        let _first = one.emit(1);
        settled().await;
        let refused = if left {
            asked.leave();
            EmitError::NotJoined
        } else {
            asked.addr().do_send(Crash);
            EmitError::EmitterGone { name: Some("asked".into()) }
        };
        settled().await;
        assert_eq!(at_once(pledges.pop().unwrap().keep_and_wait(2)).await.unwrap_err(), refused);
        broker.stop();
    }
}

#[convoke::test]
async fn an_emitter_whose_callback_panics_is_lost_at_once() {
    let broker = rules().start();
    let [one] = join_all(&broker, ["one"]).await;
    let panics = Emitter::new("panics").on_summons(|_| panic!("at the summons"));
    let _panics = Emitter::join(&broker, panics).await.unwrap();
    assert_lost(&at_once(one.emit(1)).await.unwrap(), "panics");

    // After the round that it was missing in, whose outcome does not tell of it.
    convoke::testing::expect_failure("panics too");
    let panics = Emitter::new("panics too").on_outcome(|_| panic!("at the outcome"));
    let _panics = Emitter::join(&broker, panics).await.unwrap();
    let first = one.emit(1);
    settled().await;
    broker.abort("to tell it").await.unwrap();
    assert!(at_once(first).await.unwrap().is_cancelled());
    settled().await;
    assert_eq!(at_once(one.emit(1)).await.unwrap().payloads(), [1]);
}

#[convoke::test]
async fn an_emitter_handed_to_the_broker_that_crashes_is_lost_at_once() {
    let broker = rules().start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let two = two.forever();
    let first = one.emit(1);
    settled().await;
    two.do_send(Crash);
    assert_lost(&at_once(first).await.unwrap(), "two");
}

#[convoke::test]
async fn dropping_the_handle_of_an_emitter_loses_it() {
    let broker = rules().start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let address = two.addr().clone();
    let first = one.emit(1);
    settled().await;
    drop(two);
    assert_lost(&at_once(first).await.unwrap(), "two");
    // Its actor lives on as long as its address does, a member of nothing.
    assert_eq!(at_once(EmitterExt::emit(&address, 2)).await.unwrap_err(), EmitError::NotJoined);
    address.join(&broker).await.unwrap();
}

#[convoke::test]
async fn who_waits_for_an_outcome_hears_it_when_all_others_are_gone() {
    let broker = rules().release(Release::at_least(3)).on_lost(OnLost::Shrink).late_join(LateJoin::NextRound).start();
    let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
    let (first, second) = (one.emit(1), two.emit(2));
    settled().await;
    drop((one, two));
    settled().await;
    drop(three);
    for emission in [first, second] {
        let outcome = at_once(emission).await.unwrap();
        assert_eq!((cause(&outcome), missing(&outcome)), (out_of_reach(["three"]), vec!["three"]));
    }
}

#[convoke::test]
async fn a_crash_of_one_party_leaves_the_actors_of_others_alive() {
    let (broker, other) = (rules().start(), rules().named("other").start());
    let [one] = join_all(&broker, ["one"]).await;
    let [two, _three] = join_all(&other, ["two", "three"]).await;
    let pending = two.emit(2);
    settled().await;
    broker.do_send(Crash);
    one.addr().do_send(Crash);
    settled().await;
    assert_eq!(testing::live_count(), 4, "{:?}", testing::alive());
    other.abort("enough").await.unwrap();
    assert!(at_once(pending).await.unwrap().is_cancelled());
}
