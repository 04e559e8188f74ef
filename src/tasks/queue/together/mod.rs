//! Many jobs as one: a batch of them is a durable round, with a party for each job.
//!
//! ```text
//! TaskQueue::together ─▶ together.rs: the jobs, and how the batch opens, in one transaction
//!                                       │ an outbox, in the order of the batch
//! running/: a job ends ─▶ records.rs ───┴─▶ running/to_rounds.rs ─▶ its round ─▶ running/to_then.rs ─▶ the job that follows
//! ```
//!
//! In reading order: `together` is a batch as users ask for it; `records` is what stands in rows of it; `hall` is where its round and
//! its outboxes are, opened when the first one needs them. `batch` is a handle of one, and `outcome` what became of it.
//!
//! What a batch needs is in the transaction that has its jobs, and how a job has ended in the one that ends it. All else is done
//! from these rows, by whichever worker lives, and doing it twice changes nothing.

mod together;
mod records;
mod hall;
mod batch;
mod outcome;

pub use batch::{Batch, BatchId, BatchStatus};
pub(super) use hall::Hall;
pub(in crate::tasks) use hall::OpenHall;
pub use outcome::{BatchJob, BatchOutcome, BatchState};
pub(in crate::tasks) use records::{Ended, Opening, Record, speech};
pub use together::{AtLeast, Together};
