//! What is shared by listeners of two arbiters.

use super::*;
use tokio::sync::oneshot;

/// Starts a listener on an arbiter of its own, which is stopped when the handle is dropped.
struct Elsewhere(Arbiter);

impl Elsewhere {
    async fn listen(bus: &EventBus, listener: impl Fn(&Ping) -> Result<(), &'static str> + Send + 'static) -> Self {
        let arbiter = Arbiter::new();
        let (told, registered) = oneshot::channel();
        let bus = bus.clone();
        arbiter.spawn_fn(move || {
            bus.on(listener.named("elsewhere")).unwrap().forever();
            told.send(()).unwrap();
        });
        registered.await.unwrap();
        Self(arbiter)
    }

    fn stop(self) {
        self.0.stop();
        self.0.join().unwrap();
    }
}

/// Runs a test in real time, in which nothing waits for time to pass.
fn system(test: impl Future<Output = ()>) {
    on_a_system(async { tokio::time::timeout(MINUTE, test).await.expect("nobody answered") });
}

const MINUTE: Duration = Duration::from_secs(60);

/// Emits from this arbiter and from a plain thread at the same time.
async fn emit_from_both(bus: &EventBus, events: u32) {
    async fn emit(bus: EventBus, events: u32) {
        for number in 0..events {
            drop(bus.emit(Ping(number)).await);
        }
    }
    let (elsewhere, (told, done)) = (bus.clone(), oneshot::channel());
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(emit(elsewhere, events));
        told.send(()).unwrap();
    });
    emit(bus.clone(), events).await;
    done.await.unwrap();
    thread.join().unwrap();
}

fn counting(
    count: &Arc<AtomicU32>,
    answer: Result<(), &'static str>,
) -> impl Fn(&Ping) -> Result<(), &'static str> + Send + use<> {
    let count = count.clone();
    move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        answer
    }
}

#[test]
fn a_rate_limit_that_is_shared_lets_no_more_through_from_two_arbiters_than_from_one() {
    system(async {
        let limit = RateLimit::new(1, HOUR).burst(50).refuse().together();
        let bus = EventBus::builder().with(limit).build();
        let count = Arc::new(AtomicU32::new(0));
        let _here = bus.on(counting(&count, Ok(()))).unwrap();
        let elsewhere = Elsewhere::listen(&bus, counting(&count, Ok(()))).await;
        emit_from_both(&bus, 200).await;
        assert_eq!(count.load(Ordering::Relaxed), 50);
        elsewhere.stop();
    });
}

#[test]
fn a_circuit_opens_for_the_listener_that_fails_and_not_for_the_one_on_another_arbiter() {
    system(async {
        let bus = EventBus::builder().with(CircuitBreaker::new(5).pause(HOUR)).build();
        let (well, ill) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let _here = bus.on(counting(&well, Ok(()))).unwrap();
        let elsewhere = Elsewhere::listen(&bus, counting(&ill, Err("no connection"))).await;
        emit_from_both(&bus, 200).await;
        assert_eq!((well.load(Ordering::Relaxed), ill.load(Ordering::Relaxed)), (400, 5));
        elsewhere.stop();
    });
}

#[test]
fn each_arbiters_listener_hears_once_of_what_comes_twice() {
    system(async {
        let bus = EventBus::builder().with(twice_at_once).with(Deduplicate::new(HOUR)).build();
        let count = Arc::new(AtomicU32::new(0));
        let _here = bus.on(counting(&count, Ok(()))).unwrap();
        let elsewhere = Elsewhere::listen(&bus, counting(&count, Ok(()))).await;
        emit_from_both(&bus, 100).await;
        assert_eq!(count.load(Ordering::Relaxed), 400);
        elsewhere.stop();
    });
}
