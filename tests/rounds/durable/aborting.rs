//! Who may abort a durable round, and who has.

use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Memory, MemoryDatabase};
use convoke::{Cause, Durable, DurableBuilder, DurableError, DurableState, Early, Gathered};
use tokio::time::sleep;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn pairs(db: &MemoryDatabase) -> DurableBuilder<u32, MemoryDatabase> {
    Broker::new(DAY).expects(["a", "b"]).durable(db, "pairs")
}

#[convoke::test]
async fn who_aborts_stands_in_the_outcome_and_the_history() {
    let db = Memory::database();
    let pairs: Durable<u32> = pairs(&db).await.unwrap();
    let a = Emitter::join(&pairs, "a").await.unwrap();
    let waits = a.emit_for(7, 1);
    sleep(DAY / 2).await;
    let round = pairs.abort(7, "withdrawn").by("legal").await.unwrap();
    let outcome = waits.await.unwrap();
    assert_eq!(
        (outcome.round(), outcome.cause().unwrap().to_string()),
        (round, "aborted by legal: withdrawn".to_owned())
    );
    assert_eq!(outcome.cause().unwrap(), Cause::AbortedBy { by: "legal".into(), reason: "withdrawn".into() });
    let history = pairs.history(7, 1).await.unwrap();
    assert_eq!(history[0].state, DurableState::Cancelled("aborted by legal: withdrawn".to_owned()));
    assert_eq!(pairs.outcome(round).await.unwrap().cause(), outcome.cause());
    // By default anyone may, and need not say who that is.
    a.emit_for(8, 1).committed().await.unwrap();
    let round = pairs.abort(8, "no").by("").await.unwrap();
    assert_eq!(pairs.outcome(round).await.unwrap().cause().unwrap().to_string(), "aborted: no");
}

#[convoke::test]
async fn those_alone_abort_who_are_named() {
    let db = Memory::database();
    let by_legal = pairs(&db).aborted_by(["legal", "chair"]).await.unwrap();
    let a = Emitter::join(&by_legal, "a").await.unwrap();
    let round = a.emit_for(7, 1).committed().await.unwrap();
    assert_eq!(by_legal.abort(7, "no").await.unwrap_err(), EmitError::MayNotAbort { by: None });
    let error = by_legal.abort(7, "no").by("a").await.unwrap_err();
    assert_eq!(error, EmitError::MayNotAbort { by: Some("a".into()) });
    assert!(error.to_string().contains("`a` may not abort this round"), "{error}");
    assert_eq!(by_legal.why(7).await.unwrap().unwrap().state, DurableState::Open);
    // The rule goes with the round, whatever the program of another process says.
    let other = pairs(&db).await.unwrap_err();
    assert!(matches!(other, DurableError::OtherRules { .. }), "{other}");
    let anyone = pairs(&db).replaces_rules().await.unwrap();
    assert_eq!(anyone.abort(7, "no").await.unwrap_err(), EmitError::MayNotAbort { by: None });
    assert_eq!(anyone.abort(7, "yes").by("chair").await.unwrap(), round);
    a.emit_for(8, 1).committed().await.unwrap();
    // Whoever opens a round opens it by the rules of his own program.
    assert_eq!(by_legal.abort(8, "no").await.unwrap_err(), EmitError::MayNotAbort { by: None });
    let a = Emitter::join(&anyone, "a").await.unwrap();
    a.emit_for(9, 1).committed().await.unwrap();
    assert!(by_legal.abort(9, "no").await.is_ok());
    let error = pairs(&db).aborted_by(Vec::<String>::new()).await.unwrap_err();
    assert!(error.to_string().contains("names nobody"), "{error}");
}

#[convoke::test]
async fn the_same_holds_for_one_that_waits_one_that_is_aside_and_one_that_is_decided_elsewhere() {
    let db = Memory::database();
    let waiting = pairs(&db).aborted_by(["legal"]).early(Early::Waits(DAY)).await.unwrap();
    let a = Emitter::join(&waiting, "a").await.unwrap();
    let first = a.emit_for(7, 1).committed().await.unwrap();
    assert_eq!(waiting.abort(7, "no").await.unwrap_err(), EmitError::MayNotAbort { by: None });
    assert_eq!(waiting.abort(7, "no").by("legal").await.unwrap(), first);
    let outcome = waiting.outcome(first).await.unwrap();
    assert_eq!(
        (outcome.cause().unwrap().to_string(), outcome.payloads()),
        ("aborted by legal: no".to_owned(), &[1][..])
    );

    convoke::testing::expect_failure("a predicate");
    let panics = |name| {
        Release::when_named(name, 1, |gathered: &Gathered<'_, u32>| match gathered.payloads() {
            [13, ..] => panic!("unlucky"),
            payloads => payloads.len() > 1,
        })
    };
    let broker = Broker::new(DAY).release(panics("lucky")).durable(&db, "votes").aborted_by(["legal"]);
    let votes: Durable<u32> = broker.await.unwrap();
    let a = Emitter::join(&votes, "a").await.unwrap();
    let aside = a.emit_for(1, 13).committed().await.unwrap_err();
    assert!(matches!(aside, EmitError::Aside { .. }), "{aside}");
    assert_eq!(votes.abort(1, "no").await.unwrap_err(), EmitError::MayNotAbort { by: None });
    votes.abort(1, "no").by("legal").await.unwrap();
    a.emit_for(2, 1).committed().await.unwrap();
    let broker = Broker::new(DAY).release(panics("other")).durable(&db, "votes").replaces_rules();
    let elsewhere: Durable<u32> = broker.await.unwrap();
    assert_eq!(elsewhere.abort(2, "no").await.unwrap_err(), EmitError::MayNotAbort { by: None });
    assert!(elsewhere.abort(2, "no").by("legal").await.is_ok());
}
