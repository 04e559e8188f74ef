//! Workers in processes that are killed at every step: in the end each job has ended once, with one event.
//!
//! `jobs → two children at a time (this binary once more): killed when a job is claimed, when its instance is loaded, in its function,
//! when that is deleted, while it ends, when it has ended, or by us → … → a worker that is not killed → one event and one row of each`

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Postgres, Sqlite};
use convoke::{Fault, Instance, Outbox, Repository, TaskDatabase, TaskQueue, Tasks, Tx};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, SqliteConnection};

use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::sqlite::File;
use crate::transports::outbox::{Taker, until};
use crate::transports::tasks::Base;

/// Tells a child where its database is, and when it is to be killed.
const CHILD: &str = "CONVOKE_TEST_TASKS";
const KILL: &str = "CONVOKE_TEST_TASKS_KILL";

/// When a child is killed.
const STEPS: [&str; 7] = ["claimed", "loaded", "inside", "ending", "deleted", "ended", "anywhere"];

fn kills() -> u32 {
    if std::env::var_os("CONVOKE_FULL").is_some() { 200 } else { 20 }
}

fn jobs() -> i64 {
    if std::env::var_os("CONVOKE_FULL").is_some() { 10_000 } else { 1_000 }
}

/// What a job is about: a row that goes with it.
struct Row;

/// Of these, every third enqueues another in the transaction that ends it, and every seventh fails for good.
#[derive(Task, Serialize, Deserialize)]
#[task(attempts = 10000, first_wait = "1ms", longest_wait = "1ms")]
#[task(instance(id: Row), delete_on_success, delete_on_failure)]
struct Work {
    id: i64,
}

/// A row that is found and deleted on a connection of its own.
struct Other;

/// The same, about a row that no transaction of a job deletes.
#[derive(Task, Serialize, Deserialize)]
#[task(attempts = 10000, first_wait = "1ms", longest_wait = "1ms")]
#[task(instance(id: Other), delete_on_success, delete_on_failure)]
struct Away {
    id: i64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "work/done")]
struct Worked {
    id: i64,
}

/// What a job has written: it stays.
#[derive(Task, Serialize, Deserialize)]
struct Trace {
    id: i64,
}

/// Whether it has failed for good, and whether it has left a trace.
fn fails(id: i64) -> bool {
    id % 7 == 0
}

fn leaves_a_trace(id: i64) -> bool {
    id % 3 == 0 && !fails(id)
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

fn dies(step: &str) {
    if is_to_die(step) {
        kill_me();
    }
}

async fn do_it<D: TaskDatabase>(id: i64, mut tx: Tx<D>, queue: TaskQueue<D>) -> Result<Worked, Fault> {
    let calls = CALLS.fetch_add(1, Ordering::Relaxed);
    if is_to_die("loaded") || is_to_die("ended") && calls == 1 {
        kill_me();
    }
    tokio::task::yield_now().await;
    if id % 3 == 0 {
        let begun = tx.begin().await?;
        let _ = queue.enqueue(Trace { id }).within(begun).await?;
    }
    dies("inside");
    if is_to_die("ending") {
        // Some time while what it returns is written.
        let wait = Duration::from_micros(fastrand::u64(0..4_000));
        std::thread::spawn(move || {
            #[expect(clippy::disallowed_methods, reason = "no future runs on this thread")]
            std::thread::sleep(wait);
            kill_me();
        });
    }
    if fails(id) {
        return Err(Fault::new("an unlucky number").permanent());
    }
    Ok(Worked { id })
}

async fn work<D: TaskDatabase>(
    work: Arc<Work>,
    _: Instance<Row>,
    tx: Tx<D>,
    queue: TaskQueue<D>,
) -> Result<Worked, Fault> {
    do_it(work.id, tx, queue).await
}

async fn work_away<D: TaskDatabase>(
    work: Arc<Away>,
    _: Instance<Other>,
    tx: Tx<D>,
    queue: TaskQueue<D>,
) -> Result<Worked, Fault> {
    do_it(work.id, tx, queue).await
}

/// A database with rows that jobs are about.
trait Rows: Base {
    /// What finds them, on a connection that is given, and on one of its own.
    fn repositories(db: &Self::Database) -> (Repository<Row>, Repository<Other>);

    /// An outbox whose events have the id of their row as their key.
    async fn outbox_of(db: &Self::Database) -> Outbox<Self::Database>;

    async fn fill(&self);

    /// The rows that are there, and the keys of the events that wait, as they are at one moment.
    async fn look(&self) -> (BTreeSet<i64>, BTreeSet<i64>);
}

macro_rules! rows {
    ($base:ty, $connection:ty) => {
        impl Rows for $base {
            fn repositories(db: &Self::Database) -> (Repository<Row>, Repository<Other>) {
                const FIND: &str = "SELECT id FROM a_row WHERE id = $1";
                const DELETE: &str = "DELETE FROM a_row WHERE id = $1";
                let find = async |id: i64, on: &mut $connection| {
                    dies("claimed");
                    let found = sqlx::query(FIND).bind(id).fetch_optional(on).await?;
                    Ok::<_, sqlx::Error>(found.map(|_| Row))
                };
                let delete = async |id: i64, on: &mut $connection| {
                    sqlx::query(DELETE).bind(id).execute(on).await?;
                    dies("deleted");
                    Ok::<_, sqlx::Error>(())
                };
                let (finds, deletes) = (db.pool().clone(), db.pool().clone());
                let find_other = async move |id: i64| {
                    dies("claimed");
                    let found = sqlx::query(FIND).bind(id).fetch_optional(&finds).await?;
                    Ok::<_, sqlx::Error>(found.map(|_| Other))
                };
                let delete_other = async move |id: i64| {
                    sqlx::query(DELETE).bind(id).execute(&deletes).await?;
                    dies("deleted");
                    Ok::<_, sqlx::Error>(())
                };
                (Repository::new(find).deletes(delete), Repository::new(find_other).deletes(delete_other))
            }

            async fn outbox_of(db: &Self::Database) -> Outbox<Self::Database> {
                db.outbox("Shop").ordered_by(|event| event.payload.get("id").map(ToString::to_string)).await.unwrap()
            }

            async fn fill(&self) {
                let pool = self.db.pool();
                sqlx::query("CREATE TABLE a_row (id BIGINT PRIMARY KEY)").execute(pool).await.unwrap();
                let mut tx = self.db.begin().await.unwrap();
                for id in 0..jobs() {
                    sqlx::query("INSERT INTO a_row (id) VALUES ($1)").bind(id).execute(&mut *tx).await.unwrap();
                }
                tx.commit().await.unwrap();
            }

            async fn look(&self) -> (BTreeSet<i64>, BTreeSet<i64>) {
                let both = "SELECT id, 0 FROM a_row UNION ALL SELECT CAST(key AS bigint), 1 FROM convoke_outbox";
                let both: Vec<(i64, i32)> = sqlx::query_as(both).fetch_all(self.db.pool()).await.unwrap();
                let of = |kind| both.iter().filter(|row| row.1 == kind).map(|row| row.0).collect::<BTreeSet<_>>();
                (of(0), of(1))
            }
        }
    };
}

rows!(File, SqliteConnection);
rows!(Database, PgConnection);

/// No row is gone whose event is not there; and of those that their job deletes, none is there whose event is.
async fn check<B: Rows>(base: &B) {
    let (rows, events) = base.look().await;
    for id in 0..jobs() {
        let (is_there, is_told) = (rows.contains(&id), events.contains(&id));
        assert!(is_there || is_told, "{id} was deleted, and nobody is told");
        assert!(is_away(id) || is_there != is_told, "{id}: there is {is_there}, told {is_told}");
    }
}

/// Of the second half, the rows are deleted by a job of its own.
fn is_away(id: i64) -> bool {
    id >= jobs() / 2
}

/// Does jobs, in a child, until it is killed.
async fn serve<B: Rows>(db: B::Database) {
    let (rows, others) = B::repositories(&db);
    let outbox = B::outbox_of(&db).await;
    let bus = EventBus::builder().provide(rows).provide(others).build();
    // One after the other, so that the second begins when the first has ended.
    let (concurrency, gather) = if is_to_die("ended") { (1, 1) } else { (4, 4) };
    let tasks = Tasks::new(&db, &bus).outbox(&outbox).concurrency(concurrency).gather(gather);
    let tasks = tasks.lease(Duration::from_secs(3)).poll_every(Duration::from_millis(10));
    let _tasks = tasks.on(work).unwrap().on(work_away).unwrap().await.unwrap();
    std::future::pending::<()>().await;
}

/// In a child: works, until it is killed.
fn is_child() -> bool {
    let Ok(place) = std::env::var(CHILD) else { return false };
    actix_rt::System::new().block_on(async {
        if place.starts_with("postgres") {
            serve::<Database>(Postgres::connect(place).await.unwrap()).await;
        } else {
            serve::<File>(Sqlite::open(place).await.unwrap()).await;
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

/// Of thousands of jobs that takes its time on a busy machine.
async fn at_last(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let start = std::time::Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < Duration::from_secs(300), "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn play<B: Rows>(test: &str, base: B, place: &str) {
    let queue = base.tasks().await.unwrap();
    let outbox = B::outbox_of(base.database()).await;
    base.fill().await;
    let (away, here): (Vec<_>, Vec<_>) = (0..jobs()).partition(|id| is_away(*id));
    queue.enqueue_all(here.into_iter().map(|id| Work { id })).await.unwrap();
    queue.enqueue_all(away.into_iter().map(|id| Away { id })).await.unwrap();
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
            check(&base).await;
        }
    }
    let left = queue.figures().await.unwrap();
    println!("figure: {} of {} jobs were left after {} kills", left.waiting + left.running, jobs(), kills() * 7);
    let (rows, others) = B::repositories(base.database());
    let bus = EventBus::builder().provide(rows).provide(others).build();
    let tasks = Tasks::new(base.database(), &bus).outbox(&outbox).concurrency(16);
    let tasks = tasks.poll_every(Duration::from_millis(10)).on(work).unwrap().on(work_away).unwrap().await.unwrap();
    let traces = (0..jobs()).filter(|id| leaves_a_trace(*id)).count() as u64;
    at_last("all have ended", async || {
        let figures = tasks.figures().await.unwrap();
        figures.waiting == traces && figures.running + figures.scheduled == 0
    })
    .await;
    tasks.stop().await;
    check(&base).await;
    assert!(base.look().await.0.is_empty(), "rows are left");
    let failed = (0..jobs()).filter(|id| fails(*id)).count() as u64;
    assert_eq!(queue.figures().await.unwrap().failed, failed);
    // Each has one event, and what it wrote is there once.
    let taker = Taker::new();
    let relay = outbox.relay(Route::new("**", taker.clone())).supervised(&bus).await.unwrap();
    at_last("all have left", async || outbox.figures().await.unwrap().ready == 0).await;
    drop(relay);
    let mut ended = BTreeMap::<(i64, String), u32>::new();
    for envelope in taker.envelopes() {
        let id = envelope.payload["id"].as_i64().unwrap();
        *ended.entry((id, envelope.metadata.event.to_string())).or_default() += 1;
    }
    let expected = |id| ((id, if fails(id) { "TaskFailed" } else { "Worked" }.to_owned()), 1);
    assert_eq!(ended, (0..jobs()).map(expected).collect());
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
