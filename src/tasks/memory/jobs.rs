//! Jobs in memory, as they are open.
//!
//! `add → lock the unique key → stage → commit → Table`, `settle → stage: the row ends, the event is in the outbox`

use std::ops::DerefMut;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::table::{Table, wall_now};
use crate::sql::Bell;
use crate::sql::memory::{MemoryConnection, MemoryDatabase, MemoryTransaction};
use crate::tasks::OpenTasks;
use crate::tasks::{
    Added, Ending, Held, Loans, NewJob, Noted, Row, Section, Spot, State, TaskFigures, Unclaimed, Wanted,
};
use crate::tasks::{Connected, Jobs, KeepingJobs, KeepsJobs, OpenedJobs, Outboxes, Work};
use crate::transport::{BoxFuture, TransportError};

impl MemoryDatabase {
    /// Opens the tasks of this database, when it is awaited. See [`TaskQueue`](crate::TaskQueue).
    pub fn tasks(&self) -> OpenTasks<Self> {
        OpenTasks::new(self)
    }
}

impl KeepsJobs<MemoryConnection> for MemoryDatabase {
    fn open_jobs(&self) -> BoxFuture<'_, OpenedJobs<MemoryConnection>> {
        let jobs: Arc<dyn KeepingJobs<MemoryConnection>> = Arc::new(MemoryJobs {
            at: "memory tasks".into(),
            bell: Bell::of(&format!("memory {:p} tasks", Arc::as_ptr(self.core()))),
            table: self.shared("tasks", Mutex::<Table>::default),
            database: self.clone(),
        });
        Box::pin(async { Ok(jobs) })
    }
}

struct MemoryJobs {
    at: Arc<str>,
    database: MemoryDatabase,
    /// Read and changed only by whoever holds the gate of the database.
    table: Arc<Mutex<Table>>,
    bell: Arc<Bell>,
}

impl MemoryJobs {
    /// What is done at once, and cannot fail.
    fn with<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Table) -> T,
    ) -> BoxFuture<'static, Result<T, TransportError>> {
        let _gate = self.database.gate();
        let done = what(&mut lock(&self.table));
        Box::pin(async move { Ok(done) })
    }

    async fn stage(&self, jobs: Vec<NewJob>, tx: &mut MemoryConnection) -> Result<Vec<Added>, TransportError> {
        self.database.check(&self.at, tx)?;
        tx.check(&self.at)?;
        let mut keys: Vec<_> =
            jobs.iter().filter_map(|job| Some(format!("job {}", job.unique.as_ref()?.key))).collect();
        keys.sort_unstable();
        for key in keys {
            tx.lock(&self.at, &key).await?;
        }
        let mut added = Vec::with_capacity(jobs.len());
        for job in jobs {
            let id = match self.existing(&job, tx) {
                Ok(id) => id,
                Err(existing) => {
                    added.push(Added::Existing(existing));
                    continue;
                }
            };
            added.push(Added::New(id));
            let table = self.table.clone();
            tx.stage(move || lock(&table).insert(id, job));
        }
        let bell = self.bell.clone();
        tx.afterwards(move || bell.ring());
        Ok(added)
    }

    /// Draws a number, unless another job has the unique key: that one.
    fn existing(&self, job: &NewJob, tx: &mut MemoryConnection) -> Result<i64, i64> {
        let mut table = lock(&self.table);
        let Some(hold) = &job.unique else { return Ok(table.draw()) };
        if let Some(id) = table.holder(&hold.key) {
            return Err(id);
        }
        // What another transaction had there was rolled back, or has committed: this one has the lock.
        if !tx.note(&format!("job {}", hold.key))
            && let Some(id) = table.pending.get(&hold.key)
        {
            return Err(*id);
        }
        let id = table.draw();
        table.pending.insert(hold.key.clone(), id);
        Ok(id)
    }

    async fn end(
        &self,
        endings: Vec<Ending>,
        outboxes: Outboxes<'_, MemoryConnection>,
        tx: &mut MemoryConnection,
    ) -> Result<Vec<bool>, TransportError> {
        self.database.check(&self.at, tx)?;
        tx.check(&self.at)?;
        let mut ended = Vec::with_capacity(endings.len());
        let (mut events, mut told) = (Vec::new(), Vec::new());
        for mut ending in endings {
            // Two that end the same attempt: the second finds it ended.
            tx.lock(&self.at, &format!("job {} ends", ending.job)).await?;
            let is_lent =
                lock(&self.table).is_lent(ending.job, ending.attempt) && tx.note(&format!("job {} ends", ending.job));
            ended.push(is_lent);
            if is_lent {
                events.extend(ending.event.take());
                told.extend(ending.told.take().map(|(_, packet)| packet));
                let table = self.table.clone();
                tx.stage(move || lock(&table).settle(&ending));
            }
        }
        outboxes.insert(events, told, tx).await?;
        let bell = self.bell.clone();
        tx.afterwards(move || bell.ring());
        Ok(ended)
    }
}

impl KeepingJobs<MemoryConnection> for MemoryJobs {
    fn add_within<'a>(
        &'a self,
        jobs: Vec<NewJob>,
        transaction: &'a mut MemoryConnection,
    ) -> BoxFuture<'a, Result<Vec<Added>, TransportError>> {
        Box::pin(self.stage(jobs, transaction))
    }

    fn settle<'a>(
        &'a self,
        endings: Vec<Ending>,
        outboxes: Outboxes<'a, MemoryConnection>,
    ) -> BoxFuture<'a, Result<Vec<bool>, TransportError>> {
        Box::pin(async move {
            let mut transaction = self.database.begin().await?;
            let ended = self.end(endings, outboxes, &mut transaction).await?;
            transaction.commit().await?;
            Ok(ended)
        })
    }

    fn settle_within<'a>(
        &'a self,
        ending: Ending,
        outboxes: Outboxes<'a, MemoryConnection>,
        transaction: &'a mut MemoryConnection,
    ) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(async move { Ok(self.end(vec![ending], outboxes, transaction).await? == [true]) })
    }

    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Work<MemoryConnection>>, TransportError>> {
        Box::pin(async {
            let begun: Box<dyn Work<MemoryConnection>> = Box::new(self.database.begin().await?);
            Ok(begun)
        })
    }

    fn connect(&self) -> BoxFuture<'_, Connected<MemoryConnection>> {
        let connection = Box::new(self.database.connection());
        Box::pin(async move { Ok(Box::new(connection) as Box<dyn DerefMut<Target = _> + Send>) })
    }
}

impl Jobs for MemoryJobs {
    fn name(&self) -> &Arc<str> {
        &self.at
    }

    fn add(&self, jobs: Vec<NewJob>) -> BoxFuture<'_, Result<Vec<Added>, TransportError>> {
        Box::pin(async move {
            let mut transaction = self.database.begin().await?;
            let added = self.stage(jobs, &mut transaction).await?;
            transaction.commit().await?;
            Ok(added)
        })
    }

    fn lend<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Loans, TransportError>> {
        self.with(|table| table.lend(wanted))
    }

    fn renew<'a>(
        &'a self,
        held: &'a [(i64, u32)],
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<Held>, TransportError>> {
        self.with(|table| table.renew(held, lease))
    }

    fn cancel(&self, job: i64) -> BoxFuture<'_, Result<Option<State>, TransportError>> {
        let cancelled = self.with(|table| table.cancel(job));
        self.bell.ring();
        cancelled
    }

    fn retry(&self, job: i64) -> BoxFuture<'_, Result<bool, TransportError>> {
        let retried = self.with(|table| table.retry(job));
        self.bell.ring();
        retried
    }

    fn look(&self, job: i64) -> BoxFuture<'_, Result<Option<Row>, TransportError>> {
        self.with(|table| table.look(job))
    }

    fn failed(&self, after: i64, most: usize) -> BoxFuture<'_, Result<Vec<Row>, TransportError>> {
        self.with(|table| table.failed(after, most))
    }

    fn section<'a>(
        &'a self,
        of: Section,
        task: Option<&'a str>,
        behind: Option<Spot>,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<(Spot, Row)>, TransportError>> {
        self.with(|table| table.section(of, task, behind, most))
    }

    fn progress<'a>(&'a self, job: (i64, u32), progress: &'a Noted) -> BoxFuture<'a, Result<bool, TransportError>> {
        self.with(|table| table.progress(job, progress))
    }

    fn steps(&self, job: i64) -> BoxFuture<'_, Result<Vec<(String, String)>, TransportError>> {
        self.with(|table| table.steps(job))
    }

    fn step<'a>(
        &'a self,
        job: (i64, u32),
        name: &'a str,
        result: &'a str,
    ) -> BoxFuture<'a, Result<bool, TransportError>> {
        self.with(|table| table.step(job, name, result))
    }

    fn ticked<'a>(&'a self, schedule: &'a str) -> BoxFuture<'a, Result<(Option<i64>, i64), TransportError>> {
        self.with(|table| (table.ticked(schedule), wall_now()))
    }

    fn tick<'a>(
        &'a self,
        schedule: &'a str,
        from: Option<i64>,
        to: i64,
        jobs: Vec<NewJob>,
    ) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(async move {
            let mut transaction = self.database.begin().await?;
            transaction.lock(&self.at, &format!("schedule {schedule}")).await?;
            if lock(&self.table).ticked(schedule) != from {
                return Ok(false);
            }
            let (table, name) = (self.table.clone(), schedule.to_owned());
            transaction.stage(move || lock(&table).tick(&name, to));
            self.stage(jobs, &mut transaction).await?;
            transaction.commit().await?;
            Ok(true)
        })
    }

    fn prune(&self, most: usize) -> BoxFuture<'_, Result<u64, TransportError>> {
        self.with(|table| table.prune(most))
    }

    fn figures<'a>(&'a self, queues: &'a [Arc<str>], most: u64) -> BoxFuture<'a, Result<TaskFigures, TransportError>> {
        self.with(|table| table.figures(queues, most))
    }

    fn unclaimed<'a>(
        &'a self,
        but: &'a Wanted,
        longer: Duration,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<Unclaimed>, TransportError>> {
        self.with(|table| table.unclaimed(but, longer, most))
    }

    fn bell(&self) -> watch::Receiver<()> {
        self.bell.listen()
    }

    fn tells_all(&self) -> bool {
        true
    }
}

impl Work<MemoryConnection> for MemoryTransaction {
    fn connection(&mut self) -> &mut MemoryConnection {
        self
    }

    fn commit(self: Box<Self>) -> BoxFuture<'static, Result<(), TransportError>> {
        Box::pin(MemoryTransaction::commit(*self))
    }

    fn rollback(self: Box<Self>) -> BoxFuture<'static, Result<(), TransportError>> {
        Box::pin(MemoryTransaction::rollback(*self))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
