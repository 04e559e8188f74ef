//! How much memory a worker takes for what waits and for what is heard.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use convoke::codec::{self, CodecError};
use convoke::prelude::*;
use convoke::transport::{DeadReason, Memory, Packet};
use convoke::{Envelope, EnvelopeLimits, Worker};

use super::deliveries::{OrderPlaced, dead, emptied, order, put};
use crate::common::{Notes, SECOND, settled, sleep};

const KIB: usize = 1024;

/// An order with something beside it that nobody reads.
fn with(id: u64, ballast: &str) -> Packet {
    let mut packet = order(id);
    let mut envelope = Envelope::from_slice(&packet.body).unwrap();
    envelope.payload["ballast"] = serde_json::from_str(ballast).unwrap();
    packet.body = serde_json::to_vec(&envelope).unwrap();
    packet
}

/// As many small objects: 7 bytes each, and a hundred times that in memory.
fn objects(id: u64, count: usize) -> Packet {
    with(id, &format!("[{}]", vec![r#"{"":0}"#; count].join(",")))
}

fn text(id: u64, kib: usize) -> Packet {
    with(id, &format!("\"{}\"", "x".repeat(kib * KIB)))
}

/// Counts how often a packet is read.
#[derive(Clone, Default)]
struct Reads(Rc<Cell<usize>>);

impl Reads {
    fn codec(&self) -> impl Fn(&Packet, EnvelopeLimits) -> Result<Envelope, CodecError> + 'static {
        let count = self.0.clone();
        move |packet, limits| {
            count.set(count.get() + 1);
            codec::read(packet, limits)
        }
    }
}

/// How many are heard at the same time, each for a second.
fn slow(bus: &EventBus) -> (Rc<Cell<usize>>, impl Sized) {
    let (now, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let guard = bus.on({
        let most = most.clone();
        async move |_: Arc<OrderPlaced>| {
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            sleep(SECOND).await;
            now.set(now.get() - 1);
        }
    });
    (most, guard)
}

#[convoke::test]
async fn what_waits_is_not_parsed_before_a_slot_is_free() {
    let (queue, bus, reads) = (Memory::queue("orders"), EventBus::default(), Reads::default());
    let (_most, _slow) = slow(&bus);
    put(&queue, (0..10).map(order)).await;
    let worker = Worker::new(queue.clone(), &bus).concurrency(2).prefetch(8).codec(reads.codec());
    let worker = worker.start().await.unwrap();
    settled().await;
    assert_eq!((queue.lent(), reads.0.get()), (10, 2));
    emptied(&queue).await;
    assert_eq!((reads.0.get(), worker.drain().await.unwrap().done), (10, 10), "and each once");
}

#[convoke::test]
async fn what_has_to_be_read_for_its_key_is_kept_only_if_it_is_small() {
    for (large, at_first, in_all) in [(false, 6, 6), (true, 7, 12)] {
        let (queue, bus, reads) = (Memory::queue("orders"), EventBus::default(), Reads::default());
        let heard = Notes::new();
        let _slow = bus.on({
            let heard = heard.clone();
            async move |order: Arc<OrderPlaced>| {
                heard.add(order.id);
                sleep(SECOND).await;
            }
        });
        put(&queue, (0..6).map(|id| if large { objects(id, 1_000) } else { order(id) })).await;
        let worker = Worker::new(queue.clone(), &bus);
        let worker = worker.concurrency(1).prefetch(5).codec(reads.codec());
        let worker = worker.deduplicate(convoke::MemoryInbox::new(60 * SECOND)).start().await.unwrap();
        settled().await;
        assert_eq!(reads.0.get(), at_first, "large: {large}");
        sleep(60 * SECOND).await;
        assert_eq!((reads.0.get(), heard.len()), (in_all, 6), "large: {large}");
        drop(worker);
    }
}

#[convoke::test]
async fn of_what_takes_much_memory_few_are_heard_at_the_same_time() {
    for (packet, least, most) in [
        (Box::new(|id| objects(id, 1_000)) as Box<dyn Fn(u64) -> Packet>, 1, 1),
        (Box::new(|id| objects(id, 400)), 2, 3),
        (Box::new(|id| text(id, 8)), 8, 8),
        // Larger than all that there may be: alone, but it passes.
        (Box::new(|id| objects(id, 10_000)), 1, 1),
    ] {
        let (queue, bus) = (Memory::queue("orders"), EventBus::default());
        let (heard, _slow) = slow(&bus);
        put(&queue, (0..8).map(packet)).await;
        let worker = Worker::new(queue.clone(), &bus).concurrency(8).max_bytes_here(KIB * KIB).start().await.unwrap();
        emptied(&queue).await;
        assert!((least..=most).contains(&heard.get()), "{} of {least} to {most}", heard.get());
        assert_eq!(worker.drain().await.unwrap().done, 8);
    }
}

#[convoke::test]
async fn no_more_bytes_are_here_than_may_be() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let (_most, _slow) = slow(&bus);
    put(&queue, (0..30).map(|id| text(id, 100))).await;
    put(&queue, [text(30, 900)]).await;
    put(&queue, (31..60).map(|id| text(id, 100))).await;
    let worker = Worker::new(queue.clone(), &bus).max_bytes_here(400 * KIB).start().await.unwrap();
    let mut most = 0;
    while queue.waiting() + queue.lent() > 0 {
        most = most.max(queue.lent());
        sleep(crate::common::ms(100)).await;
    }
    assert!((3..=5).contains(&most), "{most} were here at once");
    assert_eq!(worker.drain().await.unwrap().done, 60, "also the one that is larger than the bound");
}

#[convoke::test]
async fn what_waits_for_memory_is_given_back_when_the_worker_drains() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let (_most, _slow) = slow(&bus);
    put(&queue, (0..8).map(|id| objects(id, 1_000))).await;
    let worker = Worker::new(queue.clone(), &bus).concurrency(8).max_bytes_here(KIB * KIB).start().await.unwrap();
    settled().await;
    let report = worker.drain().await.unwrap();
    assert_eq!((report.done, report.released, queue.waiting()), (1, 7, 7), "{report}");
}

#[convoke::test]
async fn a_codec_of_ones_own_reads_what_is_none_of_our_forms() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let heard = Notes::new();
    let _typed = bus.on({
        let heard = heard.clone();
        move |order: &OrderPlaced| heard.add(order.id)
    });
    put(&queue, [Packet::new("1", "7;3"), Packet::new("2", "what?"), Packet::new("3", "panic")]).await;
    put(&queue, [Packet::new("4", vec![b'7'; 3 * KIB * KIB])]).await;
    let worker = Worker::new(queue.clone(), &bus).codec(|packet, _| {
        let text = std::str::from_utf8(&packet.body).map_err(|_| "no text")?;
        assert!(text != "panic", "as told");
        let (id, customer) = text.split_once(';').ok_or("no semicolon")?;
        let payload = serde_json::json!({"id": id.parse::<u64>().map_err(|_| "no number")?, "customer": customer.parse::<u64>().map_err(|_| "no number")?});
        Ok::<_, &str>(Envelope::new(Metadata::of::<OrderPlaced>(), payload))
    });
    let worker = worker.start().await.unwrap();
    emptied(&queue).await;
    assert_eq!(heard.take(), [7]);
    let mut errors: Vec<_> = dead(&queue).await.into_iter().map(|(record, _)| (record.reason, record.errors)).collect();
    errors.sort_by(|one, other| one.1.cmp(&other.1));
    assert!(errors.iter().all(|(reason, _)| *reason == DeadReason::Broken), "{errors:?}");
    let errors: Vec<_> = errors.iter().map(|(_, errors)| errors[0].as_str()).collect();
    assert_eq!(errors[..1], ["no semicolon"]);
    assert!(errors[1].starts_with("the body and its attributes have 3145728 bytes"), "{errors:?}");
    assert_eq!(errors[2..], ["the codec panicked at it"]);
    drop(worker);
}
