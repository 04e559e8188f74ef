//! What is measured of an outbox, of tasks and of durable rounds.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::Memory;
use convoke::{Durable, Fault, Gathered, Route, Task, Tasks};
use serde::{Deserialize, Serialize};

use super::book::Book;
use crate::common::{SECOND, sleep};

const TEN_MINUTES: Duration = Duration::from_secs(10 * 60);

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/placed", entity_id = id)]
struct OrderPlaced {
    id: u64,
}

/// An outbox with what has left, what is dead, and what is parked behind it.
pub(super) async fn outboxes(book: &Book) {
    let db = Memory::database();
    let outbox =
        db.outbox("Shop").ordered_by(|event| event.metadata.entity_id.as_ref().map(ToString::to_string)).await.unwrap();
    let narrow = Memory::queue("narrow").with_abilities({
        let mut abilities = convoke::transport::Source::abilities(&Memory::queue("narrow"));
        abilities.max_bytes = 10;
        abilities
    });
    let publish = async |id: u64| {
        let mut tx = db.begin().await.unwrap();
        outbox.publish(&mut tx, OrderPlaced { id }).await.unwrap();
        tx.commit().await.unwrap();
    };
    publish(7).await;
    publish(7).await;
    let relay = outbox.relay(Route::new("Shop/*", narrow)).start().await.unwrap();
    sleep(40 * SECOND).await;
    relay.stop().await;
    let relay = outbox.relay(Route::new("Shop/*", Memory::queue("out"))).start().await.unwrap();
    publish(8).await;
    sleep(40 * SECOND).await;
    relay.stop().await;
    let events =
        |result: &str| book.value(&format!("convoke_outbox_events_total{{outbox=memory outbox Shop,result={result}}}"));
    assert_eq!((events("sent"), events("dead"), events("parked")), (1.0, 1.0, 1.0));
    let waiting =
        |state: &str| book.value(&format!("convoke_outbox_waiting{{outbox=memory outbox Shop,state={state}}}"));
    assert_eq!((waiting("ready"), waiting("dead"), waiting("parked")), (0.0, 1.0, 1.0));
    assert_eq!(book.value("convoke_outbox_lag_seconds{outbox=memory outbox Shop}"), 0.0);
}

#[derive(Task, Clone, Debug, Serialize, Deserialize)]
#[task(attempts = 2, timeout = "30s")]
struct Register {
    id: u64,
}

#[derive(Task, Clone, Debug, Serialize, Deserialize)]
struct Sweep {
    id: u64,
}

/// In the same queue, and nobody has a function for it.
#[derive(Task, Clone, Debug, Serialize, Deserialize)]
struct Forgotten {}

async fn register(user: Arc<Register>) -> Result<(), Fault> {
    if user.id == 13 { Err(Fault::new("no such number")) } else { Ok(()) }
}

async fn sweep(sweep: Arc<Sweep>) -> Result<(), Fault> {
    if sweep.id == 13 { Err(Fault::new("no such number").permanent()) } else { Ok(()) }
}

/// Jobs that are done, tried again, failed and unclaimed, over a database and over a queue.
pub(super) async fn tasks(book: &Book) {
    let (db, bus) = (Memory::database(), EventBus::default());
    let all = Tasks::new(&db, &bus).on(register).unwrap().await.unwrap();
    for id in [7, 13] {
        assert!(all.enqueue(Register { id }).await.unwrap().is_new());
    }
    assert!(db.tasks().await.unwrap().enqueue(Forgotten {}).await.unwrap().is_new());
    sleep(150 * SECOND).await;
    let ended = |result: &str| book.value(&format!("convoke_task_attempts_total{{task=Register,result={result}}}"));
    assert_eq!((ended("done"), ended("retried"), ended("failed"), ended("lost")), (1.0, 1.0, 1.0, 0.0));
    assert_eq!(book.value("convoke_task_running{task=Register}"), 0.0);
    assert_eq!(book.times("convoke_task_duration_seconds{task=Register}"), 3);
    let of = |name: &str| book.value(&format!("convoke_task_{name}{{queues=default}}"));
    assert_eq!((of("failed"), of("unclaimed")), (1.0, 1.0));
    assert!(of("oldest_seconds") > 100.0 && of("waiting") == 1.0, "{} {}", of("oldest_seconds"), of("waiting"));
    all.stop().await;

    let queue = Memory::queue("sweeps");
    let over = Tasks::over(&queue, &bus).on(sweep).unwrap().await.unwrap();
    for id in [7, 13] {
        over.enqueue(Sweep { id }).await.unwrap();
    }
    sleep(SECOND).await;
    let ended = |result: &str| book.value(&format!("convoke_task_attempts_total{{task=Sweep,result={result}}}"));
    assert_eq!((ended("done"), ended("failed")), (1.0, 1.0));
    assert_eq!(book.value("convoke_worker_deliveries_total{source=memory:sweeps,result=dead}"), 1.0);
    over.stop().await.unwrap();
}

/// Durable rounds that are resolved, run out of time and are set aside, and a consumer that fails at first.
pub(super) async fn durable(book: &Book) {
    let db = Memory::database();
    let pairs: Durable<u32> = Broker::new(TEN_MINUTES).expects(["a", "b"]).durable(&db, "pairs").await.unwrap();
    let fails = Rc::new(Cell::new(1));
    let sign = {
        let fails = fails.clone();
        move |_: Outcome<u32>| match fails.replace(0) {
            0 => Ok(()),
            _ => Err("not yet"),
        }
    };
    let sign = Consumer::join(&pairs, Consumer::new(sign).named("sign")).await.unwrap();
    let a = Emitter::join(&pairs, "a").await.unwrap();
    let b = Emitter::join(&pairs, "b").await.unwrap();
    a.emit_for(1, 1).committed().await.unwrap();
    assert!(matches!(a.emit_for(1, 2).await, Err(EmitError::AlreadyKept { .. })));
    sleep(20 * SECOND).await;
    let rounds = |state: &str| book.value(&format!("convoke_durable_rounds{{broker=pairs,state={state}}}"));
    assert_eq!((rounds("open"), rounds("awaited"), rounds("aside")), (1.0, 0.0, 0.0));
    assert!(b.emit_for(1, 1).await.unwrap().is_resolved());
    assert!(a.emit_for(2, 1).await.unwrap().is_cancelled());
    sleep(20 * SECOND).await;
    let signals = |result: &str| book.value(&format!("convoke_durable_signals_total{{broker=pairs,result={result}}}"));
    assert_eq!((signals("committed"), signals("refused"), signals("failed")), (3.0, 1.0, 0.0));
    let closed = |outcome: &str, cause: &str| {
        book.value(&format!("convoke_durable_rounds_closed_total{{broker=pairs,outcome={outcome},cause={cause}}}"))
    };
    assert_eq!((closed("resolved", "none"), closed("cancelled", "timed_out")), (1.0, 1.0));
    let took = "convoke_durable_rounds_duration_seconds{broker=pairs}";
    assert_eq!(book.times(took), 2);
    assert!(book.value(took) >= TEN_MINUTES.as_secs_f64(), "{}", book.value(took));
    assert_eq!((rounds("open"), book.value("convoke_durable_rounds_overdue_seconds{broker=pairs}")), (0.0, 0.0));
    let handed = |result: &str| {
        book.value(&format!("convoke_durable_deliveries_total{{broker=pairs,consumer=sign,result={result}}}"))
    };
    assert_eq!((handed("done"), handed("retried"), handed("dead")), (2.0, 1.0, 0.0));
    drop(sign);

    let release = Release::when_named("odd", 1, |gathered: &Gathered<'_, u32>| {
        assert!(gathered.payloads() != [13], "unlucky");
        gathered.payloads().len() == 2
    });
    let odd: Durable<u32> = Broker::new(TEN_MINUTES).release(release).durable(&db, "odd").await.unwrap();
    let a = Emitter::join(&odd, "a").await.unwrap();
    assert!(matches!(a.emit_for(7, 13).await, Err(EmitError::Aside { .. })));
    sleep(20 * SECOND).await;
    assert_eq!(book.value("convoke_durable_rounds_aside_total{broker=odd}"), 1.0);
    assert_eq!(book.value("convoke_durable_rounds{broker=odd,state=aside}"), 1.0);
    assert!(!book.families().contains_key("convoke_rounds_opened_total"), "no round of this process");
}

super::inside::alone!(outboxes, tasks, durable);
