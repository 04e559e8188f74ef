//! How many vetoes a round goes on with, and what a tolerated one means for everybody.

use actix::Addr;
use convoke::prelude::*;
use convoke::{ConfigError, Vetoed};
use serde_json::json;
use uuid::Uuid;

use crate::common::{Clerk, Notes, SECOND, after, at_once, cause, join_all, kept_by, missing, ms, settled, sleep};

fn tolerating(on_veto: OnVeto) -> Broker<u32> {
    Broker::new(SECOND).on_veto(on_veto)
}

fn said(vetoes: &[Vetoed]) -> Vec<String> {
    vetoes.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn assert_vetoed_by(outcome: &Outcome<u32>, name: &str) {
    match cause(outcome) {
        Cause::Vetoed { by, .. } => assert_eq!(&*by.name, name),
        other => panic!("not vetoed, but {other:?}"),
    }
}

#[convoke::test]
async fn on_veto_cancel_is_the_default_and_so_is_to_tolerate_none() {
    for broker in [
        Broker::new(SECOND),
        tolerating(OnVeto::Cancel),
        tolerating(OnVeto::Tolerate(0)),
        tolerating(OnVeto::TolerateShare(0)),
    ] {
        let broker = broker.start();
        let [one, two, _three] = join_all(&broker, ["one", "two", "three"]).await;
        let first = one.emit(1);
        let outcome = at_once(two.veto("no")).await.unwrap();
        assert_eq!(outcome.to_string(), "round #1 cancelled after 0ns: vetoed by two: no; missing three");
        assert!(outcome.vetoes().is_empty());
        assert!(at_once(first).await.unwrap().is_cancelled());
    }
}

#[convoke::test]
async fn on_veto_tolerate_counts_a_veto_as_an_answer() {
    let broker = tolerating(OnVeto::Tolerate(1)).start();
    let shipped = Notes::new();
    let notes = shipped.clone();
    let _ship = Consumer::join(&broker, move |round: Resolved<u32>| notes.add(said(round.vetoes()))).await.unwrap();
    let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
    let first = one.emit(1);
    let veto = two.veto("sold out");
    sleep(ms(300)).await;
    let outcome = at_once(three.emit(3)).await.unwrap();
    assert_eq!(outcome.to_string(), "round #1 resolved after 300ms with 2 signals; vetoed by two: sold out");
    assert_eq!((kept_by(&outcome), missing(&outcome)), (vec!["one", "three"], vec![]));
    assert_eq!((outcome.payload("two"), said(outcome.vetoes())), (None, vec!["two: sold out".to_owned()]));
    assert_eq!(outcome.vetoes()[0].by.id, two.id());
    assert!(format!("{outcome:?}").contains("sold out"));
    assert_eq!(at_once(veto).await.unwrap().round(), outcome.round(), "the veto hears the same outcome");
    assert!(at_once(first).await.unwrap().is_resolved());
    outcome.consumed().await;
    assert_eq!(shipped.take(), [vec!["two: sold out".to_owned()]]);
}

#[convoke::test]
async fn the_last_to_owe_may_be_the_one_that_vetoes() {
    let broker = tolerating(OnVeto::Tolerate(1)).start();
    let [one] = join_all(&broker, ["one"]).await;
    let _clerk = Clerk::join(&broker, "clerk", |pledge, _| pledge.veto("not I")).await;
    let outcome = at_once(one.emit(1)).await.unwrap();
    assert_eq!((outcome.payloads(), said(outcome.vetoes())), (&[1][..], vec!["clerk: not I".to_owned()]));
}

#[convoke::test]
async fn a_veto_more_than_is_tolerated_cancels_and_those_before_it_are_told() {
    let broker = tolerating(OnVeto::Tolerate(2)).start();
    let [one, two, three, four] = join_all(&broker, ["one", "two", "three", "four"]).await;
    let first = one.emit(1);
    let (second, third) = (two.veto("sold out"), three.veto("closed"));
    settled().await;
    let outcome = at_once(four.veto("never")).await.unwrap();
    assert_vetoed_by(&outcome, "four");
    assert_eq!(said(outcome.vetoes()), ["two: sold out", "three: closed"]);
    assert_eq!(
        outcome.to_string(),
        "round #1 cancelled after 0ns: vetoed by four: never; before that vetoed by two: sold out; before that vetoed by three: closed"
    );
    assert!(missing(&outcome).is_empty());
    for emission in [first, second, third] {
        assert!(at_once(emission).await.unwrap().is_cancelled());
    }
}

#[convoke::test]
async fn on_veto_tolerate_share_tolerates_exactly_the_share() {
    for (percent, parties, tolerated) in [(25, 4, 1), (24, 4, 0), (33, 3, 0), (34, 3, 1), (50, 4, 2), (100, 3, 2)] {
        let broker = tolerating(OnVeto::TolerateShare(percent)).start();
        let names = ["one", "two", "three", "four"];
        let mut emitters = Vec::new();
        for name in &names[..parties] {
            emitters.push(Emitter::join(&broker, *name).await.unwrap());
        }
        let first = emitters[0].emit(1);
        settled().await;
        let mut vetoes = Vec::new();
        for emitter in &emitters[1..] {
            vetoes.push(emitter.veto("no"));
            settled().await;
        }
        let outcome = at_once(first).await.unwrap();
        assert_eq!(outcome.vetoes().len(), tolerated, "{percent} % of {parties}: {outcome}");
        assert_eq!(outcome.is_resolved(), tolerated == parties - 1, "{percent} % of {parties}: {outcome}");
    }
}

#[convoke::test]
async fn a_share_counts_an_expected_name_once_whoever_has_it() {
    let rules = |names: &[&'static str]| tolerating(OnVeto::TolerateShare(50)).expects(names.iter().copied());
    // One of two parties, although the pool has three members.
    let broker = rules(&["pool", "shop"]).start();
    let [shop, _a, _b, pool] = join_all(&broker, ["shop", "pool", "pool", "pool"]).await;
    let first = shop.emit(1);
    assert!(at_once(pool.veto("busy")).await.unwrap().is_resolved());
    assert!(at_once(first).await.unwrap().is_resolved());
    // One of three parties, one of which nobody has.
    let broker = rules(&["shop", "stock", "payment"]).start();
    let [shop, stock] = join_all(&broker, ["shop", "stock"]).await;
    let first = shop.emit(1);
    settled().await;
    let _veto = stock.veto("sold out");
    settled().await;
    assert_eq!(broker.inspect().await.unwrap().open_count, 1);
    let [payment] = join_all(&broker, ["payment"]).await;
    assert_vetoed_by(&at_once(payment.veto("no money")).await.unwrap(), "payment");
    assert!(at_once(first).await.unwrap().is_cancelled());
}

#[convoke::test]
async fn a_veto_is_measured_by_the_parties_of_then() {
    let broker = tolerating(OnVeto::TolerateShare(25)).start();
    let [one, two, three, four] = join_all(&broker, ["one", "two", "three", "four"]).await;
    let first = one.emit(1);
    settled().await;
    let _veto = two.veto("no");
    settled().await;
    three.leave();
    four.leave();
    assert!(
        at_once(first).await.unwrap().is_resolved(),
        "one of four was tolerated, and who leaves does not change that"
    );
}

#[convoke::test]
async fn a_share_of_more_than_all_is_an_error_of_the_rules() {
    let broker = Broker::<u32>::new(SECOND).on_veto(OnVeto::TolerateShare(101));
    let error = broker.try_start().unwrap_err();
    assert_eq!(error, BrokerError::Config(ConfigError::ShareTooLarge));
    assert_eq!(error.to_string(), "more than 100 percent of the parties cannot veto: tolerate a share of at most 100");
    assert!(Broker::<u32>::new(SECOND).on_veto(OnVeto::TolerateShare(100)).try_start().is_ok());
}

#[convoke::test]
async fn a_round_that_vetoes_have_put_out_of_reach_is_cancelled_at_once_and_names_them() {
    for late_join in [LateJoin::NextRound, LateJoin::Rejected] {
        let broker = tolerating(OnVeto::Tolerate(9)).release(Release::at_least(3)).late_join(late_join).start();
        let [one, two, three, _four] = join_all(&broker, ["one", "two", "three", "four"]).await;
        let first = one.emit(1);
        let veto = two.veto("no");
        settled().await;
        assert_eq!(broker.inspect().await.unwrap().open_count, 1, "three may still come");
        let outcome = at_once(three.veto("nor I")).await.unwrap();
        let reached = cause(&outcome);
        assert_eq!(
            reached.to_string(),
            "whoever was left could not release it; missing four; vetoed by two: no; vetoed by three: nor I"
        );
        assert_eq!(
            serde_json::to_value(&reached).unwrap()["out_of_reach"]["vetoes"][0],
            json!({ "by": { "id": two.id(), "name": "two" }, "reason": "no" })
        );
        assert_eq!(
            outcome.to_string(),
            "round #1 cancelled after 0ns: whoever was left could not release it with 1 of the 3 signals it needs; \
             missing four; vetoed by two: no; vetoed by three: nor I"
        );
        for emission in [first, veto] {
            assert!(at_once(emission).await.unwrap().is_cancelled());
        }
    }
}

#[convoke::test]
async fn where_somebody_may_still_join_he_may_bring_what_a_veto_has_taken() {
    let broker = tolerating(OnVeto::Tolerate(1)).release(Release::at_least(2)).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let first = one.emit(1);
    let _veto = two.veto("no");
    settled().await;
    let [three] = join_all(&broker, ["three"]).await;
    assert_eq!(at_once(three.emit(3)).await.unwrap().payloads(), [1, 3]);
    assert!(at_once(first).await.unwrap().is_resolved());
    // Nobody comes.
    let _first = one.emit(1);
    let outcome = after(SECOND, two.veto("no")).await.unwrap();
    assert_eq!(
        outcome.to_string(),
        "round #2 cancelled after 1s: timed out with 1 of the 2 signals it needs; missing three; vetoed by two: no"
    );
}

#[convoke::test]
async fn a_required_name_that_has_vetoed_can_be_brought_by_another_only_if_it_is_not_expected() {
    for expected in [false, true] {
        let mut broker = tolerating(OnVeto::Tolerate(1)).release(Release::required(["legal"]));
        if expected {
            broker = broker.expects(["legal"]);
        }
        let broker = broker.start();
        let [one, legal] = join_all(&broker, ["one", "legal"]).await;
        let first = one.emit(1);
        let veto = legal.veto("no");
        settled().await;
        if expected {
            let outcome = at_once(veto).await.unwrap();
            assert!(matches!(cause(&outcome), Cause::OutOfReach { .. }), "{outcome}");
            assert!(outcome.unfilled().is_empty(), "somebody had the name, and has answered: {outcome}");
        } else {
            assert!(broker.inspect().await.unwrap().open[0].unfilled.is_empty());
            let [other] = join_all(&broker, ["legal"]).await;
            assert!(at_once(other.emit(2)).await.unwrap().is_resolved());
        }
        assert_eq!(at_once(first).await.unwrap().is_resolved(), !expected);
    }
}

#[convoke::test]
async fn a_signal_after_a_veto_is_refused_and_a_second_veto_changes_nothing() {
    for repeat in [RepeatEmit::Rejected, RepeatEmit::Replaces] {
        let broker = tolerating(OnVeto::Tolerate(1)).repeat_emit(repeat).start();
        let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
        let first = one.emit(1);
        let veto = two.veto("no");
        settled().await;
        let error = at_once(two.emit(2)).await.unwrap_err();
        assert_eq!(error, EmitError::Vetoed { round: broker.inspect().await.unwrap().open[0].round });
        assert_eq!(
            error.to_string(),
            "round #1 has the veto of this emitter, or of its name: wait for its outcome, then emit in the next"
        );
        let again = two.veto("no, I said");
        let outcome = at_once(three.emit(3)).await.unwrap();
        assert_eq!(said(outcome.vetoes()), ["two: no"], "{repeat:?}");
        for emission in [first, veto, again] {
            assert!(at_once(emission).await.unwrap().is_resolved());
        }
    }
}

#[convoke::test]
async fn where_a_second_signal_opens_the_next_round_so_does_one_after_a_veto() {
    let broker = tolerating(OnVeto::Tolerate(1)).repeat_emit(RepeatEmit::NextRound).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let [three] = join_all(&broker, ["three"]).await;
    let _first = one.emit(1);
    let _veto = two.veto("not this one");
    let next = two.emit(2);
    settled().await;
    assert_eq!(at_once(three.emit(3)).await.unwrap().round().get(), 1);
    one.do_emit(1).unwrap();
    three.do_emit(3).unwrap();
    let next = at_once(next).await.unwrap();
    assert_eq!((next.round().get(), next.payloads()), (2, &[2, 1, 3][..]));
}

#[convoke::test]
async fn a_veto_takes_back_the_signal_of_its_emitter() {
    let broker = tolerating(OnVeto::Tolerate(1)).release(Release::required(["one", "two"])).start();
    let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
    let about = Notes::new();
    let notes = about.clone();
    let clerk = Clerk::join(&broker, "clerk", move |pledge, _| notes.add(pledge));
    let _clerk = clerk.await;
    let first = one.emit(1);
    three.do_emit(3).unwrap();
    settled().await;
    let veto = one.veto("I was wrong");
    settled().await;
    let pledge = about.pop().unwrap();
    assert_eq!((pledge.subject(), pledge.so_far()), (Some(3), vec![3]));
    two.do_emit(2).unwrap();
    settled().await;
    assert_eq!(broker.inspect().await.unwrap().open_count, 1, "what was required is gone again");
    // Another of that name, which is not expected, may bring it.
    let [other] = join_all(&broker, ["one"]).await;
    let outcome = at_once(other.emit(4)).await.unwrap();
    assert_eq!((outcome.payloads(), said(outcome.vetoes())), (&[3, 2, 4][..], vec!["one: I was wrong".to_owned()]));
    for emission in [first, veto] {
        assert!(at_once(emission).await.unwrap().is_resolved());
    }
}

#[convoke::test]
async fn a_veto_that_takes_back_the_only_signal_cancels_the_round() {
    let broker = tolerating(OnVeto::Tolerate(5)).start();
    let [one, two, _three] = join_all(&broker, ["one", "two", "three"]).await;
    let first = one.emit(1);
    let veto = two.veto("no");
    settled().await;
    let outcome = at_once(one.veto("never mind")).await.unwrap();
    assert_vetoed_by(&outcome, "one");
    assert_eq!((said(outcome.vetoes()), missing(&outcome)), (vec!["two: no".to_owned()], vec!["three"]));
    for emission in [first, veto] {
        assert!(at_once(emission).await.unwrap().is_cancelled());
    }
}

async fn pool() -> (Addr<Broker<u32>>, EmitterHandle<u32>, [EmitterHandle<u32>; 2]) {
    let broker = tolerating(OnVeto::Tolerate(1)).expects(["shop", "pool", "payment"]).start();
    let [shop, a, b] = join_all(&broker, ["shop", "pool", "pool"]).await;
    (broker, shop, [a, b])
}

#[convoke::test]
async fn the_veto_of_one_of_a_name_answers_for_all_of_that_name() {
    let (broker, shop, [a, b]) = pool().await;
    let first = shop.emit(1);
    let veto = a.veto("busy");
    settled().await;
    let open = &broker.inspect().await.unwrap().open[0];
    assert!(open.waits_for.is_empty() && open.unfilled.len() == 1, "{open:?}");
    assert!(matches!(at_once(b.emit(2)).await, Err(EmitError::Vetoed { .. })));
    // Their name has said it; it counts once.
    let second = b.veto("busy too");
    settled().await;
    // Who joins under that name owes nothing and is not asked.
    let asked = Notes::new();
    let notes = asked.clone();
    let other = Emitter::new("pool").on_summons(move |pledge: Pledge<u32>| notes.add(pledge));
    let _other = Emitter::join(&broker, other).await.unwrap();
    let [payment] = join_all(&broker, ["payment"]).await;
    let outcome = at_once(payment.emit(4)).await.unwrap();
    assert_eq!((kept_by(&outcome), missing(&outcome)), (vec!["shop", "payment"], vec![]));
    assert_eq!((said(outcome.vetoes()), asked.len()), (vec!["pool: busy".to_owned()], 0));
    for emission in [first, veto, second] {
        assert!(at_once(emission).await.unwrap().is_resolved());
    }
}

#[convoke::test]
async fn the_veto_of_one_of_a_name_takes_back_what_another_has_kept_for_it() {
    let (broker, shop, [a, b]) = pool().await;
    let first = shop.emit(1);
    let kept = a.emit(2);
    settled().await;
    let veto = b.veto("it lies");
    let [payment] = join_all(&broker, ["payment"]).await;
    let outcome = at_once(payment.emit(4)).await.unwrap();
    assert_eq!((outcome.payloads(), said(outcome.vetoes())), (&[1, 4][..], vec!["pool: it lies".to_owned()]));
    for emission in [first, kept, veto] {
        assert!(at_once(emission).await.unwrap().is_resolved());
    }
}

#[convoke::test]
async fn who_leaves_or_is_lost_or_comes_back_after_a_veto_has_still_vetoed() {
    for on_lost in [OnLost::Cancel, OnLost::Shrink, OnLost::Wait] {
        for leaves in [true, false] {
            let broker = tolerating(OnVeto::Tolerate(1)).on_lost(on_lost).start();
            let [one, three] = join_all(&broker, ["one", "three"]).await;
            let join = || Emitter::join(&broker, Emitter::new("two").with_id(Uuid::from_u128(2)));
            let two = join().await.unwrap();
            let first = one.emit(1);
            let veto = two.veto("no");
            settled().await;
            if leaves {
                two.leave()
            } else {
                drop(two)
            }
            settled().await;
            let two = join().await.unwrap();
            assert!(matches!(at_once(two.emit(2)).await, Err(EmitError::Vetoed { .. })));
            let outcome = at_once(three.emit(3)).await.unwrap();
            assert_eq!((kept_by(&outcome), missing(&outcome)), (vec!["one", "three"], vec![]));
            assert_eq!(said(outcome.vetoes()), ["two: no"]);
            for emission in [first, veto] {
                assert!(at_once(emission).await.unwrap().is_resolved());
            }
            // It owes that round nothing, and its next signal is not late.
            assert_eq!(after(SECOND, two.emit(2)).await.unwrap().round().get(), 2);
        }
    }
}

#[convoke::test]
async fn who_has_missed_its_own_deadline_may_still_veto() {
    let broker = tolerating(OnVeto::Tolerate(1)).release(Release::at_least(2)).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let slow = Emitter::join(&broker, Emitter::new("slow").deadline(ms(100))).await.unwrap();
    let first = one.emit(1);
    sleep(ms(200)).await;
    let veto = slow.veto("no");
    let outcome = at_once(two.emit(2)).await.unwrap();
    assert_eq!((missing(&outcome), said(outcome.vetoes())), (vec![], vec!["slow: no".to_owned()]));
    for emission in [first, veto] {
        assert!(at_once(emission).await.unwrap().is_resolved());
    }
}

#[convoke::test]
async fn a_round_that_is_delivered_in_part_names_its_vetoes() {
    let rules = tolerating(OnVeto::Tolerate(1)).release(Release::at_least(3)).on_timeout(OnTimeout::DeliverPartial);
    let broker = rules.start();
    let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
    let _first = one.emit(1);
    two.do_emit(2).unwrap();
    let outcome = after(SECOND, three.veto("no")).await.unwrap();
    assert_eq!(outcome.to_string(), "round #1 resolved after 1s with 2 signals, partial; vetoed by three: no");
}

#[convoke::test]
async fn a_predicate_is_asked_after_a_veto_and_if_it_panics_the_veto_hears_of_that() {
    let predicate = |gathered: &convoke::Gathered<'_, u32>| {
        assert_eq!(gathered.vetoed().count(), 0, "a bug");
        false
    };
    let broker = tolerating(OnVeto::Tolerate(1)).release(Release::when(predicate)).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let first = one.emit(1);
    let outcome = at_once(two.veto("no")).await.unwrap();
    assert_eq!(cause(&outcome), Cause::SessionLost);
    assert!(at_once(first).await.unwrap().is_cancelled());
}

#[convoke::test]
async fn a_snapshot_tells_of_vetoes() {
    let broker = tolerating(OnVeto::Tolerate(1)).start();
    let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
    let _first = one.emit(1);
    let _veto = two.veto("no");
    settled().await;
    let snapshot = broker.inspect().await.unwrap();
    assert_eq!(said(&snapshot.open[0].vetoed), ["two: no"]);
    assert_eq!(snapshot.open[0].waits_for.len(), 1);
    let _last = three.veto("nor I");
    settled().await;
    let snapshot = broker.inspect().await.unwrap();
    assert_eq!(said(&snapshot.recent[0].vetoed), ["two: no"]);
    let stats: Vec<_> = snapshot.emitters.iter().map(|it| (it.kept, it.missed, it.vetoed)).collect();
    assert_eq!(stats, [(1, 0, 0), (0, 0, 1), (0, 0, 1)]);
}
