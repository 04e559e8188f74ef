//! Workers in processes that are killed at every step: in the end each job has ended once, with one event.
//!
//! `jobs → two children at a time (this binary once more): killed when a job is claimed, in its function, while it ends, when it has
//! ended, or by us → … → a worker that is not killed → one event and one row of each`

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Postgres, PostgresDatabase, Sqlite, SqliteDatabase};
use convoke::{AsReturned, Fault, Outbox, Task, TaskDatabase, TaskFailed, TaskQueue, TaskTerms, Tasks, Tx};
use serde::{Deserialize, Serialize};

use super::Base;
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::sqlite::File;
use crate::transports::outbox::{Taker, until};

/// Tells a child where its database is, and when it is to be killed.
const CHILD: &str = "CONVOKE_TEST_TASKS";
const KILL: &str = "CONVOKE_TEST_TASKS_KILL";

/// When a child is killed.
const STEPS: [&str; 5] = ["claimed", "inside", "ending", "ended", "anywhere"];

fn kills() -> u32 {
    if std::env::var_os("CONVOKE_FULL").is_some() { 200 } else { 20 }
}

fn jobs() -> u64 {
    if std::env::var_os("CONVOKE_FULL").is_some() { 10_000 } else { 1_000 }
}

/// Every third enqueues another in the transaction that ends it.
#[derive(Serialize, Deserialize)]
struct Work {
    id: u64,
}

impl Task for Work {
    type Succeeds = AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "Work";
    const TERMS: TaskTerms = TaskTerms::new().attempts(10_000).waits(Duration::ZERO, Duration::ZERO);
}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "work/done")]
struct Worked {
    id: u64,
}

/// What a job has written: it stays.
#[derive(Serialize, Deserialize)]
struct Trace {
    id: u64,
}

impl Task for Trace {
    type Succeeds = AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "Trace";
}

fn kill_me() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    loop {
        std::thread::park();
    }
}

static CALLS: AtomicU32 = AtomicU32::new(0);

fn is_to_die(step: &str) -> bool {
    std::env::var(KILL).is_ok_and(|kill| kill == step)
}

async fn work<D: TaskDatabase>(work: Arc<Work>, mut tx: Tx<D>, queue: TaskQueue<D>) -> Result<Worked, Fault> {
    let calls = CALLS.fetch_add(1, Ordering::Relaxed);
    if is_to_die("claimed") || is_to_die("ended") && calls == 1 {
        kill_me();
    }
    tokio::task::yield_now().await;
    if work.id.is_multiple_of(3) {
        let begun = tx.begin().await?;
        let _ = queue.enqueue(Trace { id: work.id }).within(begun).await?;
    }
    if is_to_die("inside") {
        kill_me();
    }
    if is_to_die("ending") {
        // Some time while what it returns is written.
        let wait = Duration::from_micros(fastrand::u64(0..2_000));
        std::thread::spawn(move || {
            #[expect(clippy::disallowed_methods, reason = "no future runs on this thread")]
            std::thread::sleep(wait);
            kill_me();
        });
    }
    Ok(Worked { id: work.id })
}

/// Does jobs, in a child, until it is killed.
async fn serve<D: TaskDatabase>(db: D, outbox: Outbox<D>) {
    let bus = EventBus::default();
    // One after the other, so that the second begins when the first has ended.
    let (concurrency, gather) = if is_to_die("ended") { (1, 1) } else { (4, 4) };
    let tasks = Tasks::new(&db, &bus).outbox(&outbox).concurrency(concurrency).gather(gather);
    let tasks = tasks.lease(Duration::from_secs(3)).poll_every(Duration::from_millis(10)).on(work::<D>).unwrap();
    let _tasks = tasks.await.unwrap();
    std::future::pending::<()>().await;
}

/// In a child: works, until it is killed.
fn is_child() -> bool {
    let Ok(place) = std::env::var(CHILD) else { return false };
    actix_rt::System::new().block_on(async {
        if place.starts_with("postgres") {
            let db: PostgresDatabase = Postgres::connect(place).await.unwrap();
            let outbox = db.outbox("Shop").await.unwrap();
            serve(db, outbox).await;
        } else {
            let db: SqliteDatabase = Sqlite::open(place).await.unwrap();
            let outbox = db.outbox("Shop").await.unwrap();
            serve(db, outbox).await;
        }
    });
    true
}

fn child(test: &str, place: &str, step: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test.split_once("::").unwrap().1, "--nocapture"]);
    command.env(CHILD, place).env(KILL, step).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

async fn play<B: Base>(test: &str, base: B, place: &str) {
    let queue = base.tasks().await.unwrap();
    let outbox = base.outbox("Shop").await.unwrap();
    queue.enqueue_all((0..jobs()).map(|id| Work { id })).await.unwrap();
    for step in STEPS {
        let mut killed = 0;
        while killed < kills() {
            let mut children = [child(test, place, step), child(test, place, step)];
            if step == "anywhere" {
                tokio::time::sleep(Duration::from_millis(fastrand::u64(100..600))).await;
                children.iter_mut().for_each(|child| child.kill().unwrap());
            }
            for child in &mut children {
                until("it is killed", async || child.try_wait().unwrap().is_some()).await;
                assert!(!child.wait().unwrap().success());
            }
            killed += 2;
        }
    }
    let left = queue.figures().await.unwrap();
    println!("figure: {} of {} jobs were left after {} kills", left.waiting + left.running, jobs(), kills() * 5);
    let bus = EventBus::default();
    let tasks = Tasks::new(base.database(), &bus).outbox(&outbox).concurrency(16).on(work::<B::Database>).unwrap();
    let tasks = tasks.poll_every(Duration::from_millis(10)).await.unwrap();
    until("all have ended", async || {
        let figures = tasks.figures().await.unwrap();
        let traces = jobs().div_ceil(3);
        figures.waiting == traces && figures.running + figures.scheduled == 0
    })
    .await;
    tasks.stop().await;
    assert_eq!(queue.figures().await.unwrap().failed, 0);
    // Each has one event, and what it wrote is there once.
    let taker = Taker::new();
    let relay = outbox.relay(Route::new("**", taker.clone())).supervised(&bus).await.unwrap();
    until("all have left", async || outbox.figures().await.unwrap().ready == 0).await;
    drop(relay);
    let mut ended = BTreeMap::<u64, u32>::new();
    for envelope in taker.envelopes() {
        let worked: Worked = serde_json::from_value(envelope.payload.clone()).unwrap();
        *ended.entry(worked.id).or_default() += 1;
    }
    assert_eq!(ended, (0..jobs()).map(|id| (id, 1)).collect());
}

#[test]
fn jobs_over_sqlite_survive_their_workers() {
    if is_child() {
        return;
    }
    let test = concat!(module_path!(), "::jobs_over_sqlite_survive_their_workers");
    actix_rt::System::new().block_on(async {
        let base = File::new().await;
        let place = base.folder.file("shop.db").display().to_string();
        play(test, base, &place).await;
    });
}

#[test]
fn jobs_over_postgres_survive_their_workers() {
    if is_child() {
        return;
    }
    let test = concat!(module_path!(), "::jobs_over_postgres_survive_their_workers");
    actix_rt::System::new().block_on(async {
        let base = Database::new().await;
        let place = base.url.clone();
        play(test, base, &place).await;
    });
}
