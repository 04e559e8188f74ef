//! Routes whose server is killed and started again: what was published is there afterwards, all of it, in its order.
//!
//! `publish → Route → a server that is away → the server again → Source`

use std::collections::BTreeSet;
use std::fmt::Display;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::conformance::Server;
use convoke::transport::{Publisher, RabbitMq, Redis, Source};
use convoke::{Envelope, Route};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

use crate::transports::servers::is_ci;
use crate::transports::servers::rabbitmq::RabbitMqServer;
use crate::transports::servers::redis::{DURABLE, RedisServer};

/// Long enough for any machine.
const LONG: Duration = Duration::from_secs(60);

/// How long the server is away at least: five attempts were made in less.
const AWAY: Duration = Duration::from_secs(4);

const PUBLISHED: u64 = 2_053;

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

async fn outlives(server: &dyn Server, mut queue: impl Publisher + Source + Clone) {
    let bus = EventBus::builder().publisher("Shop").build();
    let _out = Route::new("**", queue.clone()).capacity(PUBLISHED as usize).timeout(LONG).open(&bus).unwrap();
    for id in 0..PUBLISHED {
        if id == 50 {
            timeout(LONG, bus.drain()).await.unwrap();
            server.kill().await;
        }
        bus.publish(OrderPlaced { id }).unwrap();
    }
    sleep(AWAY).await;
    assert!(bus.dead_letters().is_empty(), "{}", bus.dead_letters().list()[0]);
    server.start().await;
    timeout(LONG, bus.drain()).await.expect("it has not left");
    assert!(bus.dead_letters().is_empty(), "{}", bus.dead_letters().list()[0]);

    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    queue.open(256).await.unwrap();
    while (seen.len() as u64) < PUBLISHED {
        let deliveries = timeout(LONG, queue.receive(256)).await.unwrap().unwrap();
        assert!(!deliveries.is_empty(), "{} of {PUBLISHED} are there", seen.len());
        for delivery in deliveries {
            let id = Envelope::from_slice(&delivery.packet().body).unwrap().payload["id"].as_u64().unwrap();
            // One whose confirmation was lost is there twice.
            if seen.insert(id) {
                order.push(id);
            }
            delivery.ack().await.unwrap();
        }
    }
    assert!(order.into_iter().eq(0..PUBLISHED));
}

/// The server, unless it cannot be had here.
fn had<S, E: Display>(server: Result<S, E>) -> Option<S> {
    server.map_err(|why| assert!(!is_ci(), "{why}")).ok()
}

#[test]
fn a_route_outlives_a_restart_of_redis() {
    actix::System::new().block_on(async {
        let Some(server) = had(RedisServer::own(DURABLE).await) else { return };
        let queue = Redis::stream("orders").at(server.url()).create_if_missing().await.unwrap();
        outlives(server.ours().unwrap(), queue).await;
    });
}

#[test]
fn a_route_outlives_a_restart_of_rabbitmq() {
    actix::System::new().block_on(async {
        let Some(server) = had(RabbitMqServer::own().await) else { return };
        let queue = RabbitMq::queue("orders").at(server.url()).create_if_missing().await.unwrap();
        outlives(server.ours().unwrap(), queue).await;
    });
}
