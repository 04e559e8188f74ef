//! Several arbiters and plain threads, on the real clock: nothing here waits for time to pass, and whoever waits for more
//! than a minute waits for ever.

use std::future::Future;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use actix::{Addr, Arbiter, System};
use convoke::prelude::*;
use convoke::{BrokerSnapshot, ConsumerError, Emission, testing};
use tokio::sync::oneshot;

use crate::common::{assert_lost, cause, join_all, on, on_a_system};

const HOUR: Duration = Duration::from_secs(3600);

fn system(test: impl Future<Output = ()>) {
    on_a_system(soon(test));
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.expect("nobody answered")
}

/// Waits on a plain thread, which has no arbiter.
fn block_on<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(soon(what))
}

fn stop(arbiter: Arbiter) {
    arbiter.stop();
    arbiter.join().unwrap();
}

async fn broker_on(arbiter: &Arbiter, make: fn() -> Broker<u32>) -> Addr<Broker<u32>> {
    Broker::start_in_arbiter(&arbiter.handle(), make).await.unwrap()
}

/// How many actors of ours live on that arbiter once it has come to rest.
async fn live_on(arbiter: &Arbiter) -> usize {
    on(arbiter, async || {
        testing::settle().await;
        testing::live_count()
    })
    .await
}

#[test]
fn whatever_an_application_holds_may_be_held_on_any_thread() {
    fn is_send<T: Send>() {}
    fn is_sync<T: Send + Sync>() {}
    is_sync::<Addr<Broker<u32>>>();
    is_sync::<Brokers<u32>>();
    is_sync::<EmitterHandle<u32>>();
    is_sync::<Membership<u32>>();
    is_sync::<Outcome<u32>>();
    is_sync::<BrokerSnapshot>();
    is_send::<ConsumerHandle<u32>>();
    is_send::<Emission<u32>>();
    is_sync::<Pledge<u32>>();
    is_sync::<(BrokerError, EmitError, JoinError, Failure)>();
}

#[test]
fn a_broker_on_another_arbiter_serves_the_members_of_this_one() {
    system(async {
        let arbiter = Arbiter::new();
        let broker = broker_on(&arbiter, || Broker::new(HOUR)).await;
        let here = thread::current().id();
        let (heard, threads) = mpsc::channel();
        let (callback, kept, asked) = (heard.clone(), heard.clone(), heard.clone());
        let one = Emitter::new("one").on_outcome(move |_| callback.send(thread::current().id()).unwrap());
        let one = Emitter::join(&broker, one).await.unwrap();
        let two = Emitter::new("two").on_kept(move |_| kept.send(thread::current().id()).unwrap()).on_summons(
            move |pledge| {
                asked.send(thread::current().id()).unwrap();
                pledge.keep(2);
            },
        );
        let two = Emitter::join(&broker, two).await.unwrap();
        let consumer =
            Consumer::join(&broker, async move |_: Outcome<u32>| heard.send(thread::current().id()).unwrap());
        let consumer = consumer.await.unwrap();
        for number in 0..100 {
            let outcome = one.emit(number).await.unwrap();
            assert_eq!(outcome.payloads(), [number, 2]);
            assert!(outcome.consumed().await.is_ok());
        }
        // The callbacks of the last round may still be on their way.
        testing::settle().await;
        assert!(threads.try_iter().all(|thread| thread == here), "all that is the user's runs where it was registered");
        assert_eq!(live_on(&arbiter).await, 1);
        drop((broker, one, two, consumer));
        assert_eq!(live_on(&arbiter).await, 0);
        stop(arbiter);
    });
}

#[test]
fn emitters_of_several_arbiters_take_part_in_one_round() {
    system(async {
        let arbiters = [Arbiter::new(), Arbiter::new()];
        let broker = Broker::new(HOUR).start();
        let [one] = join_all(&broker, ["one"]).await;
        let mut others = Vec::new();
        for (arbiter, number) in arbiters.iter().zip(2..) {
            let make = move || Emitter::new(format!("emitter {number}")).on_summons(move |pledge| pledge.keep(number));
            let emitter = Emitter::start_in_arbiter(&arbiter.handle(), make).await.unwrap();
            emitter.join(&broker).await.unwrap();
            others.push(emitter);
        }
        for key in 0..100 {
            let outcome = one.emit_for(key, 1).await.unwrap();
            let mut payloads = outcome.payloads().to_vec();
            payloads.sort();
            assert_eq!(payloads, [1, 2, 3]);
        }
        drop(others);
        arbiters.into_iter().for_each(stop);
    });
}

#[test]
fn plain_threads_emit_and_wait() {
    const THREADS: u32 = 4;
    const KEYS: u32 = 500;
    system(async {
        let arbiter = Arbiter::new();
        let broker = broker_on(&arbiter, || Broker::new(HOUR)).await;
        let handles = join_all(&broker, ["a", "b", "c", "d"]).await;
        let emit = |(number, handle): (u32, EmitterHandle<u32>)| {
            thread::spawn(move || {
                assert!(System::try_current().is_none());
                let emissions: Vec<_> = (0..KEYS).map(|key| handle.emit_for(key, number)).collect();
                for emission in emissions {
                    let outcome = block_on(emission).unwrap();
                    let mut payloads = outcome.payloads().to_vec();
                    payloads.sort();
                    assert_eq!(payloads, (0..THREADS).collect::<Vec<_>>());
                }
                handle
            })
        };
        let threads: Vec<_> = (0..THREADS).zip(handles).map(emit).collect();
        let handles: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let snapshot = broker.inspect().await.unwrap();
        assert_eq!((snapshot.open_count, snapshot.resolved), (0, u64::from(KEYS)));
        assert!(snapshot.emitters.iter().all(|emitter| emitter.kept == u64::from(KEYS)));
        drop(handles);
        stop(arbiter);
    });
}

#[test]
fn what_one_thread_emits_stays_in_its_order() {
    const SIGNALS: u32 = 2_000;
    system(async {
        let broker = Broker::new(HOUR).repeat_emit(RepeatEmit::NextRound).start();
        let (heard, rounds) = mpsc::channel();
        let hear = move |round: Resolved<u32>| heard.send(round.payloads()[0]).unwrap();
        let _consumer = Consumer::join(&broker, hear).await.unwrap();
        let [one] = join_all(&broker, ["one"]).await;
        let (ended, end) = oneshot::channel();
        let thread = thread::spawn(move || {
            (0..SIGNALS).for_each(|payload| one.do_emit(payload).unwrap());
            let last = block_on(one.emit(SIGNALS)).unwrap();
            drop(ended.send((one, last)));
        });
        let (_one, last) = end.await.unwrap();
        thread.join().unwrap();
        assert!(last.consumed().await.is_ok());
        for (expected, heard) in rounds.try_iter().enumerate() {
            assert_eq!(heard as usize, expected);
        }
    });
}

#[test]
fn stopping_the_arbiter_of_a_broker_leaves_nobody_waiting() {
    system(async {
        let arbiter = Arbiter::new();
        let broker = broker_on(&arbiter, || Broker::new(HOUR)).await;
        let [one, _two] = join_all(&broker, ["one", "two"]).await;
        let consumer = Consumer::join(&broker, |_: Outcome<u32>| ()).await.unwrap();
        let mut waiting: Vec<_> = (0..100).map(|key| one.emit_for(key, 1)).collect();
        broker.inspect().await.unwrap();
        // And some that no session has seen yet.
        waiting.extend((100..200).map(|key| one.emit_for(key, 1)));
        let by_thread = {
            let emission = one.emit(1);
            thread::spawn(move || block_on(emission))
        };
        arbiter.stop();
        for (key, emission) in waiting.into_iter().enumerate() {
            match emission.await {
                Ok(outcome) => assert!(matches!(cause(&outcome), Cause::SessionLost | Cause::BrokerStopped)),
                Err(error) => assert!(key >= 100 && error == EmitError::BrokerGone, "{key}: {error}"),
            }
        }
        assert!(matches!(by_thread.join().unwrap(), Ok(Outcome::Cancelled(_)) | Err(EmitError::BrokerGone)));
        arbiter.join().unwrap();
        assert_eq!(one.emit(1).await.unwrap_err(), EmitError::BrokerGone);
        assert_eq!(broker.inspect().await.unwrap_err(), BrokerError::Gone);
        drop(consumer);
    });
}

#[test]
fn stopping_the_arbiter_of_an_emitter_loses_it_at_once() {
    system(async {
        let arbiter = Arbiter::new();
        let broker = Broker::new(HOUR).start();
        let [one] = join_all(&broker, ["one"]).await;
        let remote = Emitter::start_in_arbiter(&arbiter.handle(), || Emitter::new("remote")).await.unwrap();
        remote.join(&broker).await.unwrap();
        let first = one.emit(1);
        testing::settle().await;
        stop(arbiter);
        assert_lost(&first.await.unwrap(), "remote");
        assert_eq!(EmitterExt::emit(&remote, 2).await.unwrap_err(), EmitError::EmitterGone { name: None });
    });
}

#[test]
fn stopping_the_arbiter_of_a_consumer_names_it_as_gone() {
    system(async {
        let arbiter = Arbiter::new();
        let broker = Broker::new(HOUR).start();
        let [one] = join_all(&broker, ["one"]).await;
        let to = broker.clone();
        let guard = on(&arbiter, async move || {
            let hangs = Consumer::new(async |_: Outcome<u32>| std::future::pending::<()>().await).named("remote");
            Consumer::join(&to, hangs).await.unwrap()
        });
        let guard = guard.await;
        let outcome = one.emit(1).await.unwrap();
        stop(arbiter);
        let consumed = outcome.consumed().await;
        assert_eq!(consumed.failed[0].error, ConsumerError::Gone);
        assert_eq!(&*consumed.failed[0].consumer, "remote");
        drop(guard);
    });
}

#[test]
fn an_arbiter_that_has_stopped_is_an_error() {
    system(async {
        let arbiter = Arbiter::new();
        let handle = arbiter.handle();
        stop(arbiter);
        let error = Broker::<u32>::start_in_arbiter(&handle, || Broker::new(HOUR)).await.unwrap_err();
        assert_eq!(error, BrokerError::Gone);
        let error = Emitter::<u32>::start_in_arbiter(&handle, || Emitter::new("one")).await.unwrap_err();
        assert_eq!(error, JoinError::EmitterGone);
    });
}

#[test]
fn a_handle_may_be_dropped_and_a_member_may_leave_on_any_thread() {
    system(async {
        let broker = Broker::new(HOUR).start();
        let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
        let first = one.emit(1);
        testing::settle().await;
        thread::spawn(move || two.leave()).join().unwrap();
        thread::spawn(move || drop(three)).join().unwrap();
        assert_lost(&first.await.unwrap(), "three");
        assert_eq!(broker.inspect().await.unwrap().emitters.len(), 1);
    });
}

#[test]
fn any_thread_may_stop_or_ask_a_broker() {
    system(async {
        let arbiter = Arbiter::new();
        let broker = broker_on(&arbiter, || Broker::new(HOUR).named("orders")).await;
        let [one, _two] = join_all(&broker, ["one", "two"]).await;
        let first = one.emit(1);
        let address = broker.clone();
        let snapshot = thread::spawn(move || {
            let snapshot = block_on(address.inspect());
            address.stop();
            snapshot
        });
        assert_eq!(snapshot.join().unwrap().unwrap().broker.as_str(), "orders");
        assert_eq!(cause(&first.await.unwrap()), Cause::BrokerStopped);
        stop(arbiter);
    });
}
