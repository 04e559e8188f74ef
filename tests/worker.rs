//! The worker over a queue in memory: how each delivery ends, and how the worker does.

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

use super::common::{Notes, SECOND, ms, settled, sleep};

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
async fn after_its_last_attempt_it_is_a_dead_letter_that_can_be_redriven() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let works = Rc::new(Cell::new(false));
    let _mail = bus.on({
        let works = works.clone();
        (move |_: &OrderPlaced| if works.get() { Ok(()) } else { Err("no connection") }).named("mail")
    });
    let mut packet = order(1);
    packet.attributes.insert("country", "Österreich");
    packet.attributes.insert("sizes", Attribute::List(vec![1.into(), "ä".into()]));
    packet.priority = 3;
    put(&queue, [packet.clone()]).await;
    let worker = worker(&queue, &bus).retry(retry(3)).start().await.unwrap();
    emptied(&queue).await;
    let letters = dead(&queue).await;
    let [(record, letter)] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!((record.reason, record.attempts, &*record.source), (DeadReason::Exhausted, 3, "memory:orders"));
    assert_eq!(record.errors, ["`mail` failed: no connection"]);
    assert_eq!(letter.body, packet.body);
    assert_eq!(DeadLetterRecord::revive(letter.clone()), packet);

    works.set(true);
    let redriven = redrive(&mut queue.dead_letters(), &queue, 10).await.unwrap();
    assert_eq!((redriven.moved, redriven.kept), (1, 0));
    emptied(&queue).await;
    let report = worker.drain().await.unwrap();
    assert_eq!((report.done, report.dead), (1, 1));
    assert!(dead(&queue).await.is_empty());
}

#[convoke::test]
async fn dead_letters_go_where_they_are_told_to() {
    let (queue, bus, grave) = (Memory::queue("orders"), EventBus::default(), Memory::queue("grave"));
    let _fails = bus.on(|_: &OrderPlaced| Err::<(), _>(Permanent::new("no such customer")));
    put(&queue, [order(1)]).await;
    grave.set_reachable(false);
    let worker = worker(&queue, &bus).dead_letter(grave.clone()).start().await.unwrap();
    sleep(10 * SECOND).await;
    assert_eq!((queue.waiting() + queue.lent(), grave.packets().len()), (1, 0), "it stays until it can be buried");
    grave.set_reachable(true);
    emptied(&queue).await;
    assert_eq!(worker.drain().await.unwrap().dead, 1);
    let record = DeadLetterRecord::of(&grave.packets()[0]).unwrap();
    assert_eq!(record.reason, DeadReason::Permanent);
    assert!(record.errors[0].ends_with("failed for good: no such customer"), "{:?}", record.errors);
    assert!(dead(&queue).await.is_empty());
}

#[convoke::test]
async fn letters_that_are_refused_for_good_keep_nobody_behind_them_from_being_redriven() {
    let dead = Memory::queue("dead");
    let small = Memory::queue("orders");
    let mut abilities = Publisher::abilities(&small);
    abilities.max_bytes = 1_000;
    let small = small.with_abilities(abilities);
    put(&dead, (0..12).map(|id| Packet::new(format!("large {id}"), vec![b'x'; 5_000]))).await;
    put(&dead, (0..100).map(order)).await;
    let redriven = redrive(&mut dead.clone(), &small, 1_000).await.unwrap();
    assert_eq!((redriven.moved, redriven.kept), (100, 12));
    settled().await;
    assert_eq!((small.waiting(), dead.waiting(), dead.lent()), (100, 12, 0));
    // One that is away is not asked again and again.
    put(&dead, (0..100).map(order)).await;
    small.set_reachable(false);
    let redriven = redrive(&mut dead.clone(), &small, 1_000).await.unwrap();
    assert_eq!((redriven.moved, redriven.kept), (0, 10));
    settled().await;
    assert_eq!((dead.waiting(), dead.lent()), (112, 0));
}

#[convoke::test]
async fn what_could_not_be_buried_is_buried_later_and_not_heard_again() {
    let (queue, dead, bus) = (Memory::queue("orders"), Memory::queue("elsewhere"), EventBus::default());
    let heard = Notes::new();
    let _mail = bus.on({
        let heard = heard.clone();
        let mail = move |order: &OrderPlaced| {
            heard.add(order.id);
            if order.id == 1 {
                Err(Failure::from(Permanent::new("no such customer")))
            } else {
                Err(Failure::new("no line"))
            }
        };
        mail.named("mail")
    });
    dead.set_reachable(false);
    put(&queue, [order(1), order(2)]).await;
    let worker = worker(&queue, &bus).retry(retry(2)).dead_letter(dead.clone()).start().await.unwrap();
    sleep(60 * SECOND).await;
    dead.set_reachable(true);
    emptied(&queue).await;
    let mut all = heard.take();
    all.sort_unstable();
    assert_eq!(all, [1, 2, 2]);
    let record = |packet: &Packet| DeadLetterRecord::of(packet).unwrap();
    let mut records: Vec<_> = dead.packets().iter().map(record).map(|record| (record.reason, record.errors)).collect();
    records.sort_by_key(|(reason, _)| *reason == DeadReason::Exhausted);
    let errors = |text: &str| vec![text.to_owned()];
    let permanent = (DeadReason::Permanent, errors("`mail` failed for good: no such customer"));
    assert_eq!(records, [permanent, (DeadReason::Exhausted, errors("`mail` failed: no line"))]);
    drop(worker);
}

/// Panics whenever it is asked.
struct Panics;

impl Inbox for Panics {
    fn seen<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        panic!("seen")
    }

    fn mark<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        panic!("mark")
    }
}

impl Publisher for Panics {
    fn name(&self) -> &str {
        "panics"
    }

    fn abilities(&self) -> Abilities {
        Abilities::default()
    }

    fn publish<'a>(&'a self, _: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        Box::pin(async { panic!("publish") })
    }
}

#[convoke::test]
async fn an_inbox_or_a_publisher_that_panics_costs_an_attempt_and_nothing_else() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _done = bus.on(|_: &OrderPlaced| ());
    put(&queue, [order(1)]).await;
    let asking = worker(&queue, &bus).deduplicate(Panics).retry(retry(3)).start().await.unwrap();
    emptied(&queue).await;
    let (record, _) = &dead(&queue).await[0];
    assert_eq!(record.errors, ["the inbox could not be asked: inbox: panicked: seen"]);
    assert_eq!(asking.drain().await.unwrap().dead, 1);

    put(&queue, [Packet::new("2", "no event")]).await;
    let burying = worker(&queue, &bus).dead_letter(Panics).start().await.unwrap();
    sleep(60 * SECOND).await;
    let report = burying.drain().await.unwrap();
    // Once, however often it was tried: it is held meanwhile.
    assert_eq!((report.received, report.lost, report.kept), (1, 1, 1), "{report}");
    assert_eq!(queue.waiting(), 1);
}

#[convoke::test]
async fn a_server_that_deduplicates_loses_no_letter() {
    let window = 300 * SECOND;
    let queue = Memory::queue("orders").deduplicate(window);
    let grave = Memory::queue("grave").deduplicate(window);
    let bus = EventBus::default();
    let calls = Rc::new(Cell::new(0));
    let _never = bus.on({
        let calls = calls.clone();
        move |_: &OrderPlaced| {
            calls.set(calls.get() + 1);
            Err::<(), _>(Permanent::new("never"))
        }
    });
    put(&queue, [order(1)]).await;
    let worker = worker(&queue, &bus).dead_letter(grave.clone()).start().await.unwrap();
    for times in 1..=3 {
        emptied(&queue).await;
        assert_eq!((calls.get(), grave.packets().len()), (times, 1), "within the window of both");
        assert_eq!(redrive(&mut grave.clone(), &queue, 1).await.unwrap().moved, 1);
    }
    emptied(&queue).await;
    drop(worker);
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

#[convoke::test]
async fn no_more_are_heard_at_once_than_it_may_and_no_more_are_fetched() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let (now, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let _slow = bus.on({
        let (now, most) = (now.clone(), most.clone());
        async move |_: Arc<OrderPlaced>| {
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            sleep(SECOND).await;
            now.set(now.get() - 1);
        }
    });
    put(&queue, (0..40).map(order)).await;
    let worker = worker(&queue, &bus).concurrency(4).prefetch(3).start().await.unwrap();
    settled().await;
    assert_eq!((now.get(), queue.lent(), worker.health().in_flight, worker.health().here), (4, 7, 4, 7));
    let began = Instant::now();
    emptied(&queue).await;
    assert_eq!(most.get(), 4);
    assert!(began.elapsed() < 11 * SECOND, "four at a time take ten seconds: {:?}", began.elapsed());
    drop(worker);
}

#[convoke::test]
async fn a_key_is_heard_in_order_whatever_fails() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let heard: Rc<RefCell<BTreeMap<u64, Vec<u64>>>> = Rc::default();
    let failures = Rc::new(Cell::new(0_u64));
    let _fails = bus.on({
        let (heard, failures) = (heard.clone(), failures.clone());
        async move |order: Arc<OrderPlaced>| {
            sleep(ms(10 * (order.id % 3))).await;
            failures.set(failures.get() + 1);
            if failures.get() % 4 == 0 {
                return Err("every fourth");
            }
            heard.borrow_mut().entry(order.customer).or_default().push(order.id);
            Ok(())
        }
    });
    put(&queue, (0..90).map(|id| order_of(id, id % 3))).await;
    let by_customer = |envelope: &Envelope| envelope.metadata.entity_id.as_deref().map(str::to_owned);
    let worker = worker(&queue, &bus).retry(retry(50)).ordered_by(by_customer).start().await.unwrap();
    emptied(&queue).await;
    let report = worker.drain().await.unwrap();
    for (customer, ids) in heard.borrow().iter() {
        let wanted: Vec<_> = (0..90).filter(|id| id % 3 == *customer).collect();
        assert_eq!(ids, &wanted);
    }
    assert_eq!((report.done, settled_in(&report)), (90, report.received));
    assert!(report.retried > 20);
}

#[convoke::test]
async fn a_lease_is_extended_for_as_long_as_it_takes() {
    let (queue, bus) = (Memory::queue("orders").lease(30 * SECOND), EventBus::default());
    let calls = Rc::new(Cell::new(0));
    let _slow = bus.on({
        let calls = calls.clone();
        (async move |_: Arc<OrderPlaced>| {
            calls.set(calls.get() + 1);
            sleep(300 * SECOND).await;
        })
        .timeout(600 * SECOND)
    });
    // The second waits its turn for five minutes, and is extended meanwhile too.
    put(&queue, [order(1), order(2)]).await;
    let worker = worker(&queue, &bus).concurrency(1).prefetch(1).start().await.unwrap();
    emptied(&queue).await;
    assert_eq!(calls.get(), 2);
    assert_eq!(worker.drain().await.unwrap().done, 2);
}

#[convoke::test]
async fn paused_it_takes_nothing_and_goes_on_where_it_was() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _done = bus.on(|_: &OrderPlaced| ());
    let worker = worker(&queue, &bus).start().await.unwrap();
    worker.pause().await.unwrap();
    settled().await;
    put(&queue, (0..5).map(order)).await;
    sleep(3_600 * SECOND).await;
    let health = worker.health();
    assert_eq!((queue.waiting(), health.paused, health.healthy), (5, true, true), "{health}");
    worker.resume().await.unwrap();
    emptied(&queue).await;
    // What is said last counts, whoever waits for whom.
    let (paused, resumed) = tokio::join!(worker.pause(), worker.resume());
    paused.and(resumed).unwrap();
    assert!(!worker.health().paused);
    assert_eq!(worker.drain().await.unwrap().done, 5);
}

#[convoke::test]
async fn a_drain_finishes_what_is_heard_and_gives_back_the_rest() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _slow = bus.on(async |_: Arc<OrderPlaced>| sleep(5 * SECOND).await);
    put(&queue, (0..10).map(order)).await;
    let worker = worker(&queue, &bus).concurrency(2).prefetch(4).start().await.unwrap();
    sleep(SECOND).await;
    let report = worker.drain().await.unwrap();
    assert_eq!((report.done, report.released, report.drained), (2, 4, true));
    assert_eq!((report.took.as_secs(), queue.waiting(), queue.lent()), (4, 8, 0));
}

#[convoke::test]
async fn beyond_its_time_a_drain_gives_back_what_hangs() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _hangs = bus.on((async |_: Arc<OrderPlaced>| sleep(3_600 * SECOND).await).timeout(7_200 * SECOND));
    put(&queue, [order(1)]).await;
    let worker = worker(&queue, &bus).drain_timeout(10 * SECOND).start().await.unwrap();
    sleep(SECOND).await;
    let report = worker.drain().await.unwrap();
    assert_eq!(
        (report.released, report.drained, report.took.as_secs()),
        (1, false, 8),
        "what is left is for the goodbye"
    );
    assert_eq!((queue.waiting(), queue.lent()), (1, 0));
    assert!(report.to_string().ends_with("0 dead, 1 given back; not all was finished in time"), "{report}");
}

#[convoke::test]
async fn who_drops_the_handle_ends_the_worker() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _done = bus.on(|_: &OrderPlaced| ());
    let worker = worker(&queue, &bus).start().await.unwrap();
    let probe = worker.probe();
    drop(worker);
    sleep(SECOND).await;
    assert!(probe().ended && !probe().healthy);
    assert_eq!(probe().to_string(), "memory:orders has ended: 0 in flight, 0 here");
    put(&queue, [order(1)]).await;
    sleep(60 * SECOND).await;
    assert_eq!(queue.waiting(), 1);
}

#[convoke::test]
async fn listeners_that_take_too_long_are_tried_again() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let calls = Rc::new(Cell::new(0));
    let _slow = bus.on({
        let calls = calls.clone();
        async move |_: Arc<OrderPlaced>| {
            calls.set(calls.get() + 1);
            if calls.get() == 1 {
                sleep(20 * SECOND).await;
            }
        }
    });
    put(&queue, [order(1)]).await;
    let worker = worker(&queue, &bus).timeout(2 * SECOND).retry(retry(3)).start().await.unwrap();
    emptied(&queue).await;
    let report = worker.drain().await.unwrap();
    assert_eq!((calls.get(), report.done, report.retried), (2, 1, 1));
    sleep(30 * SECOND).await;
}

#[convoke::test]
async fn no_more_begin_in_a_second_than_may() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let began = Instant::now();
    let times = Notes::new();
    let _done = bus.on({
        let times = times.clone();
        move |_: &OrderPlaced| times.add(began.elapsed().as_millis())
    });
    put(&queue, (0..5).map(order)).await;
    let worker = worker(&queue, &bus).rate_limit(10, SECOND).start().await.unwrap();
    emptied(&queue).await;
    assert_eq!(times.take(), [0, 100, 200, 300, 400]);
    assert_eq!(worker.drain().await.unwrap().done, 5);

    put(&queue, (0..5).map(order)).await;
    let worker = self::worker(&queue, &bus).rate_limit(1, Duration::MAX).start().await.unwrap();
    sleep(1_000 * SECOND).await;
    assert_eq!(worker.drain().await.unwrap().done, 1);
}

#[convoke::test]
async fn a_drain_does_not_wait_for_the_pace() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _done = bus.on(|_: &OrderPlaced| ());
    put(&queue, (0..5).map(order)).await;
    let worker = worker(&queue, &bus).rate_limit(1, 3_600 * SECOND).start().await.unwrap();
    sleep(SECOND).await;
    let report = worker.drain().await.unwrap();
    assert_eq!((report.done, report.released, report.took), (1, 4, Duration::ZERO));
}

#[convoke::test]
async fn a_server_that_was_lost_is_found_again() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _done = bus.on(|_: &OrderPlaced| ());
    let worker = worker(&queue, &bus).start().await.unwrap();
    put(&queue, (0..5).map(order)).await;
    emptied(&queue).await;
    queue.set_reachable(false);
    sleep(120 * SECOND).await;
    let health = worker.health();
    assert_eq!((health.connected, health.healthy), (false, false), "{health}");
    queue.set_reachable(true);
    sleep(60 * SECOND).await;
    put(&queue, (5..10).map(order)).await;
    emptied(&queue).await;
    let health = worker.health();
    assert_eq!((health.connected, health.healthy), (true, true), "{health}");
    assert_eq!(worker.drain().await.unwrap().done, 10);
}

#[convoke::test]
async fn health_is_progress_and_not_being_there() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _hangs = bus.on((async |_: Arc<OrderPlaced>| sleep(200 * SECOND).await).timeout(3_600 * SECOND));
    let worker = worker(&queue, &bus).concurrency(1).prefetch(0).progress_within(60 * SECOND).start().await.unwrap();
    sleep(3_600 * SECOND).await;
    assert!(worker.health().healthy, "an empty queue is no fault: {}", worker.health());
    put(&queue, [order(1)]).await;
    sleep(90 * SECOND).await;
    assert!(!worker.health().healthy, "{}", worker.health());
    assert_eq!(worker.health().to_string(), "memory:orders makes no progress: 1 in flight, 1 here");
    sleep(120 * SECOND).await;
    assert!(worker.health().healthy, "{}", worker.health());
    drop(worker);
}

#[convoke::test]
async fn a_listener_that_panics_costs_an_attempt_and_nothing_else() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _panics = bus.on((|order: &OrderPlaced| assert!(order.id != 3, "as told")).named("panics"));
    put(&queue, (0..6).map(order)).await;
    let worker = worker(&queue, &bus).retry(retry(2)).ordered_by(|_| panic!("as told")).start().await.unwrap();
    emptied(&queue).await;
    let report = worker.drain().await.unwrap();
    assert_eq!((report.done, report.retried, report.dead), (5, 1, 1));
    assert_eq!(dead(&queue).await[0].0.errors, ["`panics` panicked: as told"]);
}

#[convoke::test]
async fn what_was_done_is_not_done_again() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let calls = Notes::new();
    let _slow = bus.on({
        let calls = calls.clone();
        async move |order: Arc<OrderPlaced>| {
            sleep(SECOND).await;
            calls.add(order.id);
            // The second fails once, and its copy is the one that does it.
            if order.id == 2 && calls.len() < 3 { Err("not yet") } else { Ok(()) }
        }
    });
    let (first, second) = (order(1), order(2));
    put(&queue, [first.clone(), first.clone(), second.clone(), second]).await;
    let inbox = MemoryInbox::new(60 * SECOND);
    let worker = worker(&queue, &bus).deduplicate(inbox.clone()).start().await.unwrap();
    emptied(&queue).await;
    put(&queue, [first.clone()]).await;
    emptied(&queue).await;
    let mut heard = calls.take();
    heard.sort_unstable();
    assert_eq!(heard, [1, 2, 2]);
    sleep(61 * SECOND).await;
    put(&queue, [first]).await;
    emptied(&queue).await;
    assert_eq!(calls.take(), [1], "the window is over");
    let report = worker.drain().await.unwrap();
    assert_eq!((report.done, report.duplicates, report.retried), (3, 3, 1));
    assert!(report.to_string().ends_with(", 3 done before"), "{report}");
}

#[convoke::test]
async fn what_the_server_cannot_do_is_an_error_at_the_start() {
    let bus = EventBus::default();
    let able = |change: fn(&mut Abilities)| {
        let mut abilities = Publisher::abilities(&Memory::queue("orders"));
        change(&mut abilities);
        Memory::queue("orders").with_abilities(abilities)
    };
    let unsupported = |result: Result<convoke::WorkerHandle, WorkerError>| match result {
        Err(WorkerError::Transport(error)) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            error.to_string()
        }
        other => panic!("{other:?}"),
    };
    let error = Worker::new(able(|a| a.order = false), &bus).ordered_by(|_| None).start().await;
    assert_eq!(
        unsupported(error),
        "memory:orders: it cannot keep the order of a key: take another server, or do without"
    );
    let error = Worker::new(able(|a| a.retry_after = Some(60 * SECOND)), &bus).start().await;
    assert_eq!(
        unsupported(error),
        "memory:orders: it cannot deliver again after 3600s, only after 60s: take another server, or `.longest(60s)` of its `Retry`"
    );
    let error = worker(&Memory::queue("orders"), &bus).timeout(Duration::ZERO).start().await;
    assert!(unsupported(error).contains("a timeout of zero"));
    let error = Worker::new(able(|a| a.dead_letters = false), &bus).start().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "memory:orders has no queue for dead letters: name one with `.dead_letter(…)`, or configure the queue's own"
    );
    let down = Memory::queue("orders");
    down.set_reachable(false);
    let error = Worker::new(down, &bus).start().await.unwrap_err();
    assert!(matches!(&error, WorkerError::Transport(error) if error.kind() == ErrorKind::Unreachable), "{error}");
}

#[test]
fn without_an_arbiter_it_does_not_start() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(Worker::new(Memory::queue("orders"), &EventBus::default()).start()).unwrap_err();
    assert_eq!(error, WorkerError::NoArbiter);
}

/// Under many orders of events: nothing is lost, whatever fails, panics, hangs and is paused.
#[test]
fn whatever_happens_every_event_is_done_or_dead() {
    convoke::testing::run_seeds("worker::whatever_happens_every_event_is_done_or_dead", 200, storm);
}

async fn storm() {
    let (queue, bus) = (Memory::queue("orders").lease(5 * SECOND), EventBus::default());
    let done = Rc::new(RefCell::new(Vec::new()));
    let calls = Rc::new(Cell::new(0_u64));
    let _mixed = bus.on({
        let (done, calls) = (done.clone(), calls.clone());
        (async move |order: Arc<OrderPlaced>| -> Handled {
            calls.set(calls.get() + 1);
            match (order.id + calls.get()) % 7 {
                0 => return Err("fails".into()),
                1 => panic!("as told"),
                2 => sleep(9 * SECOND).await,
                3 => sleep(60 * SECOND).await,
                _ => {}
            }
            done.borrow_mut().push(order.id);
            Ok(())
        })
        .timeout(20 * SECOND)
    });
    put(&queue, (0..30).map(order)).await;
    let build = || worker(&queue, &bus).concurrency(4).retry(retry(4)).drain_timeout(3 * SECOND);
    let mut received = 0;
    for round in 0..6 {
        let worker = build().start().await.unwrap();
        sleep(ms(4_000 * (round + 1))).await;
        let report = worker.drain().await.unwrap();
        assert_eq!(settled_in(&report), report.received, "{report}");
        received += report.received;
    }
    let worker = build().start().await.unwrap();
    emptied(&queue).await;
    worker.drain().await.unwrap();
    let mut ends: Vec<u64> = done.borrow().clone();
    for (_, letter) in dead(&queue).await {
        let envelope = Envelope::from_slice(&letter.body).unwrap();
        ends.push(envelope.payload["id"].as_u64().unwrap());
    }
    ends.sort_unstable();
    ends.dedup();
    assert_eq!(ends, (0..30).collect::<Vec<_>>());
    assert!(received >= 30);
    sleep(60 * SECOND).await;
}
