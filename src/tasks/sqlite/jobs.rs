//! The jobs of a file, as they are open.
//!
//! `open_jobs → SqliteJobs → add.rs, lend.rs, settle.rs, look.rs, note.rs`

use std::collections::HashMap;
use std::ops::DerefMut;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::{Connection, Sqlite, SqliteConnection, Transaction};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::{add, lend, list, look, note, settle};
use crate::sql::Bell;
use crate::sql::sqlite::{Reader, SqliteDatabase, Store, describe, late};
use crate::tasks::OpenTasks;
use crate::tasks::{
    Added, Ending, Held, Loans, NewJob, Noted, Row, Section, Spot, State, TaskFigures, Unclaimed, Wanted,
};
use crate::tasks::{Connected, Jobs, KeepingJobs, KeepsJobs, OpenedJobs, Outboxes, Work};
use crate::transport::{BoxFuture, ErrorKind, TransportError};

// States of a job.
pub(super) const READY: i64 = 0;
pub(super) const TURN: i64 = 1;
pub(super) const AHEAD: i64 = 2;
// 3 is running.
pub(super) const DONE: i64 = 4;
pub(super) const FAILED: i64 = 5;
pub(super) const CANCELLED: i64 = 6;

impl SqliteDatabase {
    /// Opens the tasks of this database, when it is awaited. See [`TaskQueue`](crate::TaskQueue).
    ///
    /// Its clock is that of the machine, which is the same for all processes that have the file open.
    pub fn tasks(&self) -> OpenTasks<Self> {
        OpenTasks::new(self)
    }
}

impl KeepsJobs<SqliteConnection> for SqliteDatabase {
    fn open_jobs(&self) -> BoxFuture<'_, OpenedJobs<SqliteConnection>> {
        Box::pin(async move {
            let at: Arc<str> = "sqlite tasks".into();
            let store = self.checked(&at).await?.clone();
            let bell = Bell::of(&format!("sqlite {:p} tasks", Arc::as_ptr(&store.hub)));
            let jobs = SqliteJobs {
                at,
                database: self.clone(),
                store,
                bell,
                id: AtomicI64::new(0),
                generation: AtomicU64::new(0),
                turns: AtomicBool::new(false),
                lending: Mutex::default(),
            };
            jobs.in_time(jobs.learn_id()).await?;
            Ok(Arc::new(jobs) as Arc<dyn KeepingJobs<SqliteConnection>>)
        })
    }
}

pub(super) struct SqliteJobs {
    pub(super) at: Arc<str>,
    database: SqliteDatabase,
    pub(super) store: Store,
    bell: Arc<Bell>,
    /// Which file it is, as that says of itself, and of those that there were at its path.
    id: AtomicI64,
    generation: AtomicU64,
    /// Whether keys with a limit were seen: then what ends makes room for others.
    pub(super) turns: AtomicBool,
    lending: Mutex<Lending>,
}

/// What lending remembers.
#[derive(Debug, Default)]
pub(super) struct Lending {
    /// The last key of a lane that had its turn.
    pub(super) cursors: HashMap<i64, i64>,
    /// When it was looked last what else there is, if there was more than was wanted since.
    pub(super) looked: Option<Instant>,
}

impl SqliteJobs {
    pub(super) fn error(&self, error: &sqlx::Error) -> TransportError {
        describe(&self.at, error)
    }

    pub(super) fn lending(&self) -> MutexGuard<'_, Lending> {
        self.lending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn learn_id(&self) -> Result<(), TransportError> {
        let mut reader = self.store.read().await.map_err(|error| self.error(&error))?;
        let generation = self.store.generation();
        let id = id_of(&mut reader).await.map_err(|error| self.error(&error))?;
        self.id.store(id, Ordering::Relaxed);
        self.generation.store(generation, Ordering::Relaxed);
        Ok(())
    }

    /// Looks whether a transaction of the application is one of this file.
    ///
    /// # Errors
    ///
    /// `Refused` if there is none, `Missing` if it is of another.
    pub(super) async fn within(&self, connection: &mut SqliteConnection) -> Result<(), TransportError> {
        let sql = |error: sqlx::Error| self.error(&error);
        if !self.store.is_in_transaction(connection).await.map_err(sql)? {
            let text = "there is no transaction on this connection, and the job would be there by itself: begin one with \
                `db.begin()`, and commit it behind the job";
            return Err(TransportError::new(ErrorKind::Refused, self.at.clone(), text));
        }
        self.store.check().map_err(sql)?;
        let id = id_of(connection).await.map_err(sql)?;
        if id != self.id.load(Ordering::Relaxed) {
            // The file may have been replaced, and is the same database to whoever has it open.
            let is_new = self.store.generation() != self.generation.load(Ordering::Relaxed);
            if !is_new || !self.store.is_behind(connection).await.map_err(sql)? {
                let text = "the transaction is of another database, in which these tasks are not: begin it with `begin()` \
                    of the database that the tasks are from";
                return Err(TransportError::new(ErrorKind::Missing, self.at.clone(), text));
            }
            self.id.store(id, Ordering::Relaxed);
            self.generation.store(self.store.generation(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// A connection for something that is over at once, and only reads.
    pub(super) async fn glance(&self) -> Result<Reader<'_>, TransportError> {
        self.store.glance().await.map_err(|error| self.error(&error))
    }

    /// Does something that writes, in one statement.
    pub(super) async fn write<T>(
        &self,
        what: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, TransportError> {
        let mut writer = self.store.write().await.map_err(|error| self.error(&error))?;
        // What was written into a file that is no longer at its path is not confirmed.
        let written = what(&mut writer.connection).await;
        self.store.verified(written).map_err(|error| self.error(&error))
    }

    /// The same in one transaction, which is rolled back if it comes to nothing.
    pub(super) async fn transact<T>(
        &self,
        what: impl AsyncFnOnce(&mut SqliteConnection) -> Result<Option<T>, TransportError>,
    ) -> Result<Option<T>, TransportError> {
        let sql = |error: sqlx::Error| self.error(&error);
        let mut writer = self.store.write().await.map_err(sql)?;
        let mut transaction = writer.connection.begin_with("BEGIN IMMEDIATE").await.map_err(sql)?;
        let done = what(&mut transaction).await;
        let done = self.store.verified(Ok(())).map_err(sql).and(done)?;
        if done.is_none() {
            transaction.rollback().await.map_err(sql)?;
            return Ok(None);
        }
        let committed = transaction.commit().await;
        self.store.verified(committed).map_err(sql)?;
        Ok(done)
    }

    pub(super) async fn in_time<T>(
        &self,
        what: impl Future<Output = Result<T, TransportError>>,
    ) -> Result<T, TransportError> {
        let deadline = self.store.deadline;
        timeout(deadline, what).await.unwrap_or_else(|_| Err(late(&self.at, deadline)))
    }

    pub(super) fn ring(&self) {
        self.bell.ring();
    }
}

async fn id_of(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT id FROM convoke_tasks").fetch_one(connection).await
}

impl KeepingJobs<SqliteConnection> for SqliteJobs {
    fn add_within<'a>(
        &'a self,
        jobs: Vec<NewJob>,
        transaction: &'a mut SqliteConnection,
    ) -> BoxFuture<'a, Result<Vec<Added>, TransportError>> {
        Box::pin(self.in_time(add::add_within(self, jobs, transaction)))
    }

    fn settle<'a>(
        &'a self,
        endings: Vec<Ending>,
        outboxes: Outboxes<'a, SqliteConnection>,
    ) -> BoxFuture<'a, Result<Vec<bool>, TransportError>> {
        Box::pin(self.in_time(settle::settle(self, endings, outboxes)))
    }

    fn settle_within<'a>(
        &'a self,
        ending: Ending,
        outboxes: Outboxes<'a, SqliteConnection>,
        transaction: &'a mut SqliteConnection,
    ) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(self.in_time(settle::settle_within(self, ending, outboxes, transaction)))
    }

    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Work<SqliteConnection>>, TransportError>> {
        Box::pin(async {
            let transaction = self.database.begin().await?;
            Ok(Box::new(SqliteWork { at: self.at.clone(), store: self.store.clone(), transaction }) as Box<dyn Work<_>>)
        })
    }

    fn connect(&self) -> BoxFuture<'_, Connected<SqliteConnection>> {
        Box::pin(self.in_time(async {
            let acquired = self.store.pool.acquire().await;
            let connection = self.store.verified(acquired).map_err(|error| self.error(&error))?;
            Ok(Box::new(connection) as Box<dyn DerefMut<Target = _> + Send>)
        }))
    }
}

impl Jobs for SqliteJobs {
    fn name(&self) -> &Arc<str> {
        &self.at
    }

    fn add(&self, jobs: Vec<NewJob>) -> BoxFuture<'_, Result<Vec<Added>, TransportError>> {
        Box::pin(self.in_time(add::add(self, jobs)))
    }

    fn lend<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Loans, TransportError>> {
        Box::pin(self.in_time(lend::lend(self, wanted)))
    }

    fn renew<'a>(
        &'a self,
        held: &'a [(i64, u32)],
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<Held>, TransportError>> {
        Box::pin(self.in_time(lend::renew(self, held, lease)))
    }

    fn cancel(&self, job: i64) -> BoxFuture<'_, Result<Option<State>, TransportError>> {
        Box::pin(self.in_time(look::cancel(self, job)))
    }

    fn retry(&self, job: i64) -> BoxFuture<'_, Result<bool, TransportError>> {
        Box::pin(self.in_time(look::retry(self, job)))
    }

    fn look(&self, job: i64) -> BoxFuture<'_, Result<Option<Row>, TransportError>> {
        Box::pin(self.in_time(look::look(self, job)))
    }

    fn failed(&self, after: i64, most: usize) -> BoxFuture<'_, Result<Vec<Row>, TransportError>> {
        Box::pin(self.in_time(look::failed(self, after, most)))
    }

    fn section<'a>(
        &'a self,
        of: Section,
        task: Option<&'a str>,
        behind: Option<Spot>,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<(Spot, Row)>, TransportError>> {
        Box::pin(self.in_time(list::section(self, of, task, behind, most)))
    }

    fn progress<'a>(&'a self, job: (i64, u32), progress: &'a Noted) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(self.in_time(note::progress(self, job, progress)))
    }

    fn steps(&self, job: i64) -> BoxFuture<'_, Result<Vec<(String, String)>, TransportError>> {
        Box::pin(self.in_time(note::steps(self, job)))
    }

    fn step<'a>(
        &'a self,
        job: (i64, u32),
        name: &'a str,
        result: &'a str,
    ) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(self.in_time(note::step(self, job, name, result)))
    }

    fn ticked<'a>(&'a self, schedule: &'a str) -> BoxFuture<'a, Result<(Option<i64>, i64), TransportError>> {
        Box::pin(self.in_time(note::ticked(self, schedule)))
    }

    fn tick<'a>(
        &'a self,
        schedule: &'a str,
        from: Option<i64>,
        to: i64,
        jobs: Vec<NewJob>,
    ) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(self.in_time(note::tick(self, schedule, from, to, jobs)))
    }

    fn prune(&self, most: usize) -> BoxFuture<'_, Result<u64, TransportError>> {
        Box::pin(self.in_time(look::prune(self, most)))
    }

    fn figures<'a>(&'a self, queues: &'a [Arc<str>], most: u64) -> BoxFuture<'a, Result<TaskFigures, TransportError>> {
        Box::pin(self.in_time(look::figures(self, queues, most)))
    }

    fn unclaimed<'a>(
        &'a self,
        but: &'a Wanted,
        longer: Duration,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<Unclaimed>, TransportError>> {
        Box::pin(self.in_time(look::unclaimed(self, but, longer, most)))
    }

    fn bell(&self) -> watch::Receiver<()> {
        self.bell.listen()
    }
}

struct SqliteWork {
    at: Arc<str>,
    store: Store,
    transaction: Transaction<'static, Sqlite>,
}

impl Work<SqliteConnection> for SqliteWork {
    fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }

    fn commit(self: Box<Self>) -> BoxFuture<'static, Result<(), TransportError>> {
        let Self { at, store, transaction } = *self;
        Box::pin(async move {
            let committed = transaction.commit().await;
            store.verified(committed).map_err(|error| describe(&at, &error))
        })
    }

    fn rollback(self: Box<Self>) -> BoxFuture<'static, Result<(), TransportError>> {
        let Self { at, transaction, .. } = *self;
        Box::pin(async move { transaction.rollback().await.map_err(|error| describe(&at, &error)) })
    }
}
