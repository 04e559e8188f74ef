//! Schedules: each time once, however many enqueue it, and whatever becomes of the clock of the database.
//!
//! `where it stands, and how many jobs there are: the one less the other stays the same while every second has its job`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use convoke::prelude::*;
use convoke::transport::Postgres;
use convoke::{AsReturned, Missed, Task, TaskDatabase, TaskFailed, TaskTerms, Tasks};
use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;
use tokio::time::sleep;

use super::children::{Crew, Place, over};
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::sqlite::File;
use crate::transports::servers::is_ci;
use crate::transports::servers::postgres::PostgresServer;
use crate::transports::servers::sqlite::Folder;

const DAY: Duration = Duration::from_secs(24 * 3600);
const PATIENCE: Duration = Duration::from_secs(240);

/// So many times are behind when ten schedulers begin.
const TIMES: i64 = 10_000;

const STANDS: &str = "SELECT coalesce(max(at), 0) FROM convoke_job_tick";
/// When the schedule has begun, if each second since then has one job.
const BEGUN: &str = "SELECT coalesce(max(at), 0) - (SELECT count(*) FROM convoke_job) FROM convoke_job_tick";

#[derive(Serialize, Deserialize)]
struct Tick {}

impl Task for Tick {
    type Succeeds = AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "Tick";
    const TERMS: TaskTerms = TaskTerms::new();
}

async fn tick(_: Arc<Tick>) {}

/// Its jobs are kept, so that they can be counted.
fn every_second<D: TaskDatabase>(tasks: Tasks<D>) -> Tasks<D> {
    tasks.keep(DAY).on(tick).unwrap().every("* * * * * *", Tick {}).unwrap().missed(Missed::All)
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn ten_schedulers_enqueue_each_second_once<B: Place>() {
    let base = B::new().await;
    let bus = EventBus::default();
    let outbox = base.outbox("Shop").await.unwrap();
    let scheduler = |number: i32| {
        let tasks = Tasks::new(base.database(), &bus).named(format!("scheduler {number}")).outbox(&outbox);
        every_second(tasks.poll_every(Duration::from_millis(20))).concurrency(50)
    };
    let first = scheduler(0).await.unwrap();
    until("it has begun", async || base.number(STANDS).await > 0).await;
    first.stop().await;
    base.sql(&format!("UPDATE convoke_job_tick SET at = at - {TIMES}")).await;
    let (begun, stood) = (base.number(BEGUN).await, base.number(STANDS).await);
    let mut all = Vec::new();
    for number in 1..=10 {
        all.push(scheduler(number).await.unwrap());
    }
    until("they are where the clock is", async || base.number(STANDS).await >= stood + TIMES).await;
    for scheduler in all {
        scheduler.stop().await;
    }
    let jobs = base.number("SELECT count(*) FROM convoke_job").await;
    assert_eq!(base.number(BEGUN).await, begun, "{jobs} jobs");
    println!(
        "figure: {} times under 10 schedulers, {jobs} jobs in all: 0 twice, 0 missed",
        base.number(STANDS).await - stood
    );
}

#[actix_rt::test]
async fn ten_schedulers_over_sqlite_enqueue_each_second_once() {
    ten_schedulers_enqueue_each_second_once::<File>().await;
}

#[actix_rt::test]
async fn ten_schedulers_over_postgres_enqueue_each_second_once() {
    ten_schedulers_enqueue_each_second_once::<Database>().await;
}

/// A clock that can be set, for whoever runs with its variables.
struct Clock {
    folder: Folder,
    library: PathBuf,
}

impl Clock {
    /// Debian has it as `faketime`.
    fn new() -> Option<Self> {
        let libraries = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
        let library = libraries.map(|folder| folder.join("faketime/libfaketime.so.1")).find(|file| file.is_file());
        let Some(library) = library else {
            assert!(!is_ci(), "faketime is not installed, and under CI that is a failure");
            println!("not tried: faketime is not installed");
            return None;
        };
        let clock = Self { folder: Folder::new().unwrap(), library };
        clock.set(0);
        Some(clock)
    }

    fn variables(&self) -> Vec<(String, String)> {
        let file = self.folder.file("clock").display().to_string();
        let library = self.library.display().to_string();
        let all = [
            ("LD_PRELOAD", &*library),
            ("FAKETIME_TIMESTAMP_FILE", &*file),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
        ];
        all.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    /// Has it go so many seconds before the clock of the machine, or behind it.
    fn set(&self, seconds: i64) {
        let (next, file) = (self.folder.file("next"), self.folder.file("clock"));
        std::fs::write(&next, format!("{seconds:+}\n")).unwrap();
        std::fs::rename(next, file).unwrap();
    }
}

/// Forward, far back, and forward again: every second has one job.
async fn is_set(clock: &Clock, number: impl AsyncFn(&str) -> i64) {
    until("it has begun", async || number(STANDS).await > 0).await;
    let (begun, stood) = (number(BEGUN).await, number(STANDS).await);
    clock.set(1_000);
    until("the times between are enqueued", async || number(STANDS).await >= stood + 1_000).await;
    assert_eq!(number(BEGUN).await, begun, "after it was set forward");
    clock.set(-500);
    // What was enqueued with the old clock may still be on its way.
    sleep(Duration::from_millis(500)).await;
    let stands = number(STANDS).await;
    sleep(Duration::from_secs(3)).await;
    assert_eq!((number(STANDS).await, number(BEGUN).await), (stands, begun), "nothing is done again");
    clock.set(1_020);
    until("it goes on", async || number(STANDS).await > stands + 5).await;
    assert_eq!(number(BEGUN).await, begun, "after it was set back, and forward again");
    println!("figure: a clock set by +1,000 s, -1,500 s and +1,520 s under 3 schedulers: 0 times twice, 0 missed");
}

#[actix_rt::test]
async fn the_clock_of_a_postgres_may_be_set() {
    let Some(clock) = Clock::new() else { return };
    let server = PostgresServer::own_with(&["fsync=off"], &clock.variables()).await.unwrap();
    let db = Postgres::connect(server.url()).await.unwrap();
    db.migrate().await.unwrap();
    let (bus, outbox) = (EventBus::default(), db.outbox("Shop").await.unwrap());
    let mut all = Vec::new();
    for number in 0..3 {
        let tasks = Tasks::new(&db, &bus).named(format!("scheduler {number}")).outbox(&outbox);
        all.push(every_second(tasks).await.unwrap());
    }
    is_set(&clock, async |sql| {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).persistent(false).fetch_one(db.pool()).await.unwrap()
    })
    .await;
    for scheduler in all {
        scheduler.stop().await;
    }
}

/// Of a file it is that of each process: three of them have one that is set.
#[test]
fn the_clock_of_processes_with_a_file_may_be_set() {
    let test = concat!(module_path!(), "::the_clock_of_processes_with_a_file_may_be_set");
    over(
        test,
        |tasks, _| every_second(tasks),
        async |crew: Crew<File>| {
            let Some(clock) = Clock::new() else { return };
            let _workers = [(); 3].map(|()| crew.worker_with("", &clock.variables()));
            is_set(&clock, async |sql| crew.base.number(sql).await).await;
        },
    );
}
