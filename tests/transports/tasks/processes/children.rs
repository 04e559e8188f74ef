//! Workers in processes of their own: this binary once more, for one test, until it is killed.
//!
//! `in_processes! → over → play: Crew::worker → a child: over → Tasks → … → Crew::told: what the outbox has`

use std::fs::File as LogFile;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Postgres, PostgresDatabase, Sqlite, SqliteDatabase};
use convoke::{Envelope, Outbox, TaskDatabase, TaskQueue, Tasks};
use sqlx::AssertSqlSafe;

use crate::transports::outbox::Taker;
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::sqlite::File;
use crate::transports::tasks::Base;

/// Tells a child where its database is, and what it is to do.
const PLACE: &str = "CONVOKE_TEST_TASKS_PLACE";
const PART: &str = "CONVOKE_TEST_TASKS_PART";

/// A database that another process can open, and that can be asked.
pub(crate) trait Place: Base {
    fn place(&self) -> String;

    async fn open(place: &str) -> Self::Database;

    /// The outbox that gets the events.
    async fn shop(db: &Self::Database) -> Outbox<Self::Database>;

    async fn sql(&self, sql: &str);

    async fn number(&self, sql: &str) -> i64;
}

impl Place for File {
    fn place(&self) -> String {
        self.folder.file("shop.db").display().to_string()
    }

    async fn open(place: &str) -> SqliteDatabase {
        Sqlite::open(place).await.unwrap()
    }

    async fn shop(db: &SqliteDatabase) -> Outbox<SqliteDatabase> {
        db.outbox("Shop").await.unwrap()
    }

    async fn sql(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(self.db.pool()).await.unwrap();
    }

    async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(self.db.pool()).await.unwrap()
    }
}

impl Place for Database {
    fn place(&self) -> String {
        self.url.clone()
    }

    async fn open(place: &str) -> PostgresDatabase {
        Postgres::connect(place).await.unwrap()
    }

    async fn shop(db: &PostgresDatabase) -> Outbox<PostgresDatabase> {
        db.outbox("Shop").await.unwrap()
    }

    async fn sql(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(self.db.pool()).await.unwrap();
    }

    async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).persistent(false).fetch_one(self.db.pool()).await.unwrap()
    }
}

/// A database, and who works on it.
pub(crate) struct Crew<B: Place> {
    pub(crate) base: B,
    pub(crate) queue: TaskQueue<B::Database>,
    pub(crate) outbox: Outbox<B::Database>,
    test: String,
}

/// A child, which is killed when this is dropped.
pub(crate) struct Worker(Child);

impl Worker {
    /// How it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// As `kill -9` does; it is gone when this returns.
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

impl<B: Place> Crew<B> {
    pub(crate) fn worker(&self, part: &str) -> Worker {
        self.worker_with(part, &[])
    }

    pub(crate) fn worker_with(&self, part: &str, variables: &[(String, String)]) -> Worker {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", self.test.split_once("::").unwrap().1, "--nocapture"]);
        command.env(PLACE, self.base.place()).env(PART, part).envs(variables.iter().cloned());
        // It ends when this process does, however that ends.
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        match std::env::var_os("CONVOKE_TEST_TASKS_LOG") {
            Some(log) => command.stderr(LogFile::options().create(true).append(true).open(log).unwrap()),
            None => command.stderr(Stdio::null()),
        };
        Worker(command.spawn().unwrap())
    }

    /// Waits until no job waits or runs.
    pub(crate) async fn all_end(&self, workers: &mut [Worker], part: &str, patience: Duration) -> u32 {
        let (start, mut deaths) = (std::time::Instant::now(), 0);
        loop {
            let figures = self.queue.figures().await.unwrap();
            if figures.waiting + figures.running + figures.scheduled == 0 {
                return deaths;
            }
            assert!(start.elapsed() < patience, "{figures:?} after {deaths} deaths");
            for worker in &mut *workers {
                if worker.ended().is_some() {
                    deaths += 1;
                    *worker = self.worker(part);
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// All that the outbox has.
    pub(crate) async fn told(&self) -> Vec<Envelope> {
        let taker = Taker::new();
        let relay = self.outbox.relay(Route::new("**", taker.clone())).start().await.unwrap();
        let start = std::time::Instant::now();
        while self.outbox.figures().await.unwrap().ready > 0 {
            assert!(start.elapsed() < Duration::from_secs(300), "they do not leave");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        relay.stop().await;
        taker.envelopes()
    }
}

/// In the parent plays, and in a child works until it is killed.
pub(crate) fn over<B: Place>(
    test: &str,
    works: impl FnOnce(Tasks<B::Database>, &str) -> Tasks<B::Database>,
    plays: impl AsyncFnOnce(Crew<B>),
) {
    over_one(test, B::new, works, plays);
}

/// The same over a database that is made for this test.
pub(crate) fn over_one<B: Place>(
    test: &str,
    makes: impl AsyncFnOnce() -> B,
    works: impl FnOnce(Tasks<B::Database>, &str) -> Tasks<B::Database>,
    plays: impl AsyncFnOnce(Crew<B>),
) {
    let place = std::env::var(PLACE);
    actix_rt::System::new().block_on(async {
        let Ok(place) = place else {
            let base = makes().await;
            let (queue, outbox) = (base.tasks().await.unwrap(), base.outbox("Shop").await.unwrap());
            return plays(Crew { base, queue, outbox, test: test.to_owned() }).await;
        };
        std::thread::spawn(|| {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            std::process::exit(3);
        });
        let part = std::env::var(PART).unwrap_or_default();
        let db = B::open(&place).await;
        let (bus, outbox) = (EventBus::builder().provide(db.clone()).build(), B::shop(&db).await);
        let tasks = works(quick(&db, &bus).outbox(&outbox), &part);
        let _tasks = tasks.await.unwrap();
        std::future::pending::<()>().await;
    });
}

fn quick<D: TaskDatabase>(db: &D, bus: &EventBus) -> Tasks<D> {
    Tasks::new(db, bus).lease(Duration::from_secs(3)).poll_every(Duration::from_millis(10))
}

/// As the tests of killed processes do.
pub(crate) fn kill_me() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    loop {
        std::thread::park();
    }
}

/// A test over each database that has files.
macro_rules! in_processes {
    ($($name:ident: $works:ident, $plays:ident;)*) => {
        $(mod $name {
            use $crate::transports::outbox::postgres::Database;
            use $crate::transports::outbox::sqlite::File;
            use $crate::transports::tasks::processes::children::over;

            #[test]
            fn over_sqlite() {
                over::<File>(concat!(module_path!(), "::over_sqlite"), super::$works, super::$plays);
            }

            #[test]
            fn over_postgres() {
                over::<Database>(concat!(module_path!(), "::over_postgres"), super::$works, super::$plays);
            }
        })*
    };
}
pub(crate) use in_processes;
