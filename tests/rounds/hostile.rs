//! What a hostile caller tries: panics where nobody expects code to run, futures dropped half-way, floods, two systems
//! on a thread. Each of these broke a promise once.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use actix::{Addr, System};
use convoke::prelude::*;
use convoke::{Uuid, testing::Crash};

use crate::common::{SECOND, at_once, join_all, on_a_system, settled};

fn broker() -> Addr<Broker<u32>> {
    Broker::new(SECOND).start()
}

/// Panics when it is dropped, but not while another panic unwinds, which would end the process.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a value that panics when it is dropped");
    }
}

#[convoke::test]
async fn a_join_whose_answer_nobody_takes_leaves_no_member() {
    let broker = broker();
    let [one] = join_all(&broker, ["one"]).await;
    let joining = broker.enlist("ghost");
    settled().await;
    drop(joining);
    settled().await;
    assert_eq!(broker.inspect().await.unwrap().emitters.len(), 1);
    assert!(at_once(one.emit(1)).await.unwrap().is_resolved());
}

#[convoke::test]
async fn an_emitter_that_crashes_while_it_joins_leaves_no_member() {
    let broker = broker();
    let dying = Emitter::<u32>::new("dying").start();
    let joining = dying.join(&broker);
    dying.do_send(Crash);
    settled().await;
    assert!(joining.await.is_err());
    assert!(broker.inspect().await.unwrap().emitters.is_empty());
}

#[test]
fn the_signal_that_opens_a_round_is_part_of_it_however_short_its_time_is() {
    on_a_system(async {
        let broker = Broker::new(Duration::from_nanos(1)).late_window(Duration::ZERO).start();
        let [one] = join_all(&broker, ["one"]).await;
        assert_eq!(one.emit(1).await.unwrap().payloads(), [1]);
        let _two = Emitter::join(&broker, "two").await.unwrap();
        assert_eq!(one.emit(1).await.unwrap().payloads(), [1], "cancelled, with the signal that opened it");
        assert_eq!(broker.inspect().await.unwrap().recent.len(), 2, "one round for each signal");
    });
}

#[test]
fn actors_of_a_second_system_run_while_the_first_is_alive() {
    let [first, second] = [System::new(), System::new()];
    for system in [&first, &second, &first] {
        system.block_on(async {
            let broker = broker();
            let [one] = join_all(&broker, ["one"]).await;
            assert!(one.emit(1).await.unwrap().is_resolved());
        });
    }
}

#[test]
fn a_flood_from_other_threads_does_not_starve_the_brokers_own() {
    const ENOUGH: u32 = 100_000_000;
    on_a_system(async {
        let broker = broker();
        let [quiet, loud] = join_all(&broker, ["quiet", "loud"]).await;
        let answered = Arc::new(AtomicBool::new(false));
        let over = answered.clone();
        let flood = std::thread::spawn(move || {
            (0..ENOUGH)
                .take_while(|_| !over.load(Ordering::Relaxed))
                .filter(|_| loud.do_emit_for("loud", 0).is_ok())
                .count()
        });
        // The answer is that there is nothing to veto: the broker has come to it.
        let answer = quiet.veto_for("quiet", "is anybody there").await;
        assert_eq!(answer.unwrap_err(), convoke::EmitError::NoRound);
        answered.store(true, Ordering::Relaxed);
        assert!(flood.join().unwrap() < ENOUGH as usize, "it was answered during the flood");
    });
}

#[convoke::test]
async fn a_pledge_does_not_wait_behind_thousands_of_signals_that_are_refused() {
    let broker = broker();
    let [one] = join_all(&broker, ["one"]).await;
    let asked = Emitter::new("asked").on_summons(|pledge| pledge.keep(7));
    let _asked = Emitter::join(&broker, asked).await.unwrap();
    let first = one.emit(1);
    (0..10_000).for_each(|_| one.do_emit(1).unwrap());
    let last = one.emit(9);
    let first = at_once(first).await.unwrap();
    assert_eq!((first.round().get(), first.payloads()), (1, &[1, 7][..]));
    let round = match last.await {
        Ok(outcome) => outcome.round().get(),
        Err(convoke::EmitError::AlreadyKept { round }) => round.get(),
        Err(error) => panic!("{error}"),
    };
    assert!(round > 1, "all others were refused before the pledge was looked at");
}

#[convoke::test]
async fn a_waker_that_panics_costs_nobody_else_the_outcome_and_leaves_no_dead_key() {
    struct Faulty;

    impl Wake for Faulty {
        fn wake(self: Arc<Self>) {
            panic!("a waker");
        }
    }

    let broker = broker();
    let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
    let (mut first, second) = (Box::pin(one.emit(1)), two.emit(2));
    let waker = Waker::from(Arc::new(Faulty));
    assert!(matches!(first.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending));
    let third = at_once(three.emit(3)).await.unwrap();
    assert_eq!(at_once(second).await.unwrap().round(), third.round());
    assert!(at_once(first).await.unwrap().is_resolved());
    let (first, second, third) = tokio::join!(one.emit(1), two.emit(2), three.emit(3));
    assert!([first, second, third].into_iter().all(|outcome| outcome.unwrap().is_resolved()));
    assert_eq!(broker.inspect().await.unwrap().open_count, 0);
}

#[convoke::test]
async fn what_a_panic_throws_may_panic_in_its_drop_and_harms_no_neighbor() {
    convoke::testing::expect_failure("a drop");
    let (broker, neighbor) = (broker(), broker());
    let [one] = join_all(&broker, ["one"]).await;
    let [other] = join_all(&neighbor, ["other"]).await;
    let asked = Emitter::<u32>::new("asked").on_summons(|_| std::panic::panic_any(Bomb));
    let _asked = Emitter::join(&broker, asked).await.unwrap();
    let _consumer = Consumer::join(&broker, |_: Outcome<u32>| -> () { std::panic::panic_any(Bomb) }).await.unwrap();
    let outcome = at_once(one.emit(1)).await.unwrap();
    assert!(outcome.is_cancelled());
    assert_eq!(at_once(outcome.consumed()).await.failed.len(), 1);
    assert!(at_once(other.emit(1)).await.unwrap().is_resolved());
}

#[convoke::test]
async fn who_leaves_can_come_back_at_once_under_its_id() {
    let broker = Broker::new(SECOND).start();
    let [_two] = join_all(&broker, ["two"]).await;
    for _ in 0..20 {
        let one = Emitter::join(&broker, Emitter::new("one").with_id(Uuid::from_u128(1))).await.unwrap();
        (0..200).for_each(|signal| one.do_emit(signal).unwrap());
        one.leave();
    }
    settled().await;
    assert_eq!(broker.inspect().await.unwrap().emitters.len(), 1);
}

#[convoke::test]
async fn an_emitter_whose_broker_is_dead_can_join_another() {
    let (first, second) = (broker(), broker());
    let emitter = Emitter::<u32>::new("widow").start();
    emitter.join(&first).await.unwrap();
    first.stop();
    settled().await;
    assert!(emitter.join(&second).await.is_ok());
}
