//! Who is told how jobs have ended, and when the server is.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use convoke::prelude::*;
use convoke::transport::{
    Abilities, BoxFuture, DeadReason, ErrorKind, Memory, MemoryQueue, Packet, Publisher, TransportError,
};
use convoke::{Route, codec};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::{Over, done_at};
use crate::common::SECOND;
use crate::tasks::lab::{MINUTE, Register, Registered};

/// The name and the id of an event that was published.
fn read(packet: &Packet) -> (String, convoke::Uuid) {
    let envelope = codec::read(packet, convoke::EnvelopeLimits::default()).unwrap();
    (envelope.metadata.event.to_string(), envelope.metadata.id)
}

#[convoke::test]
async fn a_job_waits_for_its_event_and_is_not_done_again_meanwhile() {
    let (over, events) = (Over::new(), Memory::queue("events"));
    let (calls, function) = done_at(1);
    let tasks = over.tasks().on(function).unwrap().events_to(events.clone()).await.unwrap();
    events.set_reachable(false);
    tasks.enqueue(Register { id: 7 }).await.unwrap();
    // Longer than a lease, which is extended.
    sleep(30 * MINUTE).await;
    assert_eq!((calls.get(), over.queue.lent(), events.published()), (1, 1, 0));
    events.set_reachable(true);
    over.ended().await;
    assert_eq!(calls.get(), 1);
    let names: Vec<_> = events.packets().iter().map(|packet| read(packet).0).collect();
    assert_eq!(names, ["Registered"]);
    assert!(over.heard().names().is_empty(), "the bus hears what nobody else is told");
    tasks.stop().await.unwrap();
}

#[convoke::test]
async fn a_worker_that_ends_before_gives_the_job_back() {
    let (over, events) = (Over::new(), Memory::queue("events"));
    let (calls, function) = done_at(1);
    let tasks = over.tasks().on(function).unwrap().events_to(events.clone()).await.unwrap();
    events.set_reachable(false);
    tasks.enqueue(Register { id: 7 }).await.unwrap();
    sleep(MINUTE).await;
    tasks.stop().await.unwrap();
    assert_eq!((over.queue.waiting(), over.queue.lent()), (1, 0));
    events.set_reachable(true);
    let (again, function) = done_at(1);
    let tasks = over.tasks().on(function).unwrap().events_to(events.clone()).await.unwrap();
    over.ended().await;
    assert_eq!((calls.get(), again.get(), events.published()), (1, 1, 1));
    tasks.stop().await.unwrap();
}

/// Takes an event, and then has the server of the jobs be away.
#[derive(Clone)]
struct Cutting {
    to: MemoryQueue,
    jobs: MemoryQueue,
}

impl Publisher for Cutting {
    fn name(&self) -> &str {
        Publisher::name(&self.to)
    }

    fn abilities(&self) -> Abilities {
        Publisher::abilities(&self.to)
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        Box::pin(async move {
            let taken = self.to.publish(packets).await;
            self.jobs.set_reachable(false);
            taken
        })
    }
}

#[convoke::test]
async fn a_job_that_is_done_twice_tells_it_by_one_id() {
    let (over, events) = (Over::new(), Memory::queue("events"));
    let cutting = Cutting { to: events.clone(), jobs: over.queue.clone() };
    let (calls, function) = done_at(1);
    let tasks = over.tasks().on(function).unwrap().events_to(cutting.clone()).await.unwrap();
    tasks.enqueue(Register { id: 7 }).await.unwrap();
    sleep(SECOND).await;
    drop(tasks.stop().await);
    over.queue.set_reachable(true);
    let (again, function) = done_at(1);
    let tasks = over.tasks().on(function).unwrap().events_to(events.clone()).await.unwrap();
    over.ended().await;
    assert_eq!((calls.get(), again.get()), (1, 1));
    let told: Vec<_> = events.packets().iter().map(read).collect();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0], told[1], "whoever hears both can see that they are one");
    tasks.stop().await.unwrap();
}

/// Refuses for good.
struct Refusing;

impl Publisher for Refusing {
    fn name(&self) -> &str {
        "nobody"
    }

    fn abilities(&self) -> Abilities {
        Abilities::default()
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        let refused = || Err(TransportError::new(ErrorKind::Refused, "nobody", "no"));
        Box::pin(async move { packets.iter().map(|_| refused()).collect() })
    }
}

#[convoke::test]
async fn a_job_whose_event_is_refused_for_good_is_a_dead_letter_that_says_so() {
    let over = Over::new();
    let (calls, function) = done_at(1);
    let tasks = over.tasks().on(function).unwrap().events_to(Refusing).await.unwrap();
    tasks.enqueue(Register { id: 7 }).await.unwrap();
    over.ended().await;
    let text = "what tells how it has ended was refused: nobody: no";
    assert_eq!((calls.get(), over.dead().await), (1, vec![(DeadReason::Permanent, text.to_owned())]));
    tasks.stop().await.unwrap();
}

#[derive(Event, Serialize, Deserialize)]
struct Large {
    text: String,
}

#[convoke::test]
async fn an_event_that_is_too_large_is_a_failure_that_is_told() {
    let over = Over::new();
    let register = async |_: Arc<Register>| Ok::<_, convoke::Fault>(Large { text: "x".repeat(2 << 20) });
    let tasks = over.tasks().on(register).unwrap().await.unwrap();
    tasks.enqueue(Register { id: 7 }).await.unwrap();
    over.ended().await;
    assert_eq!(
        (over.heard().names(), over.heard().only()["code"].clone()),
        (vec!["RegistrationFailed".to_owned()], "untold".into())
    );
    tasks.stop().await.unwrap();
}

#[convoke::test]
async fn events_go_through_an_outbox_where_there_is_a_database() {
    let (over, events) = (Over::new(), Memory::queue("events"));
    let db = &over.lab.db;
    let outbox = db.outbox("Shop").await.unwrap();
    let (calls, function) = done_at(2);
    let tasks = over.tasks().on(function).unwrap().events_through(db, &outbox).await.unwrap();
    tasks.enqueue(Register { id: 7 }).await.unwrap();
    over.ended().await;
    assert_eq!((calls.get(), outbox.figures().await.unwrap().ready), (2, 1));
    let relay = outbox.relay(Route::new("Shop/*", events.clone())).supervised(&over.lab.bus).await.unwrap();
    sleep(MINUTE).await;
    assert_eq!(events.packets().iter().map(|packet| read(packet).0).collect::<Vec<_>>(), ["Registered"]);
    relay.stop().await;
    tasks.stop().await.unwrap();
}

#[convoke::test]
async fn the_bus_is_awaited_before_the_server_is_told_and_keeps_nobody_else() {
    let over = Over::new();
    let done = Rc::new(Cell::new(0));
    let count = done.clone();
    let _slow = over
        .lab
        .bus
        .on(async move |_: Arc<Registered>| {
            sleep(10 * SECOND).await;
            count.set(count.get() + 1);
        })
        .unwrap();
    let (_, function) = done_at(1);
    let tasks = over.tasks().on(function).unwrap().concurrency(1).await.unwrap();
    for id in 1..=3 {
        tasks.enqueue(Register { id }).await.unwrap();
    }
    sleep(5 * SECOND).await;
    assert_eq!((over.queue.waiting() + over.queue.lent(), done.get()), (3, 0));
    sleep(6 * SECOND).await;
    assert!(done.get() >= 2, "listeners of several ends are called at the same time: {}", done.get());
    over.ended().await;
    assert_eq!(done.get(), 3);
    tasks.stop().await.unwrap();
}
