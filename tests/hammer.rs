//! The hammer: rounds and events in bursts, with pauses at random, from one to four threads. Nobody pushes anything
//! afterwards, so that whatever is left behind stays where it is, and is missed here.
//!
//! A few repetitions, or a thousand with `CONVOKE_FULL`. What waits for another thread waits up to a minute; nothing else
//! here looks at the clock.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use actix::{Addr, Arbiter, System};
use convoke::prelude::*;
use fastrand::Rng;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::common::{SECOND, join_all, ms, sleep};

const ROUNDS: u64 = 10_000;

/// Longer than any repetition takes, so that a round that is over by its time has waited for somebody who has emitted.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Who waits longer waits for ever.
const PATIENCE: Duration = Duration::from_secs(60);

fn repetitions(few: u64) -> u64 {
    if std::env::var_os("CONVOKE_FULL").is_some() { 1_000 } else { few }
}

/// Counts up to a number, and tells when that is reached.
struct Tally {
    count: Arc<AtomicU64>,
    reached: oneshot::Receiver<()>,
}

impl Tally {
    /// One, with what counts.
    fn up_to(number: u64) -> (Self, impl FnMut() + Send + 'static) {
        let count = Arc::new(AtomicU64::new(0));
        let (tell, reached) = oneshot::channel();
        let (counted, mut tell) = (count.clone(), Some(tell));
        let one_more = move || {
            if counted.fetch_add(1, Ordering::Relaxed) + 1 == number
                && let Some(tell) = tell.take()
            {
                let _ = tell.send(());
            }
        };
        (Self { count, reached }, one_more)
    }

    async fn reached(self, what: &str, case: &str) {
        let reached = tokio::time::timeout(PATIENCE, self.reached).await;
        let count = self.count.load(Ordering::Relaxed);
        assert!(reached.is_ok(), "{case}: {what}: {count} are there, and the rest waits for the next push");
    }
}

/// A pause, now and then: mostly none, sometimes so short that the other is in the midst of something.
fn pause(rng: &mut Rng) {
    match rng.u32(..400) {
        0 => thread::sleep(Duration::from_micros(rng.u64(..200))),
        1..8 => thread::yield_now(),
        8..16 => (0..rng.u32(..2_000)).for_each(|_| std::hint::spin_loop()),
        _ => {}
    }
}

/// The same on an arbiter, whose actors have their turn meanwhile.
async fn pause_here(rng: &mut Rng) {
    match rng.u32(..400) {
        0 => sleep(Duration::from_micros(rng.u64(..200))).await,
        1..8 => tokio::task::yield_now().await,
        _ => {}
    }
}

/// Ten thousand rounds of parties on so many threads, the first of which is the broker's own.
async fn strike(threads: usize, seed: u64, arbiter: &Arbiter) {
    let case = format!("{threads} threads, seed {seed}");
    let broker: Addr<Broker<u64>> = Broker::start_in_arbiter(&arbiter.handle(), || Broker::new(TIMEOUT)).await.unwrap();
    let cancelled = Arc::new(AtomicU64::new(0));

    // Whoever hears of the rounds: a consumer beside the broker, one from afar, and an emitter that is asked as well.
    let (near, mut count) = Tally::up_to(ROUNDS);
    let (joined, consumer) = oneshot::channel();
    let (to, lost) = (broker.clone(), cancelled.clone());
    arbiter.spawn_fn(move || {
        let hear = move |round: Outcome<u64>| {
            lost.fetch_add(u64::from(round.is_cancelled()), Ordering::Relaxed);
            count();
        };
        let joining = Consumer::join(&to, hear);
        actix_rt::spawn(async move { drop(joined.send(joining.await)) });
    });
    let _near = consumer.await.unwrap().unwrap();
    let (far, mut count) = Tally::up_to(ROUNDS);
    let _far = Consumer::join(&broker, move |_: Outcome<u64>| count()).await.unwrap();
    let (told, mut count) = Tally::up_to(ROUNDS);
    let asked = Emitter::new("asked").on_summons(|pledge| pledge.keep(0)).on_outcome(move |_| count());
    let _asked = Emitter::join(&broker, asked).await.unwrap();

    let mut parties = Vec::new();
    for party in 0..threads.max(2) {
        parties.push(Emitter::join(&broker, format!("party {party}")).await.unwrap());
    }
    let mut running = Vec::new();
    let mut handles = Vec::new();
    for (party, handle) in parties.into_iter().enumerate() {
        let mut rng = Rng::with_seed(seed ^ party as u64);
        let handle = Arc::new(handle);
        handles.push(handle.clone());
        if party % threads == 0 {
            arbiter.spawn(async move {
                for key in 0..ROUNDS {
                    handle.do_emit_for(key, key).unwrap();
                    pause_here(&mut rng).await;
                }
            });
        } else {
            running.push(thread::spawn(move || {
                for key in 0..ROUNDS {
                    handle.do_emit_for(key, key).unwrap();
                    pause(&mut rng);
                }
            }));
        }
    }
    near.reached("the consumer beside the broker", &case).await;
    far.reached("the consumer on another thread", &case).await;
    told.reached("the emitter that is told the outcome", &case).await;
    assert_eq!(cancelled.load(Ordering::Relaxed), 0, "{case}: cancelled, though all have emitted");
    running.into_iter().for_each(|thread| thread.join().unwrap());
    let snapshot = broker.inspect().await.unwrap();
    assert_eq!((snapshot.open_count, snapshot.resolved, snapshot.cancelled), (0, ROUNDS, 0), "{case}");
}

#[test]
fn no_round_is_left_waiting_whatever_the_pauses() {
    System::new().block_on(async {
        let seed = fastrand::u64(..);
        let repetitions = repetitions(8);
        for repetition in 0..repetitions {
            // An arbiter of its own for each, or the next would push what the last has left.
            let arbiter = Arbiter::new();
            strike(repetition as usize % 4 + 1, seed.wrapping_add(repetition << 8), &arbiter).await;
            arbiter.stop();
            arbiter.join().unwrap();
        }
        println!(
            "figure: {repetitions} × {ROUNDS} rounds with pauses on one to four threads: 0 left waiting, 0 cancelled"
        );
    });
}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "hammer/blows")]
struct Blow(u64);

#[test]
fn no_event_is_left_waiting_whatever_the_pauses() {
    const EVENTS: u64 = 10_000;
    System::new().block_on(async {
        let seed = fastrand::u64(..);
        for repetition in 0..repetitions(8) {
            let threads = repetition % 4 + 1;
            let case = format!("{threads} threads, seed {seed}, repetition {repetition}");
            let bus = EventBus::builder().capacity(1 << 20).build();
            let (heard, count) = Tally::up_to(threads * EVENTS);
            let count = std::cell::RefCell::new(count);
            let _listener = bus.on(move |_: &Blow| (count.borrow_mut())()).unwrap();
            let publishers: Vec<_> = (0..threads)
                .map(|thread| {
                    let bus = bus.clone();
                    let mut rng = Rng::with_seed(seed ^ repetition << 8 ^ thread);
                    thread::spawn(move || {
                        for number in 0..EVENTS {
                            bus.publish(Blow(number)).unwrap();
                            pause(&mut rng);
                        }
                    })
                })
                .collect();
            heard.reached("the listener", &case).await;
            publishers.into_iter().for_each(|thread| thread.join().unwrap());
        }
    });
}

#[convoke::test]
async fn rounds_that_time_out_together_are_all_consumed() {
    let broker = Broker::new(ms(400)).start();
    let [one, _two] = join_all(&broker, ["one", "two"]).await;
    let count = Rc::new(Cell::new(0));
    let counted = count.clone();
    let hear = move |round: Outcome<u64>| {
        assert!(round.is_cancelled());
        counted.set(counted.get() + 1);
    };
    let _consumer = Consumer::join(&broker, hear).await.unwrap();
    for key in 0..ROUNDS {
        one.do_emit_for(key, key).unwrap();
    }
    sleep(SECOND).await;
    assert_eq!(count.get(), ROUNDS);
}

#[convoke::test]
async fn the_rounds_of_two_emitters_are_all_resolved() {
    let broker = Broker::new(SECOND).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let count = Rc::new(Cell::new(0));
    let counted = count.clone();
    let hear = move |round: Outcome<u64>| counted.set(counted.get() + u64::from(round.is_resolved()));
    let _consumer = Consumer::join(&broker, hear).await.unwrap();
    // In bursts, so that something is always left of the last when the next one comes.
    for keys in 0..ROUNDS / 100 {
        for key in keys * 100..(keys + 1) * 100 {
            one.do_emit_for(key, key).unwrap();
            two.do_emit_for(key, key).unwrap();
        }
        tokio::task::yield_now().await;
    }
    sleep(ms(500)).await;
    assert_eq!(count.get(), ROUNDS);
}
