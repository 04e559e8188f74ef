//! What enqueues jobs.
//!
//! `db.tasks() → OpenTasks → await → TaskQueue`

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

use super::enqueue::{Enqueue, EnqueueAll};
use super::job::{FailedJob, Job, JobId};
use super::listing::TasksLook;
use super::packing::pack;
use super::together::{Batch, BatchId, Hall, Together};
use crate::tasks::{Jobs, KeepingJobs};
use crate::tasks::{Task, TaskDatabase, TaskFigures};
use crate::transport::{BoxFuture, TransportError};

/// Beyond so many jobs of a kind nobody counts.
const COUNTED: u64 = 100_000;

/// Enqueues jobs, and tells how they are. Created by `tasks` of a database; who does the jobs is [`Tasks`](crate::Tasks), in this
/// process or in another.
///
/// ```
/// use convoke::prelude::*;
/// use convoke::transport::Memory;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Task, Serialize, Deserialize)]
/// struct SendWelcome {
///     user: u64,
/// }
///
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let db = Memory::database(); // in an application `Sqlite::open("shop.db").await?`, or `Postgres::connect(…)`
/// let tasks = db.tasks().await?;
/// let enqueued = tasks.enqueue(SendWelcome { user: 7 }).await?;
/// println!("job {} is {}", enqueued.id(), enqueued.status().await?.expect("it waits").state());
/// # Ok(())
/// # }
/// ```
///
/// Clones share the database.
pub struct TaskQueue<D: TaskDatabase> {
    jobs: Arc<dyn KeepingJobs<D::Connection>>,
    hall: Arc<Hall<D>>,
}

impl<D: TaskDatabase> TaskQueue<D> {
    pub(crate) async fn open(database: &D) -> Result<Self, TransportError> {
        let (jobs, hall) = (database.open_jobs().await?, Arc::new(Hall::new(database)));
        // Whoever needs it within a transaction may be the only one that can write: so it is there before. If not, it is tried again.
        if let Err(error) = hall.open().await {
            log::debug!(target: "convoke::tasks", "{}: there are no batches yet: {error}", jobs.name());
        }
        Ok(Self { jobs, hall })
    }

    /// Enqueues a job of this task. Awaiting the result does it; before that it may get a [time](Enqueue::after), or stand
    /// [in a transaction](Enqueue::within) of the application.
    ///
    /// # Errors
    ///
    /// - [`TaskError::NotJson`](crate::TaskError::NotJson) and [`TaskError::TooLarge`](crate::TaskError::TooLarge) for what cannot
    ///   be kept.
    /// - [`TaskError::Transport`](crate::TaskError::Transport), with `Missing` if there are no tables, `Unreachable` if the
    ///   database is away. After `Unreachable` the job may have been enqueued.
    pub fn enqueue<T: Task>(&self, task: T) -> Enqueue<D> {
        Enqueue::new(self.jobs.clone(), pack(&task))
    }

    /// Enqueues several jobs of a task, all of them or none, in their order, in as few statements as that takes.
    ///
    /// # Errors
    ///
    /// Those of [`enqueue`](Self::enqueue).
    pub fn enqueue_all<T: Task>(&self, tasks: impl IntoIterator<Item = T>) -> EnqueueAll<D> {
        EnqueueAll::new(self.jobs.clone(), tasks.into_iter().map(|task| pack(&task)).collect())
    }

    /// Enqueues these jobs as one batch: it is done when as many of them have succeeded as [it takes](Together::when), and then
    /// [a task](Together::then) follows that is told which have succeeded, which have failed and which are missing. Awaiting the
    /// result does it.
    ///
    /// # Errors
    ///
    /// - Those of [`enqueue`](Self::enqueue), also for the tasks that follow, whose payload may have 64 KiB.
    /// - [`TaskError::Batch`](crate::TaskError::Batch) if it has more than 1,000 jobs, fewer than have to succeed, or no time.
    pub fn together<T: Task>(&self, tasks: impl IntoIterator<Item = T>) -> Together<D> {
        Together::new(self.jobs.clone(), self.hall.clone(), tasks)
    }

    /// Returns the handle of a batch, whoever has enqueued it. Whether there is such a batch is not looked up.
    pub fn batch(&self, id: BatchId) -> Batch {
        Batch::new(self.hall.clone(), id)
    }

    /// Returns the handle of a job, whoever has enqueued it. Whether there is such a job is not looked up.
    pub fn job(&self, id: JobId) -> Job {
        let jobs: Arc<dyn Jobs> = self.jobs.clone();
        Job::new(jobs, id.number())
    }

    /// Returns jobs that have failed for good and are kept, behind this one (0 for the first), in the order of their numbers: at
    /// most so many.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline.
    pub async fn failed(&self, after: JobId, most: usize) -> Result<Vec<FailedJob>, TransportError> {
        let rows = self.jobs.failed(after.number(), most).await?;
        Ok(rows.into_iter().map(FailedJob::new).collect())
    }

    /// Returns what lists the jobs of this database, whatever their tasks are, page by page.
    pub fn look(&self) -> TasksLook {
        TasksLook::new(self.jobs.clone())
    }

    /// Returns how many jobs wait, run and have failed. Beyond 100,000 of a kind nobody counts.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline.
    pub async fn figures(&self) -> Result<TaskFigures, TransportError> {
        self.jobs.figures(&[], COUNTED).await
    }

    pub(in crate::tasks) fn hall(&self) -> &Hall<D> {
        &self.hall
    }

    pub(in crate::tasks) fn jobs(&self) -> &Arc<dyn KeepingJobs<D::Connection>> {
        &self.jobs
    }
}

impl<D: TaskDatabase> Clone for TaskQueue<D> {
    fn clone(&self) -> Self {
        Self { jobs: self.jobs.clone(), hall: self.hall.clone() }
    }
}

impl<D: TaskDatabase> fmt::Debug for TaskQueue<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskQueue").field("at", self.jobs.name()).finish_non_exhaustive()
    }
}

/// Opens the jobs of a database when it is awaited. Created by `tasks` of a database.
#[must_use = "they are opened when it is awaited"]
pub struct OpenTasks<D>(D);

impl<D: TaskDatabase> OpenTasks<D> {
    pub(crate) fn new(database: &D) -> Self {
        Self(database.clone())
    }
}

/// Opens them.
///
/// # Errors
///
/// - `Missing` if the tables are not there, or older than this program needs: call `migrate()` of the database.
/// - `Refused` if the tables are too new for this program.
/// - `Unreachable` if there is no answer within the deadline.
impl<D: TaskDatabase> IntoFuture for OpenTasks<D> {
    type Output = Result<TaskQueue<D>, TransportError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { TaskQueue::open(&self.0).await })
    }
}

impl<D> fmt::Debug for OpenTasks<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenTasks").finish_non_exhaustive()
    }
}
