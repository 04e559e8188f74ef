//! What an emitter hears of its signals to a durable broker, if it asked to be told.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Memory, MemoryDatabase};
use convoke::{Durable, Early, EmitterHandle, Pledge, RoundId};
use tokio::time::sleep;

const HOUR: Duration = Duration::from_secs(60 * 60);
const SOON: Duration = Duration::from_secs(60);

/// What one has heard, in its order.
type Heard = Rc<RefCell<Vec<String>>>;

/// An emitter that notes all that it hears.
fn hears(name: &'static str, heard: &Heard) -> Emitter<u32> {
    let (kept, ended) = (heard.clone(), heard.clone());
    let key = |key: Option<&RoundKey>| key.map(ToString::to_string).unwrap_or_default();
    Emitter::new(name)
        .on_kept(move |it| kept.borrow_mut().push(format!("kept {} at {}", key(it.key.as_ref()), it.at.as_secs())))
        .on_outcome(move |it| ended.borrow_mut().push(format!("over {} {:?}", key(it.key()), it.payloads())))
}

fn of(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

async fn pairs(db: &MemoryDatabase) -> Durable<u32> {
    Broker::new(10 * HOUR).expects(["a", "b"]).durable(db, "pairs").await.unwrap()
}

async fn join(broker: &Durable<u32>, emitter: impl Into<Emitter<u32>>) -> EmitterHandle<u32> {
    Emitter::join(broker, emitter).await.unwrap()
}

#[convoke::test]
async fn an_emitter_hears_of_its_signal_and_of_the_end_wherever_that_comes() {
    let db = Memory::database();
    let (here, there) = (pairs(&db).await, pairs(&db).await);
    let heard = Heard::default();
    let a = join(&here, hears("a", &heard)).await;
    a.do_emit_for(7, 1).unwrap();
    sleep(SOON).await;
    assert_eq!(*heard.borrow(), of(&["kept 7 at 0"]), "as soon as it is a row");
    // One of which it is no part, and one that it joins later.
    let b = join(&there, "b").await;
    b.emit_for(8, 3).committed().await.unwrap();
    b.emit_for(9, 4).committed().await.unwrap();
    b.emit_for(7, 2).committed().await.unwrap();
    sleep(SOON).await;
    assert_eq!(*heard.borrow(), of(&["kept 7 at 0", "over 7 [1, 2]"]));
    assert!(a.emit_for(9, 5).await.unwrap().is_resolved());
    there.abort(8, "enough").await.unwrap();
    sleep(SOON).await;
    assert_eq!(heard.borrow()[2..], of(&["kept 9 at 60", "over 9 [4, 5]"]), "the round of 8 is none of its own");
}

#[convoke::test]
async fn each_round_is_told_once_however_often_somebody_speaks() {
    let db = Memory::database();
    let broker = Broker::new(HOUR).expects(["a", "b"]).repeat_emit(RepeatEmit::Replaces).close(Close::Deadline);
    let broker: Durable<u32> = broker.durable(&db, "last").await.unwrap();
    let heard = Heard::default();
    let a = join(&broker, hears("a", &heard)).await;
    for payload in [1, 2, 3] {
        a.emit_for(7, payload).committed().await.unwrap();
    }
    join(&broker, "b").await.emit_for(7, 4).committed().await.unwrap();
    sleep(2 * HOUR).await;
    assert_eq!(*heard.borrow(), of(&["kept 7 at 0", "kept 7 at 0", "kept 7 at 0", "over 7 [3, 4]"]));
}

#[convoke::test]
async fn what_waits_for_its_round_is_told_of_with_its_end() {
    let db = Memory::database();
    let heard = Heard::default();
    // For the next one.
    let broker = Broker::new(HOUR).expects(["a", "b"]).repeat_emit(RepeatEmit::NextRound);
    let broker: Durable<u32> = broker.durable(&db, "next").await.unwrap();
    let (a, b) = (join(&broker, hears("a", &heard)).await, join(&broker, "b").await);
    a.do_emit_for(7, 1).unwrap();
    a.do_emit_for(7, 2).unwrap();
    sleep(SOON).await;
    assert_eq!(*heard.borrow(), of(&["kept 7 at 0"]), "the second is none of this round");
    b.emit_for(7, 3).committed().await.unwrap();
    sleep(SOON).await;
    assert_eq!(heard.borrow()[1..], of(&["over 7 [1, 3]"]));
    b.emit_for(7, 4).committed().await.unwrap();
    sleep(SOON).await;
    assert_eq!(heard.borrow()[2..], of(&["kept 7 at 0", "over 7 [2, 4]"]));
    // For somebody who opens it.
    heard.borrow_mut().clear();
    let early: Durable<u32> =
        Broker::new(HOUR).expects(["a", "b"]).durable(&db, "early").early(Early::Waits(HOUR)).await.unwrap();
    let (a, b) = (join(&early, hears("a", &heard)).await, join(&early, "b").await);
    a.do_emit_for(7, 1).unwrap();
    sleep(SOON).await;
    early.open(7).await.unwrap();
    b.emit_for(7, 2).committed().await.unwrap();
    sleep(SOON).await;
    assert_eq!(*heard.borrow(), of(&["kept 7 at 0", "over 7 [1, 2]"]));
}

#[convoke::test]
async fn who_is_asked_hears_what_became_of_it() {
    let db = Memory::database();
    let pairs = pairs(&db).await;
    let heard = Heard::default();
    let answers = hears("b", &heard).on_summons(|pledge: Pledge<u32>| match pledge.subject() {
        Some(1) => pledge.keep(10),
        Some(2) => pledge.veto("no"),
        _ => drop(pledge),
    });
    let _b = join(&pairs, answers).await;
    let a = join(&pairs, "a").await;
    assert!(a.emit_for(1, 1).await.unwrap().is_resolved());
    assert!(a.emit_for(2, 2).await.unwrap().is_cancelled());
    a.emit_for(3, 3).committed().await.unwrap();
    sleep(SOON).await;
    pairs.abort(3, "enough").await.unwrap();
    sleep(SOON).await;
    assert_eq!(*heard.borrow(), of(&["kept 1 at 0", "over 1 [1, 10]", "over 2 [2]", "over 3 [3]"]));
}

#[convoke::test]
async fn who_has_left_hears_no_more_and_one_that_comes_after_it_nothing_of_before() {
    let db = Memory::database();
    let pairs = pairs(&db).await;
    let (gone, left, came) = (Heard::default(), Heard::default(), Heard::default());
    let first = join(&pairs, hears("a", &gone)).await;
    first.emit_for(7, 1).committed().await.unwrap();
    drop(first);
    let second = join(&pairs, hears("a", &left)).await;
    second.emit_for(8, 1).committed().await.unwrap();
    let address = second.addr().clone();
    second.leave();
    let _third = join(&pairs, hears("a", &came)).await;
    let b = join(&pairs, "b").await;
    assert!(b.emit_for(7, 2).await.unwrap().is_resolved());
    assert!(b.emit_for(8, 2).await.unwrap().is_resolved());
    sleep(SOON).await;
    assert_eq!((gone.take(), left.take(), came.take()), (of(&["kept 7 at 0"]), of(&["kept 8 at 0"]), of(&[])));
    // It has the outcome by the key.
    assert_eq!(pairs.outcome_for(7).await.unwrap().payloads(), [1, 2]);
    drop(address);
}

#[convoke::test]
async fn a_refused_signal_is_told_to_nobody() {
    let db = Memory::database();
    let pairs = pairs(&db).await;
    let (heard, second) = (Heard::default(), Heard::default());
    let a = join(&pairs, hears("a", &heard)).await;
    let also_a = join(&pairs, hears("a", &second)).await;
    a.emit_for(7, 1).committed().await.unwrap();
    also_a.emit_for(7, 1).committed().await.unwrap_err();
    join(&pairs, hears("c", &second)).await.emit_for(7, 1).committed().await.unwrap_err();
    pairs.abort(7, "enough").await.unwrap();
    sleep(SOON).await;
    assert_eq!((heard.take(), second.take()), (of(&["kept 7 at 0", "over 7 [1]"]), of(&[])));
}

#[convoke::test]
async fn a_pledge_that_is_kept_is_committed() {
    let db = Memory::database();
    let pairs = pairs(&db).await;
    let rounds: Rc<RefCell<Vec<Result<RoundId, EmitError>>>> = Rc::default();
    let all = rounds.clone();
    let b = Emitter::new("b").on_summons(move |pledge: Pledge<u32>| {
        let all = all.clone();
        async move {
            let is_late = pledge.subject() == Some(2);
            if is_late {
                pledge.closed().await;
            }
            let committed = pledge.keep_and_wait(3).committed().await;
            all.borrow_mut().push(committed);
        }
    });
    let _b = join(&pairs, b).await;
    let a = join(&pairs, "a").await;
    let outcome = a.emit_for(1, 1).await.unwrap();
    sleep(SOON).await;
    assert_eq!(rounds.take(), [Ok(outcome.round())]);
    let round = a.emit_for(2, 2).committed().await.unwrap();
    sleep(SOON).await;
    pairs.abort(2, "enough").await.unwrap();
    sleep(SOON).await;
    assert!(matches!(&rounds.take()[..], [Err(EmitError::Late { round: of, .. })] if *of == round));
}

#[convoke::test]
async fn a_heartbeat_that_is_late_is_told_so() {
    let db = Memory::database();
    let broker: Durable<u32> = Broker::new(10 * HOUR)
        .expects(["a", "b"])
        .release(Release::at_least(1))
        .close(Close::Deadline)
        .durable(&db, "one")
        .await
        .unwrap();
    let beats: Rc<RefCell<Vec<bool>>> = Rc::default();
    let all = beats.clone();
    let b = Emitter::new("b").deadline(10 * SOON).on_summons(move |pledge: Pledge<u32>| {
        let all = all.clone();
        async move {
            for wait in [SOON, SOON, 20 * SOON, SOON, SOON] {
                sleep(wait).await;
                all.borrow_mut().push(pledge.heartbeat(10 * SOON));
            }
            pledge.keep(3);
        }
    });
    let _b = join(&broker, b).await;
    let a = join(&broker, "a").await;
    a.emit_for(7, 1).committed().await.unwrap();
    sleep(HOUR).await;
    // The third comes too late, which is known when the fourth is asked for. The round is open all the time.
    assert_eq!(*beats.borrow(), [true, true, true, false, false]);
    assert!(broker.why(7).await.unwrap().is_some());
}
