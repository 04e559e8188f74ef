//! Any actor as an emitter: it is summoned, and gets a pledge to keep, to veto, or to drop.

use actix::Addr;
use convoke::EmitterSpec;
use convoke::prelude::*;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::common::orders::{LEAVE, PANIC, STOP, STOP_LATER};
use crate::common::{
    Clerk, Notes, SECOND, after, assert_lost, at_once, cause, join_all, kept_by, missing, ms, settled, sleep, timed_out,
};

fn broker() -> Addr<Broker<u32>> {
    Broker::new(SECOND).start()
}

/// An emitter of ours that puts its pledges aside.
async fn hoarder(broker: &Addr<Broker<u32>>, name: &str) -> (EmitterHandle<u32>, Notes<Pledge<u32>>) {
    let pledges = Notes::new();
    let notes = pledges.clone();
    let emitter = Emitter::new(name).with_id(Uuid::from_u128(7)).on_summons(move |pledge| notes.add(pledge));
    (Emitter::join(broker, emitter).await.unwrap(), pledges)
}

#[convoke::test]
async fn an_actor_that_keeps_its_pledge_is_an_emitter_like_any_other() {
    let broker = broker();
    let [one] = join_all(&broker, ["one"]).await;
    let clerk = Clerk::join(&broker, "clerk", |pledge, _| {
        assert_eq!((pledge.round().get(), pledge.key(), pledge.left()), (1, Some(&"a".into()), SECOND));
        pledge.keep(7);
    });
    let clerk = clerk.await;
    let outcome = at_once(one.emit_for("a", 1)).await.unwrap();
    assert_eq!((outcome.payloads(), kept_by(&outcome)), (&[1, 7][..], vec!["one", "clerk"]));
    drop(clerk);
}

#[convoke::test]
async fn an_actor_that_vetoes_cancels_the_round_for_everyone() {
    let broker = broker();
    let [one] = join_all(&broker, ["one"]).await;
    let _clerk = Clerk::join(&broker, "clerk", |pledge, _| pledge.veto("sold out")).await;
    let outcome = at_once(one.emit(1)).await.unwrap();
    assert_eq!(outcome.to_string(), "round #1 cancelled after 0ns: vetoed by clerk: sold out");
}

#[convoke::test]
async fn a_pledge_that_is_dropped_is_lost_at_once() {
    let broker = broker();
    let [one] = join_all(&broker, ["one"]).await;
    let _clerk = Clerk::join(&broker, "clerk", |pledge, _| drop(pledge)).await;
    assert_lost(&at_once(one.emit(1)).await.unwrap(), "clerk");
    // The pledge was lost, not the emitter.
    assert_eq!(broker.inspect().await.unwrap().emitters.len(), 2);
}

#[convoke::test]
async fn a_pledge_that_is_dropped_is_lost_under_every_policy() {
    for (on_lost, wait) in [(OnLost::Cancel, ms(0)), (OnLost::Shrink, ms(0)), (OnLost::Wait, SECOND)] {
        let broker = Broker::new(SECOND).on_lost(on_lost).start();
        let [one] = join_all(&broker, ["one"]).await;
        let _clerk = Clerk::join(&broker, "clerk", |pledge, _| drop(pledge)).await;
        let outcome = after(wait, one.emit(1)).await.unwrap();
        assert_eq!(missing(&outcome), ["clerk"]);
        assert_eq!(outcome.is_resolved(), on_lost == OnLost::Shrink, "{on_lost:?}");
    }
}

#[convoke::test]
async fn everyone_who_owes_is_asked_once_and_whoever_opens_the_round_is_not() {
    let broker = broker();
    let [one] = join_all(&broker, ["one"]).await;
    let asked = Notes::new();
    let mut clerks = Vec::new();
    for name in ["first", "second"] {
        let asked = asked.clone();
        clerks.push(
            Clerk::join(&broker, name, move |pledge, _| {
                asked.add(name);
                pledge.keep(2);
            })
            .await,
        );
    }
    let (own, pledges) = hoarder(&broker, "own").await;
    own.do_emit(3).unwrap();
    let outcome = at_once(one.emit(1)).await.unwrap();
    assert_eq!(kept_by(&outcome), ["own", "one", "first", "second"]);
    assert_eq!((asked.take(), pledges.len()), (vec!["first", "second"], 0));
}

#[convoke::test]
async fn a_pledge_may_be_kept_later_from_elsewhere() {
    let broker = broker();
    let [one] = join_all(&broker, ["one"]).await;
    let clerk = Clerk::join(&broker, "clerk", |pledge, _| {
        actix_rt::spawn(async move {
            sleep(ms(400)).await;
            assert_eq!(pledge.left(), ms(600));
            pledge.keep(7);
        });
    });
    let _clerk = clerk.await;
    let outcome = after(ms(400), one.emit(1)).await.unwrap();
    assert_eq!((outcome.payloads(), outcome.elapsed()), (&[1, 7][..], ms(400)));
}

#[convoke::test]
async fn a_pledge_may_be_kept_on_another_thread() {
    let broker = broker();
    let [one] = join_all(&broker, ["one"]).await;
    let clerk = Clerk::join(&broker, "clerk", |pledge, _| {
        std::thread::spawn(move || pledge.keep(7)).join().unwrap();
    });
    let _clerk = clerk.await;
    assert_eq!(at_once(one.emit(1)).await.unwrap().payloads(), [1, 7]);
}

#[convoke::test]
async fn who_keeps_a_pledge_may_wait_for_the_outcome() {
    let broker = broker();
    let [one] = join_all(&broker, ["one"]).await;
    let (told, outcome) = oneshot::channel();
    let mut told = Some(told);
    let clerk = Clerk::join(&broker, "clerk", move |pledge, _| {
        let emission = pledge.keep_and_wait(7);
        let told = told.take().unwrap();
        actix_rt::spawn(async move { drop(told.send(emission.await)) });
    });
    let _clerk = clerk.await;
    let mine = at_once(one.emit(1)).await.unwrap();
    let theirs = at_once(outcome).await.unwrap().unwrap();
    assert_eq!(format!("{mine:?}"), format!("{theirs:?}"));
}

#[convoke::test]
async fn a_pledge_kept_after_the_round_is_late_and_counted() {
    let broker = broker();
    let [one] = join_all(&broker, ["one"]).await;
    let (own, pledges) = hoarder(&broker, "own").await;
    assert_eq!(cause(&after(SECOND, one.emit_for("a", 1)).await.unwrap()), timed_out(["own"]));
    let pledge = pledges.pop().unwrap();
    assert_eq!(pledge.left(), ms(0));
    let error = at_once(pledge.keep_and_wait(7)).await.unwrap_err();
    assert!(matches!(&error, EmitError::Late { round, .. } if round.get() == 1), "{error}");
    assert_eq!(error.to_string(), "round #1 of `a` went on without this signal: it came too late");
    let stats = broker.inspect().await.unwrap().emitters;
    assert_eq!((stats[1].missed, stats[1].late), (1, 1));
    drop(own);
}

#[convoke::test]
async fn a_veto_or_a_loss_after_the_round_changes_nothing() {
    let broker = broker();
    let [one] = join_all(&broker, ["one"]).await;
    let (own, pledges) = hoarder(&broker, "own").await;
    for late in [false, true] {
        assert!(after(SECOND, one.emit(1)).await.unwrap().is_cancelled());
        let stale = pledges.pop().unwrap();
        let next = one.emit(1);
        settled().await;
        if late {
            stale.veto("too late")
        } else {
            drop(stale)
        }
        settled().await;
        pledges.pop().unwrap().keep(7);
        assert_eq!(at_once(next).await.unwrap().payloads(), [1, 7]);
    }
    assert_eq!(broker.inspect().await.unwrap().cancelled, 2);
    drop(own);
}

#[convoke::test]
async fn a_pledge_kept_after_the_emitter_has_emitted_by_itself_is_an_error_and_dropped_it_is_nothing() {
    let broker = broker();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let (own, pledges) = hoarder(&broker, "own").await;
    let first = one.emit(1);
    settled().await;
    own.do_emit(8).unwrap();
    settled().await;
    let error = at_once(pledges.pop().unwrap().keep_and_wait(7)).await.unwrap_err();
    assert!(matches!(error, EmitError::AlreadyKept { .. }), "{error}");
    two.do_emit(2).unwrap();
    assert_eq!(at_once(first).await.unwrap().payloads(), [1, 8, 2]);

    let second = one.emit(1);
    settled().await;
    own.do_emit(8).unwrap();
    settled().await;
    drop(pledges.take());
    two.do_emit(2).unwrap();
    assert!(at_once(second).await.unwrap().is_resolved());
}

#[convoke::test]
async fn an_actor_that_panics_or_stops_with_its_membership_in_a_field_is_noticed_at_once() {
    for end in [PANIC, STOP] {
        let broker = broker();
        let [one] = join_all(&broker, ["one"]).await;
        let pledges = Notes::new();
        let notes = pledges.clone();
        let clerk = Clerk::join(&broker, "clerk", move |pledge, _| notes.add(pledge)).await;
        let first = one.emit(1);
        settled().await;
        assert_eq!(pledges.len(), 1);
        clerk.do_send(end);
        assert_lost(&at_once(first).await.unwrap(), "clerk");
        assert_eq!(broker.inspect().await.unwrap().emitters.len(), 1);
        assert!(at_once(one.emit(1)).await.unwrap().is_resolved(), "it is no member any more");
    }
}

#[convoke::test]
async fn an_actor_that_stops_between_rounds_is_off_the_roster_before_the_next() {
    let broker = broker();
    let [one] = join_all(&broker, ["one"]).await;
    let clerk = Clerk::join(&broker, "clerk", |pledge, _| pledge.keep(7)).await;
    assert_eq!(at_once(one.emit(1)).await.unwrap().payloads(), [1, 7]);
    clerk.do_send(STOP_LATER);
    sleep(SECOND).await;
    settled().await;
    assert_eq!(at_once(one.emit(1)).await.unwrap().payloads(), [1]);
}

#[convoke::test]
async fn an_actor_that_panics_when_it_is_summoned_is_lost_at_once() {
    let broker = broker();
    let [one] = join_all(&broker, ["one"]).await;
    let _clerk = Clerk::join(&broker, "clerk", |_, _| panic!("at the summons")).await;
    assert_lost(&at_once(one.emit(1)).await.unwrap(), "clerk");
}

#[convoke::test]
async fn an_actor_whose_last_address_is_dropped_is_lost() {
    let broker = broker();
    let [one] = join_all(&broker, ["one"]).await;
    let clerk = Clerk::join(&broker, "clerk", |pledge, _| pledge.keep(7)).await;
    assert!(at_once(one.emit(1)).await.unwrap().is_resolved());
    drop(clerk);
    // The broker holds the actors of a busy while for a second, and then nobody does.
    sleep(2 * SECOND).await;
    settled().await;
    assert_eq!(broker.inspect().await.unwrap().emitters.len(), 1);
}

#[convoke::test]
async fn an_actor_leaves_in_order_by_its_membership() {
    let broker = broker();
    let [one] = join_all(&broker, ["one"]).await;
    let pledges = Notes::new();
    let notes = pledges.clone();
    let clerk = Clerk::join(&broker, "clerk", move |pledge, _| notes.add(pledge)).await;
    let first = one.emit(1);
    settled().await;
    clerk.send(LEAVE).await.unwrap();
    assert!(at_once(first).await.unwrap().is_resolved());
}

#[convoke::test]
async fn an_actor_of_ones_own_may_have_an_id_and_a_deadline_too() {
    let broker = broker();
    let [one] = join_all(&broker, ["one"]).await;
    let (pledges, id) = (Notes::new(), Uuid::from_u128(7));
    let notes = pledges.clone();
    let spec = EmitterSpec::new("clerk").with_id(id).deadline(ms(300));
    let clerk = Clerk::join_as(&broker, spec.clone(), move |pledge, _| notes.add(pledge)).await.unwrap();
    let error = Clerk::join_as(&broker, spec, |_, _| ()).await.unwrap_err();
    assert_eq!(error, JoinError::DuplicateId { id: id.into(), name: "clerk".into() });
    let outcome = after(ms(300), one.emit(1)).await.unwrap();
    assert_eq!((cause(&outcome), missing(&outcome)), (timed_out(["clerk"]), vec!["clerk"]));
    assert_eq!(outcome.missing().next().unwrap().id, id.into());
    drop(clerk);
}

#[convoke::test]
async fn whoever_is_enlisted_is_never_asked_and_emits_by_its_membership() {
    let broker = broker();
    let [one] = join_all(&broker, ["one"]).await;
    let spec = EmitterSpec::new("enlisted").deadline(ms(300));
    let enlisted = broker.enlist(spec).await.unwrap();
    let first = one.emit(1);
    assert_eq!(at_once(enlisted.emit(2)).await.unwrap().payloads(), [1, 2]);
    assert!(at_once(first).await.unwrap().is_resolved());
    let outcome = after(ms(300), one.emit(1)).await.unwrap();
    assert_eq!((cause(&outcome), missing(&outcome)), (timed_out(["enlisted"]), vec!["enlisted"]));
    one.do_emit_for("a", 1).unwrap();
    assert!(at_once(enlisted.veto_for("a", "no")).await.unwrap().is_cancelled());
    let last = one.emit_for("b", 1);
    settled().await;
    enlisted.leave();
    assert!(at_once(last).await.unwrap().is_resolved());
}

#[convoke::test]
async fn a_membership_does_not_keep_its_broker_alive() {
    let broker = broker();
    let enlisted = broker.enlist("enlisted").await.unwrap();
    drop(broker);
    settled().await;
    assert!(convoke::testing::alive().is_empty());
    assert_eq!(at_once(enlisted.emit(2)).await.unwrap_err(), EmitError::BrokerGone);
}

#[convoke::test]
async fn a_late_pledge_of_one_who_is_gone_is_not_counted_for_whoever_has_its_place() {
    let broker = broker();
    let [one] = join_all(&broker, ["one"]).await;
    let (own, pledges) = hoarder(&broker, "own").await;
    assert!(after(SECOND, one.emit(1)).await.unwrap().is_cancelled());
    drop(own);
    // Places are given away again when there are many of them.
    drop(join_all(&broker, ["other"; 100]).await);
    settled().await;
    let _heirs = join_all(&broker, ["heir"; 10]).await;
    let error = at_once(pledges.pop().unwrap().keep_and_wait(7)).await.unwrap_err();
    assert!(matches!(error, EmitError::Late { .. }), "{error}");
    let late: u64 = broker.inspect().await.unwrap().emitters.iter().map(|emitter| emitter.late).sum();
    assert_eq!(late, 0);
}

#[convoke::test]
async fn a_pledge_of_one_who_has_left_has_no_say_any_more() {
    let broker = broker();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let (own, pledges) = hoarder(&broker, "own").await;
    let first = one.emit(1);
    settled().await;
    own.leave();
    settled().await;
    pledges.pop().unwrap().veto("from outside");
    settled().await;
    two.do_emit(2).unwrap();
    let outcome = at_once(first).await.unwrap();
    assert!(outcome.is_resolved(), "{outcome}");
}

#[convoke::test]
async fn a_pledge_of_an_earlier_membership_is_not_one_of_the_next() {
    let broker = Broker::new(SECOND).on_lost(OnLost::Shrink).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let (own, before) = hoarder(&broker, "own").await;
    let first = one.emit(1);
    settled().await;
    drop(own);
    settled().await;
    let (again, after) = hoarder(&broker, "again").await;
    settled().await;
    assert_eq!((before.len(), after.len()), (1, 1), "who joins late is asked as well");
    drop(before.take());
    two.do_emit(2).unwrap();
    settled().await;
    after.pop().unwrap().keep(7);
    assert_eq!(at_once(first).await.unwrap().payloads(), [1, 2, 7], "the round waits for the new member");
    drop(again);
}
