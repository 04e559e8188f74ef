//! Signals that come after their round: however many, none opens a round of its own.

use std::cell::RefCell;
use std::rc::Rc;

use convoke::prelude::*;

use crate::common::{SECOND, at_once, join_all, settled, sleep};

/// More rounds than a broker remembered once.
const ROUNDS: u64 = 20_000;

/// What a broker has told its consumer of each round: which, and of which key.
type Shipped = Rc<RefCell<Vec<(u64, Option<RoundKey>)>>>;

async fn shipping(broker: &actix::Addr<Broker<u64>>) -> (Shipped, ConsumerHandle<u64>) {
    let shipped = Shipped::default();
    let notes = shipped.clone();
    let ship = move |round: Outcome<u64>| notes.borrow_mut().push((round.round().get(), round.key().cloned()));
    (shipped.clone(), Consumer::join(broker, ship).await.unwrap())
}

/// Has the first emitter close a round of each key, and says for which round the second is late, key by key.
async fn late_for(rules: Broker<u64>) -> (Vec<u64>, actix::Addr<Broker<u64>>, [EmitterHandle<u64>; 2]) {
    let broker = rules.release(Release::at_least(1)).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let (shipped, _consumer) = shipping(&broker).await;
    for key in 0..ROUNDS {
        assert!(at_once(one.emit_for(key, key)).await.unwrap().is_resolved(), "{key}");
    }
    let mut late = Vec::new();
    for key in 0..ROUNDS {
        match at_once(two.emit_for(key, key)).await {
            Err(EmitError::Late { round, key: named }) => {
                assert_eq!(named, Some(key.into()));
                late.push(round.get());
            }
            other => panic!("key {key}: {other:?}"),
        }
    }
    settled().await;
    assert_eq!(shipped.borrow().len() as u64, ROUNDS, "shipped twice");
    let snapshot = broker.inspect().await.unwrap();
    assert_eq!((snapshot.open_count, snapshot.resolved, snapshot.cancelled), (0, ROUNDS, 0));
    assert_eq!(snapshot.emitters.iter().map(|emitter| emitter.late).collect::<Vec<_>>(), [0, ROUNDS]);
    (late, broker, [one, two])
}

#[convoke::test]
async fn a_late_signal_opens_no_ghost_round() {
    let (late, ..) = late_for(Broker::new(SECOND)).await;
    assert_eq!(late, (1..=ROUNDS).collect::<Vec<_>>(), "each is late for its own");
}

#[convoke::test]
async fn beyond_the_bound_a_late_signal_is_refused_and_opens_no_ghost_round() {
    const REMEMBERED: u64 = 1_000;
    let (late, broker, [one, two]) = late_for(Broker::new(SECOND).max_late(REMEMBERED as usize)).await;
    let forgotten = ROUNDS - REMEMBERED;
    let named = |key: u64| if key < forgotten { forgotten } else { key + 1 };
    assert_eq!(late, (0..ROUNDS).map(named).collect::<Vec<_>>(), "the forgotten go by the last of them");

    // Whoever owed nothing that was forgotten opens what it likes, and the other takes part in it.
    let broker_of_both = Broker::new(SECOND).max_late(1).start();
    let [first, second] = join_all(&broker_of_both, ["first", "second"]).await;
    let open = first.emit_for("new", 1);
    second.do_emit_for("new", 2).unwrap();
    assert_eq!(at_once(open).await.unwrap().payloads(), [1, 2]);
    assert!(at_once(one.emit_for("new", 1)).await.unwrap().is_resolved());
    // Nobody knows any more whether that is late.
    assert!(matches!(at_once(two.emit_for("another", 1)).await, Err(EmitError::Late { .. })));
    sleep(SECOND + SECOND).await;
    assert!(at_once(two.emit_for("another", 1)).await.unwrap().is_resolved(), "the late window is over");
    drop(broker);
}

#[convoke::test]
async fn rounds_of_one_key_push_out_no_debt_of_another() {
    let broker = Broker::new(60 * SECOND).release(Release::at_least(1)).max_late(2).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    assert!(at_once(one.emit_for("old", 1)).await.unwrap().is_resolved());
    for number in 0..1_000 {
        assert!(at_once(one.emit(number)).await.unwrap().is_resolved());
    }
    match at_once(two.emit_for("old", 1)).await {
        Err(EmitError::Late { round, .. }) => assert_eq!(round.get(), 1),
        other => panic!("{other:?}"),
    }
}

#[convoke::test]
async fn the_bound_is_one_of_memory_however_many_owe() {
    const EMITTERS: usize = 130;
    // Three words for each round.
    let broker = Broker::new(SECOND).release(Release::at_least(1)).max_late(9).start();
    let mut emitters = Vec::new();
    for number in 0..EMITTERS {
        emitters.push(Emitter::join(&broker, format!("emitter {number}")).await.unwrap());
    }
    for key in 0..5 {
        assert!(at_once(emitters[0].emit_for(key, 0)).await.unwrap().is_resolved());
    }
    for emitter in [1, 63, 64, 127, 128, 129] {
        for (key, round) in [(0, 2), (1, 2), (2, 3), (3, 4), (4, 5)] {
            match at_once(emitters[emitter].emit_for(key, 0)).await {
                Err(EmitError::Late { round: late, .. }) => assert_eq!(late.get(), round, "{emitter}, key {key}"),
                other => panic!("{emitter}, key {key}: {other:?}"),
            }
        }
    }
    assert!(at_once(emitters[0].emit_for("new", 0)).await.unwrap().is_resolved());
}

#[convoke::test]
async fn whoever_comes_into_the_place_of_a_debtor_owes_nothing() {
    let broker = Broker::new(SECOND).release(Release::at_least(1)).max_late(1).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    for key in 0..3 {
        assert!(at_once(one.emit_for(key, 0)).await.unwrap().is_resolved());
    }
    assert!(matches!(at_once(two.emit_for("new", 0)).await, Err(EmitError::Late { .. })));
    drop(two);
    settled().await;
    let [three] = join_all(&broker, ["three"]).await;
    assert!(at_once(three.emit_for("new", 0)).await.unwrap().is_resolved());
}
