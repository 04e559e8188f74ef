//! A second signal of a party that waits for the next round: it is a row from the beginning, and opens that round as this one closes.

use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Memory, MemoryDatabase};
use convoke::{Durable, DurableState, Early, Gathered};
use tokio::time::sleep;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn pairs(db: &MemoryDatabase) -> Durable<u32> {
    let broker = Broker::new(DAY).expects(["a", "b"]).repeat_emit(RepeatEmit::NextRound);
    broker.durable(db, "pairs").await.unwrap()
}

#[convoke::test]
async fn a_second_signal_opens_the_next_round_as_the_first_closes() {
    let db = Memory::database();
    let pairs = pairs(&db).await;
    let a = Emitter::join(&pairs, "a").await.unwrap();
    let b = Emitter::join(&pairs, "b").await.unwrap();
    let first = a.emit_for(7, 1).committed().await.unwrap();
    let second = a.emit_for(7, 2);
    // It is a row, and of the round that is open.
    assert_eq!(a.emit_for(7, 3).committed().await.unwrap(), first);
    let outcome = b.emit_for(7, 10).await.unwrap();
    assert_eq!((outcome.round(), outcome.payloads()), (first, &[1, 10][..]));
    let why = pairs.why(7).await.unwrap().unwrap();
    assert!(why.round > first && why.state == DurableState::Open);
    assert_eq!((&*why.kept[0], &*why.missing[0], why.kept.len()), ("a", "b", 1));
    let other = b.emit_for(7, 20).await.unwrap();
    let outcome = second.await.unwrap();
    assert_eq!((outcome.round(), outcome.payloads()), (why.round, &[2, 20][..]));
    assert_eq!(other.round(), outcome.round());
    // And the third opens the one behind that.
    let outcome = b.emit_for(7, 30).await.unwrap();
    assert!(outcome.round() > why.round);
    assert_eq!(outcome.payloads(), [3, 30]);
    assert!(pairs.why(7).await.unwrap().is_none());
}

#[convoke::test]
async fn whatever_ends_a_round_the_next_one_opens() {
    let db = Memory::database();
    let pairs = pairs(&db).await;
    let a = Emitter::join(&pairs, "a").await.unwrap();
    for key in ["late", "aborted"] {
        let first = a.emit_for(key, 1);
        let second = a.emit_for(key, 2);
        sleep(DAY / 2).await;
        if key == "aborted" {
            pairs.abort(key, "no").await.unwrap();
        } else {
            sleep(DAY).await;
        }
        let first = first.await.unwrap();
        assert!(first.is_cancelled());
        let why = pairs.why(key).await.unwrap().unwrap();
        assert!(why.round > first.round());
        // It has all of its time.
        assert_eq!(why.due.duration_since(why.opened).unwrap(), DAY);
        let outcome = second.await.unwrap();
        assert_eq!(
            (outcome.round(), outcome.cause().unwrap().to_string()),
            (why.round, "timed out; missing b".to_owned())
        );
        assert_eq!(outcome.payloads(), [2]);
    }
}

#[convoke::test]
async fn what_waits_outlives_its_process_and_is_heard_of_in_another() {
    let db = Memory::database();
    {
        let pairs = pairs(&db).await;
        let a = Emitter::join(&pairs, "a").await.unwrap();
        a.emit_for(7, 1).committed().await.unwrap();
        a.emit_for(7, 2).committed().await.unwrap();
    }
    let (here, there) = (pairs(&db).await, pairs(&db).await);
    let a = Emitter::join(&here, "a").await.unwrap();
    let third = a.emit_for(7, 3);
    sleep(DAY / 2).await;
    let b = Emitter::join(&there, "b").await.unwrap();
    for (said, payloads) in [(10, [1, 10]), (20, [2, 20]), (30, [3, 30])] {
        assert_eq!(b.emit_for(7, said).await.unwrap().payloads(), payloads);
    }
    assert_eq!(third.await.unwrap().payloads(), [3, 30]);
    assert_eq!(there.figures().await.unwrap().over, 3);
}

#[convoke::test]
async fn what_is_said_at_once_is_in_its_order() {
    let db = Memory::database();
    let pairs = pairs(&db).await;
    let a = Emitter::join(&pairs, "a").await.unwrap();
    let b = Emitter::join(&pairs, "b").await.unwrap();
    // In one transaction, as far as that goes.
    let (one, other): (Vec<_>, Vec<_>) = (
        (0..20).map(|number| a.emit_for(7, number)).collect(),
        (100..120).map(|number| b.emit_for(7, number)).collect(),
    );
    let mut last = None;
    for (number, (one, other)) in (0..).zip(one.into_iter().zip(other)) {
        let (one, other) = (one.await.unwrap(), other.await.unwrap());
        let mut payloads = one.payloads().to_vec();
        payloads.sort_unstable();
        assert_eq!((payloads, one.round()), (vec![number, number + 100], other.round()));
        assert!(last.replace(one.round()) < Some(one.round()));
    }
}

#[convoke::test]
async fn a_round_that_has_all_it_needs_as_it_opens_is_closed_by_whoever_looks() {
    let db = Memory::database();
    let budget = Release::when_named("budget", 1, |gathered: &Gathered<'_, u32>| {
        gathered.payloads().iter().sum::<u32>() >= 1_000
    });
    let broker = Broker::new(DAY).release(budget).repeat_emit(RepeatEmit::NextRound);
    let budgets: Durable<u32> = broker.durable(&db, "budgets").await.unwrap();
    let a = Emitter::join(&budgets, "a").await.unwrap();
    let b = Emitter::join(&budgets, "b").await.unwrap();
    a.emit_for(7, 100).committed().await.unwrap();
    let (large, small) = (a.emit_for(7, 1_000), a.emit_for(7, 1));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(b.emit_for(7, 900).await.unwrap().payloads(), [100, 900]);
    assert_eq!(large.await.unwrap().payloads(), [1_000]);
    // What came behind is in the one behind.
    let why = budgets.why(7).await.unwrap().unwrap();
    assert_eq!(why.kept.len(), 1);
    budgets.abort(7, "enough").await.unwrap();
    assert_eq!(small.await.unwrap().payloads(), [1]);
    assert_eq!(budgets.figures().await.unwrap().over, 3);
}

#[convoke::test]
async fn whoever_is_asked_is_asked_for_the_next_round_too() {
    let db = Memory::database();
    let pairs = pairs(&db).await;
    let b = Emitter::new("b").on_summons(async |pledge| {
        sleep(Duration::from_secs(60)).await;
        let said = pledge.subject().unwrap_or_default();
        pledge.keep(said * 10);
    });
    let _b = Emitter::join(&pairs, b).await.unwrap();
    let a = Emitter::join(&pairs, "a").await.unwrap();
    let waits: Vec<_> = (1..=3).map(|number| a.emit_for(7, number)).collect();
    for (number, waits) in (1..).zip(waits) {
        assert_eq!(waits.await.unwrap().payloads(), [number, number * 10]);
    }
}

#[convoke::test]
async fn who_opens_rounds_is_said_once() {
    let db = Memory::database();
    for early in [Early::Waits(DAY), Early::Rejected] {
        let broker = Broker::<u32>::new(DAY).expects(["a"]).repeat_emit(RepeatEmit::NextRound);
        let error = broker.durable(&db, "pairs").early(early).await.unwrap_err();
        assert!(error.to_string().contains("choose one of them"), "{error}");
    }
}
