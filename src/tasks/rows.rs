//! What tasks need of a database: jobs that wait, are lent to a worker, and end together with the event that says how.
//!
//! `TaskQueue::enqueue → Jobs::add → a row → Jobs::lend → the function → Jobs::settle: the row ends, the event is in the outbox`

use std::fmt;
use std::ops::DerefMut;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use crate::Uuid;
use crate::durable::RoundDatabase;
use crate::outbox::{Keeping, OutboxDatabase};
use crate::transport::{BoxFuture, Packet, TransportError};

/// A database that can keep tasks: `SqliteDatabase`, `PostgresDatabase` and
/// [`MemoryDatabase`](crate::transport::MemoryDatabase).
pub trait TaskDatabase:
    OutboxDatabase + RoundDatabase + sealed::KeepsJobs<<Self as OutboxDatabase>::Connection>
{
}

impl<D: OutboxDatabase + RoundDatabase + sealed::KeepsJobs<<Self as OutboxDatabase>::Connection>> TaskDatabase for D {}

pub(crate) mod sealed {
    use super::*;

    /// What the database does for tasks, which nobody outside may implement or call.
    pub trait KeepsJobs<C>: Sized {
        /// Opens the jobs of this database: looks whether the tables are there.
        ///
        /// # Errors
        ///
        /// Those of a queue of this database.
        fn open_jobs(&self) -> BoxFuture<'_, OpenedJobs<C>>;
    }

    /// What comes of opening the jobs.
    pub(crate) type OpenedJobs<C> = Result<Arc<dyn KeepingJobs<C>>, TransportError>;

    /// The jobs of a database. What has a connection is done in its transaction, and else on connections of their own, in
    /// transactions of their own.
    ///
    /// All times are by the clock of the database: what has to be compared between processes is compared there.
    pub trait KeepingJobs<C>: Jobs {
        /// Adds jobs, all of them or none, in their order. Says of each whether it is new, or which unfinished one of its unique
        /// key there is.
        ///
        /// # Errors
        ///
        /// - `Missing` if the connection is one of another database, or there are no tables.
        /// - `Refused` if there is no transaction on it, or it has failed or ended.
        /// - `Unreachable`.
        fn add_within<'a>(
            &'a self,
            jobs: Vec<NewJob>,
            transaction: &'a mut C,
        ) -> BoxFuture<'a, Result<Vec<Added>, TransportError>>;

        /// Ends attempts, each only if the job is still lent by this number of its attempt, and inserts the events of those into
        /// the outbox: all of that in one transaction. Says of each whether it was.
        fn settle<'a>(
            &'a self,
            endings: Vec<Ending>,
            outboxes: Outboxes<'a, C>,
        ) -> BoxFuture<'a, Result<Vec<bool>, TransportError>>;

        /// The same for one, in a transaction that commits behind it. If it was not, the transaction has to be rolled back.
        fn settle_within<'a>(
            &'a self,
            ending: Ending,
            outboxes: Outboxes<'a, C>,
            transaction: &'a mut C,
        ) -> BoxFuture<'a, Result<bool, TransportError>>;

        /// Begins a transaction, of a connection of the pool of the application.
        fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Work<C>>, TransportError>>;

        /// Returns a connection of that pool, in no transaction.
        fn connect(&self) -> BoxFuture<'_, Connected<C>>;
    }

    /// What comes of asking for a connection.
    pub(crate) type Connected<C> = Result<Box<dyn DerefMut<Target = C> + Send>, TransportError>;

    /// A transaction. Dropped, it is rolled back.
    pub trait Work<C>: Send {
        fn connection(&mut self) -> &mut C;

        fn commit(self: Box<Self>) -> BoxFuture<'static, Result<(), TransportError>>;

        fn rollback(self: Box<Self>) -> BoxFuture<'static, Result<(), TransportError>>;
    }

    /// What does not need to know of what type a connection is.
    ///
    /// A job is *waiting* (due, or not yet), *running* (lent to a worker, until its lease ends) or *over* (done, failed or
    /// cancelled: kept for as long as its ending says, so that somebody may ask). Its number is never used again.
    pub trait Jobs: Send + Sync + 'static {
        /// As in `postgres tasks`.
        fn name(&self) -> &Arc<str>;

        /// Adds jobs in a transaction of their own. See [`KeepingJobs::add_within`].
        fn add(&self, jobs: Vec<NewJob>) -> BoxFuture<'_, Result<Vec<Added>, TransportError>>;

        /// Lends jobs of these tasks in these queues that are due, or whose lease has ended, to this worker: the first by their
        /// rank, at most so many; of a key with a limit no more than are free. Each lending counts as an attempt. A job that was
        /// asked to end, and one that is beyond its attempts or expired, is lent as well: the worker ends it.
        fn lend<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Loans, TransportError>>;

        /// Extends the leases of what this worker has, by the job and the number of its attempt. Says how each is.
        fn renew<'a>(
            &'a self,
            held: &'a [(i64, u32)],
            lease: Duration,
        ) -> BoxFuture<'a, Result<Vec<Held>, TransportError>>;

        /// Asks a job to end. One that waits is due at once, so that a worker ends it; a worker that has it learns of it when it
        /// renews its lease. Returns how the job was, or nothing if there is none.
        fn cancel(&self, job: i64) -> BoxFuture<'_, Result<Option<State>, TransportError>>;

        /// Has a job that has failed or was cancelled wait once more, with its attempts anew, and without a time by which it had to
        /// begin. Returns whether it was so; false, too, if another job has its unique key.
        fn retry(&self, job: i64) -> BoxFuture<'_, Result<bool, TransportError>>;

        /// Returns what is known of a job.
        fn look(&self, job: i64) -> BoxFuture<'_, Result<Option<Row>, TransportError>>;

        /// Returns jobs that have failed or were cancelled, behind this one, in their order, at most so many.
        fn failed(&self, after: i64, most: usize) -> BoxFuture<'_, Result<Vec<Row>, TransportError>>;

        /// Returns the jobs of a section behind this place, in their order, each with its place there: at most so many, and of one task
        /// alone if it is named. What has been kept for long enough is not among them.
        fn section<'a>(
            &'a self,
            of: Section,
            task: Option<&'a str>,
            behind: Option<Spot>,
            most: usize,
        ) -> BoxFuture<'a, Result<Vec<(Spot, Row)>, TransportError>>;

        /// Notes how far a job is, if it is still lent by this number of its attempt. Says whether it was.
        fn progress<'a>(&'a self, job: (i64, u32), progress: &'a Noted) -> BoxFuture<'a, Result<bool, TransportError>>;

        /// Returns the results of steps that were finished.
        fn steps(&self, job: i64) -> BoxFuture<'_, Result<Vec<(String, String)>, TransportError>>;

        /// Keeps the result of a step, as JSON, if the job is still lent by this number of its attempt: until the job is over.
        /// Says whether it was. One of this name that is there stays.
        fn step<'a>(
            &'a self,
            job: (i64, u32),
            name: &'a str,
            result: &'a str,
        ) -> BoxFuture<'a, Result<bool, TransportError>>;

        /// Returns where a schedule stands, in seconds since 1970, and the time of the database in µs since 1970.
        fn ticked<'a>(&'a self, schedule: &'a str) -> BoxFuture<'a, Result<(Option<i64>, i64), TransportError>>;

        /// Moves a schedule from where it stands (`None`: there is none yet) to another time, and adds jobs, in one transaction.
        /// Returns false, and does nothing, if it does not stand there any more: somebody else was first.
        fn tick<'a>(
            &'a self,
            schedule: &'a str,
            from: Option<i64>,
            to: i64,
            jobs: Vec<NewJob>,
        ) -> BoxFuture<'a, Result<bool, TransportError>>;

        /// Deletes some of the jobs that are over and have been kept for long enough. Returns how many.
        fn prune(&self, most: usize) -> BoxFuture<'_, Result<u64, TransportError>>;

        /// Returns how it stands in these queues (none stands for all), without counting beyond `most` of a kind.
        fn figures<'a>(
            &'a self,
            queues: &'a [Arc<str>],
            most: u64,
        ) -> BoxFuture<'a, Result<TaskFigures, TransportError>>;

        /// Returns where jobs have been due for longer than this that nobody seems to do: in other queues, or of other tasks, than
        /// these, where none runs, and none waits for its rate. At most so many, each by its first job.
        fn unclaimed<'a>(
            &'a self,
            but: &'a Wanted,
            longer: Duration,
            most: usize,
        ) -> BoxFuture<'a, Result<Vec<Unclaimed>, TransportError>>;

        /// What changes when something may be there that was not: a job, or a wish that one ends. It is only a hint: who adds a
        /// job in a transaction rings before the commit.
        fn bell(&self) -> watch::Receiver<()>;

        /// Whether the bell rings for all that is added by whomever, so that nobody need look without it.
        fn tells_all(&self) -> bool {
            false
        }
    }
}

/// A job that is to be added.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    pub(crate) task: Arc<str>,
    pub(crate) queue: Arc<str>,
    /// As JSON.
    pub(crate) payload: String,
    /// Which attempts, of a job whose attempt is beyond, may be lent: the worker ends it.
    pub(crate) attempts: u32,
    pub(crate) due: Due,
    /// How much earlier it is lent than its due time alone would have it. Jobs are lent in the order of `due - head start`: so
    /// what is more urgent goes first, and what is less so waits no longer than that for what comes later.
    pub(crate) head_start: Duration,
    /// From when it is due, until when it may begin.
    pub(crate) expires: Option<Duration>,
    /// Of one unique key there is one job; see [`Hold`].
    pub(crate) unique: Option<Hold>,
    /// Of one task and key no more are lent at the same time than [`Limit`] says; keys take turns.
    pub(crate) key: Option<String>,
    /// What is known of who has enqueued it, as JSON.
    pub(crate) cause: Option<String>,
}

/// When a job is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// So long from now, by the clock of the database.
    After(Duration),
    /// At this time, in µs since 1970; one that is over is now.
    At(i64),
}

/// For how long a unique key is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    /// The key, with the name of the task in it.
    pub(crate) key: String,
    /// How long from when the job was added, also if it is over by then; without it, until it is over.
    pub(crate) time: Option<Duration>,
    /// Whether a running job still has it. If not, it is free as soon as the job is lent.
    pub(crate) running: bool,
}

/// What came of adding a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// Its number.
    New(i64),
    /// The number of the one that has its unique key.
    Existing(i64),
}

/// What a worker wants to be lent.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub(crate) queues: Vec<Arc<str>>,
    pub(crate) tasks: Vec<Arc<str>>,
    /// Of tasks whose keys have a limit.
    pub(crate) limits: Vec<(Arc<str>, Limit)>,
    pub(crate) most: usize,
    pub(crate) lease: Duration,
}

/// What holds for each key of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limit {
    /// How many may run at the same time.
    pub(crate) at_once: Option<u32>,
    /// How many may begin in such a time.
    pub(crate) rate: Option<(u32, Duration)>,
}

/// What was lent.
#[derive(Debug, Default)]
pub struct Loans {
    pub(crate) jobs: Vec<Loan>,
    /// In how long the next job of these is due, or the next lease ends, if that is known.
    pub(crate) next: Option<Duration>,
}

/// A job that was lent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Loan {
    pub(crate) id: i64,
    /// From 1. It says who has it: whoever comes with an earlier one has lost it.
    pub(crate) attempt: u32,
    pub(crate) attempts: u32,
    pub(crate) task: String,
    pub(crate) payload: String,
    pub(crate) cause: Option<String>,
    /// Since when it was due.
    pub(crate) waited: Duration,
    /// Whether it was asked to end.
    pub(crate) is_cancelled: bool,
    pub(crate) is_expired: bool,
    /// Why the attempt before this has failed, if it said so.
    pub(crate) reason: Option<String>,
}

/// How a job is that a worker has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    Still,
    /// It was asked to end.
    Cancelled,
    /// Somebody else has it, or it is over.
    Lost,
}

/// Where it is told how attempts have ended.
pub struct Outboxes<'a, C> {
    pub(crate) events: &'a dyn Keeping<C>,
    /// Needed only for jobs of a batch.
    pub(crate) batches: Option<&'a dyn Keeping<C>>,
}

impl<C: 'static> Outboxes<'_, C> {
    /// Inserts what is told of endings, in their transaction.
    pub(crate) async fn insert(
        self,
        events: Vec<Packet>,
        told: Vec<Packet>,
        transaction: &mut C,
    ) -> Result<(), TransportError> {
        if !events.is_empty() {
            self.events.insert(events, transaction).await?;
        }
        match self.batches {
            _ if told.is_empty() => Ok(()),
            Some(batches) => batches.insert(told, transaction).await,
            None => {
                let text = "a job of a batch ends, and nobody has opened the outbox of batches";
                Err(TransportError::new(crate::transport::ErrorKind::Unreachable, self.events.name().clone(), text))
            }
        }
    }
}

impl<C> fmt::Debug for Outboxes<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outboxes").field("batches", &self.batches.is_some()).finish_non_exhaustive()
    }
}

impl<C> Clone for Outboxes<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Outboxes<'_, C> {}

/// How an attempt has ended.
#[derive(Clone, Debug)]
pub struct Ending {
    pub(crate) job: i64,
    pub(crate) attempt: u32,
    pub(crate) how: How,
    /// Of one that is over: whether this attempt counts, for its function was called.
    pub(crate) counts: bool,
    /// What the outbox gets with it.
    pub(crate) event: Option<Packet>,
    /// What the batch that it is of is to know, in the outbox of batches.
    pub(crate) told: Option<(Uuid, Packet)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum How {
    /// It is over. Kept for so long, so that it can be asked how; deleted at once if that is zero.
    Over { state: State, text: Option<String>, keep: Duration },
    /// It waits for another attempt.
    Again { after: Duration, reason: String },
    /// It was given back: the attempt does not count, and it is due now.
    Released,
}

/// How a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// It waits until it is due, or for a worker.
    Waiting,
    /// A worker has it.
    Running,
    /// It has ended well.
    Done,
    /// It has failed for good.
    Failed,
    /// It was asked to end, and has.
    Cancelled,
}

/// Jobs that stand in an index by themselves, in an order in which one goes on where one was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// In the order of their numbers.
    Running,
    /// Due, in the order in which they are lent, task by task.
    Ready,
    /// The same of those with a key.
    Turn,
    /// By when they are due: not yet, or since a moment ago.
    Ahead,
    /// By until when they are kept.
    Failed,
    Cancelled,
    Done,
}

/// A place in a section: lane, key, rank or time, and the number of the job. Where the order of a section needs less, it is 0.
pub(crate) type Spot = [i64; 4];

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Noted {
    pub(crate) text: Option<String>,
    /// From 0 to 1.
    pub(crate) fraction: Option<f64>,
}

/// What is known of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub(crate) id: i64,
    pub(crate) task: String,
    pub(crate) queue: String,
    pub(crate) state: State,
    pub(crate) is_cancelled: bool,
    pub(crate) attempt: u32,
    pub(crate) attempts: u32,
    pub(crate) payload: String,
    /// Of one that waits: in how long it is due, if it is not.
    pub(crate) due_in: Option<Duration>,
    /// Of one that waits and is due: for how long.
    pub(crate) waited: Option<Duration>,
    /// Of one that runs or is over: how long ago its last attempt was due.
    pub(crate) since_due: Option<Duration>,
    /// What was returned, as JSON, of one that is done; else why the last attempt has failed.
    pub(crate) text: Option<String>,
    pub(crate) progress: Noted,
}

/// How the tasks of a database stand, at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskFigures {
    /// How many are due and wait for a worker.
    pub waiting: u64,
    /// How many are not due yet.
    pub scheduled: u64,
    /// How many a worker has.
    pub running: u64,
    /// How many have failed for good, of those that are kept.
    pub failed: u64,
    /// For how long the oldest that waits has been due.
    pub oldest: Option<Duration>,
}

/// Jobs of a task, in a queue, that nobody seems to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unclaimed {
    /// The first of them.
    pub(crate) job: i64,
    pub(crate) task: String,
    pub(crate) queue: String,
    /// For how long that has been due.
    pub(crate) waited: Duration,
}

impl State {
    /// Whether the job has ended.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        })
    }
}
