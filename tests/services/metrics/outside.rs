//! What is measured of routes, workers and listeners.

use convoke::middleware::Measure;
use convoke::prelude::*;
use convoke::transport::Memory;
use convoke::{EnvelopeLimits, Permanent, Retry, Route, Worker};

use super::book::Book;
use crate::common::{SECOND, ms, sleep};
use crate::worker::deliveries::{OrderPlaced, order_of, put};

/// A route whose server is away at first, and one by which nothing fits.
pub(super) async fn routes(book: &Book) {
    let (out, small) = (Memory::queue("out"), Memory::queue("small"));
    let bus = EventBus::builder().publisher("Shop").build();
    let leaves = Route::new("Shop/*", out.clone()).retry(Retry::exponential(ms(10)).attempts(3)).open(&bus).unwrap();
    out.fail_next(1);
    assert!(bus.emit(OrderPlaced { id: 1, customer: 7 }).await.is_ok());
    assert!(bus.emit(OrderPlaced { id: 2, customer: 7 }).await.is_ok());
    leaves.unsubscribe().await;
    let fits = Route::new("Shop/*", small.clone()).limits(EnvelopeLimits::default().bytes(10)).open(&bus).unwrap();
    assert!(!bus.emit(OrderPlaced { id: 3, customer: 7 }).await.is_ok());
    fits.unsubscribe().await;

    let events = |to: &str, result: &str| {
        book.value(&format!("convoke_route_events_total{{destination=memory:{to},result={result}}}"))
    };
    assert_eq!((events("out", "sent"), events("out", "failed")), (2.0, 0.0));
    assert_eq!((events("small", "sent"), events("small", "failed")), (0.0, 1.0));
    assert_eq!(book.value("convoke_route_retries_total{destination=memory:out}"), 1.0);
    assert_eq!(book.value("convoke_route_in_flight{destination=memory:out}"), 0.0);
}

/// A server that is away for longer than a route waits: what is on its way and what waits is shown.
async fn away(book: &Book) {
    let out = Memory::queue("out");
    let bus = EventBus::builder().publisher("Shop").build();
    let leaves = Route::new("Shop/*", out.clone()).timeout(10 * SECOND).open(&bus).unwrap();
    out.set_reachable(false);
    for id in 0..300 {
        bus.publish(OrderPlaced { id, customer: 7 }).unwrap();
    }
    sleep(5 * SECOND).await;
    let level = |name: &str| book.value(&format!("convoke_route_{name}{{destination=memory:out}}"));
    assert_eq!((level("in_flight"), level("waiting")), (256.0, 44.0));
    sleep(60 * SECOND).await;
    assert_eq!((level("in_flight"), level("waiting")), (0.0, 0.0));
    assert_eq!(book.value("convoke_route_events_total{destination=memory:out,result=timed_out}"), 300.0);
    assert_eq!(book.value("convoke_bus_dead_letters_total{reason=failed}"), 300.0);
    leaves.unsubscribe().await;
}

/// A worker that buries one delivery in its place, and parks the one behind it.
pub(super) async fn workers(book: &Book) {
    let (queue, bus) = (Memory::queue("orders"), EventBus::builder().with(Measure::new()).build());
    let bills = |order: &OrderPlaced| if order.id == 1 { Err(Permanent::new("no such book")) } else { Ok(()) };
    let bills = bus.on(bills.named("bills")).unwrap();
    put(&queue, [order_of(1, 7), order_of(2, 7), order_of(3, 8)]).await;
    let worker = Worker::new(queue.clone(), &bus)
        .ordered_by(|envelope| envelope.payload["customer"].as_u64().map(|who| who.to_string()));
    let worker = worker.park().start().await.unwrap();
    sleep(20 * SECOND).await;
    let of = |name: &str| book.value(&format!("convoke_worker_{name}{{source=memory:orders}}"));
    let ended =
        |result: &str| book.value(&format!("convoke_worker_deliveries_total{{source=memory:orders,result={result}}}"));
    assert_eq!((ended("done"), ended("dead"), ended("lost")), (1.0, 1.0, 0.0));
    assert_eq!((of("dead_in_place"), of("parked"), of("backlog"), of("in_flight")), (1.0, 1.0, 1.0, 0.0));
    assert_eq!(book.times("convoke_worker_duration_seconds{source=memory:orders}"), 2);
    assert_eq!(book.times("convoke_worker_lag_seconds{source=memory:orders}"), 2);
    worker.drain().await.unwrap();
    let calls = "convoke_listener_calls_total{listener=bills,event=OrderPlaced,result=permanent}";
    assert_eq!(book.value(calls), 1.0);
    drop(bills);
}

super::inside::alone!(routes, away, workers);
