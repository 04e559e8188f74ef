//! Tasks over the queues of real servers: one suite over each, and workers in processes that are killed.
//!
//! `a server → open → Queues: jobs, dead letters, events → Body`

use std::time::Duration;

use convoke::transport::{DeadLetterRecord, ErrorKind, Memory, Packet, Publisher, RabbitMq, Redis, Source, Sqs};
use convoke::{Envelope, EnvelopeLimits, codec};
use tokio::time::{Instant, timeout};

use crate::transports::killed::{FOREVER, LEASE, over};
use crate::transports::servers::aws::{self, AwsServer};
use crate::transports::servers::rabbitmq::RabbitMqServer;
use crate::transports::servers::redis::RedisServer;

/// What is done, what fails, and what a server cannot do.
mod suite;
/// Workers in processes that are killed, and jobs that kill them.
mod killed;

/// What a test has of a server.
struct Queues<Q> {
    jobs: Q,
    dead: Q,
    events: Q,
}

/// A test over the queues of any server.
trait Body {
    async fn run<Q: Source + Publisher + Clone>(self, queues: Queues<Q>);
}

/// Has a test run over new queues of this name.
async fn open(server: &str, at: &str, name: &str, body: impl Body) {
    let names = [name.to_owned(), format!("{name}-dead"), format!("{name}-events")];
    match server {
        "memory" => {
            let jobs = Memory::queue(name);
            let (dead, events) = (jobs.dead_letters(), Memory::queue(&names[2]));
            body.run(Queues { jobs, dead, events }).await;
        }
        "redis" => {
            let open = async |name: &str| Redis::stream(name).at(at).lease(LEASE).create_if_missing().await.unwrap();
            let [jobs, dead, events] = [open(&names[0]).await, open(&names[1]).await, open(&names[2]).await];
            body.run(Queues { jobs, dead, events }).await;
        }
        "rabbitmq" => {
            let open = async |name: &str| RabbitMq::queue(name).at(at).create_if_missing().await.unwrap();
            let [jobs, dead, events] = [open(&names[0]).await, open(&names[1]).await, open(&names[2]).await];
            body.run(Queues { jobs, dead, events }).await;
        }
        "rabbitmq classic" => {
            let queue = |name: &str| RabbitMq::queue(name).at(at).classic().create_if_missing();
            let jobs = queue(&names[0]).priorities(9).await.unwrap();
            let [dead, events] = [queue(&names[1]).await.unwrap(), queue(&names[2]).await.unwrap()];
            body.run(Queues { jobs, dead, events }).await;
        }
        "sqs" => {
            // Each process in the same account.
            let config = aws::config_of(at, 777_777_777_778);
            let queue = |name: &str| Sqs::queue(name).config(&config).lease(LEASE).create_if_missing();
            let [dead, events] = [queue(&names[1]).await.unwrap(), queue(&names[2]).await.unwrap()];
            let jobs = queue(&names[0]).dead_letter_queue(&names[1]).await.unwrap();
            body.run(Queues { jobs, dead, events }).await;
        }
        other => panic!("no server {other}"),
    }
}

/// What comes from a queue within a short time: it is taken out.
async fn come(source: &mut impl Source) -> Vec<Packet> {
    let mut come = Vec::new();
    if let Ok(lent) = timeout(Duration::from_millis(500), source.receive(50)).await {
        for delivery in lent.unwrap() {
            let packet = delivery.packet().clone();
            match delivery.ack().await {
                Ok(()) => come.push(packet),
                // On a busy machine its short lease has run out: it comes once more.
                Err(error) => assert_eq!(error.kind(), ErrorKind::Lost, "{error}"),
            }
        }
    }
    come
}

/// What comes from a queue until this holds of it.
async fn come_until(source: &mut impl Source, what: &str, holds: impl Fn(&[Packet]) -> bool) -> Vec<Packet> {
    let (end, mut all) = (Instant::now() + FOREVER, Vec::new());
    while !holds(&all) {
        assert!(Instant::now() < end, "for {FOREVER:?} not: {what}; there were {all:?}");
        all.extend(come(source).await);
    }
    all
}

fn event(packet: &Packet) -> Envelope {
    codec::read(packet, EnvelopeLimits::default()).unwrap()
}

fn letter(packet: &Packet) -> DeadLetterRecord {
    DeadLetterRecord::of(packet).unwrap()
}

fn unique(what: &str) -> String {
    format!("{what}-{}", convoke::Uuid::now_v7().simple())
}

#[test]
fn over_memory() {
    actix::System::new().block_on(suite::all("memory", ""));
}

#[test]
fn over_redis() {
    over(
        "redis",
        RedisServer::start,
        |server| server.url().to_owned(),
        async |server, at| {
            suite::all(server, at).await;
            killed::all(server, at).await;
        },
    );
}

#[test]
fn over_rabbitmq() {
    over(
        "rabbitmq",
        RabbitMqServer::start,
        |server| server.url().to_owned(),
        async |server, at| {
            suite::all(server, at).await;
            suite::all("rabbitmq classic", at).await;
            killed::all(server, at).await;
        },
    );
}

#[test]
fn over_sqs() {
    over(
        "sqs",
        AwsServer::start,
        |server| server.endpoint().to_owned(),
        async |server, at| {
            suite::all(server, at).await;
            killed::all(server, at).await;
        },
    );
}
