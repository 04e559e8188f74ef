//! Emitters that ask for more time than their own deadline gives them.

use std::time::Duration;

use actix::Addr;
use convoke::prelude::*;
use convoke::testing::Promised;
use uuid::Uuid;

use crate::common::{Notes, SECOND, after, at_once, cause, join_all, missing, ms, settled, sleep, timed_out};

fn asked(deadline: Option<Duration>) -> (Emitter<u32>, Notes<Pledge<u32>>) {
    let pledges = Notes::new();
    let notes = pledges.clone();
    let emitter = Emitter::new("slow").with_id(Uuid::from_u128(7)).on_summons(move |pledge| notes.add(pledge));
    (if let Some(deadline) = deadline { emitter.deadline(deadline) } else { emitter }, pledges)
}

/// An emitter that has 100 ms of its own, and its pledge in a round that has been opened.
async fn slow(broker: &Addr<Broker<u32>>) -> (EmitterHandle<u32>, EmitterHandle<u32>, Pledge<u32>) {
    let [one] = join_all(broker, ["one"]).await;
    let (emitter, pledges) = asked(Some(ms(100)));
    let slow = Emitter::join(broker, emitter).await.unwrap();
    one.do_emit(1).unwrap();
    settled().await;
    (one, slow, pledges.pop().unwrap())
}

async fn left(broker: &Addr<Broker<u32>>) -> Duration {
    settled().await;
    at_once(broker.inspect()).await.unwrap().open[0].left
}

#[convoke::test]
async fn a_heartbeat_moves_the_own_deadline() {
    let broker = Broker::new(SECOND).start();
    let (_one, _slow, pledge) = slow(&broker).await;
    assert_eq!(left(&broker).await, ms(100));
    for _ in 0..4 {
        sleep(ms(80)).await;
        assert!(pledge.heartbeat(ms(100)));
        assert_eq!(left(&broker).await, ms(100));
    }
    sleep(ms(90)).await;
    let outcome = at_once(pledge.keep_and_wait(2)).await.unwrap();
    assert_eq!((outcome.payloads(), outcome.elapsed()), (&[1, 2][..], ms(410)));
}

#[convoke::test]
async fn who_stops_to_send_heartbeats_misses_the_deadline_that_the_last_one_gave() {
    let broker = Broker::new(SECOND).start();
    let (_one, _slow, pledge) = slow(&broker).await;
    let [two] = join_all(&broker, ["two"]).await;
    let round = two.emit(2);
    sleep(ms(50)).await;
    assert!(pledge.heartbeat(ms(200)));
    let outcome = after(ms(200), round).await.unwrap();
    assert_eq!((cause(&outcome), outcome.elapsed()), (timed_out(["slow"]), ms(250)));
    assert!(!pledge.heartbeat(ms(200)), "the round is over");
}

#[convoke::test]
async fn a_heartbeat_shortens_no_deadline() {
    let broker = Broker::new(SECOND).start();
    let (_one, _slow, pledge) = slow(&broker).await;
    assert!(pledge.heartbeat(ms(400)));
    assert_eq!(left(&broker).await, ms(400));
    assert!(pledge.heartbeat(ms(50)));
    assert_eq!(left(&broker).await, ms(400));
    pledge.keep(2);
}

#[convoke::test]
async fn no_heartbeat_carries_beyond_the_timeout_of_the_round() {
    for more in [ms(1_500), Duration::MAX] {
        let broker = Broker::new(SECOND).start();
        let (_one, _slow, pledge) = slow(&broker).await;
        sleep(ms(50)).await;
        assert!(pledge.heartbeat(more));
        assert_eq!(left(&broker).await, ms(950));
        sleep(ms(950)).await;
        settled().await;
        assert!(!pledge.is_open() && !pledge.heartbeat(more));
        assert_eq!(broker.inspect().await.unwrap().recent[0].elapsed, SECOND);
    }
}

#[convoke::test]
async fn the_broker_says_how_far_heartbeats_may_carry() {
    for (limit, reaches) in [(ms(250), ms(350)), (ms(0), ms(100)), (10 * SECOND, SECOND)] {
        let broker = Broker::new(SECOND).max_heartbeat(limit).start();
        let (_one, _slow, pledge) = slow(&broker).await;
        // Each asks for more; what counts is the first deadline, and not the last one.
        for _ in 0..30 {
            pledge.heartbeat(ms(90));
            pledge.heartbeat(2 * SECOND);
            settled().await;
        }
        assert_eq!(left(&broker).await, reaches, "{limit:?}");
        sleep(reaches).await;
        settled().await;
        assert_eq!(broker.inspect().await.unwrap().recent[0].elapsed, reaches);
        assert!(!pledge.is_open());
    }
}

#[convoke::test]
async fn a_heartbeat_after_the_deadline_revives_nothing_and_the_next_one_says_so() {
    let broker = Broker::new(SECOND).release(Release::at_least(2)).start();
    let (one, _slow, pledge) = slow(&broker).await;
    let [three] = join_all(&broker, ["three"]).await;
    sleep(ms(150)).await;
    assert!(pledge.is_open());
    assert!(pledge.heartbeat(ms(500)), "nobody here knows yet that it is late");
    settled().await;
    assert!(!pledge.heartbeat(ms(500)));
    let error = at_once(pledge.keep_and_wait(2)).await.unwrap_err();
    assert!(matches!(error, EmitError::Late { .. }), "{error}");
    let outcome = at_once(three.emit(3)).await.unwrap();
    assert_eq!((outcome.payloads(), missing(&outcome)), (&[1, 3][..], vec!["slow"]));
    drop(one);
}

#[convoke::test]
async fn without_a_deadline_of_its_own_a_heartbeat_changes_nothing() {
    let broker = Broker::new(SECOND).start();
    let [one] = join_all(&broker, ["one"]).await;
    let (emitter, pledges) = asked(None);
    let _slow = Emitter::join(&broker, emitter).await.unwrap();
    one.do_emit(1).unwrap();
    settled().await;
    let pledge = pledges.pop().unwrap();
    assert!(pledge.heartbeat(2 * SECOND));
    assert_eq!(left(&broker).await, SECOND);
    sleep(SECOND).await;
    settled().await;
    assert!(!pledge.heartbeat(2 * SECOND));
    assert_eq!(broker.inspect().await.unwrap().recent[0].elapsed, SECOND);
}

#[convoke::test]
async fn a_heartbeat_does_not_move_the_idle_timeout() {
    let broker = Broker::new(SECOND).idle_timeout(ms(300)).start();
    let (_one, _slow, pledge) = slow(&broker).await;
    assert!(pledge.heartbeat(ms(900)));
    assert_eq!(left(&broker).await, ms(300));
    sleep(ms(300)).await;
    settled().await;
    assert!(!pledge.is_open());
}

#[convoke::test]
async fn a_pledge_of_before_speaks_for_nobody_who_has_come_back() {
    let broker = Broker::new(SECOND).on_lost(OnLost::Wait).start();
    let (_one, slow, before) = slow(&broker).await;
    drop(slow);
    settled().await;
    let (emitter, pledges) = asked(Some(ms(200)));
    let _back = Emitter::join(&broker, emitter).await.unwrap();
    settled().await;
    let pledge = pledges.pop().unwrap();
    assert!(before.heartbeat(ms(900)));
    assert_eq!(left(&broker).await, ms(200), "its own deadline, from when it came back");
    assert!(!before.heartbeat(ms(900)));
    assert!(pledge.heartbeat(ms(500)));
    assert_eq!(left(&broker).await, ms(500));
    pledge.keep(2);
}

#[convoke::test]
async fn heartbeats_come_from_any_thread_and_do_not_pile_up() {
    let broker = Broker::new(SECOND).start();
    let (_one, _slow, pledge) = slow(&broker).await;
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let pledge = &pledge;
            scope.spawn(move || (0..1_000).for_each(|beat| assert!(pledge.heartbeat(ms(200 + thread + beat % 7)))));
        }
    });
    // From when it was asked for, on the clock of those threads, which does not stand still.
    assert!(left(&broker).await >= ms(209), "the longest of what was asked for");
    assert!(pledge.is_open());
}

#[test]
fn a_pledge_by_hand_tells_what_was_asked_for() {
    let (summons, promise) = Summons::<u32>::by_hand();
    assert_eq!(promise.heartbeat(), None);
    assert!(summons.pledge.heartbeat(ms(200)) && summons.pledge.heartbeat(60 * SECOND));
    let asked = promise.heartbeat().unwrap();
    assert!(asked > ms(200) && asked <= 60 * SECOND, "{asked:?}");
    assert_eq!((promise.heartbeat(), promise.take()), (None, None));
    assert!(summons.pledge.heartbeat(ms(1)));
    summons.pledge.keep(3);
    assert_eq!((promise.take(), promise.take()), (Some(Promised::Kept(3)), None));
}
