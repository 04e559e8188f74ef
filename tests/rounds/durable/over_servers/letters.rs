//! What only Redis does with what a consumer is to hear: a stream, with a stream of dead letters.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{DeadLetterRecord, ErrorKind, Redis, Source, redrive};
use convoke::{Durable, DurableError, RoundId};

use super::{DAY, Kept, Site, approvals, board, over_all};
use crate::transports::outbox::until;
use crate::transports::servers::redis::RedisServer;

over_all! {
    what_closes_while_nobody_listens_waits,
    who_is_forgotten_hears_of_nothing_more,
}

async fn signed(approvals: &Durable<String>, key: u64) -> RoundId {
    let [legal, finance, chair] = board(approvals).await;
    let emit = |emitter: &convoke::EmitterHandle<String>| emitter.emit_for(key, "yes".to_owned());
    let (first, second, third) = tokio::join!(emit(&legal), emit(&finance), emit(&chair));
    first.and(second).unwrap();
    third.unwrap().round()
}

/// A consumer that notes of which rounds it has heard.
fn noting(heard: &Rc<RefCell<Vec<RoundId>>>) -> Consumer<String> {
    let heard = heard.clone();
    Consumer::new(move |round: Outcome<String>| heard.borrow_mut().push(round.round())).named("audit")
}

async fn what_closes_while_nobody_listens_waits<B: Site>() {
    let base = B::new().await;
    let approvals = approvals::<B>(base.database(), DAY).await.unwrap();
    let heard = Rc::default();
    let first = Consumer::join(&approvals, noting(&heard)).await.unwrap();
    let mut all = vec![signed(&approvals, 1).await];
    until("one is heard of", async || heard.borrow().len() == 1).await;
    drop(first);
    all.push(signed(&approvals, 2).await);
    all.push(signed(&approvals, 3).await);
    assert_eq!(heard.borrow().len(), 1);
    // Another process has such a consumer later.
    let db = B::open(&base.place()).await;
    let there = super::approvals::<B>(&db, DAY).await.unwrap();
    let _second = Consumer::join(&there, noting(&heard)).await.unwrap();
    until("all are heard of", async || heard.borrow().len() == 3).await;
    let mut each = heard.borrow().clone();
    each.sort();
    assert_eq!(each, all);
}

async fn who_is_forgotten_hears_of_nothing_more<B: Site>() {
    let base = B::new().await;
    let approvals = approvals::<B>(base.database(), DAY).await.unwrap();
    let (heard, others) = (Rc::default(), Rc::default());
    let audit = Consumer::join(&approvals, noting(&heard)).await.unwrap();
    let first = signed(&approvals, 1).await;
    until("one is heard of", async || heard.borrow().len() == 1).await;
    drop(audit);
    assert!(approvals.forget("audit").await.unwrap());
    assert!(!approvals.forget("audit").await.unwrap());
    assert!(approvals.consumers().await.unwrap().is_empty());
    signed(&approvals, 2).await;
    let _audit = Consumer::join(&approvals, noting(&others)).await.unwrap();
    let third = signed(&approvals, 3).await;
    until("another one is heard of", async || !others.borrow().is_empty()).await;
    assert_eq!((heard.take(), others.take()), (vec![first], vec![third]));
}

#[actix_rt::test]
async fn a_round_that_its_consumer_fails_is_a_dead_letter_that_can_be_redriven() {
    let base = Kept::new().await;
    let retry = Retry::exponential(Duration::from_millis(10)).attempts(3);
    let approvals = approvals::<Kept>(&base.db, DAY).retry(retry).await.unwrap();
    let (attempts, is_mended) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
    let heard: Rc<RefCell<Vec<RoundId>>> = Rc::default();
    let consumer = {
        let (attempts, is_mended, heard) = (attempts.clone(), is_mended.clone(), heard.clone());
        Consumer::new(move |round: Outcome<String>| {
            attempts.set(attempts.get() + 1);
            if !is_mended.get() {
                return Err(std::io::Error::other("the printer is out of paper"));
            }
            heard.borrow_mut().push(round.round());
            Ok(())
        })
    };
    let _print = Consumer::join(&approvals, consumer.named("print")).await.unwrap();
    let round = signed(&approvals, 7).await;
    let print = base.db.consumer("approvals", "print").await.unwrap();
    let mut dead = print.dead_letters();
    dead.open(1).await.unwrap();
    let mut letters = Vec::new();
    until("it is a dead letter", async || {
        letters = dead.receive(1).await.unwrap();
        !letters.is_empty()
    })
    .await;
    let letter = letters.pop().unwrap();
    let record = DeadLetterRecord::of(letter.packet()).unwrap();
    let why = record.errors.join(" ");
    assert!(why.contains("the printer is out of paper") && why.contains("at attempt 3, which was the last"), "{why}");
    assert_eq!(attempts.get(), 3);
    letter.release().await.unwrap();
    dead.close().await.unwrap();
    is_mended.set(true);
    let redriven = redrive(&mut print.dead_letters(), &print, 10).await.unwrap();
    assert_eq!((redriven.moved, redriven.kept), (1, 0));
    until("it is heard of", async || heard.borrow().len() == 1).await;
    assert_eq!((heard.take(), attempts.get()), (vec![round], 4));
    // Nobody has ever been one of this name.
    assert_eq!(base.db.consumer("approvals", "nobody").await.unwrap_err().kind(), ErrorKind::Missing);
}

#[actix_rt::test]
async fn a_broker_on_a_server_that_forgets_is_an_error() {
    let settings = [("appendonly", "no", "yes"), ("maxmemory-policy", "volatile-ttl", "noeviction")];
    for (name, is, wanted) in settings {
        let other = if name == "appendonly" { "noeviction" } else { "yes" };
        let with = if name == "appendonly" { "--maxmemory-policy" } else { "--appendonly" };
        let server = RedisServer::own(&[with, other, &format!("--{name}"), is]).await.unwrap();
        let redis = Redis::rounds(server.url()).await.unwrap();
        match approvals::<Kept>(&redis, DAY).await {
            Err(DurableError::Database(error)) => {
                assert_eq!(error.kind(), ErrorKind::Unsupported);
                let text = error.to_string();
                assert!(text.contains(&format!("has {name} {is}")), "{text}");
                assert!(text.ends_with(&format!("set {name} to {wanted}")), "{text}");
            }
            other => panic!("{other:?}"),
        }
        // Who says that it is right is believed.
        let redis = Redis::rounds(server.url()).trusting_the_server().await.unwrap();
        approvals::<Kept>(&redis, DAY).await.unwrap();
    }
}
