//! The jobs of a database, as they are open.
//!
//! `open_jobs → PostgresJobs → add.rs, lend.rs, settle.rs, look.rs, note.rs → a function of the schema`

use std::collections::HashMap;
use std::ops::DerefMut;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, Row as _, Transaction};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::floor::Floor;
use super::{add, lend, look, note, settle};
use crate::sql::postgres::{Own, PostgresDatabase, describe, late};
use crate::tasks::OpenTasks;
use crate::tasks::{
    Added, Ending, Held, Loans, NewJob, Noted, Row, Section, Spot, State, TaskFigures, Unclaimed, Wanted,
};
use crate::tasks::{Connected, Jobs, KeepingJobs, KeepsJobs, OpenedJobs, Outboxes, Work};
use crate::transport::{BoxFuture, ErrorKind, TransportError};

// States of a job.
pub(super) const AHEAD: i16 = 2;
pub(super) const DONE: i16 = 4;
pub(super) const FAILED: i16 = 5;
pub(super) const CANCELLED: i16 = 6;

/// The name by which it rings, which no queue can have.
const BELL: &str = "all tasks";

impl PostgresDatabase {
    /// Opens the tasks of this database, when it is awaited. See [`TaskQueue`](crate::TaskQueue).
    ///
    /// All times are by the clock of the server. To enqueue within a transaction of yours is one statement; a task with a unique
    /// key waits for another transaction that has just enqueued one of the same key, for no longer than 10 s or its own
    /// `lock_timeout`. A worker hears of a job as soon as it was enqueued in its process, and elsewhere by a `NOTIFY`, which is
    /// never sent in your transaction; behind a pooler in transaction mode jobs are polled.
    pub fn tasks(&self) -> OpenTasks<Self> {
        OpenTasks::new(self)
    }
}

impl KeepsJobs<PgConnection> for PostgresDatabase {
    fn open_jobs(&self) -> BoxFuture<'_, OpenedJobs<PgConnection>> {
        Box::pin(async move { Ok(Arc::new(PostgresJobs::open(self).await?) as Arc<dyn KeepingJobs<PgConnection>>) })
    }
}

pub(super) struct PostgresJobs {
    pub(super) at: Arc<str>,
    pub(super) database: PostgresDatabase,
    /// Which database it is, as that says of itself.
    id: Mutex<Arc<str>>,
    /// Whether keys with a limit were seen: then what ends makes room for others.
    pub(super) turns: AtomicBool,
    lending: Mutex<Lending>,
    /// By which it settles while there is much to settle.
    pub(super) own: Own,
    bell: watch::Receiver<()>,
}

/// What lending remembers.
#[derive(Debug, Default)]
pub(super) struct Lending {
    /// The last key of a lane that had its turn.
    pub(super) cursors: HashMap<i64, i64>,
    /// When it was looked last what has become due, if there was more than was wanted since.
    pub(super) looked: Option<Instant>,
    /// Where it begins while somebody keeps vacuum back.
    pub(super) floor: Floor,
}

impl PostgresJobs {
    pub(super) async fn open(database: &PostgresDatabase) -> Result<Self, TransportError> {
        let at: Arc<str> = "postgres tasks".into();
        database.check(&at).await?;
        let jobs = Self {
            at,
            database: database.clone(),
            id: Mutex::new("".into()),
            turns: AtomicBool::new(false),
            lending: Mutex::default(),
            own: Own::default(),
            bell: database.bells().watch(BELL),
        };
        jobs.learn_id().await?;
        Ok(jobs)
    }

    pub(super) fn id(&self) -> Arc<str> {
        self.id.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) async fn learn_id(&self) -> Result<(), TransportError> {
        let rows = self.rows(&format!("SELECT id FROM {}.convoke_database", self.database.schema())).await?;
        let id = self.value::<String>(&rows)?;
        *self.id.lock().unwrap_or_else(PoisonError::into_inner) = id.into();
        Ok(())
    }

    pub(super) fn lending(&self) -> MutexGuard<'_, Lending> {
        self.lending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn rows(&self, sql: &str) -> Result<Vec<PgRow>, TransportError> {
        let rows = self.database.rows(&self.at, self.database.deadline(), sql).await;
        if rows.is_err() {
            // The server may have been started again, or be another one.
            self.lending().floor.give_up();
        }
        rows
    }

    /// The first value of the first row.
    pub(super) fn value<'r, T>(&self, rows: &'r [PgRow]) -> Result<T, TransportError>
    where
        T: sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>,
    {
        let value = rows.first().ok_or(sqlx::Error::RowNotFound).and_then(|row| row.try_get(0));
        value.map_err(|error| self.error(&error))
    }

    pub(super) fn error(&self, error: &sqlx::Error) -> TransportError {
        describe(&self.at, error)
    }

    pub(super) fn no_transaction(&self) -> TransportError {
        let text = "there is no transaction, so the job would not be there by what else it writes: begin one, as by \
            `db.begin()`, and commit it behind the job";
        TransportError::new(ErrorKind::Refused, self.at.clone(), text)
    }

    /// What went wrong in a transaction that is not ours, which only its owner can begin again.
    pub(super) fn error_within(&self, error: &sqlx::Error) -> TransportError {
        let code = error.as_database_error().and_then(|error| error.code());
        let (kind, text) = match code.as_deref() {
            Some("42883" | "42P01" | "3F000") => (
                ErrorKind::Missing,
                "the transaction is of a database that has no tasks: begin it in that of the tasks, or call `migrate()` there",
            ),
            Some("ZC001") => (
                ErrorKind::Missing,
                "the transaction is of another database than the tasks: begin it there, or open the tasks again if their \
                 database was replaced",
            ),
            Some("55P03") => (
                ErrorKind::Unreachable,
                "another transaction that is still open has enqueued a job with the same unique key, and was waited for: \
                 end it sooner, roll this one back, and try again",
            ),
            Some("40P01") => (
                ErrorKind::Unreachable,
                "two transactions waited for each other, and the server has undone this one: begin it again",
            ),
            Some("40001") => (
                ErrorKind::Unreachable,
                "the server has undone the transaction for the sake of another: begin it again",
            ),
            _ => return self.error(error),
        };
        TransportError::new(kind, self.at.clone(), text)
    }

    pub(super) fn ring(&self, count: usize) {
        self.database.bells().ring(BELL, count);
    }

    /// Before a commit.
    pub(super) fn hint(&self) {
        self.database.bells().hint(BELL);
    }

    /// Where something has ended: others of its key may have room.
    pub(super) fn hint_of_room(&self) {
        if self.turns.load(Ordering::Relaxed) {
            self.hint();
        }
    }
}

impl KeepingJobs<PgConnection> for PostgresJobs {
    fn add_within<'a>(
        &'a self,
        jobs: Vec<NewJob>,
        transaction: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<Vec<Added>, TransportError>> {
        Box::pin(add::add_within(self, jobs, transaction))
    }

    fn settle<'a>(
        &'a self,
        endings: Vec<Ending>,
        outboxes: Outboxes<'a, PgConnection>,
    ) -> BoxFuture<'a, Result<Vec<bool>, TransportError>> {
        Box::pin(settle::settle(self, endings, outboxes))
    }

    fn settle_within<'a>(
        &'a self,
        ending: Ending,
        outboxes: Outboxes<'a, PgConnection>,
        transaction: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(settle::settle_within(self, ending, outboxes, transaction))
    }

    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Work<PgConnection>>, TransportError>> {
        Box::pin(async {
            let transaction = self.database.begin().await?;
            Ok(Box::new(PostgresWork { at: self.at.clone(), transaction }) as Box<dyn Work<PgConnection>>)
        })
    }

    fn connect(&self) -> BoxFuture<'_, Connected<PgConnection>> {
        Box::pin(async {
            let deadline = self.database.deadline();
            let acquired = timeout(deadline, self.database.pool().acquire()).await;
            let connection = acquired.map_err(|_| late(&self.at, deadline))?.map_err(|error| self.error(&error))?;
            Ok(Box::new(connection) as Box<dyn DerefMut<Target = _> + Send>)
        })
    }
}

impl Jobs for PostgresJobs {
    fn name(&self) -> &Arc<str> {
        &self.at
    }

    fn add(&self, jobs: Vec<NewJob>) -> BoxFuture<'_, Result<Vec<Added>, TransportError>> {
        Box::pin(add::add(self, jobs))
    }

    fn lend<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Loans, TransportError>> {
        Box::pin(lend::lend(self, wanted))
    }

    fn renew<'a>(
        &'a self,
        held: &'a [(i64, u32)],
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<Held>, TransportError>> {
        Box::pin(lend::renew(self, held, lease))
    }

    fn cancel(&self, job: i64) -> BoxFuture<'_, Result<Option<State>, TransportError>> {
        Box::pin(look::cancel(self, job))
    }

    fn retry(&self, job: i64) -> BoxFuture<'_, Result<bool, TransportError>> {
        Box::pin(look::retry(self, job))
    }

    fn look(&self, job: i64) -> BoxFuture<'_, Result<Option<Row>, TransportError>> {
        Box::pin(look::look(self, job))
    }

    fn failed(&self, after: i64, most: usize) -> BoxFuture<'_, Result<Vec<Row>, TransportError>> {
        Box::pin(look::failed(self, after, most))
    }

    fn section<'a>(
        &'a self,
        of: Section,
        task: Option<&'a str>,
        behind: Option<Spot>,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<(Spot, Row)>, TransportError>> {
        Box::pin(look::section(self, of, task, behind, most))
    }

    fn progress<'a>(&'a self, job: (i64, u32), progress: &'a Noted) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(note::progress(self, job, progress))
    }

    fn steps(&self, job: i64) -> BoxFuture<'_, Result<Vec<(String, String)>, TransportError>> {
        Box::pin(note::steps(self, job))
    }

    fn step<'a>(
        &'a self,
        job: (i64, u32),
        name: &'a str,
        result: &'a str,
    ) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(note::step(self, job, name, result))
    }

    fn ticked<'a>(&'a self, schedule: &'a str) -> BoxFuture<'a, Result<(Option<i64>, i64), TransportError>> {
        Box::pin(note::ticked(self, schedule))
    }

    fn tick<'a>(
        &'a self,
        schedule: &'a str,
        from: Option<i64>,
        to: i64,
        jobs: Vec<NewJob>,
    ) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(note::tick(self, schedule, from, to, jobs))
    }

    fn prune(&self, most: usize) -> BoxFuture<'_, Result<u64, TransportError>> {
        Box::pin(look::prune(self, most))
    }

    fn figures<'a>(&'a self, queues: &'a [Arc<str>], most: u64) -> BoxFuture<'a, Result<TaskFigures, TransportError>> {
        Box::pin(look::figures(self, queues, most))
    }

    fn unclaimed<'a>(
        &'a self,
        but: &'a Wanted,
        longer: Duration,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<Unclaimed>, TransportError>> {
        Box::pin(look::unclaimed(self, but, longer, most))
    }

    fn bell(&self) -> watch::Receiver<()> {
        self.database.bells().listen();
        self.bell.clone()
    }
}

struct PostgresWork {
    at: Arc<str>,
    transaction: Transaction<'static, Postgres>,
}

impl Work<PgConnection> for PostgresWork {
    fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    fn commit(self: Box<Self>) -> BoxFuture<'static, Result<(), TransportError>> {
        let Self { at, transaction } = *self;
        Box::pin(async move { transaction.commit().await.map_err(|error| describe(&at, &error)) })
    }

    fn rollback(self: Box<Self>) -> BoxFuture<'static, Result<(), TransportError>> {
        let Self { at, transaction } = *self;
        Box::pin(async move { transaction.rollback().await.map_err(|error| describe(&at, &error)) })
    }
}
