//! What a promise is tried on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::Uuid;
use crate::outbox::{Outbox, OutboxBuilder};
use crate::sql::memory::MemoryDatabase;
use crate::tasks::{
    Added, Due, Ending, Hold, How, KeepingJobs, Limit, Loan, Loans, NewJob, Outboxes, State, TaskDatabase, Wanted,
};
use crate::transport::Packet;

/// Whoever waits for longer has failed.
pub(super) const LONG: Duration = Duration::from_secs(60);
/// What is not to end while a test runs.
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// A database, its jobs and an outbox in it.
pub(super) struct Room<D: TaskDatabase> {
    pub(super) database: D,
    pub(super) jobs: Arc<dyn KeepingJobs<D::Connection>>,
    pub(super) outbox: Outbox<D>,
    /// Whether others write while a transaction is open.
    pub(super) is_shared: bool,
    /// Whether one is to look soon, for when the next lease ends is not looked for.
    pub(super) looks_often: bool,
    _folder: Option<Folder>,
}

impl<D: TaskDatabase> Room<D> {
    async fn of(database: D, folder: Option<Folder>) -> Self {
        let jobs = database.open_jobs().await.unwrap();
        let outbox = OutboxBuilder::new(&database, "Tasks".into()).await.unwrap();
        Self { database, jobs, outbox, is_shared: false, looks_often: false, _folder: folder }
    }

    /// The same database, as another process has it open.
    pub(super) async fn another(&self) -> Arc<dyn KeepingJobs<D::Connection>> {
        self.database.open_jobs().await.unwrap()
    }

    pub(super) async fn add(&self, jobs: impl IntoIterator<Item = NewJob>) -> Vec<Added> {
        self.jobs.add(jobs.into_iter().collect()).await.unwrap()
    }

    /// Adds one that is new, and returns its number.
    pub(super) async fn add_one(&self, job: NewJob) -> i64 {
        match self.add([job]).await[..] {
            [Added::New(id)] => id,
            ref added => panic!("{added:?}"),
        }
    }

    pub(super) async fn lend(&self, wanted: &Wanted) -> Vec<Loan> {
        self.lend_all(wanted).await.jobs
    }

    pub(super) async fn lend_all(&self, wanted: &Wanted) -> Loans {
        self.jobs.lend(wanted).await.unwrap()
    }

    /// Asks until there is something.
    pub(super) async fn lend_some(&self, wanted: &Wanted) -> Vec<Loan> {
        let end = Instant::now() + LONG;
        loop {
            let loans = self.lend(wanted).await;
            if !loans.is_empty() {
                return loans;
            }
            assert!(Instant::now() < end, "nothing is lent");
            sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) fn outboxes(&self) -> Outboxes<'_, D::Connection> {
        Outboxes { events: self.outbox.keeping(), batches: None }
    }

    pub(super) async fn settle(&self, endings: impl IntoIterator<Item = Ending>) -> Vec<bool> {
        self.jobs.settle(endings.into_iter().collect(), self.outboxes()).await.unwrap()
    }

    /// How many events are in the outbox.
    pub(super) async fn events(&self) -> u64 {
        self.outbox.keeping().figures(100_000).await.unwrap().ready
    }

    pub(super) async fn state(&self, job: i64) -> Option<State> {
        self.jobs.look(job).await.unwrap().map(|row| row.state)
    }

    /// Waits until this holds.
    pub(super) async fn until(&self, mut holds: impl AsyncFnMut() -> bool) {
        let end = Instant::now() + LONG;
        while !holds().await {
            assert!(Instant::now() < end, "it does not come about");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A job of the task `mail`, as plain as it can be.
pub(super) fn job(payload: &str) -> NewJob {
    NewJob {
        task: "mail".into(),
        queue: "default".into(),
        payload: serde_json::to_string(payload).unwrap(),
        attempts: 3,
        due: Due::After(Duration::ZERO),
        head_start: Duration::ZERO,
        expires: None,
        unique: None,
        key: None,
        cause: None,
    }
}

pub(super) fn of_task(task: &str, payload: &str) -> NewJob {
    NewJob { task: task.into(), ..job(payload) }
}

pub(super) fn of_key(key: &str, payload: &str) -> NewJob {
    NewJob { key: Some(key.into()), ..job(payload) }
}

pub(super) fn unique(key: &str) -> NewJob {
    NewJob { unique: Some(Hold { key: key.into(), time: None, running: true }), ..job(key) }
}

pub(super) fn later(payload: &str, wait: Duration) -> NewJob {
    NewJob { due: Due::After(wait), ..job(payload) }
}

pub(super) fn wanted(most: usize) -> Wanted {
    Wanted { queues: vec!["default".into()], tasks: vec!["mail".into()], limits: Vec::new(), most, lease: HOUR }
}

/// The same where `mail` has a limit.
pub(super) fn limited(most: usize, limit: Limit) -> Wanted {
    Wanted { limits: vec![("mail".into(), limit)], ..wanted(most) }
}

pub(super) fn at_once(most: u32) -> Limit {
    Limit { at_once: Some(most), rate: None }
}

pub(super) fn payloads(loans: &[Loan]) -> Vec<String> {
    loans.iter().map(|loan| serde_json::from_str(&loan.payload).unwrap()).collect()
}

pub(super) fn numbers(added: &[Added]) -> Vec<i64> {
    let number = |added: &Added| match added {
        Added::New(id) | Added::Existing(id) => *id,
    };
    added.iter().map(number).collect()
}

/// It is done, with an event, and kept for so long.
pub(super) fn done(loan: &Loan, keep: Duration) -> Ending {
    over(loan, State::Done, Some("{\"ok\":true}"), keep)
}

pub(super) fn over(loan: &Loan, state: State, text: Option<&str>, keep: Duration) -> Ending {
    let how = How::Over { state, text: text.map(str::to_owned), keep };
    Ending { job: loan.id, attempt: loan.attempt, how, counts: true, event: Some(event(loan)), told: None }
}

pub(super) fn again(loan: &Loan, after: Duration, reason: &str) -> Ending {
    let how = How::Again { after, reason: reason.into() };
    Ending { job: loan.id, attempt: loan.attempt, how, counts: true, event: None, told: None }
}

pub(super) fn released(loan: &Loan) -> Ending {
    Ending { job: loan.id, attempt: loan.attempt, how: How::Released, counts: false, event: None, told: None }
}

fn event(loan: &Loan) -> Packet {
    let mut packet = Packet::new(format!("{} {}", loan.id, loan.attempt), "{}");
    packet.topic = "tasks/ended".into();
    packet
}

pub(super) struct Memory;

impl Memory {
    pub(super) async fn room() -> Room<MemoryDatabase> {
        Room::of(crate::transport::Memory::database(), None).await
    }
}

/// A folder that goes with this value.
pub(super) struct Folder(std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(feature = "sqlite")]
pub(super) struct File;

#[cfg(feature = "sqlite")]
impl File {
    pub(super) async fn room() -> Room<crate::transport::SqliteDatabase> {
        let folder = Folder(std::env::temp_dir().join(format!("convoke-tasks-{}", Uuid::now_v7())));
        std::fs::create_dir_all(&folder.0).unwrap();
        let database = crate::transport::Sqlite::open(folder.0.join("tasks.db")).await.unwrap();
        Room::of(database, Some(folder)).await
    }
}

#[cfg(feature = "postgres")]
pub(super) struct Server;

#[cfg(feature = "postgres")]
impl Server {
    /// A schema of its own.
    pub(super) async fn room() -> Option<Room<crate::transport::PostgresDatabase>> {
        let url = crate::sql::postgres::url_of_the_tests()?;
        let schema = format!("t{}", Uuid::now_v7().simple());
        let database = crate::transport::Postgres::connect(url).schema(schema).await.unwrap();
        database.migrate().await.unwrap();
        Some(Room { is_shared: true, ..Room::of(database, None).await })
    }

    /// The same, where lending begins as it does while somebody keeps vacuum back.
    pub(super) async fn room_with_floors() -> Option<Room<crate::transport::PostgresDatabase>> {
        crate::tasks::postgres::begin_at_floors();
        Some(Room { looks_often: true, ..Self::room().await? })
    }
}

/// Another database of the same kind, and a transaction there.
pub(super) trait Elsewhere: TaskDatabase {
    async fn elsewhere(&self) -> Option<Room<Self>>;
}

impl Elsewhere for MemoryDatabase {
    async fn elsewhere(&self) -> Option<Room<Self>> {
        Some(Memory::room().await)
    }
}

#[cfg(feature = "sqlite")]
impl Elsewhere for crate::transport::SqliteDatabase {
    async fn elsewhere(&self) -> Option<Room<Self>> {
        Some(File::room().await)
    }
}

#[cfg(feature = "postgres")]
impl Elsewhere for crate::transport::PostgresDatabase {
    async fn elsewhere(&self) -> Option<Room<Self>> {
        let url = crate::sql::postgres::url_of_the_tests()?;
        let name = format!("t{}", Uuid::now_v7().simple());
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(self.pool()).await.unwrap();
        let (server, _) = url.rsplit_once('/').unwrap();
        let database =
            crate::transport::Postgres::connect(format!("{server}/{name}")).schema(self.schema()).await.unwrap();
        database.migrate().await.unwrap();
        Some(Room::of(database, None).await)
    }
}
