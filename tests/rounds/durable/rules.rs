//! What two programs may differ in that have the same broker.

use std::sync::Arc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::testing::expect_failure;
use convoke::transport::Memory;
use convoke::{Durable, DurableError, DurableState};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[convoke::test]
async fn other_rules_are_an_error_unless_they_replace_those() {
    let db = Memory::database();
    let old: Durable<u32> = Broker::new(DAY).expects(["a", "b"]).durable(&db, "pairs").await.unwrap();
    let a = Emitter::join(&old, "a").await.unwrap();
    let round = a.emit_for(7, 1).committed().await.unwrap();
    let error = Broker::<u32>::new(DAY).expects(["a", "b", "c"]).durable(&db, "pairs").await.unwrap_err();
    assert!(matches!(&error, DurableError::OtherRules { .. }), "{error}");
    assert!(error.to_string().contains("replaces_rules"), "{error}");
    let new: Durable<u32> =
        Broker::new(DAY).expects(["a", "b", "c"]).durable(&db, "pairs").replaces_rules().await.unwrap();
    // The round that is open goes by the rules by which it was opened.
    let b = Emitter::join(&new, "b").await.unwrap();
    let outcome = b.emit_for(7, 2).await.unwrap();
    assert_eq!((outcome.round(), outcome.payloads()), (round, &[1, 2][..]));
    b.emit_for(8, 2).committed().await.unwrap();
    assert_eq!(new.why(8).await.unwrap().unwrap().missing, ["a", "c"].map(Arc::<str>::from));
}

fn least(least: u32) -> impl Fn(&convoke::Gathered<'_, u32>) -> bool + Send + Sync {
    move |gathered| gathered.payloads().iter().sum::<u32>() >= least
}

#[convoke::test]
async fn a_newer_predicate_keeps_the_older_one_for_its_rounds() {
    let db = Memory::database();
    let old: Durable<u32> =
        Broker::new(DAY).release(Release::when_named("sum", 1, least(3))).durable(&db, "sums").await.unwrap();
    let a = Emitter::join(&old, "a").await.unwrap();
    a.emit_for(7, 1).committed().await.unwrap();
    let release = Release::when_named("sum", 2, least(30)).also(1, least(3));
    let new: Durable<u32> = Broker::new(DAY).release(release).durable(&db, "sums").await.unwrap();
    let b = Emitter::join(&new, "b").await.unwrap();
    assert!(b.emit_for(7, 2).await.unwrap().is_resolved());
    b.emit_for(8, 20).committed().await.unwrap();
    // The older program does not know by what this round is released, and writes what its members say.
    let waits = a.emit_for(8, 10);
    assert!(waits.await.unwrap().is_resolved());
}

#[convoke::test]
async fn a_round_whose_predicate_nobody_has_is_cancelled_and_says_so() {
    let db = Memory::database();
    {
        let old: Durable<u32> =
            Broker::new(DAY).release(Release::when_named("sum", 1, least(3))).durable(&db, "sums").await.unwrap();
        let a = Emitter::join(&old, "a").await.unwrap();
        a.emit_for(7, 1).committed().await.unwrap();
    }
    let release = Release::when_named("sum", 2, least(30));
    let new: Durable<u32> = Broker::new(DAY).release(release).durable(&db, "sums").replaces_rules().await.unwrap();
    let outcome = new.outcome_for(7).await.unwrap();
    assert_eq!(outcome.cause().unwrap().to_string(), "aborted: no process has rule sum v1");
    assert_eq!(outcome.payloads(), [1]);
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Vote {
    yes: bool,
}

#[convoke::test]
async fn a_payload_that_cannot_be_read_sets_its_round_aside_and_no_other() {
    let db = Memory::database();
    {
        let old: Durable<String> = Broker::new(DAY)
            .release(Release::when_named("two", 1, |gathered| gathered.payloads().len() == 2))
            .durable(&db, "votes")
            .await
            .unwrap();
        let a = Emitter::join(&old, "a").await.unwrap();
        a.emit_for(7, "yes".to_owned()).committed().await.unwrap();
    }
    let two = || Release::when_named("two", 1, |gathered| gathered.payloads().len() == 2);
    let votes: Durable<Vote> = Broker::new(DAY).release(two()).durable(&db, "votes").await.unwrap();
    let a = Emitter::join(&votes, "a").await.unwrap();
    let b = Emitter::join(&votes, "b").await.unwrap();
    let error = b.emit_for(7, Vote { yes: true }).await.unwrap_err();
    let EmitError::Aside { round, reason } = &error else { panic!("{error}") };
    assert!(reason.contains("the payload of `a` cannot be read"), "{reason}");
    assert_eq!(votes.figures().await.unwrap().aside, 1);
    assert!(matches!(votes.why(7).await.unwrap().unwrap().state, DurableState::Aside(_)));
    // Nobody waits for it, and others go on.
    a.emit_for(8, Vote { yes: true }).committed().await.unwrap();
    assert!(b.emit_for(8, Vote { yes: false }).await.unwrap().is_resolved());
    assert_eq!(votes.retry(*round).await.unwrap_err(), error);
    sleep(2 * DAY).await;
    assert_eq!(votes.abort(7, "of an older program").await.unwrap(), *round);
    assert_eq!(votes.figures().await.unwrap().aside, 0);
}

#[convoke::test]
async fn a_predicate_that_panics_sets_its_round_aside_until_it_is_mended() {
    let db = Memory::database();
    expect_failure("a predicate");
    let round = {
        let release = Release::when_named("odd", 1, |gathered: &convoke::Gathered<'_, u32>| {
            assert!(gathered.payloads() != [13], "unlucky");
            gathered.payloads().len() == 2
        });
        let odd: Durable<u32> = Broker::new(DAY).release(release).durable(&db, "odd").await.unwrap();
        let a = Emitter::join(&odd, "a").await.unwrap();
        let error = a.emit_for(7, 13).await.unwrap_err();
        let EmitError::Aside { round, reason } = error else { panic!("{error}") };
        assert!(reason.contains("its predicate has panicked: unlucky"), "{reason}");
        round
    };
    let release = Release::when_named("odd", 1, |gathered| gathered.payloads().len() == 2);
    let mended: Durable<u32> = Broker::new(DAY).release(release).durable(&db, "odd").await.unwrap();
    assert_eq!(mended.retry(round).await.unwrap(), round);
    let b = Emitter::join(&mended, "b").await.unwrap();
    assert_eq!(b.emit_for(7, 1).await.unwrap().payloads(), [13, 1]);
}
