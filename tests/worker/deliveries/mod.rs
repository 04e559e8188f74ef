//! The worker over a queue in memory: how each delivery ends, and how the worker does.

/// Dead letters: where they go, and what becomes of those that go nowhere.
mod letters;
/// Its concurrency, its order, its pace, its pauses and its end.
mod running;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{
    Abilities, Attribute, BoxFuture, DeadLetterRecord, DeadReason, ErrorKind, Memory, MemoryQueue, Packet, Publisher,
    TransportError, redrive,
};
use convoke::{Envelope, Failure, Inbox, MemoryInbox, OnUnknown, Permanent, Retry, Worker, WorkerError, WorkerReport};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::common::{Notes, SECOND, ms, settled, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/placed", entity_id = customer)]
pub(crate) struct OrderPlaced {
    pub(crate) id: u64,
    pub(crate) customer: u64,
}

/// An order that no other waits for.
pub(crate) fn order(id: u64) -> Packet {
    let mut packet = order_of(id, 0);
    packet.key = None;
    packet
}

/// One that comes after those of the same customer.
pub(crate) fn order_of(id: u64, customer: u64) -> Packet {
    let mut metadata = Metadata::of::<OrderPlaced>();
    metadata.entity_id = Some(customer.to_string().into());
    let payload = serde_json::json!({"id": id, "customer": customer});
    use convoke::codec::Codec;
    let mut packet = convoke::codec::Wire.write(&Envelope::new(metadata, payload));
    packet.key = Some(customer.to_string());
    packet
}

pub(crate) async fn put(queue: &MemoryQueue, packets: impl IntoIterator<Item = Packet>) {
    let packets: Vec<_> = packets.into_iter().collect();
    for taken in queue.publish(&packets).await {
        taken.unwrap();
    }
}

/// No chance in the waits that the tests can see: the part of a wait is random, its limit is not.
pub(crate) fn retry(attempts: u32) -> Retry {
    Retry::exponential(SECOND).attempts(attempts)
}

fn worker(queue: &MemoryQueue, bus: &EventBus) -> Worker<MemoryQueue> {
    Worker::new(queue.clone(), bus)
}

/// Waits until nothing waits, is lent or is held back.
pub(crate) async fn emptied(queue: &MemoryQueue) {
    while queue.waiting() + queue.lent() > 0 {
        sleep(ms(10)).await;
    }
}

pub(crate) async fn dead(queue: &MemoryQueue) -> Vec<(DeadLetterRecord, Packet)> {
    let letters = queue.dead_letters().packets();
    letters.into_iter().map(|packet| (DeadLetterRecord::of(&packet).unwrap(), packet)).collect()
}

pub(crate) fn settled_in(report: &WorkerReport) -> u64 {
    report.done + report.duplicates + report.ignored + report.retried + report.dead + report.released + report.lost
}

#[convoke::test]
async fn what_is_published_here_is_heard_there_with_its_metadata() {
    let queue = Memory::queue("orders");
    let here = EventBus::builder().publisher("Shop").build();
    let there = EventBus::builder().publisher("Billing").build();
    let _out = convoke::Route::new("Shop/*", queue.clone()).open(&here).unwrap();
    let emitted = Rc::new(RefCell::new(None));
    let heard = Rc::new(RefCell::new(None));
    let _sees = here.on({
        let emitted = emitted.clone();
        async move |_: Arc<OrderPlaced>, metadata: Metadata| drop(emitted.replace(Some(metadata)))
    });
    let _hears = there.on({
        let heard = heard.clone();
        async move |order: Arc<OrderPlaced>, metadata: Metadata| drop(heard.replace(Some((order.id, metadata))))
    });
    here.emit(OrderPlaced { id: 7, customer: 3 }).await.ok().unwrap();

    let worker = worker(&queue, &there).start().await.unwrap();
    emptied(&queue).await;
    let report = worker.drain().await.unwrap();
    let (id, metadata) = heard.take().unwrap();
    assert_eq!((id, Some(&metadata)), (7, emitted.borrow().as_ref()));
    assert_eq!((&*metadata.publisher, metadata.entity_id.as_deref()), ("Shop", Some("3")));
    assert_eq!((report.received, report.done, report.drained), (1, 1, true));
    assert_eq!(report.to_string(), "memory:orders: 1 received, 1 done, 0 to be tried again, 0 dead");
}

#[convoke::test]
async fn what_has_come_in_does_not_go_out_again() {
    let queue = Memory::queue("orders");
    let bus = EventBus::builder().publisher("Shop").build();
    let _out = convoke::Route::new("**", queue.clone()).open(&bus).unwrap();
    let count = Rc::new(Cell::new(0));
    let _count = bus.on({
        let count = count.clone();
        move |_: &OrderPlaced| count.set(count.get() + 1)
    });
    let worker = worker(&queue, &bus).start().await.unwrap();
    bus.emit(OrderPlaced { id: 7, customer: 3 }).await.ok().unwrap();
    emptied(&queue).await;
    sleep(60 * SECOND).await;
    assert_eq!((count.get(), queue.published()), (2, 1), "here, and once by way of the queue");
    drop(worker);
}

#[convoke::test]
async fn what_fails_comes_again_until_it_is_done() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let times = Rc::new(RefCell::new(Vec::new()));
    let began = Instant::now();
    let _fails = bus.on({
        let times = times.clone();
        move |_: &OrderPlaced| {
            times.borrow_mut().push(began.elapsed());
            if times.borrow().len() < 4 { Err("not yet") } else { Ok(()) }
        }
    });
    put(&queue, [order(1)]).await;
    let worker = worker(&queue, &bus).retry(retry(5)).start().await.unwrap();
    emptied(&queue).await;
    let report = worker.drain().await.unwrap();
    assert_eq!((report.received, report.done, report.retried, report.dead), (4, 1, 3, 0));
    let times = times.take();
    for (attempt, pair) in (1..).zip(times.windows(2)) {
        let waited = pair[1] - pair[0];
        assert!(waited <= retry(5).limit(attempt) + ms(1), "after attempt {attempt} it waited {waited:?}");
    }
    assert!(*times.last().unwrap() > Duration::ZERO, "chance took every wait");
    assert!(dead(&queue).await.is_empty());
}

#[convoke::test]
async fn an_error_for_good_is_not_tried_again_unless_another_may_pass() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _good = bus.on((|_: &OrderPlaced| Err::<(), _>(Permanent::new("never"))).named("never"));
    let calls = Rc::new(Cell::new(0));
    let later = bus
        .on({
            let calls = calls.clone();
            (move |_: &OrderPlaced| {
                calls.set(calls.get() + 1);
                Err::<(), _>("later")
            })
            .named("later")
        })
        .unwrap();
    put(&queue, [order(1)]).await;
    let worker = worker(&queue, &bus).retry(retry(3)).start().await.unwrap();
    emptied(&queue).await;
    assert_eq!(calls.get(), 3);
    drop(later);
    put(&queue, [order(2)]).await;
    emptied(&queue).await;
    let letters = dead(&queue).await;
    let told: Vec<_> = letters.iter().map(|(record, _)| (record.reason, record.attempts)).collect();
    assert_eq!(told, [(DeadReason::Exhausted, 3), (DeadReason::Permanent, 1)]);
    drop(worker);
}

#[convoke::test]
async fn what_a_listener_cannot_read_is_dead_at_once() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _typed = bus.on((|_: &OrderPlaced| ()).named("typed"));
    let body = br#"{"metadata": {"eventName": "OrderPlaced"}, "payload": {"id": "secret"}}"#;
    put(&queue, [Packet::new("1", *body)]).await;
    let worker = worker(&queue, &bus).start().await.unwrap();
    emptied(&queue).await;
    let letters = dead(&queue).await;
    assert_eq!((letters[0].0.reason, letters[0].0.attempts), (DeadReason::Permanent, 1));
    assert!(letters[0].0.errors[0].starts_with("`typed` could not be told"), "{:?}", letters[0].0.errors);
    drop(worker);
}

#[convoke::test]
async fn what_is_no_event_is_dead_and_not_quoted() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _all = bus.on_topic("**", |_: &JsonEvent| ());
    put(&queue, [Packet::new("1", *b"secret"), Packet::new("2", [0xff]), Packet::new("3", [])]).await;
    let deep = format!(r#"{{"metadata": {{}}, "payload": {}0{}}}"#, "[".repeat(100), "]".repeat(100));
    put(&queue, [Packet::new("4", deep), Packet::new("5", vec![b' '; 1 << 21])]).await;
    let worker = worker(&queue, &bus).start().await.unwrap();
    emptied(&queue).await;
    let letters = dead(&queue).await;
    assert_eq!(letters.len(), 5);
    for (record, _) in &letters {
        assert_eq!((record.reason, record.attempts), (DeadReason::Broken, 1));
        assert!(!record.errors[0].contains("secret"), "{:?}", record.errors);
    }
    assert_eq!(worker.drain().await.unwrap().dead, 5);
}

#[convoke::test]
async fn an_event_that_nobody_knows_ends_as_told() {
    for (policy, dead_letters, ignored, retried) in
        [(OnUnknown::DeadLetter, 1, 0, 0), (OnUnknown::Ignore, 0, 1, 0), (OnUnknown::Retry, 1, 0, 2)]
    {
        let (queue, bus) = (Memory::queue("orders"), EventBus::default());
        let _never = bus.on((|_: &OrderPlaced| ()).when(|_| false));
        put(&queue, [order(1)]).await;
        let worker = worker(&queue, &bus).retry(retry(3)).on_unknown(policy).start().await.unwrap();
        emptied(&queue).await;
        let report = worker.drain().await.unwrap();
        assert_eq!((report.dead, report.ignored, report.retried), (dead_letters, ignored, retried), "{policy:?}");
        if policy == OnUnknown::DeadLetter {
            let (record, _) = &dead(&queue).await[0];
            assert_eq!(record.reason, DeadReason::Unknown);
            assert_eq!(record.errors, ["nobody listens to OrderPlaced"]);
        }
    }
}

#[convoke::test]
async fn a_foreign_event_without_topic_is_known_by_its_name() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let heard = Notes::new();
    let _typed = bus.on({
        let heard = heard.clone();
        move |order: &OrderPlaced| heard.add(order.id)
    });
    let body = br#"{"metadata": {"eventName": "OrderPlaced"}, "payload": {"id": 7, "customer": 1}}"#;
    put(&queue, [Packet::new("1", *body)]).await;
    let worker = worker(&queue, &bus).start().await.unwrap();
    emptied(&queue).await;
    assert_eq!(heard.take(), [7]);
    drop(worker);
}
