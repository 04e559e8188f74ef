//! What is done of jobs while something goes on, and whether the worker stops as it should meanwhile.
//!
//! `rate → it goes on → rate → Tasks::stop, within its time → what is dead in the table goes`

use std::time::{Duration, Instant};

use convoke::prelude::*;
use convoke::transport::PostgresDatabase;
use convoke::{TaskQueue, Tasks, TasksHandle};
use sqlx::{Connection, PgConnection};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{each_once, enqueue, is_left_out, median, nothing_waits, work};
use crate::transports::outbox::Taker;
use crate::transports::outbox::postgres::Database;
use crate::transports::tasks::Base;
use crate::transports::tasks::processes::children::Place;

const ROUNDS: usize = 5;
const JOBS: u64 = 5_000;

/// A worker in this process, on a server of its own.
struct Plant {
    base: Database,
    bus: EventBus,
    queue: TaskQueue<PostgresDatabase>,
    tasks: TasksHandle<PostgresDatabase>,
    id: u64,
    before: f64,
}

impl Plant {
    async fn new() -> Self {
        let base = Database::alone(&["fsync=off", "autovacuum_naptime=10s"]).await;
        let (bus, outbox, queue) =
            (EventBus::default(), base.outbox("Shop").await.unwrap(), base.tasks().await.unwrap());
        let tasks = Tasks::new(base.database(), &bus).outbox(&outbox).on(work).unwrap().await.unwrap();
        let mut plant = Self { base, bus, queue, tasks, id: 0, before: 1.0 };
        plant.rate().await;
        plant.before = plant.rounds().await;
        plant
    }

    /// Enqueues some, and returns how many were done in a second, until all are. It asks the worker: to count what is in the table, a
    /// few hundred times a second, is a load of its own.
    async fn rate(&mut self) -> f64 {
        let done = || self.tasks.probe().health().settled;
        let before = done();
        enqueue(&self.queue, &mut self.id, JOBS).await;
        let start = Instant::now();
        while done() - before < JOBS {
            assert!(start.elapsed() < Duration::from_secs(300));
            sleep(Duration::from_millis(1)).await;
        }
        JOBS as f64 / start.elapsed().as_secs_f64()
    }

    /// The median of what is done now, as a part of what was done.
    async fn rounds(&mut self) -> f64 {
        let mut rates = Vec::new();
        for _ in 0..ROUNDS {
            rates.push(self.rate().await);
        }
        median(rates) / self.before
    }

    /// Stops while it goes on, and has another do what is left.
    async fn ends(self, what: &str, ratio: f64, least: f64, goes_on: Vec<JoinHandle<()>>) {
        let Self { base, bus, queue, tasks, id, .. } = self;
        let start = Instant::now();
        let status = tasks.stop().await;
        let took = start.elapsed();
        assert_eq!(status.to_string(), "Tasks is stopped");
        let left = queue.figures().await.unwrap();
        println!(
            "figure: {what}: {ratio:.2} of the rate before; it stops in {took:.1?}, with {} jobs that wait",
            left.waiting
        );
        assert!(took < Duration::from_secs(30), "{took:?}");
        assert!(ratio > least, "{ratio}");
        assert_eq!(left.running, 0, "what it had is given back");
        for one in goes_on {
            one.abort();
            let _ = one.await;
        }
        let outbox = base.outbox("Shop").await.unwrap();
        let tasks = Tasks::new(base.database(), &bus).outbox(&outbox).on(work).unwrap().await.unwrap();
        nothing_waits(&queue).await;
        tasks.stop().await;
        let taker = Taker::new();
        let relay = outbox.relay(Route::new("**", taker.clone())).start().await.unwrap();
        while outbox.figures().await.unwrap().ready > 0 {
            sleep(Duration::from_millis(20)).await;
        }
        relay.stop().await;
        each_once(taker.envelopes().iter().map(|envelope| envelope.payload["id"].as_u64().unwrap()), id);
        let (start, dead) = (Instant::now(), "SELECT n_dead_tup FROM pg_stat_all_tables WHERE relname = 'convoke_job'");
        while base.number(dead).await > 20_000 {
            assert!(start.elapsed() < Duration::from_secs(120), "{} are dead", base.number(dead).await);
            sleep(Duration::from_millis(500)).await;
        }
    }
}

#[actix_rt::test]
async fn a_transaction_stays_open() {
    if is_left_out() {
        return;
    }
    // Side by side, for a machine is not always as quick.
    let (mut free, mut plant) = (Plant::new().await, Plant::new().await);
    let mut idle = PgConnection::connect(&plant.base.url).await.unwrap();
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT txid_current()").execute(&mut idle).await.unwrap();
    // What cannot be taken away gathers.
    enqueue(&plant.queue, &mut plant.id, 50_000).await;
    nothing_waits(&plant.queue).await;
    let (mut rates, mut frees) = (Vec::new(), Vec::new());
    for _ in 0..2 * ROUNDS {
        frees.push(free.rate().await);
        rates.push(plant.rate().await);
    }
    let ratio = median(rates) / median(frees);
    free.tasks.stop().await;
    let holds = actix_rt::spawn(async move {
        let _idle = idle;
        std::future::pending::<()>().await;
    });
    plant.ends("while a transaction is held open", ratio, 0.6, vec![holds]).await;
}

#[actix_rt::test]
async fn more_comes_than_is_done() {
    if is_left_out() {
        return;
    }
    let mut plant = Plant::new().await;
    let end = Instant::now() + Duration::from_secs(20);
    let (queue, first) = (plant.queue.clone(), plant.id);
    let done = async || plant.tasks.probe().health().settled;
    let begun = done().await;
    let mut id = first;
    let start = Instant::now();
    while Instant::now() < end {
        // As many again as have been done, and some more.
        let was_done = done().await - begun;
        while id - first < was_done + 2_000 {
            enqueue(&queue, &mut id, 500).await;
        }
        sleep(Duration::from_millis(10)).await;
    }
    let ratio = (done().await - begun) as f64 / start.elapsed().as_secs_f64() / plant.before;
    enqueue(&queue, &mut id, 10_000).await;
    plant.id = id;
    plant.ends("under an overload, enqueued by the same process", ratio, 0.3, Vec::new()).await;
}

#[actix_rt::test]
async fn others_read_the_table_slowly() {
    if is_left_out() {
        return;
    }
    let mut plant = Plant::new().await;
    let mut readers = Vec::new();
    for _ in 0..4 {
        let mut reader = PgConnection::connect(&plant.base.url).await.unwrap();
        readers.push(actix_rt::spawn(async move {
            loop {
                let read = "BEGIN; DECLARE slow CURSOR FOR SELECT * FROM convoke_job; FETCH 10 FROM slow; SELECT pg_sleep(0.5); \
                    FETCH 1000 FROM slow; SELECT pg_sleep(0.5); COMMIT";
                sqlx::raw_sql(read).execute(&mut reader).await.unwrap();
            }
        }));
    }
    let ratio = plant.rounds().await;
    plant.ends("while four read the table slowly", ratio, 0.3, readers).await;
}

#[actix_rt::test]
async fn a_hundred_thousand_come_at_once() {
    if is_left_out() {
        return;
    }
    let mut plant = Plant::new().await;
    enqueue(&plant.queue, &mut plant.id, 100_000).await;
    let (begun, start) = (plant.tasks.probe().health().settled, Instant::now());
    sleep(Duration::from_secs(3)).await;
    let ratio = (plant.tasks.probe().health().settled - begun) as f64 / start.elapsed().as_secs_f64() / plant.before;
    plant.ends("of a hundred thousand that came at once", ratio, 0.3, Vec::new()).await;
}
