//! Where the dead letters of a queue go, by our hand or by that of SQS.
//!
//! `a queue → Dead (a queue, its name and URL)`, `GetQueueAttributes → Redrive → Dead`
//!
//! In reading order: `dead` is the queue of dead letters, and `redrive` when SQS itself moves a message there.

mod dead;
mod redrive;

pub(super) use dead::Dead;
pub(crate) use dead::dead_of;
pub(super) use redrive::{MAX_RECEIVES, Redrive};
