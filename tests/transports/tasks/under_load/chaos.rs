//! What is done of jobs before and after something has happened, each time in one run.
//!
//! `rate → it happens while jobs are done → all have ended → rate`, five times, and the median of the ratios

use std::sync::Arc;
use std::time::{Duration, Instant};

use convoke::prelude::*;
use convoke::transport::PostgresDatabase;
use convoke::{AsReturned, Task, TaskDatabase, TaskFailed, TaskTerms, Tasks};
use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgConnection};
use tokio::time::sleep;

use super::{each_once, enqueue, is_left_out, median, nothing_waits, rate, work};
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::sqlite::File;
use crate::transports::tasks::processes::children::{Crew, Place, Worker, over, over_one};

const ROUNDS: usize = 5;
const JOBS: u64 = 5_000;

/// Ends its process, twice.
#[derive(Serialize, Deserialize)]
struct Crash {}

impl Task for Crash {
    type Succeeds = AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "Crash";
    const TERMS: TaskTerms = TaskTerms::new().attempts(2).waits(Duration::ZERO, Duration::ZERO);
}

/// Takes all connections of the pool of its worker, for some seconds.
#[derive(Serialize, Deserialize)]
struct Exhaust {}

impl Task for Exhaust {
    type Succeeds = AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "Exhaust";
}

async fn exhaust(_: Arc<Exhaust>, db: Inject<PostgresDatabase>) {
    let (mut all, end) = (Vec::new(), Instant::now() + Duration::from_secs(3));
    while Instant::now() < end {
        match db.pool().try_acquire() {
            Some(connection) => all.push(connection),
            None => sleep(Duration::from_millis(5)).await,
        }
    }
}

fn works<D: TaskDatabase>(tasks: Tasks<D>, _: &str) -> Tasks<D> {
    tasks.on(work).unwrap().on(async |_: Arc<Crash>| -> () { std::process::abort() }).unwrap()
}

fn works_on_postgres(tasks: Tasks<PostgresDatabase>, part: &str) -> Tasks<PostgresDatabase> {
    works(tasks, part).on(exhaust).unwrap()
}

/// A worker that is started again when it has ended.
struct Kept {
    worker: Worker,
}

impl Kept {
    /// Waits until nothing waits, whatever becomes of the worker meanwhile.
    async fn all_end<B: Place>(&mut self, crew: &Crew<B>) {
        let mut waits = std::pin::pin!(nothing_waits(&crew.queue));
        loop {
            tokio::select! {
                () = &mut waits => return,
                () = sleep(Duration::from_millis(20)) => if self.worker.ended().is_some() {
                    self.worker = crew.worker("");
                },
            }
        }
    }
}

async fn goes_on_after<B: Place>(crew: Crew<B>, what: &str, happens: impl AsyncFn(&Crew<B>, &mut Kept)) {
    let (mut kept, mut id, mut ratios) = (Kept { worker: crew.worker("") }, 0, Vec::new());
    rate(&crew.queue, &mut id, 500).await;
    for _ in 0..ROUNDS {
        let before = rate(&crew.queue, &mut id, JOBS).await;
        enqueue(&crew.queue, &mut id, JOBS).await;
        sleep(Duration::from_millis(50)).await;
        happens(&crew, &mut kept).await;
        kept.all_end(&crew).await;
        // Whoever was away is there again.
        enqueue(&crew.queue, &mut id, 500).await;
        kept.all_end(&crew).await;
        ratios.push(rate(&crew.queue, &mut id, JOBS).await / before);
    }
    drop(kept);
    let ids = crew.told().await;
    each_once(ids.iter().filter_map(|envelope| envelope.payload["id"].as_u64()).filter(|job| *job < id), id);
    let shown: Vec<_> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
    let ratio = median(ratios);
    println!(
        "figure: after {what} {ratio:.2} of the rate before ({}), {id} jobs, none lost, none twice",
        shown.join(", ")
    );
    assert!(ratio > 0.5, "{ratio}");
}

async fn crashes<B: Place>(crew: &Crew<B>, _: &mut Kept) {
    let _ = crew.queue.enqueue(Crash {}).priority(9).await.unwrap();
}

async fn is_killed<B: Place>(crew: &Crew<B>, kept: &mut Kept) {
    for _ in 0..10 {
        sleep(Duration::from_millis(fastrand::u64(50..300))).await;
        kept.worker.kill();
        kept.worker = crew.worker("");
    }
}

/// A test of what happens.
macro_rules! happening {
    ($name:ident, $over:expr, $happens:expr) => {
        #[test]
        fn $name() {
            if std::env::var_os("CONVOKE_TEST_TASKS_PLACE").is_none() && is_left_out() {
                return;
            }
            let what = stringify!($name).replace('_', " ");
            $over(concat!(module_path!(), "::", stringify!($name)), what, $happens);
        }
    };
}

fn postgres(test: &str, what: String, happens: impl AsyncFn(&Crew<Database>, &mut Kept)) {
    let alone = async || Database::alone(&["fsync=off"]).await;
    over_one::<Database>(test, alone, works_on_postgres, async |crew: Crew<Database>| {
        goes_on_after(crew, &what, happens).await
    });
}

fn sqlite(test: &str, what: String, happens: impl AsyncFn(&Crew<File>, &mut Kept)) {
    over::<File>(test, works, async |crew: Crew<File>| goes_on_after(crew, &what, happens).await);
}

happening!(a_worker_over_postgres_has_crashed, postgres, crashes::<Database>);
happening!(a_worker_over_sqlite_has_crashed, sqlite, crashes::<File>);
happening!(a_worker_over_postgres_was_killed_again_and_again, postgres, is_killed::<Database>);
happening!(a_worker_over_sqlite_was_killed_again_and_again, sqlite, is_killed::<File>);
happening!(the_server_was_restarted, postgres, async |crew: &Crew<Database>, _: &mut Kept| {
    let server = crew.base.server().ours().unwrap();
    server.kill().await;
    server.start().await;
});
happening!(all_backends_were_killed_again_and_again, postgres, async |crew: &Crew<Database>, _: &mut Kept| {
    let mut connection = PgConnection::connect(&crew.base.url).await.unwrap();
    for _ in 0..10 {
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
            WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
        sqlx::raw_sql(kill).execute(&mut connection).await.unwrap();
        sleep(Duration::from_millis(100)).await;
    }
});
happening!(the_pool_was_exhausted, postgres, async |crew: &Crew<Database>, _: &mut Kept| {
    let _ = crew.queue.enqueue(Exhaust {}).priority(9).await.unwrap();
});
