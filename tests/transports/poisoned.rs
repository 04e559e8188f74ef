//! Workers in processes of their own that die of one event, over and over: it is dead in the end, and all others are done.
//!
//! `publish → a process with a worker → the poison: abort → the next process → … → a dead letter`

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{DeadLetterRecord, DeadReason, UNHEARD_ATTEMPTS};
use convoke::{Envelope, Retry, Worker};
use tokio::time::{Instant, sleep, timeout};

use super::killed::{Ends, FOREVER, LEASE, Ordered, note, notes, over, packet};
use crate::transports::servers::TempDir;
use crate::transports::servers::aws::AwsServer;
use crate::transports::servers::rabbitmq::RabbitMqServer;
use crate::transports::servers::redis::RedisServer;

/// What the inner process is told: server, where it is, the queue, the file, how many at once.
const INNER: &str = "CONVOKE_TEST_POISONED";

/// How many orders there are, and which one of them nobody survives.
const ORDERS: u64 = 10;
const POISON: u64 = 4;

/// How often each is tried.
const ATTEMPTS: u32 = 3;

/// What the inner process does: it works until it dies of it. In the outer process it is nothing.
#[test]
fn inner() {
    let Ok(told) = std::env::var(INNER) else { return };
    let [server, at, name, file, concurrency] = &told.split('\n').collect::<Vec<_>>()[..] else { panic!("{told}") };
    actix::System::new().block_on(async {
        let bus = EventBus::default();
        let file = OpenOptions::new().append(true).open(file).unwrap();
        let _works = bus
            .on(async move |order: Arc<Ordered>| {
                note(&file, "begin", order.id);
                // So that others are being heard meanwhile.
                sleep(Duration::from_millis(20)).await;
                if order.id == POISON {
                    std::process::abort();
                }
                note(&file, "end", order.id);
            })
            .unwrap();
        let source = Ends::open(server, at, name).await.source;
        let retry = Retry::exponential(Duration::from_millis(100)).attempts(ATTEMPTS);
        let worker = Worker::new(source, &bus).concurrency(concurrency.parse().unwrap()).retry(retry);
        worker.run_until(std::future::pending()).await.unwrap();
    });
}

/// A process that works until it dies, or this is dropped.
struct Inner(Child);

impl Inner {
    fn start(told: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "transports::poisoned::inner", "--nocapture"]).env(INNER, told);
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn count(file: &Path, wanted: &str) -> BTreeMap<u64, u32> {
    let mut count = BTreeMap::new();
    for (_, id) in notes(file).into_iter().filter(|(what, _)| what == wanted) {
        *count.entry(id).or_default() += 1;
    }
    count
}

async fn nobody_is_taken_along(server: &str, at: &str, concurrency: usize) {
    let name = format!("poisoned-{concurrency}-{}", convoke::Uuid::now_v7().simple());
    let folder = TempDir::new("poisoned");
    let file = folder.path().join("notes");
    File::create(&file).unwrap();
    let ends = Ends::open(server, at, &name).await;
    let packets: Vec<_> = (0..ORDERS).map(packet).collect();
    for taken in ends.publisher.publish(&packets).await {
        taken.unwrap();
    }
    let mut dead = Ends::open(server, at, &format!("{name}-dead")).await.source;
    dead.open(10).await.unwrap();
    let told = [server, at, &name, &file.display().to_string(), &concurrency.to_string()].join("\n");
    let end = Instant::now() + FOREVER;
    let (mut deaths, mut letters) = (0, Vec::new());
    let mut inner = Inner::start(&told);
    // Until all are done or dead, and for a lease more: nothing comes after that.
    let mut quiet = None;
    while quiet.is_none_or(|since: Instant| since.elapsed() < LEASE + Duration::from_secs(2)) {
        let so_far = || format!("{server}, {concurrency} at once: {deaths} deaths, begun {:?}", count(&file, "begin"));
        assert!(Instant::now() < end, "for {FOREVER:?} not all are done or dead: {}, dead {letters:?}", so_far());
        if let Ok(lent) = timeout(Duration::from_millis(50), dead.receive(10)).await {
            for letter in lent.unwrap() {
                let envelope = Envelope::from_slice(&letter.packet().body).unwrap();
                letters
                    .push((envelope.payload["id"].as_u64().unwrap(), DeadLetterRecord::of(letter.packet()).unwrap()));
                letter.ack().await.unwrap();
            }
        }
        if let Some(status) = inner.0.try_wait().unwrap() {
            assert!(!status.success(), "{}", so_far());
            deaths += 1;
            quiet = None;
            inner = Inner::start(&told);
        }
        if quiet.is_none() && count(&file, "end").len() + letters.len() >= ORDERS as usize {
            quiet = Some(Instant::now());
        }
    }
    drop(inner);
    let (begun, ended) = (count(&file, "begin"), count(&file, "end"));
    let case = format!("{server}, {concurrency} at once: {deaths} deaths, begun {begun:?}, dead {letters:?}");
    let innocent: Vec<u64> = (0..ORDERS).filter(|id| *id != POISON).collect();
    assert!(ended.keys().copied().eq(innocent), "{case}");
    let ids: Vec<_> = letters.iter().map(|(id, record)| (*id, record.reason)).collect();
    assert_eq!(ids, [(POISON, DeadReason::Exhausted)], "{case}");
    assert!(letters[0].1.attempts <= ATTEMPTS, "{case}");
    // As often as it may be tried, and where the server keeps a mark, once more; without one a few times more.
    assert!((ATTEMPTS..=ATTEMPTS + UNHEARD_ATTEMPTS).contains(&begun[&POISON]), "{case}");
    println!(
        "figure: {server}, {concurrency} at once: the poison was heard {} times and is dead, the {} others are done",
        begun[&POISON],
        ended.len()
    );
}

async fn one_and_many(server: &str, at: &str) {
    tokio::join!(nobody_is_taken_along(server, at, 1), nobody_is_taken_along(server, at, 16));
}

#[test]
fn over_sqlite() {
    let start = async || Ok::<_, String>(TempDir::new("poisoned-sqlite"));
    over("sqlite", start, |folder| folder.path().join("orders.db").display().to_string(), one_and_many);
}

#[test]
fn over_redis() {
    over("redis", RedisServer::start, |server| server.url().to_owned(), one_and_many);
}

#[test]
fn over_rabbitmq() {
    over("rabbitmq", RabbitMqServer::start, |server| server.url().to_owned(), one_and_many);
}

#[test]
fn over_sqs() {
    over("sqs", AwsServer::start, |server| server.endpoint().to_owned(), one_and_many);
}
