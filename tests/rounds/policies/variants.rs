//! Every variant of every policy, and each deadline; the variant stands in the name of its test.

use actix::Addr;
use convoke::prelude::*;
use uuid::Uuid;

use crate::common::{
    Notes, SECOND, after, assert_lost, at_once, cause, join_all, kept_by, missing, ms, out_of_reach, settled, sleep,
    timed_out,
};

fn rules() -> Broker<u32> {
    Broker::new(SECOND)
}

/// An emitter that can come back: under its name's id.
async fn join_as(broker: &Addr<Broker<u32>>, name: &str, id: u128) -> Result<EmitterHandle<u32>, JoinError> {
    Emitter::join(broker, Emitter::new(name).with_id(Uuid::from_u128(id))).await
}

// When a round has what it needs.

#[convoke::test]
async fn release_all_waits_for_every_emitter() {
    let broker = rules().release(Release::all()).start();
    let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
    let first = one.emit(1);
    two.do_emit(2).unwrap();
    sleep(ms(900)).await;
    assert_eq!(broker.inspect().await.unwrap().open_count, 1);
    three.do_emit(3).unwrap();
    assert_eq!(at_once(first).await.unwrap().payloads(), [1, 2, 3]);
}

#[convoke::test]
async fn release_at_least_takes_any_so_many() {
    let broker = rules().release(Release::at_least(2)).start();
    let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
    three.do_emit(3).unwrap();
    let outcome = at_once(one.emit(1)).await.unwrap();
    assert!(outcome.is_resolved());
    assert_eq!((kept_by(&outcome), missing(&outcome)), (vec!["three", "one"], vec!["two"]));
    drop(two);
}

#[convoke::test]
async fn release_required_waits_for_one_emitter_of_each_name() {
    let broker = rules().release(Release::required(["stock", "payment"])).start();
    let [stock, other_stock, payment, log] = join_all(&broker, ["stock", "stock", "payment", "log"]).await;
    log.do_emit(4).unwrap();
    stock.do_emit(1).unwrap();
    other_stock.do_emit(2).unwrap();
    settled().await;
    assert_eq!(broker.inspect().await.unwrap().open_count, 1);
    assert_eq!(kept_by(&at_once(payment.emit(3)).await.unwrap()), ["log", "stock", "stock", "payment"]);
    // Nobody else is needed.
    payment.do_emit(3).unwrap();
    assert_eq!(at_once(other_stock.emit(2)).await.unwrap().payloads(), [3, 2]);
}

#[convoke::test]
async fn release_required_is_a_set_so_a_name_given_twice_counts_once() {
    let broker = rules().release(Release::required(["stock", "stock"])).start();
    let [stock] = join_all(&broker, ["stock"]).await;
    assert!(at_once(stock.emit(1)).await.unwrap().is_resolved());
}

#[convoke::test]
async fn release_when_asks_the_predicate_after_each_signal() {
    let heavy = |gathered: &convoke::Gathered<'_, u32>| gathered.payloads().iter().sum::<u32>() >= 100;
    let broker = rules().release(Release::when(heavy)).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    one.do_emit(60).unwrap();
    assert_eq!(at_once(two.emit(40)).await.unwrap().payloads(), [60, 40]);
    one.do_emit(30).unwrap();
    let outcome = after(SECOND, two.emit(30)).await.unwrap();
    assert_eq!(cause(&outcome), timed_out([]), "nobody is missing, and it weighs too little");
    assert!(missing(&outcome).is_empty());
}

#[convoke::test]
async fn release_when_sees_who_owes_and_how_long_it_has_been() {
    let late = |gathered: &convoke::Gathered<'_, u32>| gathered.owing() == 1 && gathered.elapsed() >= ms(500);
    let broker = rules().release(Release::when(late)).start();
    let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
    let first = one.emit(1);
    sleep(ms(500)).await;
    assert_eq!(at_once(two.emit(2)).await.unwrap().elapsed(), ms(500));
    assert!(at_once(first).await.unwrap().is_resolved());
    drop(three);
}

#[convoke::test]
async fn release_when_is_asked_again_when_somebody_leaves() {
    let broker = rules().release(Release::when(|gathered| gathered.owing() == 0)).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let first = one.emit(1);
    settled().await;
    two.leave();
    assert!(at_once(first).await.unwrap().is_resolved());
}

// When a released round closes.

#[convoke::test]
async fn close_released_is_at_once() {
    let broker = rules().close(Close::Released).release(Release::at_least(1)).start();
    let [one, _two] = join_all(&broker, ["one", "two"]).await;
    assert_eq!(at_once(one.emit(1)).await.unwrap().elapsed(), ms(0));
}

#[convoke::test]
async fn close_deadline_lets_further_signals_count() {
    let broker = rules().close(Close::Deadline).release(Release::at_least(1)).start();
    let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
    let first = one.emit(1);
    sleep(ms(900)).await;
    let outcome = after(ms(100), two.emit(2)).await.unwrap();
    assert_eq!((outcome.elapsed(), outcome.payloads(), missing(&outcome)), (SECOND, &[1, 2][..], vec!["three"]));
    let first = at_once(first).await.unwrap().resolved().unwrap();
    assert!(!first.is_partial(), "it was released, only not closed");
    drop(three);
}

#[convoke::test]
async fn close_deadline_cancels_what_is_not_released_by_then() {
    let broker = rules().close(Close::Deadline).start();
    let [one, _two] = join_all(&broker, ["one", "two"]).await;
    assert_eq!(cause(&after(SECOND, one.emit(1)).await.unwrap()), timed_out(["two"]));
}

// What an emitter that joins while rounds are open takes part in.

#[convoke::test]
async fn late_join_this_round_waits_for_whoever_joins() {
    let broker = rules().late_join(LateJoin::ThisRound).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let (first, keyed) = (one.emit(1), one.emit_for("a", 1));
    sleep(ms(300)).await;
    let asked = Emitter::new("three").on_summons(|pledge| match pledge.key() {
        None => pledge.keep(3),
        Some(_) => pledge.veto("not that one"),
    });
    let three = Emitter::join(&broker, asked).await.unwrap();
    assert!(at_once(keyed).await.unwrap().is_cancelled());
    two.do_emit(2).unwrap();
    let outcome = at_once(first).await.unwrap();
    assert_eq!((outcome.payloads(), outcome.elapsed()), (&[1, 3, 2][..], ms(300)));
    drop(three);
}

#[convoke::test]
async fn late_join_next_round_leaves_open_rounds_alone_and_holds_its_signal_back() {
    let broker = rules().late_join(LateJoin::NextRound).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let first = one.emit(1);
    sleep(ms(300)).await;
    let [three] = join_all(&broker, ["three"]).await;
    let third = three.emit(3);
    settled().await;
    assert_eq!(broker.inspect().await.unwrap().open[0].waits_for.len(), 1);
    assert_eq!(at_once(three.veto("no")).await.unwrap_err(), EmitError::NoRound, "it has no part in this one");
    sleep(ms(200)).await;
    assert_eq!(at_once(two.emit(2)).await.unwrap().payloads(), [1, 2]);
    assert_eq!(at_once(first).await.unwrap().round().get(), 1);

    one.do_emit(10).unwrap();
    sleep(ms(100)).await;
    two.do_emit(20).unwrap();
    let outcome = at_once(third).await.unwrap().resolved().unwrap();
    assert_eq!((outcome.round().get(), outcome.payloads()), (2, &[3, 10, 20][..]));
    assert_eq!(outcome.elapsed(), ms(100), "the second round opened when the first closed");
}

#[convoke::test]
async fn late_join_rejected_is_an_error_while_a_round_is_open() {
    let broker = rules().late_join(LateJoin::Rejected).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let first = one.emit(1);
    settled().await;
    let error = Emitter::join(&broker, "three").await.unwrap_err();
    let text = "round #1 is open and this broker takes no member during a round: join after it";
    assert_eq!(error.to_string(), text);
    two.do_emit(2).unwrap();
    assert!(at_once(first).await.unwrap().is_resolved());
    drop(Emitter::join(&broker, "three").await.unwrap());
}

// What becomes of a second signal in one round.

#[convoke::test]
async fn repeat_emit_rejected_is_an_error_and_the_first_stays() {
    let broker = rules().repeat_emit(RepeatEmit::Rejected).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let first = one.emit(1);
    let error = at_once(one.emit(11)).await.unwrap_err();
    let text = "the emitter has emitted in round #1: wait for its outcome, or choose a RepeatEmit policy";
    assert_eq!(error.to_string(), text);
    two.do_emit(2).unwrap();
    assert_eq!(at_once(first).await.unwrap().payloads(), [1, 2]);
}

#[convoke::test]
async fn repeat_emit_replaces_takes_its_turn_anew_and_both_hear_the_outcome() {
    let broker = rules().repeat_emit(RepeatEmit::Replaces).start();
    let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
    let first = one.emit(1);
    two.do_emit(2).unwrap();
    sleep(ms(400)).await;
    let second = one.emit(11);
    three.do_emit(3).unwrap();
    let outcome = at_once(second).await.unwrap().resolved().unwrap();
    let signals: Vec<_> = outcome.signals().map(|signal| (*signal.payload, signal.at)).collect();
    assert_eq!(signals, [(2, ms(0)), (11, ms(400)), (3, ms(400))]);
    assert_eq!(at_once(first).await.unwrap().payloads(), [2, 11, 3]);
}

#[convoke::test]
async fn repeat_emit_next_round_waits_and_opens_it() {
    let broker = rules().repeat_emit(RepeatEmit::NextRound).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let rounds = [one.emit(1), one.emit(11), one.emit(111)];
    sleep(ms(500)).await;
    for (number, (round, payloads)) in rounds.into_iter().zip([[1, 2], [11, 2], [111, 2]]).enumerate() {
        two.do_emit(2).unwrap();
        let outcome = at_once(round).await.unwrap();
        assert_eq!((outcome.round().get() as usize, outcome.payloads()), (number + 1, &payloads[..]));
        assert_eq!(outcome.elapsed(), if number == 0 { ms(500) } else { ms(0) });
    }
}

#[convoke::test(seeds = 100)]
async fn repeat_emit_next_round_keeps_the_order_of_however_many() {
    const SIGNALS: u32 = 20;
    let broker = rules().repeat_emit(RepeatEmit::NextRound).start();
    let heard = Notes::new();
    let notes = heard.clone();
    let _log = Consumer::join(&broker, move |round: Resolved<u32>| notes.add(round.payloads()[0])).await.unwrap();
    let [one] = join_all(&broker, ["one"]).await;
    (0..SIGNALS).for_each(|payload| one.do_emit(payload).unwrap());
    let last = at_once(one.emit(SIGNALS)).await.unwrap();
    assert!(at_once(last.consumed()).await.is_ok());
    for (expected, heard) in heard.take().into_iter().enumerate() {
        assert_eq!(heard as usize, expected);
    }
    assert_eq!(last.round().get(), u64::from(SIGNALS) + 1);
}

// What becomes of a round whose time is over.

#[convoke::test]
async fn on_timeout_cancel_says_why_and_who_is_missing() {
    let broker = rules().on_timeout(OnTimeout::Cancel).start();
    let [one, _two] = join_all(&broker, ["one", "two"]).await;
    let outcome = after(SECOND, one.emit(1)).await.unwrap();
    assert_eq!((outcome.cause(), missing(&outcome)), (Some(timed_out(["two"])), vec!["two"]));
}

#[convoke::test]
async fn on_timeout_deliver_partial_resolves_and_is_marked() {
    let broker = rules().on_timeout(OnTimeout::DeliverPartial).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let outcome = after(SECOND, one.emit(1)).await.unwrap();
    assert!(outcome.to_string().ends_with(", partial: missing two"), "{outcome}");
    assert_eq!(missing(&outcome), ["two"]);
    assert!(outcome.resolved().unwrap().is_partial());
    drop(two);
}

// What becomes of a round that loses an emitter.

#[convoke::test]
async fn on_lost_cancel_cancels_at_once_and_names_it() {
    let broker = rules().on_lost(OnLost::Cancel).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let first = one.emit(1);
    settled().await;
    drop(two);
    let outcome = at_once(first).await.unwrap();
    assert_lost(&outcome, "two");
    assert_eq!(outcome.to_string(), "round #1 cancelled after 0ns: lost two");
}

#[convoke::test]
async fn on_lost_shrink_goes_on_without_it() {
    let broker = rules().on_lost(OnLost::Shrink).start();
    let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
    let first = one.emit(1);
    settled().await;
    drop(two);
    let outcome = at_once(three.emit(3)).await.unwrap();
    assert!(outcome.is_resolved());
    assert_eq!((kept_by(&outcome), missing(&outcome)), (vec!["one", "three"], vec!["two"]));
    assert!(at_once(first).await.unwrap().is_resolved());
}

#[convoke::test]
async fn on_lost_shrink_ends_a_round_that_is_out_of_reach() {
    let broker = rules().on_lost(OnLost::Shrink).release(Release::at_least(2)).late_join(LateJoin::NextRound).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let first = one.emit(1);
    settled().await;
    drop(two);
    assert_eq!(cause(&at_once(first).await.unwrap()), out_of_reach(["two"]));
}

#[convoke::test]
async fn on_lost_wait_waits_until_the_deadline() {
    let broker = rules().on_lost(OnLost::Wait).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let first = one.emit(1);
    settled().await;
    drop(two);
    let outcome = after(SECOND, first).await.unwrap();
    assert_eq!((cause(&outcome), missing(&outcome)), (timed_out(["two"]), vec!["two"]));
}

#[convoke::test]
async fn on_lost_wait_lets_one_of_the_same_id_take_up_the_promise() {
    for late_join in [LateJoin::ThisRound, LateJoin::NextRound] {
        let broker = rules().on_lost(OnLost::Wait).late_join(late_join).start();
        let [one] = join_all(&broker, ["one"]).await;
        let two = join_as(&broker, "two", 2).await.unwrap();
        let first = one.emit(1);
        settled().await;
        drop(two);
        sleep(ms(500)).await;
        let again = join_as(&broker, "two again", 2).await.unwrap();
        assert_eq!(at_once(again.emit(2)).await.unwrap().payloads(), [1, 2], "{late_join:?}");
        assert_eq!(at_once(first).await.unwrap().elapsed(), ms(500), "{late_join:?}");
    }
}

#[convoke::test]
async fn on_lost_wait_lets_it_back_in_even_where_late_join_is_rejected() {
    let broker = rules().on_lost(OnLost::Wait).late_join(LateJoin::Rejected).start();
    let [one] = join_all(&broker, ["one"]).await;
    let two = join_as(&broker, "two", 2).await.unwrap();
    let first = one.emit(1);
    settled().await;
    drop(two);
    settled().await;
    let again = join_as(&broker, "two again", 2).await.expect("the open round waits for nobody else");
    assert_eq!(at_once(again.emit(2)).await.unwrap().payloads(), [1, 2]);
    assert!(at_once(first).await.unwrap().is_resolved());
    assert!(Emitter::join(&broker, "three").await.is_ok());
}

#[convoke::test]
async fn who_is_lost_after_it_has_kept_its_promise_costs_the_round_nothing() {
    for on_lost in [OnLost::Cancel, OnLost::Shrink, OnLost::Wait] {
        let broker = rules().on_lost(on_lost).start();
        let [one, two] = join_all(&broker, ["one", "two"]).await;
        two.do_emit(2).unwrap();
        drop(two);
        settled().await;
        assert_eq!(kept_by(&at_once(one.emit(1)).await.unwrap()), ["two", "one"], "{on_lost:?}");
    }
}

// The deadlines beside the total one.

#[convoke::test]
async fn an_idle_timeout_ends_a_round_to_which_no_signal_comes() {
    let broker = Broker::new(10 * SECOND).idle_timeout(SECOND).start();
    let [one, two, _three] = join_all(&broker, ["one", "two", "three"]).await;
    let first = one.emit(1);
    sleep(ms(900)).await;
    let outcome = after(SECOND, two.emit(2)).await.unwrap();
    assert_eq!((cause(&outcome), missing(&outcome)), (Cause::Idle { missing: vec!["three".into()] }, vec!["three"]));
    assert_eq!(outcome.elapsed(), ms(1_900));
    assert!(outcome.to_string().contains("no signal came for the idle timeout"), "{outcome}");
    assert!(at_once(first).await.unwrap().is_cancelled());
}

#[convoke::test]
async fn what_an_idle_timeout_ends_is_delivered_where_the_policy_is_to_deliver() {
    let broker = Broker::new(10 * SECOND).idle_timeout(SECOND).on_timeout(OnTimeout::DeliverPartial).start();
    let [one, _two] = join_all(&broker, ["one", "two"]).await;
    assert!(after(SECOND, one.emit(1)).await.unwrap().resolved().unwrap().is_partial());
}

#[convoke::test]
async fn an_idle_timeout_longer_than_the_total_one_changes_nothing() {
    let broker = rules().idle_timeout(2 * SECOND).start();
    let [one, _two] = join_all(&broker, ["one", "two"]).await;
    assert_eq!(cause(&after(SECOND, one.emit(1)).await.unwrap()), timed_out(["two"]));
}

#[convoke::test]
async fn an_emitters_own_deadline_ends_a_round_that_needs_everyone() {
    let broker = rules().start();
    let [one] = join_all(&broker, ["one"]).await;
    let quick = Emitter::join(&broker, Emitter::new("quick").deadline(ms(200))).await.unwrap();
    let outcome = after(ms(200), one.emit(1)).await.unwrap();
    assert_eq!((cause(&outcome), missing(&outcome)), (timed_out(["quick"]), vec!["quick"]));
    // In time, its deadline ends nothing.
    sleep(2 * SECOND).await;
    quick.do_emit(2).unwrap();
    sleep(ms(900)).await;
    assert!(at_once(one.emit(1)).await.unwrap().is_resolved());
}

#[convoke::test]
async fn an_emitters_own_deadline_leaves_a_round_alone_that_can_do_without_it() {
    let broker = rules().release(Release::at_least(2)).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let quick = Emitter::join(&broker, Emitter::new("quick").deadline(ms(200))).await.unwrap();
    let first = one.emit(1);
    sleep(ms(300)).await;
    let error = at_once(quick.emit(3)).await.unwrap_err();
    assert!(matches!(error, EmitError::Late { round, key: None } if round.get() == 1), "{error}");
    let outcome = at_once(two.emit(2)).await.unwrap();
    assert!(outcome.is_resolved());
    assert_eq!(missing(&outcome), ["quick"]);
    assert!(at_once(first).await.unwrap().is_resolved());
}

#[convoke::test]
async fn a_round_ends_when_the_last_who_could_release_it_has_let_its_own_deadline_pass() {
    let broker = rules().release(Release::at_least(2)).late_join(LateJoin::NextRound).start();
    let [one] = join_all(&broker, ["one"]).await;
    let _quick = Emitter::join(&broker, Emitter::new("quick").deadline(ms(200))).await.unwrap();
    assert_eq!(cause(&after(ms(200), one.emit(1)).await.unwrap()), timed_out(["quick"]));
}

#[convoke::test]
async fn the_own_deadline_of_an_emitter_that_joins_late_counts_from_its_joining() {
    let broker = Broker::new(10 * SECOND).start();
    let [one] = join_all(&broker, ["one"]).await;
    let [_two] = join_all(&broker, ["two"]).await;
    let first = one.emit(1);
    sleep(SECOND).await;
    let _quick = Emitter::join(&broker, Emitter::new("quick").deadline(ms(200))).await.unwrap();
    let outcome = after(ms(200), first).await.unwrap();
    assert_eq!((cause(&outcome), outcome.elapsed()), (timed_out(["two", "quick"]), ms(1_200)));
}

// How long a signal counts as late for the round that went without it.

/// How long after a round a signal is still late for it: one millisecond more opens the next.
async fn assert_late_for(window: std::time::Duration, broker: Broker<u32>) {
    let broker = broker.start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    for late in [true, false] {
        assert!(after(SECOND, one.emit(1)).await.unwrap().is_cancelled());
        sleep(if late { window } else { window + ms(1) }).await;
        let second = two.emit(2);
        settled().await;
        assert_eq!(broker.inspect().await.unwrap().open_count, usize::from(!late), "{window:?}");
        one.do_emit(1).unwrap();
        match at_once(second).await {
            Err(error) => assert!(late && matches!(error, EmitError::Late { .. }), "{error}"),
            Ok(outcome) => assert!(!late && outcome.is_resolved(), "{outcome:?}"),
        }
        if late {
            at_once(two.emit(2)).await.unwrap();
        }
    }
}

#[convoke::test]
async fn the_late_window_is_the_timeout_by_default() {
    assert_late_for(SECOND, rules()).await;
}

#[convoke::test]
async fn the_late_window_can_be_set() {
    assert_late_for(ms(250), rules().late_window(ms(250))).await;
    assert_late_for(60 * SECOND, rules().late_window(60 * SECOND)).await;
}

#[convoke::test]
async fn a_late_window_of_zero_makes_nobody_late_once_the_round_is_over() {
    let broker = rules().late_window(ms(0)).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    assert!(after(SECOND, one.emit(1)).await.unwrap().is_cancelled());
    sleep(ms(1)).await;
    two.do_emit(2).unwrap();
    assert_eq!(at_once(one.emit(1)).await.unwrap().round().get(), 2);
}
