//! Two relays and two workers over many keys, where a server refuses one event in a hundred for good: what follows it with the
//! same key is parked, and comes in order once it is redriven.
//!
//! `publishers → outbox → two relays → Choosy (refuses some) → a queue → two workers → heard`

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use convoke::prelude::*;
use convoke::transport::{
    Abilities, BoxFuture, ErrorKind, Memory, MemoryQueue, Packet, Postgres, Publisher, Sqlite, TransportError,
};
use convoke::{Envelope, Route, Worker};
use futures_util::future::join_all;
use tokio::time::sleep;

use super::shop::{PostgresShop, Shop, Sold, SqliteShop};
use crate::transports::servers::postgres::PostgresServer;
use crate::transports::servers::sqlite::Folder;

const PUBLISHERS: i64 = 4;
/// So many in a transaction.
const TOGETHER: usize = 50;
const LONG: Duration = Duration::from_secs(600);

/// How many keys, and events.
fn scale() -> (i64, i64) {
    if std::env::var_os("CONVOKE_FULL").is_some() { (1000, 100_000) } else { (250, 5000) }
}

#[test]
fn two_relays_and_two_workers_over_sqlite() {
    let folder = Folder::new().unwrap();
    actix_rt::System::new().block_on(async {
        let shop = SqliteShop::over(Sqlite::open(folder.file("shop.db")).await.unwrap()).await;
        crowd("sqlite", &shop).await;
    });
}

#[test]
fn two_relays_and_two_workers_over_postgres() {
    actix_rt::System::new().block_on(async {
        let server = PostgresServer::own(&[]).await.unwrap();
        let shop = PostgresShop::over(Postgres::connect(server.url()).await.unwrap()).await;
        crowd("postgres", &shop).await;
    });
}

/// A server that refuses one in a hundred for good, until it is cured.
struct Choosy {
    queue: MemoryQueue,
    cured: AtomicBool,
}

fn number(packet: &Packet) -> i64 {
    let body: serde_json::Value = serde_json::from_slice(&packet.body).unwrap();
    body["payload"]["number"].as_i64().unwrap() + body["payload"]["key"].as_i64().unwrap()
}

impl Publisher for Choosy {
    fn name(&self) -> &str {
        "choosy"
    }

    fn abilities(&self) -> Abilities {
        let mut abilities = self.queue.abilities();
        // It takes what stands behind one that it refuses.
        abilities.takes_in_order = false;
        abilities
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        Box::pin(async move {
            let is_refused = |packet: &Packet| number(packet) % 100 == 7 && !self.cured.load(Ordering::Relaxed);
            let (refused, taken): (Vec<_>, Vec<_>) = packets.iter().cloned().partition(is_refused);
            let refused: HashSet<_> = refused.into_iter().map(|packet| packet.id).collect();
            let mut results = self.queue.publish(&taken).await.into_iter();
            let result = |packet: &Packet| match refused.contains(&packet.id) {
                true => Err(TransportError::new(ErrorKind::Refused, "choosy", "not this one")),
                false => results.next().unwrap(),
            };
            packets.iter().map(result).collect()
        })
    }
}

/// Of each key, how far it was heard, and how many came once more.
#[derive(Default)]
struct Heard {
    keys: BTreeMap<i64, i64>,
    again: usize,
    disordered: Vec<(i64, i64, i64)>,
    count: i64,
}

impl Heard {
    fn hear(&mut self, sold: &Sold) {
        let last = self.keys.entry(sold.key).or_default();
        self.count += 1;
        match sold.number - *last {
            1 => *last = sold.number,
            ..1 => self.again += 1,
            _ => self.disordered.push((sold.key, *last, sold.number)),
        }
    }
}

async fn crowd(name: &str, shop: &impl Shop) {
    let (keys, events) = scale();
    let queue = Memory::queue(format!("crowd-{name}"));
    let server = Arc::new(Choosy { queue: queue.clone(), cured: AtomicBool::new(false) });
    let heard = Arc::new(Mutex::new(Heard::default()));
    let bus = EventBus::default();
    let hearing = heard.clone();
    let _heard = bus.on(move |sold: &Sold| hearing.lock().unwrap().hear(sold)).unwrap();
    let key_of = |envelope: &Envelope| Some(envelope.payload.get("key")?.to_string());
    let worker = async || Worker::new(queue.clone(), &bus).concurrency(16).ordered_by(key_of).start().await.unwrap();
    let workers = [worker().await, worker().await];
    let relay = async || shop.outbox().relay(Route::new("Shop/*", server.clone())).supervised(&bus).await.unwrap();
    let _relays = [relay().await, relay().await];

    let start = Instant::now();
    join_all((0..PUBLISHERS).map(async |publisher| {
        let (mut numbers, mut random) = (BTreeMap::new(), fastrand::Rng::new());
        for _ in 0..events / PUBLISHERS / TOGETHER as i64 {
            let sell = |_| {
                let key = random.i64(0..keys / PUBLISHERS) * PUBLISHERS + publisher;
                let number = numbers.entry(key).or_insert(0);
                *number += 1;
                Sold { key, number: *number }
            };
            let all: Vec<_> = (0..TOGETHER).map(sell).collect();
            shop.publish_all(&all).await;
        }
    }))
    .await;
    let published = start.elapsed();
    let figures = until_nothing_is_ready(shop).await;
    let first = start.elapsed();
    let (dead, parked) = (figures.dead, figures.parked);
    assert!(dead > 0 && parked > dead, "{figures:?}");
    // Figures go up to 10,000.
    let left = shop.tables().await.rows.len();
    assert!(left as u64 >= dead + parked, "{left} rows, {figures:?}");
    assert_eq!(heard_all(&heard, events - left as i64).await, Vec::new());

    // It refuses them again: they die once more, and those behind them are parked again.
    shop.outbox().redrive_all().await.unwrap();
    let figures = until_nothing_is_ready(shop).await;
    assert_eq!((figures.dead, figures.parked, shop.tables().await.rows.len()), (dead, parked, left));
    server.cured.store(true, Ordering::Relaxed);
    shop.outbox().redrive_all().await.unwrap();
    let figures = until_nothing_is_ready(shop).await;
    assert_eq!((figures.dead, figures.parked), (0, 0));
    assert_eq!(heard_all(&heard, events).await, Vec::new());
    assert_eq!(shop.tables().await.rows, [""; 0]);
    for worker in workers {
        worker.drain().await.unwrap();
    }
    println!(
        "figure: {name}: {events} events of {keys} keys, {dead} refused and {} parked behind them, then redriven twice: 0 \
         out of order, 0 left, {} came once more; published in {published:.1?}, relayed by {first:.1?}, all in {:.1?}",
        left as u64 - dead,
        heard.lock().unwrap().again,
        start.elapsed(),
    );
}

/// Waits until the relays have nothing more to do. No row is in the outbox twice meanwhile.
async fn until_nothing_is_ready(shop: &impl Shop) -> convoke::OutboxFigures {
    let all = async {
        loop {
            let figures = shop.outbox().figures().await.unwrap();
            if figures.ready == 0 {
                let rows = shop.tables().await.rows;
                assert_eq!(rows.iter().collect::<HashSet<_>>().len(), rows.len(), "twice in the outbox");
                return figures;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, all).await.expect("something never leaves")
}

/// Waits until so many were heard, and returns what came out of order.
async fn heard_all(heard: &Mutex<Heard>, events: i64) -> Vec<(i64, i64, i64)> {
    let all = async {
        loop {
            let heard_all = || {
                let there = heard.lock().unwrap();
                (there.count - there.again as i64 >= events).then(|| there.disordered.clone())
            };
            if let Some(disordered) = heard_all() {
                return disordered;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, all).await.expect("something was never heard")
}
