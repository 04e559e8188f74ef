//! The hammer: rounds and events in bursts, with pauses at random, from one to four threads. Nobody pushes anything
//! afterwards, so that whatever is left behind stays where it is, and is missed here.
//!
//! A few repetitions, or a thousand with `CONVOKE_FULL`. What waits for another thread waits up to a minute; nothing else
//! here looks at the clock.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use actix::{Addr, Arbiter};
use convoke::prelude::*;
use fastrand::Rng;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot};

use crate::common::{SECOND, join_all, ms, on_a_system, sleep};

const ROUNDS: u64 = 10_000;

/// Longer than any repetition takes, so that a round that is over by its time has waited for somebody who has emitted.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Who waits longer waits for ever.
const PATIENCE: Duration = Duration::from_secs(60);

fn repetitions(few: u64) -> u64 {
    if std::env::var_os("CONVOKE_FULL").is_some() { 1_000 } else { few }
}

/// Counts, and can be waited for: whoever is left waiting is missed here.
#[derive(Clone)]
struct Tally(Arc<(AtomicU64, Notify)>);

impl Tally {
    /// One, with what counts.
    fn new() -> (Self, impl Fn() + Send + 'static) {
        let tally = Self(Arc::new((AtomicU64::new(0), Notify::new())));
        let counted = tally.clone();
        let one_more = move || {
            counted.0.0.fetch_add(1, Ordering::SeqCst);
            counted.0.1.notify_one();
        };
        (tally, one_more)
    }

    fn count(&self) -> u64 {
        self.0.0.load(Ordering::SeqCst)
    }

    /// Waits until so many are there. It wakes nobody of whom it waits.
    async fn reached(&self, number: u64, what: &str, case: &str) {
        let reached = tokio::time::timeout(PATIENCE, async {
            while self.count() < number {
                self.0.1.notified().await;
            }
        });
        let in_time = reached.await;
        let count = self.count();
        assert!(in_time.is_ok(), "{case}: {what}: {count} of {number} are there, the rest waits for the next push");
    }
}

/// A pause, now and then: mostly none, sometimes so short that the other is in the midst of something.
fn pause(rng: &mut Rng) {
    match rng.u32(..400) {
        0 => thread::park_timeout(Duration::from_micros(rng.u64(..200))),
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

/// Has a party emit for these keys: on the arbiter of the broker, or on a thread of its own.
///
/// In every other burst without pauses, so that much waits when more comes.
fn emit(handle: &Arc<EmitterHandle<u64>>, keys: Range<u64>, mut rng: Rng, arbiter: Option<&Arbiter>) {
    let handle = handle.clone();
    let hasty = keys.start.is_multiple_of(2);
    match arbiter {
        Some(arbiter) => {
            arbiter.spawn(async move {
                for key in keys {
                    handle.do_emit_for(key, key).unwrap();
                    if !hasty {
                        pause_here(&mut rng).await;
                    }
                }
            });
        }
        None => {
            thread::spawn(move || {
                for key in keys {
                    handle.do_emit_for(key, key).unwrap();
                    if !hasty {
                        pause(&mut rng);
                    }
                }
            });
        }
    }
}

/// Ten thousand rounds of parties on so many threads, the first of which is the broker's own: burst by burst, each of which
/// has to come to its end by itself.
async fn strike(threads: usize, seed: u64, arbiter: &Arbiter) {
    let mut rng = Rng::with_seed(seed);
    let broker: Addr<Broker<u64>> = Broker::start_in_arbiter(&arbiter.handle(), || Broker::new(TIMEOUT)).await.unwrap();
    let cancelled = Arc::new(AtomicU64::new(0));

    // Whoever hears of the rounds: a consumer beside the broker, one from afar, and an emitter that is asked as well.
    let (near, count) = Tally::new();
    let (joined, consumer) = oneshot::channel();
    let (to, lost) = (broker.clone(), cancelled.clone());
    arbiter.spawn_fn(move || {
        let hear = move |round: Outcome<u64>| {
            lost.fetch_add(u64::from(round.is_cancelled()), Ordering::SeqCst);
            count();
        };
        let joining = Consumer::join(&to, hear);
        actix_rt::spawn(async move { drop(joined.send(joining.await)) });
    });
    let _near = consumer.await.unwrap().unwrap();
    let (far, count) = Tally::new();
    let _far = Consumer::join(&broker, move |_: Outcome<u64>| count()).await.unwrap();
    let (told, count) = Tally::new();
    let asked = Emitter::new("asked").on_summons(|pledge| pledge.keep(0)).on_outcome(move |_| count());
    let _asked = Emitter::join(&broker, asked).await.unwrap();

    let mut parties = Vec::new();
    for party in 0..threads.max(2) {
        parties.push(Arc::new(Emitter::join(&broker, format!("party {party}")).await.unwrap()));
    }
    let mut next = 0;
    while next < ROUNDS {
        let keys = next..ROUNDS.min(next + rng.u64(1..600));
        next = keys.end;
        for (party, handle) in parties.iter().enumerate() {
            let here = (party % threads == 0).then_some(arbiter);
            emit(handle, keys.clone(), Rng::with_seed(rng.u64(..)), here);
        }
        let case = format!("{threads} threads, seed {seed}, rounds {keys:?}");
        near.reached(next, "the consumer beside the broker", &case).await;
        far.reached(next, "the consumer on another thread", &case).await;
        told.reached(next, "the emitter that is told the outcome", &case).await;
        assert_eq!(cancelled.load(Ordering::SeqCst), 0, "{case}: cancelled, though all have emitted");
    }
    let snapshot = broker.inspect().await.unwrap();
    assert_eq!((snapshot.open_count, snapshot.resolved, snapshot.cancelled), (0, ROUNDS, 0), "seed {seed}");
}

#[test]
fn no_round_is_left_waiting_whatever_the_pauses() {
    on_a_system(async {
        let seed = fastrand::u64(..);
        let repetitions = repetitions(8);
        for repetition in 0..repetitions {
            let arbiter = Arbiter::new();
            strike(repetition as usize % 4 + 1, seed.wrapping_add(repetition), &arbiter).await;
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
    on_a_system(async {
        let seed = fastrand::u64(..);
        let mut rng = Rng::with_seed(seed);
        for repetition in 0..repetitions(8) {
            let threads = repetition % 4 + 1;
            let bus = EventBus::builder().capacity(1 << 20).build();
            let (heard, count) = Tally::new();
            let _listener = bus.on(move |_: &Blow| count()).unwrap();
            let mut next = 0;
            while next < EVENTS {
                let numbers = next..EVENTS.min(next + rng.u64(1..600));
                let hasty = next.is_multiple_of(2);
                next = numbers.end;
                for _ in 0..threads {
                    let (bus, numbers, mut rng) = (bus.clone(), numbers.clone(), Rng::with_seed(rng.u64(..)));
                    thread::spawn(move || {
                        for number in numbers {
                            bus.publish(Blow(number)).unwrap();
                            if !hasty {
                                pause(&mut rng);
                            }
                        }
                    });
                }
                let case = format!("{threads} threads, seed {seed}, repetition {repetition}");
                heard.reached(threads * next, "the listener", &case).await;
            }
        }
    });
}

#[test]
fn rounds_that_time_out_together_are_all_consumed() {
    on_a_system(async {
        let broker = Broker::new(ms(400)).start();
        let [one, _two] = join_all(&broker, ["one", "two"]).await;
        let (heard, count) = Tally::new();
        let hear = move |round: Outcome<u64>| {
            assert!(round.is_cancelled());
            // It takes its time, so that more rounds come while it is at work on some.
            (0..400).for_each(|_| std::hint::spin_loop());
            count();
        };
        let _consumer = Consumer::join(&broker, hear).await.unwrap();
        for key in 0..ROUNDS {
            one.do_emit_for(key, key).unwrap();
        }
        heard.reached(ROUNDS, "the consumer", "timed out").await;
    });
}

#[convoke::test]
async fn the_rounds_of_two_emitters_are_all_resolved() {
    let broker = Broker::new(SECOND).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let count = Rc::new(Cell::new(0));
    let counted = count.clone();
    let hear = move |round: Outcome<u64>| counted.set(counted.get() + u64::from(round.is_resolved()));
    let _consumer = Consumer::join(&broker, hear).await.unwrap();
    for emitter in [&one, &two] {
        (0..ROUNDS).for_each(|key| emitter.do_emit_for(key, key).unwrap());
        // The broker is at work on these when the others come.
        tokio::task::yield_now().await;
    }
    sleep(ms(500)).await;
    assert_eq!(count.get(), ROUNDS);
}
