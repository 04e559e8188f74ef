//! Parties of a durable round that are asked for their signal, in one of the processes that have them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Memory, MemoryDatabase};
use convoke::{Durable, EmitterHandle, Pledge};
use tokio::time::{Instant, sleep};

/// Not longer than it takes to see it: whoever waits for what is asked looks again and again.
const LONG: Duration = Duration::from_secs(2 * 60 * 60);
const SHORT: Duration = Duration::from_secs(5 * 60);

/// Two who owe a signal, and what becomes of one that is lost; by default it is waited for.
async fn pairs(db: &MemoryDatabase, on_lost: Option<OnLost>) -> Durable<u32> {
    let broker = Broker::new(10 * LONG).expects(["a", "b"]);
    let broker = match on_lost {
        Some(on_lost) => broker.on_lost(on_lost),
        None => broker,
    };
    broker.durable(db, "pairs").await.unwrap()
}

async fn join(broker: &Durable<u32>, name: &str) -> EmitterHandle<u32> {
    Emitter::join(broker, name).await.unwrap()
}

/// One that holds what it is asked.
async fn holding(broker: &Durable<u32>, emitter: Emitter<u32>) -> (EmitterHandle<u32>, Held) {
    let held = Held::default();
    let all = held.clone();
    let emitter = emitter.on_summons(move |pledge| all.borrow_mut().push(pledge));
    (Emitter::join(broker, emitter).await.unwrap(), held)
}

type Held = Rc<RefCell<Vec<Pledge<u32>>>>;

async fn until(mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < SHORT, "it does not come about");
        sleep(Duration::from_millis(10)).await;
    }
}

#[convoke::test]
async fn whoever_can_be_asked_is_asked_once_a_round_opens() {
    let db = Memory::database();
    let pairs = pairs(&db, None).await;
    let asked = Rc::new(Cell::new(0));
    let count = asked.clone();
    let b = Emitter::new("b").on_summons(move |pledge: Pledge<u32>| {
        count.set(count.get() + 1);
        assert_eq!((pledge.key(), pledge.subject(), pledge.so_far().len()), (Some(&7.into()), Some(1), 1));
        assert!(pledge.left() > 9 * LONG && pledge.is_open());
        pledge.keep(2);
    });
    let _b = Emitter::join(&pairs, b).await.unwrap();
    let a = join(&pairs, "a").await;
    let outcome = a.emit_for(7, 1).await.unwrap();
    assert_eq!((outcome.payloads(), asked.get()), (&[1, 2][..], 1));
    let parties = pairs.parties().await.unwrap();
    assert_eq!(parties.iter().map(|party| (&*party.name, party.is_asked)).collect::<Vec<_>>(), [("b", true)]);
}

#[convoke::test]
async fn whoever_opens_the_round_is_not_asked() {
    let db = Memory::database();
    let pairs = pairs(&db, None).await;
    let (b, held) = holding(&pairs, Emitter::new("b")).await;
    let waits = b.emit_for(7, 1);
    sleep(SHORT).await;
    assert!(held.borrow().is_empty());
    assert!(join(&pairs, "a").await.emit_for(7, 2).await.unwrap().is_resolved());
    assert!(waits.await.unwrap().is_resolved());
}

#[convoke::test]
async fn of_two_processes_one_is_asked() {
    let db = Memory::database();
    let (here, there) = (pairs(&db, None).await, pairs(&db, None).await);
    let asked = Rc::new(RefCell::new(Vec::new()));
    let mut guards = Vec::new();
    for broker in [&here, &there] {
        let all = asked.clone();
        let b = Emitter::new("b").on_summons(move |pledge: Pledge<u32>| {
            all.borrow_mut().push(pledge.round());
            pledge.keep(2);
        });
        guards.push(Emitter::join(broker, b).await.unwrap());
    }
    let a = join(&here, "a").await;
    let waits: Vec<_> = (0..50).map(|key| a.emit_for(key, 1)).collect();
    for waits in waits {
        assert_eq!(waits.await.unwrap().payloads(), [1, 2]);
    }
    sleep(SHORT).await;
    let mut rounds = asked.take();
    rounds.sort_unstable();
    rounds.dedup();
    assert_eq!((rounds.len(), asked.borrow().len()), (50, 0));
}

#[convoke::test]
async fn whoever_is_away_is_asked_when_it_comes() {
    let db = Memory::database();
    let pairs = pairs(&db, None).await;
    drop(holding(&pairs, Emitter::new("b")).await);
    let a = join(&pairs, "a").await;
    let waits = a.emit_for(7, 1);
    sleep(LONG).await;
    let _b = Emitter::join(&pairs, Emitter::new("b").on_summons(|pledge| pledge.keep(2))).await.unwrap();
    let outcome = waits.await.unwrap();
    assert_eq!((outcome.payloads(), outcome.elapsed().as_secs() / 60), (&[1, 2][..], LONG.as_secs() / 60));
}

#[convoke::test]
async fn a_pledge_that_is_dropped_is_lost_at_once() {
    for (on_lost, told) in [
        (Some(OnLost::Cancel), "cancelled: lost b, got 1 of 2"),
        (Some(OnLost::Shrink), "resolved"),
        (None, "cancelled: timed out"),
    ] {
        let db = Memory::database();
        let pairs = pairs(&db, on_lost).await;
        let b = Emitter::new("b").on_summons(|pledge: Pledge<u32>| drop(pledge));
        let _b = Emitter::join(&pairs, b).await.unwrap();
        let a = join(&pairs, "a").await;
        let began = Instant::now();
        let outcome = a.emit_for(7, 1).await.unwrap();
        let is_at_once = began.elapsed() < SHORT;
        assert_eq!(is_at_once, on_lost.is_some(), "{:?}", began.elapsed());
        assert_eq!(outcome.is_resolved(), told == "resolved", "{on_lost:?}");
        match on_lost {
            Some(OnLost::Cancel) => assert_eq!(outcome.cause().unwrap().to_string(), "lost b"),
            Some(_) => assert_eq!(outcome.missing().map(|who| who.name.to_string()).collect::<Vec<_>>(), ["b"]),
            None => assert_eq!(outcome.cause().unwrap().to_string(), "timed out; missing b"),
        }
    }
}

#[convoke::test]
async fn whoever_was_lost_and_is_waited_for_keeps_its_promise_by_itself() {
    let db = Memory::database();
    let pairs = pairs(&db, None).await;
    let (b, held) = holding(&pairs, Emitter::new("b")).await;
    let a = join(&pairs, "a").await;
    let waits = a.emit_for(7, 1);
    until(|| held.borrow().len() == 1).await;
    held.take();
    sleep(LONG).await;
    assert!(b.emit_for(7, 2).await.unwrap().is_resolved());
    assert_eq!(waits.await.unwrap().payloads(), [1, 2]);
}

#[convoke::test]
async fn a_veto_of_whoever_was_asked_ends_the_round() {
    let db = Memory::database();
    let pairs = pairs(&db, None).await;
    let _b = Emitter::join(&pairs, Emitter::new("b").on_summons(|pledge| pledge.veto("sold out"))).await.unwrap();
    let a = join(&pairs, "a").await;
    assert_eq!(a.emit_for(7, 1).await.unwrap().cause().unwrap().to_string(), "vetoed by b: sold out");
}

#[convoke::test]
async fn work_learns_that_its_round_has_ended_in_another_process() {
    let db = Memory::database();
    let (here, there) = (pairs(&db, None).await, pairs(&db, None).await);
    let over = Rc::new(Cell::new(None));
    let told = over.clone();
    let b = Emitter::new("b").on_summons(move |pledge: Pledge<u32>| {
        let told = told.clone();
        async move {
            pledge.closed().await;
            assert_eq!((pledge.is_open(), pledge.subject()), (false, None));
            let late = pledge.keep_and_wait(2).await.unwrap_err();
            told.set(Some((Instant::now(), late)));
        }
    });
    let _b = Emitter::join(&there, b).await.unwrap();
    let a = join(&here, "a").await;
    let round = a.emit_for(7, 1).committed().await.unwrap();
    sleep(LONG).await;
    let ended = Instant::now();
    here.abort(7, "withdrawn").await.unwrap();
    sleep(SHORT).await;
    let (at, late) = over.take().unwrap();
    assert!(at - ended < Duration::from_secs(10), "{:?}", at - ended);
    assert_eq!(late, EmitError::Late { round, key: Some(7.into()) });
}

#[convoke::test]
async fn another_process_is_asked_when_the_emitter_of_one_ends() {
    let db = Memory::database();
    let (here, there) = (pairs(&db, Some(OnLost::Cancel)).await, pairs(&db, Some(OnLost::Cancel)).await);
    let (b, held) = holding(&there, Emitter::new("b")).await;
    let a = join(&here, "a").await;
    let waits = a.emit_for(7, 1);
    until(|| held.borrow().len() == 1).await;
    let _other = Emitter::join(&here, Emitter::new("b").on_summons(|pledge| pledge.keep(2))).await.unwrap();
    sleep(SHORT).await;
    assert_eq!(here.why(7).await.unwrap().unwrap().missing.len(), 1, "one that lives is not taken its promise");
    drop(b);
    held.take();
    let began = Instant::now();
    assert_eq!(waits.await.unwrap().payloads(), [1, 2]);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[convoke::test]
async fn whoever_works_and_says_so_has_its_time() {
    for (max, is_kept) in [(None, true), (Some(SHORT), false)] {
        let db = Memory::database();
        let broker = Broker::new(LONG).expects(["a", "b", "c"]).release(Release::at_least(2));
        let broker = match max {
            Some(max) => broker.max_heartbeat(max),
            None => broker,
        };
        let counts: Durable<u32> = broker.durable(&db, "counts").await.unwrap();
        let said = Rc::new(RefCell::new(Vec::new()));
        let noted = said.clone();
        let b = Emitter::new("b").deadline(SHORT).on_summons(move |pledge: Pledge<u32>| {
            let noted = noted.clone();
            async move {
                for _shelf in 0..4 {
                    sleep(SHORT * 3 / 4).await;
                    noted.borrow_mut().push(pledge.heartbeat(SHORT));
                }
                sleep(SHORT / 4).await;
                pledge.keep(2);
            }
        });
        let _b = Emitter::join(&counts, b).await.unwrap();
        let a = join(&counts, "a").await;
        let outcome = a.emit_for(7, 1).await.unwrap();
        assert_eq!(outcome.is_resolved(), is_kept);
        if is_kept {
            assert_eq!(outcome.payloads(), [1, 2]);
            assert!(
                outcome.elapsed() >= SHORT * 13 / 4 && outcome.elapsed() < SHORT * 7 / 2,
                "{:?}",
                outcome.elapsed()
            );
            assert_eq!(*said.borrow(), [true; 4]);
        }
    }
}

#[convoke::test]
async fn a_pledge_that_asks_for_time_often_is_one_row() {
    let db = Memory::database();
    let pairs = pairs(&db, None).await;
    let (_b, held) = holding(&pairs, Emitter::new("b").deadline(SHORT)).await;
    let a = join(&pairs, "a").await;
    let waits = a.emit_for(7, 1);
    until(|| held.borrow().len() == 1).await;
    for _ in 0..100 {
        sleep(SHORT / 2).await;
        assert!(held.borrow()[0].heartbeat(SHORT));
    }
    let why = pairs.why(7).await.unwrap().unwrap();
    assert!(why.due.duration_since(why.opened).unwrap() > 50 * SHORT);
    held.take().pop().unwrap().keep(2);
    assert!(waits.await.unwrap().is_resolved());
}

#[convoke::test]
async fn whoever_is_not_known_when_a_round_opens_is_not_asked_for_it() {
    let db = Memory::database();
    let pairs = pairs(&db, None).await;
    let a = join(&pairs, "a").await;
    a.emit_for("before", 1).committed().await.unwrap();
    let (b, held) = holding(&pairs, Emitter::new("b")).await;
    a.emit_for("behind", 1).committed().await.unwrap();
    sleep(SHORT).await;
    let keys: Vec<_> = held.borrow().iter().map(|pledge| pledge.key().cloned()).collect();
    assert_eq!(keys, [Some("behind".into())]);
    // It may emit by itself as ever.
    assert!(b.emit_for("before", 2).await.unwrap().is_resolved());
    assert!(b.emit_for("behind", 2).await.unwrap().is_resolved());
}

#[convoke::test]
async fn a_hundred_pledges_are_held_at_once() {
    let db = Memory::database();
    let pairs = pairs(&db, None).await;
    let (_b, held) = holding(&pairs, Emitter::new("b")).await;
    let a = join(&pairs, "a").await;
    let waits: Vec<_> = (0..100).map(|key| a.emit_for(key, 1)).collect();
    until(|| held.borrow().len() == 100).await;
    sleep(LONG).await;
    for pledge in held.take() {
        pledge.keep(2);
    }
    for waits in waits {
        assert!(waits.await.unwrap().is_resolved());
    }
}
