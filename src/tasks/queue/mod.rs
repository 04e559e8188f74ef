//! How jobs are asked for, and what is known of them.
//!
//! `db.tasks() → TaskQueue → enqueue(task) → Enqueue: after, at, within → Enqueued → Job: status, cancel, wait`
//!
//! In reading order: `queue` is what users hold; `enqueue` is a job on its way, and `packing` makes its row; `job` is one that was
//! enqueued, and `listing` are many of them, for who looks; `cause` is what is known of who has asked for it. `lanes` is by what a database finds jobs. `together/` is many
//! jobs as one.

mod queue;
mod enqueue;
mod packing;
mod job;
mod listing;
mod cause;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod lanes;
mod together;

pub(super) use cause::{Cause, Follows, Seat};
pub use enqueue::{Enqueue, EnqueueAll, Enqueued};
pub use job::{FailedJob, Job, JobId, JobStatus, JobStep};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(super) use lanes::{Lane, key_of, lane_of, micros, wakes};
#[cfg(feature = "postgres")]
pub(super) use lanes::{time_of, wait_of};
pub use listing::{JobSpot, ListedJob, ListedJobs, NoJobSpot, TasksLook, UnclaimedJobs};
pub(super) use packing::pack;
pub use queue::{OpenTasks, TaskQueue};
pub use together::{AtLeast, Batch, BatchId, BatchJob, BatchOutcome, BatchState, BatchStatus, Together};
pub(super) use together::{Ended, OpenHall, Opening, Record, speech};
