//! Who enqueues jobs into queues of servers.
//!
//! `TaskSender::to(&queue) → enqueue(task) → sending.rs → a packet`

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::sending::{Draft, Sending, SendingAll};
use crate::tasks::function::{Equips, Queued, TaskArgument, TaskCall};
use crate::tasks::{Fault, Task, TaskTerms};
use crate::transport::{ErrorKind, Publisher, TransportError};

/// Enqueues jobs into a queue of a server: for a process that does none itself, and as an argument of a function of
/// [tasks over a queue](crate::Tasks::over).
///
/// ```
/// use convoke::TaskSender;
/// use convoke::prelude::*;
/// use convoke::transport::Memory;
/// use serde::{Deserialize, Serialize};
/// use std::time::Duration;
///
/// #[derive(Task, Serialize, Deserialize)]
/// struct SendWelcome {
///     user: u64,
/// }
///
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let queue = Memory::queue("tasks"); // in an application `Redis::stream("tasks").await?`, for instance
/// let tasks = TaskSender::to(&queue);
/// let job = tasks.enqueue(SendWelcome { user: 7 }).await?;
/// let _later = tasks.enqueue(SendWelcome { user: 8 }).after(Duration::from_secs(60)).await?;
/// println!("job {job} is enqueued");
/// # Ok(())
/// # }
/// ```
///
/// Clones share the queues.
#[derive(Clone)]
pub struct TaskSender {
    queues: Arc<HashMap<String, Arc<dyn Publisher>>>,
}

impl TaskSender {
    /// Creates what enqueues tasks that name no queue, into this one.
    pub fn to(queue: &(impl Publisher + Clone)) -> Self {
        Self::named(TaskTerms::new().queue, queue)
    }

    pub(super) fn named(name: &str, queue: &(impl Publisher + Clone)) -> Self {
        let queue: Arc<dyn Publisher> = Arc::new(queue.clone());
        Self { queues: Arc::new(HashMap::from([(name.to_owned(), queue)])) }
    }

    /// Sets into which queue tasks are enqueued that say `#[task(queue = "…")]` with this name.
    #[must_use]
    pub fn queue(mut self, name: impl Into<String>, queue: &(impl Publisher + Clone)) -> Self {
        Arc::make_mut(&mut self.queues).insert(name.into(), Arc::new(queue.clone()));
        self
    }

    /// Enqueues a job of this task. Awaiting the result does it, and returns its number once the server has confirmed it; before
    /// that it may get a [time](Sending::after) and a [priority](Sending::priority).
    ///
    /// # Errors
    ///
    /// - [`TaskError::NotJson`](crate::TaskError::NotJson) and [`TaskError::TooLarge`](crate::TaskError::TooLarge) for what cannot
    ///   be sent.
    /// - [`TaskError::Transport`](crate::TaskError::Transport), with `Unsupported` if the server cannot do what the task asks for,
    ///   as `unique` or a longer delay; `Missing` if this sender was not given the queue of the task; `TooLarge`, and
    ///   `Unreachable` if the server is away. After `Unreachable` the job may have been enqueued.
    pub fn enqueue<T: Task>(&self, task: T) -> Sending {
        Sending::new(self.way::<T>(), Draft::of(&task), T::TERMS)
    }

    /// Enqueues several jobs of a task in their order, in as few requests as that takes. Awaiting the result returns for each its
    /// number, or why it was not enqueued: one that fails does not keep the others.
    pub fn enqueue_all<T: Task>(&self, tasks: impl IntoIterator<Item = T>) -> SendingAll {
        SendingAll::new(self.way::<T>(), tasks.into_iter().map(|task| Draft::of(&task)).collect(), T::TERMS)
    }

    /// The queue of a task.
    fn way<T: Task>(&self) -> Result<Arc<dyn Publisher>, TransportError> {
        let name = T::TERMS.queue;
        self.queues.get(name).cloned().ok_or_else(|| {
            let text = format!(
                "`{}` waits in the queue `{name}`, which nobody has named: give it by `.queue({name:?}, &…)`",
                T::NAME
            );
            TransportError::new(ErrorKind::Missing, "TaskSender", text)
        })
    }
}

/// What a function asks for that enqueues further jobs.
impl TaskArgument<Queued> for TaskSender {
    fn take(call: &TaskCall<'_, Queued>) -> Result<Self, Fault> {
        Ok(call.kit().clone())
    }
}

impl Equips for Queued {
    type Kit = TaskSender;
}

impl fmt::Debug for TaskSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queues = self.queues.iter().map(|(name, queue)| (name, queue.name()));
        f.debug_map().entries(queues).finish()
    }
}
