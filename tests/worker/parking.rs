//! A worker that parks: what it gives up stays in its place, and what follows with the same key waits behind it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{
    Abilities, BoxFuture, DeadReason, Delivery, Memory, MemoryQueue, Packet, Publisher, Source, TransportError,
};
use convoke::{Permanent, Retry, Services, Worker, WorkerError};

use super::deliveries::{OrderPlaced, dead, emptied, order, order_of, put, retry, settled_in};
use crate::common::{SECOND, sleep};

type Heard = Rc<RefCell<Vec<u64>>>;

fn by_customer(worker: Worker<impl Source>) -> Worker<impl Source> {
    worker
        .ordered_by(|envelope| envelope.payload["customer"].as_u64().filter(|who| *who > 0).map(|who| who.to_string()))
}

/// Hears orders, and fails on those that are in the list.
fn hears(heard: &Heard, fails: &Heard) -> impl Fn(&OrderPlaced) -> Result<(), Permanent> + use<> {
    let (heard, fails) = (heard.clone(), fails.clone());
    move |order: &OrderPlaced| {
        heard.borrow_mut().push(order.id);
        if fails.borrow().contains(&order.id) { Err(Permanent::new("no such book")) } else { Ok(()) }
    }
}

#[convoke::test]
async fn what_it_gives_up_holds_back_its_key_alone_and_comes_first_when_it_is_redriven() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let (heard, fails) = (Heard::default(), Heard::new(RefCell::new(vec![1, 3])));
    let _hears = bus.on(hears(&heard, &fails));
    put(&queue, [order_of(1, 7), order_of(2, 7), order_of(3, 8), order_of(4, 8), order_of(5, 9)]).await;
    let worker = by_customer(Worker::new(queue.clone(), &bus)).park().start().await.unwrap();
    sleep(SECOND).await;
    assert_eq!(std::mem::take(&mut *heard.borrow_mut()), [1, 3, 5]);
    let parking = queue.parking();
    let letters = parking.dead_letters(10).await.unwrap();
    let said: Vec<_> =
        letters.iter().map(|letter| (letter.packet.key.as_deref(), letter.record.reason, letter.parked)).collect();
    assert_eq!(said, [(Some("7"), DeadReason::Permanent, 1), (Some("8"), DeadReason::Permanent, 1)]);
    assert!(dead(&queue).await.is_empty());
    // The server is asked now and then.
    sleep(20 * SECOND).await;
    let health = worker.health();
    assert_eq!((health.healthy, health.dead_in_place, health.parked), (true, 2, 2));
    assert_eq!(
        health.to_string(),
        "memory:orders is working: 0 in flight, 0 here, 2 dead in their places, 2 parked behind them"
    );

    fails.borrow_mut().clear();
    parking.discard(letters[1].position).await.unwrap();
    parking.redrive(letters[0].position).await.unwrap();
    emptied(&queue).await;
    heard.borrow_mut().sort_unstable();
    assert_eq!(*heard.borrow(), [1, 2, 4]);
    let report = worker.drain().await.unwrap();
    assert_eq!((report.done, report.dead, report.in_place), (4, 2, 2));
    assert_eq!(settled_in(&report), report.received);
    assert!(report.to_string().ends_with(", 2 dead, 2 of the dead in their places"), "{report}");
}

#[convoke::test]
async fn without_a_key_it_is_dead_where_it_was_before_and_holds_up_nobody() {
    let (queue, bus, grave) = (Memory::queue("orders"), EventBus::default(), Memory::queue("grave"));
    let (heard, fails) = (Heard::default(), Heard::new(RefCell::new(vec![1, 2])));
    let _hears = bus.on(hears(&heard, &fails));
    // Of the second the server has a key, and the worker says that it has none.
    put(&queue, [order(1), order_of(2, 0), order_of(3, 0)]).await;
    let worker = by_customer(Worker::new(queue.clone(), &bus)).park().dead_letter(grave.clone()).start().await.unwrap();
    emptied(&queue).await;
    assert_eq!(*heard.borrow(), [1, 2, 3]);
    let report = worker.drain().await.unwrap();
    assert_eq!((grave.packets().len(), report.dead, report.in_place), (2, 2, 0));
}

#[convoke::test]
async fn what_is_no_event_and_what_nobody_knows_stay_in_their_places_too() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let mut broken = Packet::new("broken", "{");
    broken.key = Some("7".to_owned());
    put(&queue, [broken, order_of(1, 7), order_of(2, 8), order_of(3, 8)]).await;
    let worker = by_customer(Worker::new(queue.clone(), &bus)).park().start().await.unwrap();
    sleep(SECOND).await;
    let letters = queue.parking().dead_letters(10).await.unwrap();
    let said: Vec<_> = letters.iter().map(|letter| (letter.record.reason, letter.parked)).collect();
    assert_eq!(said, [(DeadReason::Broken, 1), (DeadReason::Unknown, 1)]);
    assert_eq!(worker.drain().await.unwrap().in_place, 2);
}

#[convoke::test]
async fn after_its_last_attempt_it_stays_and_a_redrive_gives_it_all_of_them_again() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let heard = Heard::default();
    let _hears = bus.on({
        let heard = heard.clone();
        move |order: &OrderPlaced| {
            heard.borrow_mut().push(order.id);
            if order.id == 1 && heard.borrow().len() < 6 { Err("no connection") } else { Ok(()) }
        }
    });
    put(&queue, [order_of(1, 7), order_of(2, 7)]).await;
    let worker = by_customer(Worker::new(queue.clone(), &bus)).park().retry(retry(3)).start().await.unwrap();
    sleep(60 * SECOND).await;
    let parking = queue.parking();
    let letter = parking.dead_letters(1).await.unwrap().remove(0);
    assert_eq!((letter.record.reason, letter.record.attempts), (DeadReason::Exhausted, 3));
    assert!(letter.record.errors[0].ends_with("failed: no connection"), "{:?}", letter.record.errors);
    parking.redrive_all().await.unwrap();
    emptied(&queue).await;
    assert_eq!(*heard.borrow(), [1, 1, 1, 1, 1, 1, 2]);
    assert_eq!(worker.drain().await.unwrap().done, 2);
}

#[convoke::test]
async fn while_the_server_is_away_it_is_kept_dead_and_nobody_hears_it_again() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let heard = Heard::default();
    let _hears = bus.on({
        let (heard, queue) = (heard.clone(), queue.clone());
        move |order: &OrderPlaced| {
            heard.borrow_mut().push(order.id);
            queue.set_reachable(order.id != 1);
            Err::<(), _>(Permanent::new("no such book"))
        }
    });
    put(&queue, [order_of(1, 7), order_of(2, 7)]).await;
    let worker = by_customer(Worker::new(queue.clone(), &bus)).park().start().await.unwrap();
    sleep(60 * SECOND).await;
    queue.set_reachable(true);
    sleep(90 * SECOND).await;
    let letters = queue.parking().dead_letters(10).await.unwrap();
    assert_eq!((letters.len(), letters[0].parked), (1, 1));
    assert_eq!(*heard.borrow(), [1]);
    let report = worker.drain().await.unwrap();
    assert_eq!((report.dead, report.in_place, report.kept), (1, 1, 1));
}

#[convoke::test]
async fn who_cannot_park_says_so_when_it_is_set_up() {
    let bus = EventBus::default();
    let refused = |error: WorkerError| error.to_string();
    let queue = Memory::queue("orders");
    let unordered = Worker::new(queue.clone(), &bus).park().start().await.unwrap_err();
    assert_eq!(refused(unordered), "memory:orders: `park` needs to know what has the same key: give `ordered_by` too");
    let mut abilities = Publisher::abilities(&queue);
    abilities.park = false;
    let unable = queue.with_abilities(abilities);
    let unable = by_customer(Worker::new(unable, &bus)).park().start().await.unwrap_err();
    assert_eq!(
        refused(unable),
        "memory:orders: it cannot park what follows a dead letter with the same key: take another server, or do without"
    );
    let boasts = by_customer(Worker::new(Boasts(Memory::queue("orders")), &bus)).park();
    let services = Services::new(&bus).add(boasts).await.unwrap_err().to_string();
    assert!(services.contains("it says that it parks, and has no `parking`"), "{services}");
}

/// Says that it parks, and keeps to itself where.
struct Boasts(MemoryQueue);

impl Source for Boasts {
    fn name(&self) -> &str {
        Source::name(&self.0)
    }

    fn abilities(&self) -> Abilities {
        Source::abilities(&self.0)
    }

    fn open(&mut self, prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>> {
        self.0.open(prefetch)
    }

    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<Delivery>, TransportError>> {
        self.0.receive(most)
    }
}

#[convoke::test]
async fn a_key_is_parked_for_a_worker_too_that_does_not_park() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let (heard, fails) = (Heard::default(), Heard::new(RefCell::new(vec![1])));
    let _hears = bus.on(hears(&heard, &fails));
    put(&queue, [order_of(1, 7), order_of(2, 7)]).await;
    let parks = by_customer(Worker::new(queue.clone(), &bus)).park().start().await.unwrap();
    sleep(SECOND).await;
    parks.drain().await.unwrap();
    let worker = Worker::new(queue.clone(), &bus).retry(Retry::never()).start().await.unwrap();
    put(&queue, [order_of(3, 7), order_of(4, 8)]).await;
    sleep(100 * SECOND).await;
    assert_eq!(*heard.borrow(), [1, 4]);
    // There it is dead as ever.
    queue.parking().redrive_all().await.unwrap();
    emptied(&queue).await;
    assert_eq!(*heard.borrow(), [1, 4, 1, 2, 3]);
    assert_eq!(dead(&queue).await.len(), 1);
    worker.drain().await.unwrap();
}

/// One worker cannot park what it has judged, another one parks it, it is redriven and tried: nobody has judged that.
#[convoke::test]
async fn what_is_redriven_is_heard_by_whoever_remembers_how_it_ended_before() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let (heard, fails) = (Heard::default(), Heard::new(RefCell::new(vec![1])));
    let _hears = bus.on({
        let (hears, queue, heard) = (hears(&heard, &fails), queue.clone(), heard.clone());
        move |order: &OrderPlaced| {
            queue.set_reachable(!heard.borrow().is_empty());
            hears(order)
        }
    });
    put(&queue, [order_of(1, 7), order_of(2, 7)]).await;
    let remembers = by_customer(Worker::new(queue.clone(), &bus)).park().start().await.unwrap();
    while remembers.report().kept == 0 {
        sleep(SECOND).await;
    }
    remembers.pause().await.unwrap();
    let mut other = queue.clone();
    queue.set_reachable(true);
    other.open(1).await.unwrap();
    let lent = loop {
        if let Some(lent) = other.receive(1).await.unwrap().pop() {
            break lent;
        }
    };
    lent.park(DeadReason::Permanent, Vec::new()).await.unwrap();
    fails.borrow_mut().clear();
    queue.parking().redrive_all().await.unwrap();
    // Its attempts are soon as many as when it was judged, and more.
    for attempt in 1..=3 {
        let lent = other.receive(1).await.unwrap().remove(0);
        assert_eq!(lent.attempt(), attempt);
        lent.retry_after(Duration::ZERO).await.unwrap();
    }
    other.close().await.unwrap();
    remembers.resume().await.unwrap();
    sleep(120 * SECOND).await;
    assert_eq!(*heard.borrow(), [1, 1, 2]);
    assert_eq!(queue.parking().figures().await.unwrap().dead, 0);
    remembers.drain().await.unwrap();
}
