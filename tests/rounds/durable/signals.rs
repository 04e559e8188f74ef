//! What a durable round is told, and what it tells.

use std::sync::Arc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Memory, MemoryDatabase};
use convoke::{Durable, DurableState, Early, OnVeto};
use tokio::time::{Instant, sleep};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const BOARD: [&str; 3] = ["legal", "finance", "chair"];

async fn approvals(db: &MemoryDatabase) -> Durable<String> {
    Broker::new(2 * DAY).expects(BOARD).durable(db, "approvals").await.unwrap()
}

#[convoke::test]
async fn all_have_signed_and_everyone_hears_the_same() {
    let db = Memory::database();
    let approvals = approvals(&db).await;
    let legal = Emitter::join(&approvals, "legal").await.unwrap();
    let finance = Emitter::join(&approvals, "finance").await.unwrap();
    let chair = Emitter::join(&approvals, "chair").await.unwrap();
    let first = legal.emit_for(7, "l".to_owned());
    sleep(DAY).await;
    let second = finance.emit_for(7, "f".to_owned());
    let (first, second, third) = tokio::join!(first, second, chair.emit_for(7, "c".to_owned()));
    let (first, second, third) = (first.unwrap(), second.unwrap(), third.unwrap());
    assert!(first.is_resolved() && second.is_resolved() && third.is_resolved());
    assert_eq!(first.payloads(), ["l", "f", "c"]);
    assert_eq!((first.round(), second.payloads()), (third.round(), third.payloads()));
    assert_eq!(first.elapsed().as_secs(), DAY.as_secs());
    assert_eq!(first.payload("finance").unwrap(), "f");
}

#[convoke::test]
async fn who_is_missing_at_the_deadline_is_named() {
    let db = Memory::database();
    let approvals = approvals(&db).await;
    let legal = Emitter::join(&approvals, "legal").await.unwrap();
    let began = Instant::now();
    let outcome = legal.emit_for("contract", "l".to_owned()).await.unwrap();
    assert_eq!(outcome.cause().unwrap().to_string(), "timed out; missing finance, chair");
    assert_eq!(began.elapsed().as_secs(), 2 * DAY.as_secs());
    let past = approvals.history("contract", 10).await.unwrap();
    assert!(matches!(&past[0].state, DurableState::Cancelled(why) if why == "timed out; missing finance, chair"));
}

#[convoke::test]
async fn each_wrong_signal_has_its_error() {
    let db = Memory::database();
    let approvals = approvals(&db).await;
    let legal = Emitter::join(&approvals, "legal").await.unwrap();
    let stranger = Emitter::join(&approvals, "intern").await.unwrap();
    let round = legal.emit_for(7, "l".to_owned()).committed().await.unwrap();
    let again = legal.emit_for(7, "l".to_owned()).committed().await.unwrap_err();
    assert_eq!(again, EmitError::AlreadyKept { round });
    let error = stranger.emit_for(7, "i".to_owned()).await.unwrap_err();
    assert_eq!(error, EmitError::Stranger { name: "intern".into() });
    assert_eq!(legal.veto_for(8, "no").await.unwrap_err(), EmitError::NoRound);
    let error = legal.emit_for("x".repeat(300), "l".to_owned()).await.unwrap_err();
    assert!(error.to_string().contains("at most 256 bytes"), "{error}");
    let error = legal.emit_for(9, "x".repeat(300_000)).committed().await.unwrap_err();
    assert!(error.to_string().contains("262144 bytes"), "{error}");
    let in_process = Broker::<String>::new(DAY).start();
    let here = Emitter::join(&in_process, "legal").await.unwrap();
    assert_eq!(here.emit("l".to_owned()).committed().await.unwrap_err(), EmitError::NotDurable);
}

#[convoke::test]
async fn whoever_was_missing_is_late_once_and_then_opens_the_next() {
    let db = Memory::database();
    let approvals = approvals(&db).await;
    let legal = Emitter::join(&approvals, "legal").await.unwrap();
    let chair = Emitter::join(&approvals, "chair").await.unwrap();
    let outcome = legal.emit_for(7, "l".to_owned()).await.unwrap();
    let late = chair.emit_for(7, "c".to_owned()).committed().await.unwrap_err();
    assert_eq!(late, EmitError::Late { round: outcome.round(), key: Some(7.into()) });
    let next = chair.emit_for(7, "c".to_owned()).committed().await.unwrap();
    assert!(next > outcome.round());
    let why = approvals.why(7).await.unwrap().unwrap();
    assert_eq!((why.round, why.state), (next, DurableState::Open));
    let names = |names: &[&str]| names.iter().copied().map(Arc::<str>::from).collect::<Vec<_>>();
    assert_eq!((why.kept, why.missing), (names(&["chair"]), names(&["legal", "finance"])));
}

#[convoke::test]
async fn a_veto_ends_the_round_for_everyone() {
    let db = Memory::database();
    let approvals = approvals(&db).await;
    let legal = Emitter::join(&approvals, "legal").await.unwrap();
    let chair = Emitter::join(&approvals, "chair").await.unwrap();
    let waits = legal.emit_for(7, "l".to_owned());
    sleep(DAY).await;
    let vetoed = chair.veto_for(7, "not in this quarter").await.unwrap();
    assert_eq!(vetoed.cause().unwrap().to_string(), "vetoed by chair: not in this quarter");
    assert_eq!(waits.await.unwrap().cause(), vetoed.cause());
}

#[convoke::test]
async fn a_veto_that_is_tolerated_is_an_answer() {
    let db = Memory::database();
    let broker = Broker::new(2 * DAY).expects(BOARD).release(Release::at_least(2)).on_veto(OnVeto::Tolerate(1));
    let approvals: Durable<String> = broker.durable(&db, "approvals").await.unwrap();
    let [legal, finance, chair] = [
        Emitter::join(&approvals, "legal").await.unwrap(),
        Emitter::join(&approvals, "finance").await.unwrap(),
        Emitter::join(&approvals, "chair").await.unwrap(),
    ];
    let round = legal.emit_for(7, "l".to_owned()).committed().await.unwrap();
    assert_eq!(chair.veto_for(7, "no").committed().await.unwrap(), round);
    assert_eq!(chair.emit_for(7, "c".to_owned()).committed().await.unwrap_err(), EmitError::Vetoed { round });
    let outcome = finance.emit_for(7, "f".to_owned()).await.unwrap();
    assert_eq!(outcome.payloads(), ["l", "f"]);
    assert_eq!(outcome.vetoes().iter().map(ToString::to_string).collect::<Vec<_>>(), ["chair: no"]);
    // Two of three that say no leave too few.
    legal.veto_for(8, "no").await.unwrap_err();
    let waits = finance.emit_for(8, "f".to_owned());
    chair.veto_for(8, "no").committed().await.unwrap();
    let outcome = legal.veto_for(8, "no").await.unwrap();
    assert_eq!(waits.await.unwrap().round(), outcome.round());
    assert!(outcome.is_cancelled());
}

#[convoke::test]
async fn a_weight_goes_with_its_signal() {
    let db = Memory::database();
    let release = Release::when_named("three voices", 1, |gathered| gathered.kept("legal") && gathered.weight() >= 3);
    let broker = Broker::new(2 * DAY).expects(BOARD).release(release);
    let approvals: Durable<u32> = broker.durable(&db, "approvals").await.unwrap();
    let legal = Emitter::join(&approvals, "legal").await.unwrap();
    let chair = Emitter::join(&approvals, Emitter::new("chair").weight(2)).await.unwrap();
    let waits = chair.emit_for(7, 2);
    sleep(DAY).await;
    let outcome = legal.emit_for(7, 1).await.unwrap();
    assert_eq!(outcome.payloads(), [2, 1]);
    assert!(outcome.is_resolved() && waits.await.unwrap().is_resolved());
}

#[convoke::test]
async fn one_signal_replaces_another() {
    let db = Memory::database();
    let broker = Broker::new(DAY).expects(["a", "b"]).repeat_emit(RepeatEmit::Replaces);
    let pairs: Durable<u32> = broker.durable(&db, "pairs").await.unwrap();
    let a = Emitter::join(&pairs, "a").await.unwrap();
    let b = Emitter::join(&pairs, "b").await.unwrap();
    let first = a.emit(1).committed().await.unwrap();
    assert_eq!(a.emit(2).committed().await.unwrap(), first);
    assert_eq!(b.emit(3).await.unwrap().payloads(), [2, 3]);
}

#[convoke::test]
async fn partial_idle_and_aborted_rounds_are_as_in_the_process() {
    let db = Memory::database();
    let broker = Broker::new(2 * DAY).expects(BOARD).idle_timeout(DAY).on_timeout(OnTimeout::DeliverPartial);
    let approvals: Durable<u32> = broker.durable(&db, "approvals").await.unwrap();
    let legal = Emitter::join(&approvals, "legal").await.unwrap();
    let began = Instant::now();
    let outcome = legal.emit_for(7, 1).await.unwrap();
    assert!(matches!(&outcome, Outcome::Resolved(round) if round.is_partial()));
    assert_eq!(outcome.missing().map(|who| who.name.to_string()).collect::<Vec<_>>(), ["finance", "chair"]);
    assert_eq!(began.elapsed().as_secs(), DAY.as_secs());
    let waits = legal.emit_for(8, 1);
    sleep(Duration::from_secs(1)).await;
    let round = approvals.abort(8, "withdrawn").await.unwrap();
    let outcome = waits.await.unwrap();
    assert_eq!((outcome.round(), outcome.cause().unwrap().to_string()), (round, "aborted: withdrawn".to_owned()));
    assert_eq!(approvals.abort(8, "again").await.unwrap_err(), EmitError::NoRound);
}

#[convoke::test]
async fn an_early_signal_waits_for_who_opens_its_round() {
    let db = Memory::database();
    let broker = Broker::new(DAY).expects(["a", "b"]);
    let pairs: Durable<u32> = broker.durable(&db, "pairs").early(Early::Waits(DAY / 2)).await.unwrap();
    let a = Emitter::join(&pairs, "a").await.unwrap();
    let b = Emitter::join(&pairs, "b").await.unwrap();
    let first = a.emit_for(7, 1).committed().await.unwrap();
    assert_eq!(a.emit_for(7, 1).committed().await.unwrap_err(), EmitError::AlreadyKept { round: first });
    assert_eq!(pairs.why(7).await.unwrap().unwrap().state, DurableState::Awaited);
    sleep(DAY / 4).await;
    assert_eq!(pairs.open(7).await.unwrap(), first);
    assert_eq!(pairs.why(7).await.unwrap().unwrap().missing, ["b"].map(Arc::<str>::from));
    let outcome = b.emit_for(7, 2).await.unwrap();
    assert_eq!((outcome.payloads(), outcome.elapsed().as_secs()), (&[1, 2][..], 0));
    // Nobody opens this one.
    let outcome = a.emit_for(8, 1).await.unwrap();
    assert_eq!(outcome.cause().unwrap().to_string(), "aborted: nobody has opened it in time");
}

#[convoke::test]
async fn an_early_signal_may_be_refused() {
    let db = Memory::database();
    let pairs: Durable<u32> =
        Broker::new(DAY).expects(["a", "b"]).durable(&db, "pairs").early(Early::Rejected).await.unwrap();
    let a = Emitter::join(&pairs, "a").await.unwrap();
    assert_eq!(a.emit_for(7, 1).committed().await.unwrap_err(), EmitError::NoRound);
    let round = pairs.open(7).await.unwrap();
    assert_eq!(pairs.open(7).await.unwrap(), round);
    assert_eq!(a.emit_for(7, 1).committed().await.unwrap(), round);
}

#[convoke::test]
async fn a_thousand_rounds_close_each_with_its_own() {
    let db = Memory::database();
    let broker = Broker::new(DAY).expects(["a", "b"]);
    let pairs: Durable<u64> = broker.durable(&db, "pairs").await.unwrap();
    let a = Emitter::join(&pairs, "a").await.unwrap();
    let b = Emitter::join(&pairs, "b").await.unwrap();
    let waits: Vec<_> = (0..1_000_u64).map(|key| a.emit_for(key, key)).collect();
    let others: Vec<_> = (0..1_000_u64).rev().map(|key| b.emit_for(key, key + 1)).collect();
    for (key, waits) in (0..).zip(waits) {
        assert_eq!(waits.await.unwrap().payloads(), [key, key + 1]);
    }
    for other in others {
        assert!(other.await.unwrap().is_resolved());
    }
    let figures = pairs.figures().await.unwrap();
    assert_eq!((figures.open, figures.over), (0, 1_000));
}
