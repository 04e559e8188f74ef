//! A bus on several arbiters and plain threads, on the real clock: nothing here waits for time to pass, and whoever waits
//! for longer than `LONG` waits for ever.
#![allow(clippy::async_yields_async, reason = "what runs on one arbiter hands back what another awaits")]

/// What may be held, emitted and registered on which thread.
mod anywhere;
/// Listeners that come and go while events are on their way.
mod comings;
/// The order, the bound and the end of what is queued for another arbiter.
mod queues;
/// Listeners that do not want every event.
mod conditions;
/// Arbiters that stop, and listeners that end before their event has come.
mod stopped;
/// How often threads wait for each other.
#[cfg(target_os = "linux")]
mod switches;
/// Panics, JSON, answers and dependencies across arbiters.
mod elsewhere;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use actix::{Arbiter, System};
use convoke::prelude::*;
use convoke::{AskError, DeadLetters, Emitting, ListenerError, Reason, Request, RequestAll, testing};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;
use tokio::sync::oneshot;

use crate::common::{on, on_a_system};

const LONG: Duration = Duration::from_secs(300);

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Event, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[event(topic = "threads/tick")]
struct Tick {
    by: usize,
    number: u64,
}

const fn tick(number: u64) -> Tick {
    Tick { by: 0, number }
}

fn system(test: impl Future<Output = ()>) {
    on_a_system(soon(test));
}

async fn promptly<T>(who: &str, what: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LONG / 3, what).await {
        Ok(result) => result,
        Err(_) => panic!("{who} is left waiting"),
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, what).await.expect("nobody answered")
}

/// Waits on a plain thread that has no runtime at all.
fn block_on<T>(what: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    assert!(tokio::runtime::Handle::try_current().is_err());
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut what = pin!(what);
    loop {
        if let Poll::Ready(result) = what.as_mut().poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        thread::park_timeout(LONG);
    }
}

/// Asks again and again, so that nothing that lasts but a moment is missed.
fn spin_on<T>(what: impl Future<Output = T>) -> T {
    let mut what = pin!(what);
    loop {
        if let Poll::Ready(result) = what.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return result;
        }
        std::hint::spin_loop();
    }
}

fn stop(arbiter: Arbiter) {
    arbiter.stop();
    arbiter.join().unwrap();
}

/// How many actors of ours live on that arbiter once it has come to rest.
async fn live_on(arbiter: &Arbiter) -> usize {
    on(arbiter, async || {
        testing::settle().await;
        testing::live_count()
    })
    .await
}

/// Runs this on a plain thread.
async fn elsewhere<T: Send + 'static>(task: impl FnOnce() -> T + Send + 'static) -> T {
    let (told, result) = oneshot::channel();
    let thread = thread::spawn(move || {
        assert!(System::try_current().is_none());
        drop(told.send(task()));
    });
    let result = result.await;
    thread.join().unwrap();
    result.unwrap()
}

/// What several threads write down.
struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T> Log<T> {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn add(&self, note: T) {
        self.0.lock().unwrap().push(note);
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn last(&self) -> Option<T>
    where
        T: Copy,
    {
        self.0.lock().unwrap().last().copied()
    }

    fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A listener that writes down the numbers of what it hears.
fn note(log: &Log<u64>) -> impl Fn(&Tick) + Send + 'static {
    let log = log.clone();
    move |tick| log.add(tick.number)
}

/// Registers a listener on that arbiter.
async fn listen(arbiter: &Arbiter, bus: &EventBus, log: &Log<u64>) -> Subscription {
    let (bus, listener) = (bus.clone(), note(log));
    on(arbiter, async move || bus.on(listener.named("remote")).unwrap()).await
}

/// Keeps that arbiter busy while `here` runs on this one, and then has it do something before anything else.
async fn while_busy<H, T: Send + 'static>(
    arbiter: &Arbiter,
    here: impl AsyncFnOnce() -> H,
    then: impl FnOnce() -> T + Send + 'static,
) -> (H, T) {
    let ((told, busy), (go, gone)) = (oneshot::channel(), mpsc::channel::<()>());
    let there = on(arbiter, async move || {
        told.send(()).unwrap();
        gone.recv_timeout(LONG).unwrap();
        then()
    });
    let here = async {
        busy.await.unwrap();
        let here = here().await;
        go.send(()).unwrap();
        here
    };
    tokio::join!(here, there)
}
