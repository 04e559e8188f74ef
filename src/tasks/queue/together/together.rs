//! Jobs that are asked for as one.
//!
//! `TaskQueue::together → Together: when, then, otherwise → await | within(&mut tx) → jobs and Opening, in one transaction → Batch`

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use super::batch::{Batch, BatchId};
use super::hall::Hall;
use super::records::{Entry, Follower, Opening, Record, room, speech};
use crate::Uuid;
use crate::tasks::queue::{Cause, Seat, pack};
use crate::tasks::running::FAR;
use crate::tasks::{Added, KeepingJobs, NewJob, Task, TaskDatabase, TaskError};
use crate::transport::BoxFuture;

/// How many jobs a batch may have: with each that ends, all that is known of the batch is read once more.
const MOST_JOBS: usize = 1_000;

/// How large the payload of the task that follows may be, as JSON.
const MOST_BYTES: usize = 64 << 10;

const DEADLINE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// So many jobs of a batch have to succeed: what [`Together::when`] takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtLeast(pub usize);

/// Jobs that are about to be enqueued as one batch. Created by [`TaskQueue::together`](crate::TaskQueue::together); awaiting it
/// enqueues them.
///
/// ```
/// use convoke::prelude::*;
/// use convoke::transport::Memory;
/// use convoke::{AtLeast, BatchOutcome, Tasks};
/// use serde::{Deserialize, Serialize};
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// #[derive(Task, Serialize, Deserialize)]
/// struct Fetch {
///     page: u32,
/// }
///
/// #[derive(Task, Serialize, Deserialize)]
/// struct Report {}
///
/// async fn fetch(_: Arc<Fetch>) {}
///
/// async fn report(_: Arc<Report>, pages: BatchOutcome) {
///     println!("{pages}");
/// }
///
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let db = Memory::database(); // in an application `Sqlite::open("shop.db").await?`, or `Postgres::connect(…)`
/// let tasks = Tasks::new(&db, &EventBus::default()).on(fetch)?.on(report)?.await?;
///
/// let pages = (1..=20).map(|page| Fetch { page });
/// let batch = tasks.together(pages).when(AtLeast(16)).then(Report {}).await?;
/// let outcome = batch.wait(Duration::from_secs(10)).await?;
/// assert!(outcome.expect("it has closed").is_done());
/// # tasks.stop().await;
/// # Ok(())
/// # }
/// ```
///
/// # What is kept
///
/// - **All or nothing.** The jobs, how many of them have to succeed and what follows are rows of one transaction.
/// - **How a job ends is told by its end**: in the transaction that ends it stands what its batch is to know. A job counts as failed
///   when it has failed for good, was cancelled, has expired or has killed its processes.
/// - **It closes once**: as soon as enough have succeeded, as soon as too many have failed, at its deadline, or when it is
///   [cancelled](Batch::cancel), by whichever worker of this database lives.
/// - **What follows is one job,** enqueued at least once under a unique key, so that there is one of it.
///
/// If the future is dropped before it is ready, the batch may be enqueued, or not.
#[must_use = "the batch is enqueued when it is awaited"]
pub struct Together<D: TaskDatabase> {
    jobs: Arc<dyn KeepingJobs<D::Connection>>,
    hall: Arc<Hall<D>>,
    packed: Result<Vec<NewJob>, TaskError>,
    needed: Option<AtLeast>,
    deadline: Duration,
    then: Option<Follower>,
    otherwise: Option<Follower>,
    cancels_rest: bool,
}

impl<D: TaskDatabase> Together<D> {
    pub(in crate::tasks::queue) fn new<T: Task>(
        jobs: Arc<dyn KeepingJobs<D::Connection>>,
        hall: Arc<Hall<D>>,
        tasks: impl IntoIterator<Item = T>,
    ) -> Self {
        let together = Self {
            jobs,
            hall,
            packed: Ok(Vec::new()),
            needed: None,
            deadline: DEADLINE,
            then: None,
            otherwise: None,
            cancels_rest: false,
        };
        together.and(tasks)
    }

    /// Adds jobs of this task to the batch, behind those that it has. A batch has at most 1,000 jobs; a job may make a batch of
    /// its own.
    pub fn and<T: Task>(mut self, tasks: impl IntoIterator<Item = T>) -> Self {
        if let Ok(packed) = &mut self.packed {
            // One too many is enough to refuse it.
            for task in tasks.into_iter().take(MOST_JOBS + 1 - packed.len().min(MOST_JOBS)) {
                match pack(&task) {
                    Ok(job) => packed.push(job),
                    Err(error) => {
                        self.packed = Err(error);
                        break;
                    }
                }
            }
        }
        self
    }

    /// Sets how many of its jobs have to succeed. The batch is done then, and does not wait for the others. The default is all.
    pub fn when(mut self, needed: AtLeast) -> Self {
        self.needed = Some(needed);
        self
    }

    /// Enqueues this task when the batch is done. Its function may ask for the [`BatchOutcome`](super::BatchOutcome). There is one
    /// job of it for the batch, whatever the task says of `unique`.
    pub fn then<T: Task>(mut self, task: T) -> Self {
        self.follow(&task, |together, follower| together.then = Some(follower));
        self
    }

    /// Enqueues this task when the batch closes and is not done: too many have failed, its deadline has passed, or it was cancelled.
    /// Its function may ask for the [`BatchOutcome`](super::BatchOutcome), which says what has succeeded nevertheless. Without such
    /// a task a batch that is not done is a warning in the log.
    pub fn otherwise<T: Task>(mut self, task: T) -> Self {
        self.follow(&task, |together, follower| together.otherwise = Some(follower));
        self
    }

    fn follow<T: Task>(&mut self, task: &T, takes: impl FnOnce(&mut Self, Follower)) {
        let follower = pack(task).map(Follower::of).and_then(|follower| match follower.bytes() {
            bytes if bytes > MOST_BYTES => Err(TaskError::TooLarge { task: T::NAME.into(), bytes, limit: MOST_BYTES }),
            _ => Ok(follower),
        });
        match follower {
            Ok(follower) => takes(self, follower),
            Err(error) if self.packed.is_ok() => self.packed = Err(error),
            Err(_) => {}
        }
    }

    /// Sets for how long the batch may be open. At its deadline it closes as
    /// [`TimedOut`](super::BatchState::TimedOut), and names who is missing. The default is 7 days.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = limit.min(FAR);
        self
    }

    /// Has the jobs that have not ended when the batch closes [asked to end](crate::Job::cancel). The default is that they go on, but
    /// for a batch that is [cancelled](Batch::cancel).
    pub fn cancel_rest(mut self) -> Self {
        self.cancels_rest = true;
        self
    }

    /// Enqueues the batch with this transaction: it is there if it commits, and never if it is rolled back. The transaction has to be
    /// one of the same database, as for [`Enqueue::within`](crate::Enqueue::within). A worker opens the batch after the commit.
    ///
    /// # Errors
    ///
    /// Those of [`TaskQueue::together`](crate::TaskQueue::together); with `Missing` if the transaction is of another database, and
    /// `Refused` if there is none. Roll it back then.
    pub async fn within(self, transaction: &mut D::Connection) -> Result<Batch, TaskError> {
        let (batch, _) = self.planned()?.enlist(transaction).await?;
        Ok(batch)
    }

    /// What is to be written, if it can be.
    fn planned(self) -> Result<Planned<D>, TaskError> {
        let Self { jobs, hall, packed, needed, deadline, then, otherwise, cancels_rest } = self;
        let mut packed = packed?;
        let refused = |reason: String| TaskError::Batch { reason };
        if packed.len() > MOST_JOBS {
            let reason = format!("it has more than {MOST_JOBS} jobs: have each of its jobs make a batch of its own");
            return Err(refused(reason));
        }
        let AtLeast(needed) = needed.unwrap_or(AtLeast(packed.len()));
        if needed > packed.len() {
            let reason = format!("{needed} of its jobs have to succeed, and it has {}", packed.len());
            return Err(refused(reason));
        }
        if deadline.is_zero() {
            return Err(refused("its deadline is zero, and it would be over before it began".to_owned()));
        }
        let batch = Uuid::now_v7();
        let seat = Seat { batch, room: room(packed.len()) };
        for job in &mut packed {
            let mut cause = Cause::read(job.cause.as_deref());
            cause.seat = Some(seat);
            job.cause = cause.write();
        }
        let opening = Opening { batch, needed, deadline, jobs: Vec::new(), then, otherwise, cancels_rest };
        Ok(Planned { jobs, hall, packed, opening })
    }
}

/// A batch that can be enqueued.
struct Planned<D: TaskDatabase> {
    jobs: Arc<dyn KeepingJobs<D::Connection>>,
    hall: Arc<Hall<D>>,
    packed: Vec<NewJob>,
    opening: Opening,
}

impl<D: TaskDatabase> Planned<D> {
    async fn enlist(self, transaction: &mut D::Connection) -> Result<(Batch, Opening), TaskError> {
        let Self { jobs, hall, packed, mut opening } = self;
        // Before the transaction has anything: it may be the only one that writes.
        let ends = hall.open().await?.ends.clone();
        let names: Vec<_> = packed.iter().map(|job| job.task.to_string()).collect();
        let added = match packed.is_empty() {
            true => Vec::new(),
            false => jobs.add_within(packed, transaction).await?,
        };
        let mut seen = std::collections::HashSet::new();
        opening.jobs = added
            .into_iter()
            .zip(names)
            .map(|(added, task)| match added {
                Added::New(id) => {
                    seen.insert(id);
                    Entry(id, task, false)
                }
                // One that is of this batch as well was not there before it.
                Added::Existing(id) => Entry(id, task, !seen.contains(&id)),
            })
            .collect();
        ends.insert(vec![Record::Opened(opening.clone().into()).packet()], transaction).await?;
        Ok((Batch::new(hall, BatchId::new(opening.batch)), opening))
    }
}

impl<D: TaskDatabase> IntoFuture for Together<D> {
    type Output = Result<Batch, TaskError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let planned = self.planned()?;
            let hall = planned.hall.clone();
            let rounds = hall.open().await?.rounds.clone();
            let mut work = planned.jobs.begin().await?;
            let (batch, opening) = planned.enlist(work.connection()).await?;
            work.commit().await?;
            // A worker would open it, too, and does if this fails: so that it has a status at once.
            if let Err(error) = rounds.hear(&[speech(opening.batch, Some(&opening), Vec::new())]).await {
                log::debug!(target: "convoke::tasks", "batch {} is left to a worker to open: {error}", batch.id());
            }
            Ok(batch)
        })
    }
}

impl<D: TaskDatabase> fmt::Debug for Together<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jobs = self.packed.as_ref().map_or(0, Vec::len);
        let mut shown = f.debug_struct("Together");
        shown.field("jobs", &jobs).field("needed", &self.needed).field("deadline", &self.deadline);
        shown.finish_non_exhaustive()
    }
}
