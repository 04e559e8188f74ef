//! Jobs on their way into the database.
//!
//! `TaskQueue::enqueue → Enqueue → after | at → await | within(&mut tx) → rows.rs → Enqueued`

use std::fmt;
use std::future::IntoFuture;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::job::Job;
use crate::tasks::{Added, Due, NewJob};
use crate::tasks::{Jobs, KeepingJobs};
use crate::tasks::{TaskDatabase, TaskError};
use crate::transport::BoxFuture;

/// The head start of priority 1; each step doubles it.
const FIRST_STEP: Duration = Duration::from_secs(1);

/// The highest priority; the lowest is its opposite.
const HIGHEST: i8 = 9;

/// A job that is about to be enqueued. Created by [`TaskQueue::enqueue`](super::TaskQueue::enqueue); awaiting it enqueues it.
///
/// If the future is dropped before it is ready, the job may be enqueued, or not.
#[must_use = "the job is enqueued when it is awaited"]
pub struct Enqueue<D: TaskDatabase>(EnqueueAll<D>);

/// Several jobs that are about to be enqueued. Created by [`TaskQueue::enqueue_all`](super::TaskQueue::enqueue_all); awaiting it
/// enqueues them.
#[must_use = "the jobs are enqueued when it is awaited"]
pub struct EnqueueAll<D: TaskDatabase> {
    jobs: Arc<dyn KeepingJobs<D::Connection>>,
    packed: Result<Vec<NewJob>, TaskError>,
    due: Due,
    priority: Option<i8>,
}

impl<D: TaskDatabase> Enqueue<D> {
    pub(super) fn new(jobs: Arc<dyn KeepingJobs<D::Connection>>, packed: Result<NewJob, TaskError>) -> Self {
        Self(EnqueueAll::new(jobs, packed.map(|job| vec![job])))
    }

    /// Has the job be due so long from now, by the clock of the database.
    pub fn after(self, delay: Duration) -> Self {
        Self(self.0.after(delay))
    }

    /// Has the job be due at this time, by the clock of the database. A time that is over is now.
    pub fn at(self, time: SystemTime) -> Self {
        Self(self.0.at(time))
    }

    /// Sets how urgent this job is, instead of what its task says: see [`TaskTerms::priority`](crate::TaskTerms::priority).
    pub fn priority(self, priority: i8) -> Self {
        Self(self.0.priority(priority))
    }

    /// Enqueues the job with this transaction: it is there if it commits, and never if it is rolled back.
    ///
    /// The transaction has to be one of the same database, as for [`Outbox::publish`](crate::Outbox::publish).
    ///
    /// # Errors
    ///
    /// Those of [`TaskQueue::enqueue`](super::TaskQueue::enqueue); with `Missing` if the transaction is of another database, and
    /// `Refused` if there is none. Roll it back then.
    pub async fn within(self, transaction: &mut D::Connection) -> Result<Enqueued, TaskError> {
        let (jobs, packed) = self.0.packed()?;
        let added = jobs.add_within(packed, transaction).await?;
        only(jobs, added)
    }
}

impl<D: TaskDatabase> EnqueueAll<D> {
    pub(super) fn new(jobs: Arc<dyn KeepingJobs<D::Connection>>, packed: Result<Vec<NewJob>, TaskError>) -> Self {
        Self { jobs, packed, due: Due::After(Duration::ZERO), priority: None }
    }

    /// Has the jobs be due so long from now, by the clock of the database.
    pub fn after(mut self, delay: Duration) -> Self {
        self.due = Due::After(delay);
        self
    }

    /// Has the jobs be due at this time, by the clock of the database. A time that is over is now.
    pub fn at(mut self, time: SystemTime) -> Self {
        let micros = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        self.due = Due::At(i64::try_from(micros).unwrap_or(i64::MAX));
        self
    }

    /// Sets how urgent these jobs are, instead of what their task says: see
    /// [`TaskTerms::priority`](crate::TaskTerms::priority).
    pub fn priority(mut self, priority: i8) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Enqueues the jobs with this transaction: see [`Enqueue::within`].
    ///
    /// # Errors
    ///
    /// Those of [`Enqueue::within`].
    pub async fn within(self, transaction: &mut D::Connection) -> Result<Vec<Enqueued>, TaskError> {
        let (jobs, packed) = self.packed()?;
        if packed.is_empty() {
            return Ok(Vec::new());
        }
        let added = jobs.add_within(packed, transaction).await?;
        Ok(told(jobs, added).collect())
    }

    fn packed(self) -> Result<Packed<D>, TaskError> {
        let mut packed = self.packed?;
        for job in &mut packed {
            job.due = self.due;
            if let Some(priority) = self.priority {
                job.head_start = head_start(priority);
            }
        }
        Ok((self.jobs, packed))
    }
}

/// Jobs, and where they go.
type Packed<D> = (Arc<dyn KeepingJobs<<D as crate::OutboxDatabase>::Connection>>, Vec<NewJob>);

/// How much earlier a job of this priority goes than one of the lowest.
pub(super) fn head_start(priority: i8) -> Duration {
    let start = |steps: u8| if steps == 0 { Duration::ZERO } else { FIRST_STEP * (1 << (steps - 1)) };
    let (most, priority) = (start(HIGHEST.unsigned_abs()), priority.clamp(-HIGHEST, HIGHEST));
    let steps = start(priority.unsigned_abs());
    if priority < 0 { most - steps } else { most + steps }
}

fn only<C: 'static>(jobs: Arc<dyn KeepingJobs<C>>, added: Vec<Added>) -> Result<Enqueued, TaskError> {
    let at = jobs.name().clone();
    told(jobs, added).next().ok_or_else(|| {
        let text = "it has not said which job it has added";
        crate::transport::TransportError::new(crate::transport::ErrorKind::Refused, at, text).into()
    })
}

fn told<C: 'static>(jobs: Arc<dyn KeepingJobs<C>>, added: Vec<Added>) -> impl Iterator<Item = Enqueued> {
    let jobs: Arc<dyn Jobs> = jobs;
    added.into_iter().map(move |added| match added {
        Added::New(id) => Enqueued::New(Job::new(jobs.clone(), id)),
        Added::Existing(id) => Enqueued::Existing(Job::new(jobs.clone(), id)),
    })
}

impl<D: TaskDatabase> IntoFuture for Enqueue<D> {
    type Output = Result<Enqueued, TaskError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (jobs, packed) = self.0.packed()?;
            let added = jobs.add(packed).await?;
            only(jobs, added)
        })
    }
}

impl<D: TaskDatabase> IntoFuture for EnqueueAll<D> {
    type Output = Result<Vec<Enqueued>, TaskError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (jobs, packed) = self.packed()?;
            if packed.is_empty() {
                return Ok(Vec::new());
            }
            let added = jobs.add(packed).await?;
            Ok(told(jobs, added).collect())
        })
    }
}

/// What came of enqueuing a job. It derefs to the [`Job`].
#[derive(Clone, Debug)]
#[must_use = "it says whether the job is new"]
pub enum Enqueued {
    /// The job is there.
    New(Job),
    /// There is an unfinished job with the same unique fields: this one. Nothing was enqueued.
    Existing(Job),
}

impl Enqueued {
    /// Returns whether the job is a new one.
    pub fn is_new(&self) -> bool {
        matches!(self, Self::New(_))
    }

    /// Returns the handle of the job.
    pub fn into_job(self) -> Job {
        match self {
            Self::New(job) | Self::Existing(job) => job,
        }
    }
}

impl Deref for Enqueued {
    type Target = Job;

    fn deref(&self) -> &Job {
        match self {
            Self::New(job) | Self::Existing(job) => job,
        }
    }
}

impl<D: TaskDatabase> fmt::Debug for Enqueue<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<D: TaskDatabase> fmt::Debug for EnqueueAll<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jobs = self.packed.as_ref().map_or(0, Vec::len);
        f.debug_struct("Enqueue").field("jobs", &jobs).field("due", &self.due).finish_non_exhaustive()
    }
}
