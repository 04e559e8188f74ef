//! Tasks: what shall be done later, by a function, and how it ended, which is an event.
//!
//! ```text
//! enqueue   queue/: TaskQueue::enqueue(task) ─▶ rows.rs: a row, in a transaction of the user's or its own
//!
//! running/  rows.rs: lend ─▶ function/: the function of the task ─▶ rows.rs: settle, and in the same transaction its event in the outbox
//! ```
//!
//! | for | see |
//! |---|---|
//! | what shall be done, and its rules | [`Task`], [`TaskTerms`] |
//! | who does it | [`Tasks`], [`TasksHandle`] |
//! | asking for it: later, with a transaction, many at once | [`TaskQueue`], [`Enqueue`] |
//! | the same over a queue of a server, without a database | [`QueueTasks`], [`TaskSender`] |
//! | what a function may ask for, and return | [`TaskArgument`], [`Ends`], [`Tx`], [`Steps`], [`TaskProgress`], [`CancelToken`] |
//! | what a task is about: found before, deleted behind | [`Instance`], [`Repository`], [`TaskInstance`] |
//! | how a job is, and asking it to end | [`Job`], [`JobStatus`] |
//! | which jobs there are, page by page, without the types of their tasks | [`TasksLook`], [`ListedJobs`] |
//! | many jobs as one, and what follows them | [`Together`], [`Batch`], [`BatchOutcome`] |
//! | failures | [`Fault`], [`Explain`], [`TaskFailed`] |
//! | again and again | [`Schedule`], [`Missed`] |
//!
//! The manual: [tasks](crate::guide::tasks).
//!
//! In reading order: `task` is a type of jobs, and `terms` its rules; `tasks` is set up by users, and does what `queue/` enqueues.
//! `function/` is what does a task, and what it may ask for; `fault` is why it has failed, and `error` what goes wrong before.
//! `cron/` is when a task is due again and again. `running/` is the worker. `rows` is what tasks need of a database, of which
//! `sqlite/` and `postgres/` are two, and `memory/` is one for tests. `over/` is the same over a queue of a server, without a
//! database.
//!
//! A job that was enqueued ends once, as done, failed or cancelled, and the event that says how is in the outbox by the transaction
//! that ends it; so is what the batch
//! is to know that it is of. Who has a job is known by the number of its attempt: whoever comes with an earlier one changes nothing.

mod task;
mod terms;
#[expect(clippy::module_inception, reason = "the room has the name of what users set up")]
mod tasks;
mod queue;
mod function;
mod fault;
mod error;
mod cron;
mod running;
mod rows;
mod over;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(test)]
mod contract;

#[doc(inline)]
pub use convoke_derive::Task;
pub use cron::{Missed, Schedule, ScheduleError};
pub use error::TaskError;
pub(crate) use fault::IntoFault;
pub use fault::{Explain, Fault, TaskFailed};
pub use function::{
    Attempt, CancelToken, Cancelling, DeleteFunction, Ends, FindFunction, Instance, Queued, Repository, Steps,
    TaskArgument, TaskFunction, TaskInstance, TaskPlace, TaskProgress, Tx,
};
pub use over::{QueueTasks, QueueTasksHandle, Sending, SendingAll, TaskSender};
pub use queue::{
    AtLeast, Batch, BatchId, BatchJob, BatchOutcome, BatchState, BatchStatus, Enqueue, EnqueueAll, Enqueued, FailedJob,
    Job, JobId, JobSpot, JobStatus, JobStep, ListedJob, ListedJobs, NoJobSpot, OpenTasks, TaskQueue, TasksLook,
    Together, UnclaimedJobs,
};
pub(crate) use rows::sealed::{Connected, Jobs, KeepingJobs, KeepsJobs, OpenedJobs, Work};
pub(crate) use rows::{
    Added, Due, Ending, Held, Hold, How, Limit, Loan, Loans, NewJob, Noted, Outboxes, Row, Section, Spot, State,
    Unclaimed, Wanted,
};
pub use rows::{State as JobState, TaskDatabase, TaskFigures};
pub use running::{TasksHealth, TasksProbe, TasksService};
pub use task::{AsReturned, Task};
pub use tasks::{Tasks, TasksHandle};
pub use terms::TaskTerms;
