//! What a worker does with a verdict that nobody stores: it is kept, and nobody hears the event again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use convoke::prelude::*;
use convoke::transport::{
    Abilities, BoxFuture, DeadLetterRecord, DeadReason, Delivery, ErrorKind, Memory, MemoryQueue, Packet, Receipt,
    Settlement, Source, TransportError,
};
use convoke::{Failure, Inbox, MemoryInbox, Permanent, Worker};

use super::deliveries::{OrderPlaced, dead, emptied, order, order_of, put, retry, settled_in};
use crate::common::{Notes, SECOND, settled, sleep};

/// A source that may refuse a settlement, and then gives the delivery back untouched, as RabbitMQ does: it comes again as the
/// same attempt.
struct Stubborn {
    queue: MemoryQueue,
    refuses: Arc<Refuses>,
}

#[derive(Default)]
struct Refuses {
    letters: AtomicBool,
    acks: AtomicBool,
    times: AtomicU32,
    /// The next so many acks and letters; what they were for comes again behind all others.
    next: AtomicU32,
}

impl Stubborn {
    fn new(queue: &MemoryQueue) -> (Self, Arc<Refuses>) {
        let refuses = Arc::new(Refuses::default());
        (Self { queue: queue.clone(), refuses: refuses.clone() }, refuses)
    }
}

impl Source for Stubborn {
    fn name(&self) -> &'static str {
        "stubborn"
    }

    fn abilities(&self) -> Abilities {
        Source::abilities(&self.queue)
    }

    fn open(&mut self, prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>> {
        self.queue.open(prefetch)
    }

    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<Delivery>, TransportError>> {
        Box::pin(async move {
            let lent = self.queue.receive(most).await?;
            let wrap = |delivery: Delivery| {
                let (packet, attempt) = (delivery.packet().clone(), delivery.attempt());
                Delivery::new("stubborn", packet, attempt, Reluctant { delivery, refuses: self.refuses.clone() })
            };
            Ok(lent.into_iter().map(wrap).collect())
        })
    }
}

struct Reluctant {
    delivery: Delivery,
    refuses: Arc<Refuses>,
}

impl Receipt for Reluctant {
    fn settle(self: Box<Self>, how: Settlement) -> BoxFuture<'static, Result<(), TransportError>> {
        Box::pin(async move {
            let refuses = match how {
                Settlement::DeadLetter(_) => self.refuses.letters.load(Ordering::Relaxed),
                Settlement::Ack => self.refuses.acks.load(Ordering::Relaxed),
                _ => false,
            };
            let next = || {
                let next = &self.refuses.next;
                next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| next.checked_sub(1)).is_ok()
            };
            if refuses {
                self.refuses.times.fetch_add(1, Ordering::Relaxed);
                self.delivery.release().await?;
            } else if matches!(how, Settlement::Ack | Settlement::DeadLetter(_)) && next() {
                self.delivery.retry_after(10 * SECOND).await?;
            } else {
                return self.delivery.settle(how).await;
            }
            Err(TransportError::new(ErrorKind::Unreachable, "stubborn", "the server has a memory alarm"))
        })
    }
}

/// A server that lends for as long as the connection lives ends that at some time.
#[convoke::test]
async fn where_there_is_no_lease_nothing_is_held_for_longer_than_the_server_bears() {
    let mut abilities = convoke::transport::Source::abilities(&Memory::queue("orders"));
    abilities.lease = None;
    let (queue, bus, grave) =
        (Memory::queue("orders").with_abilities(abilities), EventBus::default(), Memory::queue("grave"));
    let (heard, _mail) = mail(&bus);
    grave.set_reachable(false);
    put(&queue, [order(1)]).await;
    let worker = Worker::new(queue.clone(), &bus).dead_letter(grave.clone()).start().await.unwrap();
    sleep(3_600 * SECOND).await;
    let report = worker.report();
    assert_eq!((report.received, report.lost, heard.take()), (3, 2, vec![1]), "given back each 20 minutes: {report}");
    grave.set_reachable(true);
    emptied(&queue).await;
    assert_eq!((grave.waiting(), heard.len(), worker.drain().await.unwrap().dead), (1, 0, 1));
}

/// Fails for good with odd orders, for now with those that end with a 2, and is done with the others.
fn mail(bus: &EventBus) -> (Notes<u64>, impl Sized) {
    let heard = Notes::new();
    let listener = {
        let heard = heard.clone();
        move |order: &OrderPlaced| {
            heard.add(order.id);
            match order.id % 10 {
                2 => Err(Failure::new("no line")),
                even if even % 2 == 0 => Ok(()),
                _ => Err(Failure::from(Permanent::new("no such customer"))),
            }
        }
    };
    let guard = bus.on(listener.named("mail"));
    (heard, guard)
}

#[convoke::test]
async fn a_verdict_that_the_server_refuses_is_kept_and_nobody_hears_the_event_again() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let (heard, _mail) = mail(&bus);
    let (source, refuses) = Stubborn::new(&queue);
    refuses.letters.store(true, Ordering::Relaxed);
    put(&queue, [order(1), order(2), order(4)]).await;
    let worker = Worker::new(source, &bus).retry(retry(2)).start().await.unwrap();
    sleep(600 * SECOND).await;
    let times = refuses.times.load(Ordering::Relaxed);
    assert!((100..300).contains(&times), "two letters, each tried every ten seconds at the least: {times}");
    refuses.letters.store(false, Ordering::Relaxed);
    emptied(&queue).await;
    let mut all = heard.take();
    all.sort_unstable();
    assert_eq!(all, [1, 2, 2, 4]);
    let mut letters: Vec<_> = dead(&queue).await.into_iter().map(|(record, _)| record).collect();
    letters.sort_by_key(|record| record.attempts);
    let told: Vec<_> = letters.iter().map(|it| (it.reason, it.attempts, &*it.errors[0])).collect();
    assert_eq!(
        told,
        [
            (DeadReason::Permanent, 1, "`mail` failed for good: no such customer"),
            (DeadReason::Exhausted, 2, "`mail` failed: no line")
        ]
    );
    let report = worker.drain().await.unwrap();
    assert_eq!((report.done, report.dead, report.kept), (1, 2, 2), "{report}");
    assert_eq!(settled_in(&report), report.received, "{report}");
}

#[convoke::test]
async fn a_letter_that_nobody_takes_is_held_and_comes_to_nobody_else() {
    let (queue, bus, grave) = (Memory::queue("orders").lease(5 * SECOND), EventBus::default(), Memory::queue("grave"));
    let (heard, _mail) = mail(&bus);
    grave.set_reachable(false);
    put(&queue, [order(2)]).await;
    let start = || Worker::new(queue.clone(), &bus).retry(retry(2)).dead_letter(grave.clone()).start();
    let one = start().await.unwrap();
    sleep(60 * SECOND).await;
    let other = start().await.unwrap();
    sleep(600 * SECOND).await;
    assert_eq!((heard.take(), queue.lent()), (vec![2, 2], 1), "held for ten minutes, of which nobody hears");
    grave.set_reachable(true);
    emptied(&queue).await;
    let record = DeadLetterRecord::of(&grave.packets()[0]).unwrap();
    assert_eq!((record.attempts, &*record.errors), (2, &["`mail` failed: no line".to_owned()][..]));
    let (one, other) = (one.drain().await.unwrap(), other.drain().await.unwrap());
    assert_eq!((one.dead + other.dead, one.kept + other.kept, heard.len(), grave.waiting()), (1, 1, 0, 1));
}

#[convoke::test]
async fn letters_that_nobody_takes_hold_up_nobody_else() {
    let (queue, bus, grave) = (Memory::queue("orders"), EventBus::default(), Memory::queue("grave"));
    let (heard, _mail) = mail(&bus);
    grave.set_reachable(false);
    put(&queue, (0..20).map(|number| order(2 * number + 1))).await;
    put(&queue, (0..10).map(|number| order(100 + 10 * number))).await;
    let build = || Worker::new(queue.clone(), &bus).concurrency(2).retry(retry(2)).dead_letter(grave.clone());
    for prefetch in [0, 2, 8] {
        let worker = build().prefetch(prefetch).start().await.unwrap();
        sleep(120 * SECOND).await;
        worker.drain().await.unwrap();
        put(&queue, [order(1_000)]).await;
    }
    let worker = build().start().await.unwrap();
    sleep(120 * SECOND).await;
    grave.set_reachable(true);
    emptied(&queue).await;
    let heard = heard.take();
    let good = heard.iter().filter(|id| *id % 2 == 0).count();
    assert_eq!(good, 13, "the good ones come through while all graves are taken");
    assert_eq!(grave.waiting(), 20);
    let report = worker.drain().await.unwrap();
    assert_eq!(settled_in(&report), report.received, "{report}");
}

#[convoke::test]
async fn a_worker_of_one_hears_others_while_nobody_takes_its_letters() {
    let (queue, bus, grave) = (Memory::queue("orders"), EventBus::default(), Memory::queue("grave"));
    let (heard, _mail) = mail(&bus);
    grave.set_reachable(false);
    put(&queue, [order(1), order(10)]).await;
    let worker = Worker::new(queue.clone(), &bus).concurrency(1).prefetch(0).dead_letter(grave.clone());
    let worker = worker.start().await.unwrap();
    sleep(60 * SECOND).await;
    put(&queue, [order(20)]).await;
    sleep(60 * SECOND).await;
    assert_eq!(heard.take(), [1, 10, 20], "each once");
    grave.set_reachable(true);
    emptied(&queue).await;
    assert_eq!((heard.len(), grave.waiting()), (0, 1));
    assert_eq!(DeadLetterRecord::of(&grave.packets()[0]).unwrap().attempts, 1);
    let report = worker.drain().await.unwrap();
    assert_eq!((report.dead, settled_in(&report)), (1, report.received), "{report}");
}

#[convoke::test]
async fn what_waits_for_its_grave_is_tried_once_more_and_given_back_when_the_worker_drains() {
    let (queue, bus, grave) = (Memory::queue("orders"), EventBus::default(), Memory::queue("grave"));
    let (_heard, _mail) = mail(&bus);
    for comes_back in [true, false] {
        grave.set_reachable(false);
        put(&queue, [order(1)]).await;
        let worker = Worker::new(queue.clone(), &bus).dead_letter(grave.clone()).start().await.unwrap();
        sleep(60 * SECOND).await;
        grave.set_reachable(comes_back);
        let report = worker.drain().await.unwrap();
        assert!(report.drained && report.took < SECOND, "{report}");
        let ends = (report.received, report.dead, report.lost, grave.waiting(), queue.waiting());
        assert_eq!(ends, if comes_back { (1, 1, 0, 1, 0) } else { (1, 0, 1, 1, 1) });
    }
}

#[convoke::test]
async fn what_was_done_and_could_not_be_acknowledged_is_not_done_again() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let (heard, _mail) = mail(&bus);
    let (source, refuses) = Stubborn::new(&queue);
    refuses.acks.store(true, Ordering::Relaxed);
    put(&queue, [order(4)]).await;
    let worker = Worker::new(source, &bus).start().await.unwrap();
    // A listener that is gone with what it has done: it comes again at once, over and over.
    while refuses.times.load(Ordering::Relaxed) < 3 {
        settled().await;
        sleep(SECOND).await;
    }
    refuses.acks.store(false, Ordering::Relaxed);
    emptied(&queue).await;
    let report = worker.drain().await.unwrap();
    assert_eq!((heard.take(), report.duplicates, report.kept), (vec![4], 1, 1), "{report}");
    assert_eq!(settled_in(&report), report.received, "{report}");
}

#[convoke::test]
async fn what_a_lost_lease_has_done_is_not_done_again_here() {
    let (queue, bus) = (Memory::queue("orders").lease(10 * SECOND), EventBus::default());
    let heard = Notes::new();
    let _slow = bus.on({
        let heard = heard.clone();
        async move |order: Arc<OrderPlaced>| {
            heard.add(order.id);
            sleep(20 * SECOND).await;
        }
    });
    put(&queue, [order(1)]).await;
    let worker = Worker::new(queue.clone(), &bus).start().await.unwrap();
    sleep(SECOND).await;
    // The server is away for longer than it lends, and back before the listener is done.
    queue.set_reachable(false);
    sleep(12 * SECOND).await;
    queue.set_reachable(true);
    let mut thief = queue.clone();
    thief.open(1).await.unwrap();
    let stolen = thief.receive(1).await.unwrap().pop().unwrap();
    sleep(9 * SECOND).await;
    stolen.retry_after(SECOND).await.unwrap();
    emptied(&queue).await;
    let report = worker.drain().await.unwrap();
    assert_eq!((heard.take(), report.lost, report.duplicates), (vec![1], 1, 1), "{report}");
}

#[convoke::test]
async fn what_was_done_and_never_acknowledged_is_not_dead_at_its_last_attempt() {
    let (queue, bus) = (Memory::queue("orders").lease(10 * SECOND), EventBus::default());
    let (heard, _mail) = mail(&bus);
    let packet: Packet = order(4);
    put(&queue, [packet.clone()]).await;
    let inbox = MemoryInbox::new(3_600 * SECOND);
    let mut source = queue.clone();
    source.open(1).await.unwrap();
    for _ in 0..3 {
        // As good as killed after the mark, and before the acknowledgement.
        let lent = source.receive(1).await.unwrap();
        let envelope = convoke::codec::read(lent[0].packet(), convoke::EnvelopeLimits::default()).unwrap();
        inbox.mark(&envelope.metadata.id.to_string()).await.unwrap();
        std::mem::forget(lent);
        sleep(11 * SECOND).await;
    }
    let worker = Worker::new(queue.clone(), &bus).retry(retry(3)).deduplicate(inbox).start().await.unwrap();
    emptied(&queue).await;
    let report = worker.drain().await.unwrap();
    assert_eq!((report.duplicates, report.dead, heard.len()), (1, 0, 0), "{report}");
    assert!(dead(&queue).await.is_empty());
}

/// What was heard of each, of these packets: the server does not take what becomes of the first one the first time.
async fn heard_of(packets: Vec<Packet>, fails: bool) -> (Vec<String>, usize) {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let heard = Notes::new();
    let _all = bus.on_topic("**", {
        let heard = heard.clone();
        move |event: &JsonEvent, metadata: Metadata| {
            heard.add(format!("{} {}", metadata.event, event["n"]));
            if fails { Err(Permanent::new("no such customer")) } else { Ok(()) }
        }
    });
    let (source, refuses) = Stubborn::new(&queue);
    refuses.next.store(1, Ordering::Relaxed);
    put(&queue, packets).await;
    let worker = Worker::new(source, &bus).concurrency(1).prefetch(0).start().await.unwrap();
    emptied(&queue).await;
    let report = worker.drain().await.unwrap();
    assert_eq!(settled_in(&report), report.received, "{report}");
    let mut heard = heard.take();
    heard.sort_unstable();
    (heard, dead(&queue).await.len())
}

#[convoke::test]
async fn a_verdict_is_kept_for_no_other_event() {
    // As strangers send them over RabbitMQ: without an id of the message.
    let cloud_event = |id: &str| {
        let mut packet = Packet::new("", r#"{"n":7}"#);
        let kind = format!("order.{id}");
        for (name, value) in [
            ("ce-specversion", "1.0"),
            ("ce-id", id),
            ("ce-source", "/shop"),
            ("ce-type", &kind),
            ("content-type", "application/json"),
        ] {
            packet.attributes.insert(name, value);
        }
        packet
    };
    let padding = "x".repeat(2_000);
    let long = |id: &str, n: u32| {
        let body = r#"{"metadata":{"eventName":"Paid","topic":"paid"},"payload":{"a":"PAD","n":0,"z":"PAD"}}"#;
        Packet::new(id, body.replace("PAD", &padding).replace("\"n\":0", &format!("\"n\":{n}")))
    };
    for fails in [false, true] {
        let letters = |count| if fails { count } else { 0 };
        let (heard, dead) = heard_of(["1", "2", "3"].map(cloud_event).into(), fails).await;
        assert_eq!(heard, ["order.1 7", "order.2 7", "order.3 7"], "each is known by its own id: fails: {fails}");
        assert_eq!(dead, letters(3));
        let (heard, dead) = heard_of([1, 2, 3].map(|n| long("m", n)).into(), fails).await;
        assert_eq!(heard, ["Paid 1", "Paid 2", "Paid 3"], "one id, and not one event: fails: {fails}");
        assert_eq!(dead, letters(3));
        let (heard, dead) = heard_of([1, 2, 2].map(|n| long("", n)).into(), fails).await;
        assert_eq!(heard, ["Paid 1", "Paid 1", "Paid 2", "Paid 2"], "without an id it is heard again: fails: {fails}");
        assert_eq!(dead, letters(3));
        let (heard, dead) = heard_of(vec![long("", 1); 3], fails).await;
        // Those that are like one whose letter was refused wait as it does, and may be heard again too.
        assert!(
            if fails { heard.len() >= 4 } else { heard.len() == 4 },
            "none ends another: {heard:?}, fails: {fails}"
        );
        assert_eq!(dead, letters(3));
    }
}

#[convoke::test]
async fn what_is_refused_and_cannot_be_kept_is_not_heard_in_a_loop() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let (heard, _mail) = mail(&bus);
    let (source, refuses) = Stubborn::new(&queue);
    refuses.letters.store(true, Ordering::Relaxed);
    let body = r#"{"metadata":{"eventName":"OrderPlaced","topic":"orders/placed"},"payload":{"id":1,"customer":0}}"#;
    put(&queue, [Packet::new("", body)]).await;
    let worker = Worker::new(source, &bus).start().await.unwrap();
    sleep(600 * SECOND).await;
    let times = heard.take().len();
    assert!((50..150).contains(&times), "every ten seconds at the least: {times}");
    refuses.letters.store(false, Ordering::Relaxed);
    emptied(&queue).await;
    assert_eq!(dead(&queue).await.len(), 1);
    let report = worker.drain().await.unwrap();
    assert_eq!(settled_in(&report), report.received, "{report}");
}

#[convoke::test]
async fn whoever_is_behind_a_letter_that_nobody_takes_holds_up_nobody_else() {
    // Copies of it, and those of its key, which the server orders too or does not.
    for (what, of_its_key, keyed) in [("copies", 0, false), ("no order", 20, false), ("order", 20, true)] {
        let (queue, bus, grave) = (Memory::queue("orders"), EventBus::default(), Memory::queue("grave"));
        let (heard, _mail) = mail(&bus);
        grave.set_reachable(false);
        let of = |id, customer| {
            let mut packet = order_of(id, customer);
            packet.key = packet.key.filter(|_| keyed);
            packet
        };
        let poison = of(1, 7);
        put(&queue, std::iter::repeat_n(poison, if of_its_key > 0 { 1 } else { 20 })).await;
        put(&queue, (0..of_its_key).map(|number| of(10_000 + 10 * number, 7))).await;
        put(&queue, (1..=100).map(|number| of(10 * number, 100 + number))).await;
        let worker = Worker::new(queue.clone(), &bus).concurrency(4).prefetch(4).dead_letter(grave.clone());
        let worker = match what {
            "copies" => worker.deduplicate(MemoryInbox::new(3_600 * SECOND)),
            _ => worker.ordered_by(|envelope| Some(envelope.payload["customer"].to_string())),
        };
        let worker = worker.start().await.unwrap();
        sleep(60 * SECOND).await;
        let all = heard.take();
        let others = all.iter().filter(|id| *id % 2 == 0 && **id < 10_000).count();
        assert_eq!(others, 100, "{what}: {all:?}");
        let after_it = all.iter().filter(|id| **id >= 10_000).count() as u64;
        assert_eq!(after_it, if keyed { 0 } else { of_its_key }, "{what}: where the server keeps the order, they wait");
        grave.set_reachable(true);
        emptied(&queue).await;
        let rest = heard.take().len() as u64;
        assert!(if keyed { rest == of_its_key } else { what == "copies" || rest == 0 }, "{what}: {rest}");
        assert_eq!(grave.waiting(), if of_its_key > 0 { 1 } else { 20 }, "{what}");
        let report = worker.drain().await.unwrap();
        assert_eq!(settled_in(&report), report.received, "{what}: {report}");
    }
}
