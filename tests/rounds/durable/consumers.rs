//! Who hears of a durable round.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Memory, MemoryDatabase};
use convoke::{Durable, EmitterHandle};
use tokio::time::sleep;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

type Heard = Rc<RefCell<Vec<String>>>;

async fn ones(db: &MemoryDatabase) -> (Durable<u32>, EmitterHandle<u32>) {
    let ones: Durable<u32> = Broker::new(DAY).expects(["a"]).durable(db, "ones").await.unwrap();
    let a = Emitter::join(&ones, "a").await.unwrap();
    (ones, a)
}

fn noting(heard: &Heard) -> impl FnMut(Outcome<u32>) + use<> {
    let heard = heard.clone();
    move |round| heard.borrow_mut().push(format!("{:?}", round.payloads()))
}

#[convoke::test]
async fn a_consumer_hears_of_every_round_once() {
    let db = Memory::database();
    let (ones, a) = ones(&db).await;
    let heard = Heard::default();
    let _log = Consumer::join(&ones, Consumer::new(noting(&heard)).named("log")).await.unwrap();
    for number in 0..20 {
        a.emit_for(number, number).await.unwrap();
    }
    sleep(Duration::from_secs(60)).await;
    let mut all = heard.take();
    all.sort_by_key(|text| text.len());
    assert_eq!(all.len(), 20, "{all:?}");
    assert!(all.contains(&"[19]".to_owned()));
    assert_eq!(ones.consumers().await.unwrap(), [std::sync::Arc::from("log")]);
}

#[convoke::test]
async fn rounds_wait_for_a_consumer_that_is_away() {
    let db = Memory::database();
    let (ones, a) = ones(&db).await;
    let heard = Heard::default();
    drop(Consumer::join(&ones, Consumer::new(noting(&heard)).named("log")).await.unwrap());
    sleep(Duration::from_secs(1)).await;
    a.emit(1).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert!(heard.borrow().is_empty());
    let _log = Consumer::join(&ones, Consumer::new(noting(&heard)).named("log")).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(*heard.borrow(), ["[1]"]);
}

#[convoke::test]
async fn whoever_is_forgotten_hears_of_no_other_round() {
    let db = Memory::database();
    let (ones, a) = ones(&db).await;
    let heard = Heard::default();
    drop(Consumer::join(&ones, Consumer::new(noting(&heard)).named("log")).await.unwrap());
    assert!(ones.forget("log").await.unwrap());
    assert!(!ones.forget("log").await.unwrap());
    a.emit(1).await.unwrap();
    let _log = Consumer::join(&ones, Consumer::new(noting(&heard)).named("log")).await.unwrap();
    a.emit(2).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(*heard.borrow(), ["[2]"]);
}

#[convoke::test]
async fn of_two_processes_one_hears() {
    let db = Memory::database();
    let (here, a) = ones(&db).await;
    let (there, _a) = ones(&db).await;
    let heard = Heard::default();
    let _one = Consumer::join(&here, Consumer::new(noting(&heard)).named("log")).await.unwrap();
    let _other = Consumer::join(&there, Consumer::new(noting(&heard)).named("log")).await.unwrap();
    for number in 0..10 {
        a.emit_for(number, number).await.unwrap();
    }
    sleep(Duration::from_secs(60)).await;
    assert_eq!(heard.borrow().len(), 10);
}

#[convoke::test]
async fn what_has_failed_is_tried_again_and_then_a_dead_letter() {
    let db = Memory::database();
    let (ones, a) = ones(&db).await;
    let heard = Heard::default();
    let noted = heard.clone();
    let fails = Consumer::new(move |round: Resolved<u32>| {
        noted.borrow_mut().push(format!("{:?}", round.payloads()));
        match round.payloads() {
            [1] if noted.borrow().len() < 3 => Err("not yet"),
            [2] => Err("never"),
            _ => Ok(()),
        }
    });
    let _fails = Consumer::join(&ones, fails.named("sign")).await.unwrap();
    a.emit(1).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(heard.take(), ["[1]", "[1]", "[1]"]);
    a.emit(2).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(heard.take().len(), 5);
    let outbox = db.outbox("rounds:ones:sign").await.unwrap();
    let letters = outbox.dead_letters(10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].reason.contains("failed: never, at attempt 5"), "{}", letters[0].reason);
}
