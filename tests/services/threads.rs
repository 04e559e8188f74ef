//! Services asked and given events from plain threads and other arbiters, on the real clock: nothing here waits for time to
//! pass.

use std::cell::RefCell;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::prelude::*;
use convoke::middleware::Timeout;
use convoke::prelude::*;
use convoke::{Backoff, ServiceAddr, ServiceError, ServiceState, Supervised};
use tokio::sync::oneshot;

use crate::common::{in_a_process_of_its_own, on_a_system};

/// Who waits for longer waits for ever.
const LONG: Duration = Duration::from_secs(300);

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, what).await.expect("left waiting")
}

#[derive(Event, Clone, Copy, Debug)]
#[event(local)]
struct Job(u32);

#[derive(Message)]
#[rtype(result = "u32")]
struct Ask(u32);

/// It counts what it has handled; every tenth event and every seventh message is its end.
#[derive(BaseService)]
#[service(on(Job))]
struct Worker(Arc<AtomicU64>);

impl Drop for Worker {
    fn drop(&mut self) {
        std::panic::resume_unwind(Box::new("in its drop"));
    }
}

impl Worker {
    fn alive(bus: &EventBus, handled: &Arc<AtomicU64>) -> Supervised<Self> {
        let handled = handled.clone();
        let worker = Self::supervised(bus, move |_| Self(handled.clone()));
        worker.backoff(Backoff::none()).budget(u32::MAX, Duration::from_secs(1)).patience(LONG)
    }
}

impl Handler<Heard<Job>> for Worker {
    type Result = Handled;

    fn handle(&mut self, job: Heard<Job>, _: &mut Context<Self>) -> Handled {
        if job.0 % 10 == 3 {
            std::panic::resume_unwind(Box::new("as told"));
        }
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Handler<Ask> for Worker {
    type Result = u32;

    fn handle(&mut self, Ask(number): Ask, _: &mut Context<Self>) -> u32 {
        if number % 7 == 3 {
            std::panic::resume_unwind(Box::new("as told"));
        }
        number
    }
}

/// Starts a worker on an arbiter of its own; the second is dropped to have it stopped, and the third hears that it is.
struct Away {
    arbiter: Arbiter,
    addr: ServiceAddr<Worker>,
    stop: RefCell<Option<oneshot::Sender<()>>>,
    stopped: oneshot::Receiver<ServiceStatus>,
}

async fn away(bus: &EventBus, handled: &Arc<AtomicU64>) -> Away {
    let arbiter = Arbiter::new();
    let (tell, started) = oneshot::channel();
    let (stop, told) = oneshot::channel();
    let (done, stopped) = oneshot::channel();
    let (bus, handled) = (bus.clone(), handled.clone());
    arbiter.spawn_fn(move || {
        actix::spawn(async move {
            let worker = Worker::alive(&bus, &handled).await.unwrap();
            assert!(tell.send(worker.addr()).is_ok());
            let _ = told.await;
            let _ = done.send(worker.stop().await);
        });
    });
    Away { arbiter, addr: soon(started).await.unwrap(), stop: RefCell::new(Some(stop)), stopped }
}

/// Three threads publish to three services on three arbiters and ask them, while these are built anew all the time.
async fn three_threads(bus: EventBus) {
    const EACH: u32 = 2_000;
    let handled = Arc::new(AtomicU64::new(0));
    let here = Worker::alive(&bus, &handled).await.unwrap();
    let others = [away(&bus, &handled).await, away(&bus, &handled).await];
    let addrs = [here.addr(), others[0].addr.clone(), others[1].addr.clone()];
    let threads: Vec<_> = addrs
        .into_iter()
        .map(|addr| {
            let (bus, (done, ended)) = (bus.clone(), oneshot::channel());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                let lost = runtime.block_on(async {
                    let mut lost = 0;
                    for number in 0..EACH {
                        bus.publish(Job(number)).unwrap();
                        match soon(addr.send(Ask(number))).await {
                            Ok(answer) => assert_eq!(answer, number),
                            Err(ServiceError::Lost { .. }) => lost += 1,
                            Err(other) => panic!("{other}"),
                        }
                    }
                    lost
                });
                let _ = done.send(lost);
            });
            ended
        })
        .collect();
    for thread in threads {
        let lost: u32 = soon(thread).await.expect("a thread panicked");
        assert!(lost >= EACH / 7, "a seventh is asked to its end");
    }
    soon(bus.drain()).await;
    let status = soon(here.stop()).await;
    assert_eq!(status.state, ServiceState::Stopped, "{status}");
    for Away { arbiter, stop, stopped, .. } in others {
        drop(stop.take());
        assert_eq!(soon(stopped).await.unwrap().state, ServiceState::Stopped);
        arbiter.stop();
        arbiter.join().unwrap();
    }
    assert!(bus.subscriptions().is_empty());
    let given = u64::from(3 * 3 * EACH);
    assert_eq!(handled.load(Ordering::Relaxed) + bus.dead_letters().total(), given, "handled + reported");
}

#[test]
fn threads_that_ask_and_publish_while_services_restart_wait_for_nothing_and_lose_nothing() {
    on_a_system(three_threads(EventBus::builder().capacity(1 << 20).build()));
}

#[test]
fn nor_do_they_with_middleware_around_the_services() {
    on_a_system(three_threads(EventBus::builder().capacity(1 << 20).with(Timeout::new(LONG)).build()));
}

#[test]
fn a_service_whose_arbiter_ends_is_stopped_and_nobody_waits_for_it() {
    on_a_system(async {
        for restarting in [false, true] {
            let bus = EventBus::default();
            let (near, far) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
            let here = Worker::alive(&bus, &near).await.unwrap();
            let Away { arbiter, addr, stop: _stop, .. } = away(&bus, &far).await;
            if restarting {
                soon(bus.emit(Job(3)).into_future()).await;
            }
            let waiting = actix::spawn({
                let (addr, bus) = (addr.clone(), bus.clone());
                async move { (addr.send(Ask(1)).await, bus.emit(Job(1)).await) }
            });
            arbiter.stop();
            arbiter.join().unwrap();
            let _ = soon(waiting).await.unwrap();
            assert_eq!(addr.status().to_string(), "Worker is stopped: its arbiter has ended");
            let stopped = ServiceError::Stopped { service: "Worker".to_owned() };
            assert_eq!(soon(addr.send(Ask(1))).await, Err(stopped), "restarting {restarting}");
            assert!(soon(bus.emit(Job(1)).into_future()).await.is_ok());
            assert!(soon(here.send(Ask(1))).await.is_ok(), "its neighbor is unharmed");
            assert_eq!(soon(here.stop()).await.state, ServiceState::Stopped);
            assert!(bus.subscriptions().is_empty());
        }
    });
}

#[test]
fn a_system_that_ends_with_services_aborts_nothing() {
    in_a_process_of_its_own("services::threads::a_system_that_ends_with_services_aborts_nothing", || {
        for away in [false, true] {
            let bus = EventBus::default();
            let handled = Arc::new(AtomicU64::new(0));
            let addr = on_a_system(async {
                let worker = Worker::alive(&bus, &handled).backoff(Backoff::exponential(LONG)).await.unwrap();
                if away {
                    assert!(!bus.emit(Job(3)).await.is_ok());
                }
                worker.forever()
            });
            assert_eq!(addr.status().to_string(), "Worker is stopped: its arbiter has ended");
            assert!(bus.subscriptions().is_empty());
            bus.publish(Job(1)).unwrap();
            assert!(addr.try_send(Ask(1)).is_err());
        }
    });
}
