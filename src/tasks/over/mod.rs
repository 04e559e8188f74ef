//! Tasks over a queue of a server, without a database: a job is a packet, and a worker does it.
//!
//! ```text
//! enqueue   sender.rs ─▶ job.rs: a packet ─▶ Publisher ─▶ a server
//!
//! doing     Source ─▶ worker/ ─▶ doing.rs: the function ─▶ telling.rs: its event is taken ─▶ worker/: ack, retry, dead letter
//! ```
//!
//! In reading order: `queue_tasks` is set up by users, and `sender` enqueues, by what `sending` says of a job. `job` is a job as a
//! packet. `lacks` is what a queue cannot do of what tasks ask for. `doing` is what a worker has a delivery handled by, and
//! `telling` hands the event of its end to whoever takes it.
//!
//! The event of an end is confirmed before the server is told: so it is there at least once. Attempts and waits are the server's,
//! as of every delivery.

mod queue_tasks;
mod sender;
mod sending;
mod job;
mod lacks;
mod doing;
mod telling;

pub use queue_tasks::{QueueTasks, QueueTasksHandle};
pub use sender::TaskSender;
pub use sending::{Sending, SendingAll};
