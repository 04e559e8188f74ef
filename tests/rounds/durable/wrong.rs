//! What is refused when a durable broker is set up, by name.

use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::Memory;
use convoke::{Durable, DurableError};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[convoke::test]
async fn rules_that_are_none_of_a_durable_broker() {
    let db = Memory::database();
    let broker = || Broker::<u32>::new(DAY);
    let named = |release| broker().release(release);
    let wrong = [
        (broker(), "name them with `expects`"),
        (named(Release::when(|_| true)), "Release::when_named"),
        (named(Release::at_least(1).also(1, |_| true)), "`Release::when_named(…).also(…)`"),
        (named(Release::at_least(0)), "at least 1"),
        (broker().expects(["a"]).late_join(LateJoin::NextRound), "leave `late_join` out"),
        (Broker::new(Duration::ZERO).expects(["a"]), "timeout of zero"),
    ];
    for (broker, words) in wrong {
        let error = broker.durable(&db, "wrong").await.unwrap_err();
        assert!(matches!(error, DurableError::Rules(_)), "{error}");
        assert!(error.to_string().contains(words), "{error} has not {words}");
    }
    for name in ["", "a/b", "a b", &"x".repeat(33)] {
        let error = broker().expects(["a"]).durable(&db, name).await.unwrap_err();
        assert!(matches!(error, DurableError::Name { .. }), "{error}");
    }
}

#[convoke::test]
async fn members_that_a_durable_broker_cannot_have() {
    let db = Memory::database();
    let ones: Durable<u32> = Broker::new(DAY).expects(["a"]).durable(&db, "ones").await.unwrap();
    let nameless = Consumer::join(&ones, |_: Outcome<u32>| {}).await.unwrap_err();
    assert_eq!(nameless, JoinError::NamelessConsumer);
    let long = Consumer::new(|_: Outcome<u32>| {}).named("x".repeat(40));
    let error = Consumer::join(&ones, long).await.unwrap_err();
    assert!(error.to_string().contains("1 to 38 bytes"), "{error}");
    let _one = Consumer::join(&ones, Consumer::new(|_: Outcome<u32>| {}).named("log")).await.unwrap();
    let twice = Consumer::join(&ones, Consumer::new(|_: Outcome<u32>| {}).named("log")).await.unwrap_err();
    assert_eq!(twice, JoinError::DuplicateName { name: "log".into() });
    assert_eq!(BrokerExt::abort(&*ones, "no").await.unwrap_err(), BrokerError::Durable);
    assert_eq!(ones.set_timeout(DAY).await.unwrap_err(), BrokerError::Durable);
}

#[convoke::test]
async fn a_name_that_a_database_does_not_keep_is_refused_and_holds_up_no_other() {
    let db = Memory::database();
    let polls: Durable<u32> = Broker::new(DAY).release(Release::at_least(2)).durable(&db, "polls").await.unwrap();
    let good = Emitter::join(&polls, "good").await.unwrap();
    for name in ["a\0b".to_owned(), "x".repeat(257)] {
        let bad = Emitter::join(&polls, name).await.unwrap();
        let (refused, kept) = tokio::join!(bad.emit(1).committed(), good.emit_for(7, 1).committed());
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("at most 256 bytes, and no character of the code 0"), "{error}");
        assert!(
            kept.is_ok() || kept == Err(EmitError::AlreadyKept { round: polls.why(7).await.unwrap().unwrap().round })
        );
    }
}

#[convoke::test]
async fn a_consumer_comes_back_at_once_under_its_name() {
    let db = Memory::database();
    let ones: Durable<u32> = Broker::new(DAY).expects(["a"]).durable(&db, "ones").await.unwrap();
    for _ in 0..3 {
        drop(Consumer::join(&ones, Consumer::new(|_: Outcome<u32>| {}).named("log")).await.unwrap());
    }
}

#[convoke::test]
async fn nothing_that_was_emitted_is_shown() {
    use convoke::rounds::round_store::{Past, Row};
    let row = Row {
        number: 1,
        kind: 1,
        name: "a".into(),
        at: 0,
        token: convoke::Uuid::nil(),
        terms: None,
        body: b"secret".to_vec(),
    };
    let past = Past { id: 1, key: "t7".into(), resolved: true, closed_at: 0, outcome: "secret".into() };
    let shown = format!("{row:?} {past:?}");
    assert!(!shown.contains("secret") && !shown.contains("115"), "{shown}");
}
