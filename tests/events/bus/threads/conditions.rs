//! A listener on another arbiter that does not want every event: what it does not want is never refused by it.

use convoke::{Overflow, PublishError};
use tokio::sync::Semaphore;

use super::*;

/// Waits until this is so.
async fn until(is_so: impl Fn() -> bool) {
    promptly("who waits for this", async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A listener of `arbiter` that wants even numbers, has room for two, and needs a permit of `gate` for each.
async fn narrow(arbiter: &Arbiter, bus: &EventBus, heard: &Log<u64>, gate: &Arc<Semaphore>) -> Subscription {
    let (to, notes, gate) = (bus.clone(), heard.clone(), gate.clone());
    let listener = async move |tick: Arc<Tick>| {
        notes.add(tick.number);
        gate.acquire().await.unwrap().forget();
    };
    let is_even = |tick: &Tick| tick.number.is_multiple_of(2);
    on(arbiter, async move || to.on(listener.named("even").when(is_even).capacity(2)).unwrap()).await
}

#[test]
fn a_full_listener_elsewhere_refuses_only_what_it_wants() {
    system(async {
        let (arbiter, bus) = (Arbiter::new(), EventBus::default());
        let (heard, gate) = (Log::new(), Arc::new(Semaphore::new(0)));
        let narrow = narrow(&arbiter, &bus, &heard, &gate).await;
        bus.publish(tick(0)).unwrap();
        until(|| heard.len() == 1).await;
        for waiting in 1..=2 {
            bus.publish(tick(2 * waiting)).unwrap();
            until(|| narrow.info().waiting as u64 == waiting).await;
        }
        for number in [1, 3, 5, 7, 9] {
            assert!(bus.publish(tick(number)).is_ok(), "it does not want {number}");
        }
        // What it wants is asked there too, and is a dead letter.
        assert!(bus.publish(tick(6)).is_ok());
        until(|| bus.dead_letters().total() > 0).await;
        gate.add_permits(9);
        bus.drain().await;
        assert_eq!(heard.take(), [0, 2, 4]);
        let letters = bus.dead_letters().list();
        let of: Vec<_> = letters.iter().map(|letter| letter.downcast::<Tick>().unwrap().number).collect();
        assert_eq!((of, &letters[0].reason), (vec![6], &Reason::Overflow(Overflow::Refuse)));
        assert_eq!((narrow.info().waiting, narrow.info().dropped), (0, 1));
        drop(narrow);
        stop(arbiter);
    });
}

#[test]
fn a_burst_of_what_is_not_wanted_takes_no_place_from_what_is() {
    system(async {
        let (arbiter, bus) = (Arbiter::new(), EventBus::default());
        let (heard, gate) = (Log::new(), Arc::new(Semaphore::new(99)));
        let _narrow = narrow(&arbiter, &bus, &heard, &gate).await;
        for burst in 0..50 {
            for number in 0..100 {
                bus.publish(tick(2 * number + 1)).unwrap();
            }
            bus.publish(tick(2 * burst)).unwrap();
            bus.drain().await;
        }
        assert_eq!(heard.take(), (0..50).map(|burst| 2 * burst).collect::<Vec<_>>());
        assert_eq!(bus.dead_letters().total(), 0);
        stop(arbiter);
    });
}

#[test]
fn a_retained_event_takes_and_leaves_its_place_there() {
    system(async {
        let (arbiter, bus) = (Arbiter::new(), EventBus::default());
        bus.publish_retained("threads/tick", serde_json::json!({"by": 0, "number": 8})).unwrap();
        let (heard, gate) = (Log::new(), Arc::new(Semaphore::new(99)));
        let narrow = narrow(&arbiter, &bus, &heard, &gate).await;
        bus.drain().await;
        assert_eq!((narrow.info().waiting, bus.dead_letters().total()), (0, 0));
        drop(narrow);
        stop(arbiter);
    });
}

#[test]
fn who_refuses_for_all_cannot_be_asked_elsewhere_and_refuses() {
    system(async {
        let (arbiter, bus) = (Arbiter::new(), EventBus::default());
        let to = bus.clone();
        let hangs = async |_: Arc<Tick>| std::future::pending::<()>().await;
        let full = on(&arbiter, async move || {
            let full = hangs.when(|tick: &Tick| tick.number < 2).named("all").capacity(1).all_or_none();
            to.on(full).unwrap()
        });
        let full = full.await;
        bus.publish(tick(0)).unwrap();
        until(|| full.info().waiting == 0).await;
        bus.publish(tick(1)).unwrap();
        assert!(matches!(bus.publish(tick(2)), Err(PublishError::Full { .. })));
        drop(full);
        stop(arbiter);
    });
}
