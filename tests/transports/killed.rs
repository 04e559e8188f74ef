//! Workers in processes of their own, killed before, in and after their handler: nothing is lost, on any server.
//!
//! `publish → a process with a worker ─ writes what it begins and ends → a file → kill -9 → the next process`

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use convoke::codec::{Codec, Wire};
use convoke::prelude::*;
use convoke::transport::{Publisher, RabbitMq, Redis, Source, Sqlite, Sqs};
use convoke::{Envelope, Retry, Worker};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::transports::servers::aws::{self, AwsServer};
use crate::transports::servers::rabbitmq::RabbitMqServer;
use crate::transports::servers::redis::RedisServer;
use crate::transports::servers::{TempDir, is_ci};

/// What the inner process is told: server, where it is, the queue, the file.
const INNER: &str = "CONVOKE_TEST_KILLED";

/// How many orders there are at a time, and how often a worker is killed.
const ORDERS: u64 = 60;
const KILLS: usize = 10;
const ALL_KILLS: usize = 50;

/// A lease of which it does not take long until it is over.
pub(super) const LEASE: Duration = Duration::from_secs(2);

/// Longer than anything takes on any machine.
pub(super) const FOREVER: Duration = Duration::from_secs(240);

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "killed/ordered")]
pub(super) struct Ordered {
    pub(super) id: u64,
}

/// Both ends of a queue.
pub(super) struct Ends {
    pub(super) publisher: Arc<dyn Publisher>,
    pub(super) source: Box<dyn Source>,
}

impl Ends {
    fn of<Q: Publisher + Source + Clone>(queue: Q) -> Self {
        Self { publisher: Arc::new(queue.clone()), source: Box::new(queue) }
    }

    pub(super) async fn open(server: &str, at: &str, name: &str) -> Self {
        match server {
            "sqlite" => Self::of(Sqlite::queue(name).at(at).lease(LEASE).await.unwrap()),
            "redis" => Self::of(Redis::stream(name).at(at).lease(LEASE).create_if_missing().await.unwrap()),
            "rabbitmq" => Self::of(RabbitMq::queue(name).at(at).create_if_missing().await.unwrap()),
            "sqs" => {
                // Each process in the same account.
                let config = aws::config_of(at, 777_777_777_777);
                let queue = |name: &str| Sqs::queue(name).config(&config).lease(LEASE).create_if_missing();
                if name.ends_with("-dead") {
                    return Self::of(queue(name).await.unwrap());
                }
                let dead = format!("{name}-dead");
                queue(&dead).await.unwrap();
                Self::of(queue(name).dead_letter_queue(dead).await.unwrap())
            }
            other => panic!("no server {other}"),
        }
    }
}

/// What the inner process does: it works until it is killed. In the outer process it is nothing.
#[test]
fn inner() {
    let Ok(told) = std::env::var(INNER) else { return };
    let [server, at, name, file] = &told.split('\n').collect::<Vec<_>>()[..] else { panic!("{told}") };
    actix::System::new().block_on(async {
        let bus = EventBus::default();
        let file = OpenOptions::new().append(true).open(file).unwrap();
        let _works = bus
            .on(async move |order: Arc<Ordered>| {
                note(&file, "begin", order.id);
                sleep(Duration::from_millis(order.id % 7 * 3)).await;
                note(&file, "end", order.id);
            })
            .unwrap();
        let source = Ends::open(server, at, name).await.source;
        // However often it is killed with one in its hands, that is no failure of the order's.
        let retry = Retry::exponential(Duration::from_millis(100)).attempts(10_000).max_delay(Duration::from_secs(1));
        let worker = Worker::new(source, &bus).concurrency(4).prefetch(4).retry(retry).start().await.unwrap();
        worker.run_until(std::future::pending()).await.unwrap();
    });
}

/// In one piece, or it is not there: what is appended at once is not torn by a kill.
pub(super) fn note(mut file: &File, what: &str, id: u64) {
    file.write_all(format!("{what} {id}\n").as_bytes()).unwrap();
}

pub(super) fn notes(file: &Path) -> Vec<(String, u64)> {
    let text = std::fs::read_to_string(file).unwrap();
    let read = |line: &str| {
        let (what, id) = line.split_once(' ').unwrap();
        (what.to_owned(), id.parse().unwrap())
    };
    // Whoever reads while the last line is written may see half of it.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(read).collect()
}

/// A process that works.
struct Inner(Child);

impl Inner {
    fn start(told: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "transports::killed::inner", "--nocapture"]).env(INNER, told);
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

/// As `kill -9` does.
impl Drop for Inner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until this holds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + FOREVER;
    while !holds() {
        assert!(Instant::now() < end, "for {FOREVER:?} not: {what}");
        sleep(Duration::from_millis(1)).await;
    }
}

async fn nothing_is_lost(server: &str, at: &str) {
    let kills = if std::env::var_os("CONVOKE_FULL").is_some() { ALL_KILLS } else { KILLS };
    let name = format!("killed-{}", convoke::Uuid::now_v7().simple());
    let folder = TempDir::new("killed");
    let file = folder.path().join("notes");
    File::create(&file).unwrap();
    let ends = Ends::open(server, at, &name).await;
    let told = [server, at, &name, &file.display().to_string()].join("\n");
    let mut published = 0;
    let (mut before, mut within) = (0, 0);
    for kill in 0..kills {
        let packets: Vec<_> = (published..published + ORDERS).map(packet).collect();
        for taken in ends.publisher.publish(&packets).await {
            taken.unwrap();
        }
        published += ORDERS;
        let inner = Inner::start(&told);
        // One in four is killed while it starts or fetches, one when it has just ended an order and may not have said so
        // yet, and the others after some beginnings and ends.
        let seen = notes(&file).len();
        let more = seen + 1 + kill * 7 % 23;
        let ended = |notes: &[(String, u64)]| notes.last().is_some_and(|(what, _)| what == "end");
        match kill % 4 {
            3 => sleep(Duration::from_millis(37 * kill as u64 % 200)).await,
            1 => until("something is ended", || matches!(&*notes(&file), all if all.len() >= more && ended(all))).await,
            _ => until("something is begun", || notes(&file).len() >= more).await,
        }
        drop(inner);
        match notes(&file).last() {
            Some((what, _)) if what == "begin" => within += 1,
            _ => before += 1,
        }
    }
    let last = Inner::start(&told);
    let ended = || {
        let mut ends: BTreeMap<u64, usize> = BTreeMap::new();
        for (_, id) in notes(&file).into_iter().filter(|(what, _)| what == "end") {
            *ends.entry(id).or_default() += 1;
        }
        ends
    };
    until("every order is done", || ended().len() as u64 == published).await;
    drop(last);
    let ends = ended();
    assert!(ends.keys().copied().eq(0..published));
    let twice = ends.values().filter(|count| **count > 1).count();
    println!(
        "figure: {server}: {kills} workers killed, {within} with the last note a beginning and {before} not; \
         {published} orders, none lost, {twice} done more than once"
    );
}

pub(super) fn packet(id: u64) -> convoke::transport::Packet {
    Wire.write(&Envelope::new(Metadata::of::<Ordered>(), serde_json::json!({ "id": id })))
}

/// Runs it over a server that has to be there, as for the suites.
pub(super) fn over<S, E: Display>(
    server: &str,
    start: impl AsyncFnOnce() -> Result<S, E>,
    at: impl Fn(&S) -> String,
    test: impl AsyncFnOnce(&str, &str),
) {
    actix::System::new().block_on(async {
        match start().await {
            Ok(running) => test(server, &at(&running)).await,
            Err(missing) => {
                println!("{server}: not tried: {missing}");
                assert!(!is_ci(), "{server}: {missing}");
            }
        }
    });
}

#[test]
fn over_sqlite() {
    let start = async || Ok::<_, String>(TempDir::new("killed-sqlite"));
    over("sqlite", start, |folder| folder.path().join("orders.db").display().to_string(), nothing_is_lost);
}

#[test]
fn over_redis() {
    over("redis", RedisServer::start, |server| server.url().to_owned(), nothing_is_lost);
}

#[test]
fn over_rabbitmq() {
    over("rabbitmq", RabbitMqServer::start, |server| server.url().to_owned(), nothing_is_lost);
}

#[test]
fn over_sqs() {
    over("sqs", AwsServer::start, |server| server.endpoint().to_owned(), nothing_is_lost);
}
