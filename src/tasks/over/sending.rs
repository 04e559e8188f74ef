//! Jobs on their way into a queue.
//!
//! `TaskSender::enqueue → Sending → after | at | priority → await → job.rs → Publisher → JobId`

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{job, lacks};
use crate::tasks::queue::pack;
use crate::tasks::{JobId, NewJob, Task, TaskError, TaskTerms};
use crate::transport::{BoxFuture, ErrorKind, Packet, Publisher, TransportError};

/// The highest priority of a task; the lowest is its opposite.
const HIGHEST: i8 = 9;

/// A job that may be enqueued, or why it may not.
pub(super) struct Draft(Result<NewJob, TaskError>);

impl Draft {
    pub(super) fn of<T: Task>(task: &T) -> Self {
        Self(pack(task))
    }
}

/// A job that is about to be enqueued into a queue. Created by [`TaskSender::enqueue`](super::TaskSender::enqueue); awaiting it
/// enqueues it.
///
/// If the future is dropped before it is ready, the job may be enqueued, or not.
#[must_use = "the job is enqueued when it is awaited"]
pub struct Sending(SendingAll);

/// Several jobs that are about to be enqueued into a queue. Created by
/// [`TaskSender::enqueue_all`](super::TaskSender::enqueue_all); awaiting it enqueues them.
#[must_use = "the jobs are enqueued when it is awaited"]
pub struct SendingAll {
    queue: Result<Arc<dyn Publisher>, TransportError>,
    jobs: Vec<Draft>,
    terms: TaskTerms,
    delay: Duration,
    priority: i8,
}

impl Sending {
    pub(super) fn new(queue: Result<Arc<dyn Publisher>, TransportError>, draft: Draft, terms: TaskTerms) -> Self {
        Self(SendingAll::new(queue, vec![draft], terms))
    }

    /// Has the job be due so long from now. The server holds it back: SQS for 15 min at most, and for longer it is an error.
    pub fn after(self, delay: Duration) -> Self {
        Self(self.0.after(delay))
    }

    /// Has the job be due at this time, by the clock of this process. A time that is over is now.
    pub fn at(self, time: SystemTime) -> Self {
        Self(self.0.at(time))
    }

    /// Sets how urgent this job is, from -9 to 9, instead of what its task says. A server that knows no priorities takes 0 alone.
    /// Others deliver the higher first, each of their levels for some of ours.
    pub fn priority(self, priority: i8) -> Self {
        Self(self.0.priority(priority))
    }
}

impl SendingAll {
    pub(super) fn new(queue: Result<Arc<dyn Publisher>, TransportError>, jobs: Vec<Draft>, terms: TaskTerms) -> Self {
        Self { queue, jobs, terms, delay: Duration::ZERO, priority: terms.priority }
    }

    /// Has the jobs be due so long from now: see [`Sending::after`].
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Has the jobs be due at this time: see [`Sending::at`].
    pub fn at(self, time: SystemTime) -> Self {
        let delay = time.duration_since(crate::__private::wall_clock()).unwrap_or_default();
        self.after(delay)
    }

    /// Sets how urgent these jobs are: see [`Sending::priority`].
    pub fn priority(mut self, priority: i8) -> Self {
        self.priority = priority;
        self
    }

    async fn send(self) -> Vec<Result<JobId, TaskError>> {
        let Self { queue, jobs, terms, delay, priority } = self;
        let queue = match queue {
            Ok(queue) => queue,
            Err(error) => return jobs.iter().map(|_| Err(error.clone().into())).collect(),
        };
        let mut results = Vec::with_capacity(jobs.len());
        let mut packets = Vec::with_capacity(jobs.len());
        for Draft(draft) in jobs {
            let written = draft.and_then(|job| write(&*queue, job, &terms, (delay, priority)));
            results.push(written.map(|(id, packet)| {
                packets.push(packet);
                id
            }));
        }
        if packets.is_empty() {
            return results;
        }
        let mut taken = queue.publish(&packets).await.into_iter();
        for result in results.iter_mut().filter(|result| result.is_ok()) {
            let silent = "it did not say whether it took a job";
            let one = taken.next();
            let one = one.unwrap_or_else(|| Err(TransportError::new(ErrorKind::Protocol, queue.name(), silent)));
            if let Err(error) = one {
                *result = Err(error.into());
            }
        }
        results
    }
}

/// Makes a packet of a job for this queue.
fn write(
    queue: &dyn Publisher,
    job: NewJob,
    terms: &TaskTerms,
    (delay, priority): (Duration, i8),
) -> Result<(JobId, Packet), TaskError> {
    let (name, abilities) = (queue.name(), queue.abilities());
    let lacks = lacks::of_job(&job, terms, priority, &abilities);
    let task = job.task.clone();
    lacks::error(name, &[(&task, lacks)])?;
    let number = job::number();
    let mut packet = job::write(job, number, delay);
    packet.priority = level(priority, abilities.priority);
    abilities.check(name, &packet)?;
    Ok((JobId::new(number), packet))
}

/// Which of the levels of a server stands for a priority: its lowest is our lowest, and its highest our highest.
fn level(priority: i8, highest: u8) -> u8 {
    let steps = i32::from(HIGHEST) * 2;
    let step = i32::from(priority.clamp(-HIGHEST, HIGHEST)) + i32::from(HIGHEST);
    u8::try_from((step * i32::from(highest) + steps / 2) / steps).unwrap_or(highest)
}

impl IntoFuture for Sending {
    type Output = Result<JobId, TaskError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let silent =
                || TransportError::new(ErrorKind::Protocol, "TaskSender", "there was no job to enqueue").into();
            self.0.send().await.pop().unwrap_or_else(|| Err(silent()))
        })
    }
}

impl IntoFuture for SendingAll {
    type Output = Vec<Result<JobId, TaskError>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SendingAll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").field("jobs", &self.jobs.len()).field("delay", &self.delay).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_take_all_levels_of_a_server_and_keep_their_order() {
        for highest in [0, 1, 2, 9, 10, 31, u8::MAX] {
            let levels: Vec<_> = (-HIGHEST..=HIGHEST).map(|priority| level(priority, highest)).collect();
            assert!(levels.is_sorted(), "{highest}: {levels:?}");
            assert_eq!((levels.first(), levels.last()), (Some(&0), Some(&highest)));
        }
        assert_eq!((level(0, 9), level(0, 31), level(i8::MIN, 9), level(i8::MAX, 9)), (5, 16, 0, 9));
    }
}
