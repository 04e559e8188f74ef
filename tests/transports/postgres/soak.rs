//! Half an hour in which somebody's transaction stays open, `idle in transaction`: vacuum may take nothing away that was there
//! since, and what is asked is that a queue and an outbox go on as they began.
//!
//! `outbox → relay → queue → acknowledged`, at a steady rate, and a crowd now and then

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

use convoke::prelude::*;
use convoke::{Envelope, Outbox, Outgoing};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgConnection};
use tokio::time::{interval, sleep};

use super::*;

/// Every so often so many are published by one transaction; some of them with one of so many keys.
const EVERY: Duration = Duration::from_millis(100);
const EVENTS: u64 = 15;
const KEYS: u64 = 100;

/// So many at once, in the middle of every so many windows.
const CROWD: u64 = 5_000;
const CROWDS: u64 = 5;

const WINDOWS: u64 = 30;

/// A body of about this size.
const BYTES: usize = 900;

#[derive(Clone, Debug, Event, Serialize, Deserialize)]
#[event(topic = "soak/ticked")]
struct Ticked {
    number: u64,
    key: Option<String>,
    /// When it was committed, in µs since the test began.
    at: u64,
    text: String,
}

/// What has come, and how long that took.
#[derive(Default)]
struct Came {
    count: u64,
    waits: Vec<u64>,
    last: HashMap<String, u64>,
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

#[actix_rt::test]
async fn a_queue_and_an_outbox_stay_as_they_are_while_somebody_keeps_vacuum_back() {
    let minutes = std::env::var("CONVOKE_SOAK_MINUTES").ok().and_then(|minutes| minutes.parse::<u64>().ok());
    let Some(minutes) = minutes else { return println!("not tried: set CONVOKE_SOAK_MINUTES=30, on a quiet machine") };
    let window = Duration::from_secs(60 * minutes / WINDOWS);
    let server = PostgresServer::own(&[]).await.unwrap();
    let db = Postgres::connect(server.url()).schema("soak").await.unwrap();
    db.migrate().await.unwrap();
    let outbox = db.outbox("Soak").ordered_by(|event| event.payload["key"].as_str().map(str::to_owned)).await.unwrap();
    let queue = db.queue("ticks").await.unwrap();
    let (bus, start, came) = (EventBus::default(), Instant::now(), Rc::new(RefCell::new(Came::default())));
    let reader = actix_rt::spawn(read(queue.clone(), start, came.clone()));
    let _relay = outbox.relay(Route::new("Soak/**", queue)).supervised(&bus).await.unwrap();

    let mut idle = PgConnection::connect(server.url()).await.unwrap();
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT txid_current()").execute(&mut idle).await.unwrap();
    let mut number = 0;
    let mut figures = Vec::new();
    for round in 0..WINDOWS {
        let (end, mut tick) = (Instant::now() + window, interval(EVERY));
        while Instant::now() < end {
            tick.tick().await;
            publish(&db, &outbox, start, &mut number, EVENTS).await;
        }
        all_came(&came, number).await;
        let mut waits = std::mem::take(&mut came.borrow_mut().waits);
        waits.sort_unstable();
        let at = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize] as f64 / 1000.0;
        let (half, most) = (at(0.5), at(0.99));
        let mut speed = None;
        if round % CROWDS == 0 || round + 1 == WINDOWS {
            let begun = Instant::now();
            for _ in 0..CROWD / 500 {
                publish(&db, &outbox, start, &mut number, 500).await;
            }
            all_came(&came, number).await;
            speed = Some(CROWD as f64 / begun.elapsed().as_secs_f64());
            came.borrow_mut().waits.clear();
        }
        let dead = dead_rows(&db).await;
        println!(
            "figure: window {round}: {number} events, {dead:?} dead rows (queue, outbox), commit to delivery {half:.1} ms p50, \
             {most:.1} ms p99{}",
            speed.map(|speed| format!(", {speed:.0} a second of a crowd")).unwrap_or_default()
        );
        figures.push((half, speed));
    }
    assert_eq!(came.borrow().count, number, "none twice");
    let (first, last) = (figures[0], figures[figures.len() - 1]);
    assert!(last.0 < first.0 * 4.0 + 10.0, "from {first:?} to {last:?}: it is slower");
    assert!(last.1 > first.1.map(|speed| speed / 3.0), "from {first:?} to {last:?}: fewer a second");
    drop(idle);
    // What was kept back is taken away without anybody's help.
    let ended = Instant::now();
    let (mut queue, mut outbox) = dead_rows(&db).await;
    while queue + outbox > 20_000 && ended.elapsed() < Duration::from_secs(300) {
        sleep(Duration::from_secs(5)).await;
        (queue, outbox) = dead_rows(&db).await;
    }
    println!("figure: {:?} after the transaction has ended {queue} and {outbox} rows are dead", ended.elapsed());
    assert!(queue + outbox <= 20_000);
    reader.abort();
}

async fn publish(
    db: &PostgresDatabase,
    outbox: &Outbox<PostgresDatabase>,
    start: Instant,
    number: &mut u64,
    count: u64,
) {
    let mut tx = db.begin().await.unwrap();
    let events: Vec<_> = (*number..*number + count)
        .map(|number| {
            let key = (number % 2 == 0).then(|| format!("k{}", number / 2 % KEYS));
            Outgoing::new(Ticked { number, key, at: micros(start), text: "x".repeat(BYTES) })
        })
        .collect();
    outbox.publish_all(&mut tx, events).await.unwrap();
    tx.commit().await.unwrap();
    *number += count;
}

async fn read(mut queue: Postgres, start: Instant, came: Rc<RefCell<Came>>) {
    queue.open(100).await.unwrap();
    loop {
        let deliveries = queue.receive(100).await.unwrap();
        let now = micros(start);
        for delivery in &deliveries {
            let envelope = Envelope::from_slice(&delivery.packet().body).unwrap();
            let ticked: Ticked = serde_json::from_value(envelope.payload).unwrap();
            let came = &mut *came.borrow_mut();
            came.count += 1;
            came.waits.push(now - ticked.at);
            if let Some(key) = ticked.key {
                let last = came.last.insert(key, ticked.number);
                assert!(last.is_none_or(|last| last < ticked.number), "out of the order of its key");
            }
        }
        for settled in join_all(deliveries.into_iter().map(Delivery::ack)).await {
            settled.unwrap();
        }
    }
}

async fn all_came(came: &Rc<RefCell<Came>>, number: u64) {
    let waited = tokio::time::timeout(Duration::from_secs(120), async {
        while came.borrow().count < number {
            sleep(Duration::from_millis(2)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{} of {number} have come", came.borrow().count));
}

/// Of the queue and of the outbox, as PostgreSQL has counted them last.
async fn dead_rows(db: &PostgresDatabase) -> (i64, i64) {
    let sql = "SELECT (SELECT n_dead_tup FROM pg_stat_all_tables WHERE schemaname = 'soak' AND relname = 'convoke_delivery'), \
        (SELECT n_dead_tup FROM pg_stat_all_tables WHERE schemaname = 'soak' AND relname = 'convoke_outbox')";
    sqlx::query_as(sql).persistent(false).fetch_one(db.pool()).await.unwrap()
}
