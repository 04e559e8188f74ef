//! How jobs are asked for, and what is known of them.
//!
//! `db.tasks() → TaskQueue → enqueue(task) → Enqueue: after, at, within → Enqueued → Job: status, cancel, wait`
//!
//! In reading order: `queue` is what users hold; `enqueue` is a job on its way, and `packing` makes its row; `job` is one that was
//! enqueued; `cause` is what is known of who has asked for it.

mod queue;
mod enqueue;
mod packing;
mod job;
mod cause;

pub(super) use cause::Cause;
pub use enqueue::{Enqueue, EnqueueAll, Enqueued};
pub use job::{FailedJob, Job, JobId, JobStatus};
pub use queue::{OpenTasks, TaskQueue};
