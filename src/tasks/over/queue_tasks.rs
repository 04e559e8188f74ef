//! Who does the jobs of a queue, as users set it up.
//!
//! `Tasks::over(&queue, &bus).on(function)? → await | Services::add → worker/, by what doing.rs says`

use std::fmt;
use std::future::IntoFuture;
use std::ops::Deref;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::doing::{Doer, Functions};
use super::sender::TaskSender;
use super::telling::{Published, Telling, Through, Way};
use crate::__private::Kept;
use crate::tasks::function::{Queued, TaskFunction};
use crate::tasks::running::OfTask;
use crate::tasks::{Task, TaskDatabase, TaskError, TaskTerms, Tasks};
use crate::transport::{MemoryDatabase, Publisher, Source};
use crate::{
    EventBus, IntoChild, OnUnknown, Outbox, Retry, Shutdown, Worker, WorkerError, WorkerHandle, WorkerHealth,
    WorkerReport,
};

/// What a worker needs at the end of a drain, at most.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How long a worker may make no progress beyond what its functions may take.
const PROGRESS: Duration = Duration::from_secs(60);

impl Tasks<MemoryDatabase> {
    /// Creates what does the jobs of a queue of a server, without a database: see [`QueueTasks`]. Functions are given what this bus
    /// provides.
    pub fn over<Q: Source + Publisher + Clone>(queue: &Q, bus: &EventBus) -> QueueTasks<Q> {
        QueueTasks {
            queue: queue.clone(),
            bus: bus.clone(),
            functions: Functions::new(),
            way: Rc::new(Published::to(bus)),
            concurrency: 16,
            grace: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(20),
            prefetch: None,
            on_unknown: OnUnknown::default(),
            dead_letters: None,
            name: None,
        }
    }
}

/// Does the jobs of a queue of Redis, RabbitMQ, SQS or another transport: each of a task of which a function is registered here.
/// Created by [`Tasks::over`]. Awaiting it starts it, and it can be one of the [`Services`](crate::Services) of an application.
///
/// ```
/// use convoke::Tasks;
/// use convoke::prelude::*;
/// use convoke::transport::Memory;
/// use serde::{Deserialize, Serialize};
/// use std::sync::Arc;
///
/// #[derive(Task, Serialize, Deserialize)]
/// struct RegisterUser {
///     id: u64,
/// }
///
/// #[derive(Event, Serialize, Deserialize)]
/// struct UserRegistered {
///     id: u64,
/// }
///
/// async fn register(user: Arc<RegisterUser>) -> Result<UserRegistered, std::io::Error> {
///     Ok(UserRegistered { id: user.id })
/// }
///
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let queue = Memory::queue("tasks"); // in an application `Redis::stream("tasks").await?`, for instance
/// let bus = EventBus::default();
/// let _welcome = bus.on(|user: &UserRegistered| println!("welcome, {}", user.id))?;
///
/// let tasks = Tasks::over(&queue, &bus).on(register)?.await?;
/// tasks.enqueue(RegisterUser { id: 7 }).await?;
/// # tasks.stop().await?;
/// # Ok(())
/// # }
/// ```
///
/// # What is kept
///
/// - **At least once.** A job of which nothing is heard comes again, as every [delivery](crate::Worker).
/// - **Its end is an event,** which is published and confirmed *before* the server is told that the job has ended. So it is there at
///   least once: if the process is killed in between, the job is done again, and its event is there twice. The event of a job that
///   is done has the same id each time, so that an [inbox](crate::Inbox) knows it.
/// - **A failure is told once** there is no other attempt, and the job is then a dead letter, which you can
///   [redrive](crate::transport::redrive).
/// - **What kills its process** ends as failed as well, after its attempts and one more at which nothing else runs.
///
/// # What only a database has
///
/// A task with `unique` or `per_key`, and a function that asks for [`Tx`](crate::Tx), [`Steps`](crate::Steps),
/// [`TaskProgress`](crate::TaskProgress) or [`TaskQueue`](crate::TaskQueue), is an error when it starts; so are `delete_on_success`
/// and `delete_on_failure`, an [`Instance`](crate::Instance) whose repository asks for a connection, a `priority` where the server
/// knows none, and waits that are longer than it can. The error names all of them. There is no `.within(…)`, no handle
/// that tells how a job is or cancels it, and no `.every(…)`:
///
/// ```compile_fail
/// # use convoke::{Task, Tasks, prelude::*, transport::Memory};
/// # #[derive(Task, serde::Serialize, serde::Deserialize)]
/// # struct CleanUp {}
/// # fn set_up(bus: &EventBus) {
/// Tasks::over(&Memory::queue("tasks"), bus).every("0 3 * * *", CleanUp {}); // that each time comes once is a row
/// # }
/// ```
#[must_use = "nothing is done before it is awaited or added to the services of an application"]
pub struct QueueTasks<Q> {
    queue: Q,
    bus: EventBus,
    functions: Functions,
    way: Rc<dyn Way>,
    concurrency: usize,
    grace: Duration,
    drain_timeout: Duration,
    prefetch: Option<usize>,
    on_unknown: OnUnknown,
    dead_letters: Option<Arc<dyn Publisher>>,
    name: Option<String>,
}

impl<Q: Source + Publisher + Clone> QueueTasks<Q> {
    /// Has a function do the jobs of a task, as [`Tasks::on`] does. All tasks of one queue have the same `queue`.
    ///
    /// # Errors
    ///
    /// Those of [`Tasks::on`]. What only a database has is an error when it starts.
    pub fn on<T: Task, Kind>(mut self, function: impl TaskFunction<Queued, T, Kind>) -> Result<Self, TaskError> {
        let registered = function.register(self.bus.container())?;
        match self.functions.insert(T::NAME, registered.0) {
            None => Ok(self),
            Some(_) => Err(TaskError::Twice { task: T::NAME.into() }),
        }
    }

    /// Sets to whom the events are published that tell how jobs have ended. By default the bus of this process hears them: its
    /// listeners are awaited, for up to a minute each, and what one of them does not do is a dead letter of the bus.
    ///
    /// If the publisher is away, jobs that have ended wait for it here, and no more are begun than there is room for.
    pub fn events_to(mut self, publisher: impl Publisher) -> Self {
        self.way = Rc::new(Published::by(Arc::new(publisher)));
        self
    }

    /// Has the events inserted into an outbox of a database instead, each before its job is acknowledged. You relay it.
    pub fn events_through<D: TaskDatabase>(mut self, database: &D, outbox: &Outbox<D>) -> Self {
        self.way = Rc::new(Through { database: database.clone(), outbox: outbox.clone() });
        self
    }

    /// Sets how many jobs run at the same time, on one thread. The default is 16, and the least is 1.
    pub fn concurrency(mut self, jobs: usize) -> Self {
        self.concurrency = jobs;
        self
    }

    /// Sets how many more jobs are fetched ahead: see [`Worker::prefetch`].
    pub fn prefetch(mut self, jobs: usize) -> Self {
        self.prefetch = Some(jobs);
        self
    }

    /// Sets where jobs go that have failed for good, and what is no job. The default is the queue's own queue of dead letters.
    pub fn dead_letter(mut self, publisher: impl Publisher) -> Self {
        self.dead_letters = Some(Arc::new(publisher));
        self
    }

    /// Sets what becomes of jobs of tasks that nobody does here. The default is [`OnUnknown::DeadLetter`]: so start who does a task
    /// before who enqueues it.
    pub fn on_unknown(mut self, policy: OnUnknown) -> Self {
        self.on_unknown = policy;
        self
    }

    /// Sets how long a function may go on that was told to end by its [`CancelToken`](crate::CancelToken). After that it is
    /// dropped where it waits. The default is 10 s.
    pub fn grace(mut self, time: Duration) -> Self {
        self.grace = time;
        self
    }

    /// Sets how long jobs may go on when the worker shuts down. Those that go on after that are told to end, and given back after
    /// the [grace](Self::grace). The default is 20 s.
    pub fn drain_timeout(mut self, limit: Duration) -> Self {
        self.drain_timeout = limit;
        self
    }

    /// Sets the name among the services of an application. The default is the name of the queue.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Runs until this signal, and then drains, as [`Worker::run_until`] does. For a process that does nothing else.
    ///
    /// # Errors
    ///
    /// Those of starting it.
    pub async fn run_until(self, shutdown: impl Shutdown) -> Result<WorkerReport, WorkerError> {
        self.into_worker().0.run_until(shutdown).await
    }

    /// The worker that does it, and what enqueues into its queue.
    fn into_worker(self) -> (Worker<Q>, TaskSender) {
        let terms: Vec<_> = self.functions.values().map(|does| does.terms()).collect();
        let most = |of: fn(&TaskTerms) -> Duration| terms.iter().map(of).max().unwrap_or_default();
        let (first, longest, timeout) =
            (most(|terms| terms.first_wait), most(|terms| terms.longest_wait), most(|terms| terms.timeout));
        let attempts = terms.iter().map(|terms| terms.attempts).max().unwrap_or(1);
        let queue = terms.first().map_or(TaskTerms::new().queue, |terms| terms.queue);
        let sender = TaskSender::named(queue, &self.queue);
        let going_on = self.drain_timeout.saturating_add(self.grace);
        let doer = Doer {
            meters: self.functions.keys().map(|task| (*task, OfTask::new(task))).collect(),
            bus: self.bus.clone(),
            functions: self.functions,
            telling: Rc::new(Telling::by(self.way)),
            sender: sender.clone(),
            grace: self.grace,
            drain_timeout: self.drain_timeout,
            longest_wait: Source::abilities(&self.queue).retry_after.unwrap_or_default(),
        };
        let mut worker = Worker::new(self.queue, &self.bus)
            .concurrency(self.concurrency)
            .retry(Retry::exponential(first).max_delay(longest).attempts(attempts))
            .progress_within(timeout.saturating_add(self.grace).saturating_add(PROGRESS))
            // Of which a fifth is for its last words, and 5 s at most: the rest is for jobs.
            .drain_timeout(going_on.saturating_add((going_on / 4).min(LAST_WORDS)))
            .on_unknown(self.on_unknown)
            .handled_by(Rc::new(doer));
        if let Some(name) = self.name {
            worker = worker.named(name);
        }
        if let Some(prefetch) = self.prefetch {
            worker = worker.prefetch(prefetch);
        }
        if let Some(publisher) = self.dead_letters {
            worker = worker.dead_letter(publisher);
        }
        (worker, sender)
    }
}

/// Starts it.
///
/// # Errors
///
/// Those of [`Worker::start`], with `Unsupported` if a task or a function asks for what the queue cannot do: the text names all of
/// that.
impl<Q: Source + Publisher + Clone> IntoFuture for QueueTasks<Q> {
    type Output = Result<QueueTasksHandle, WorkerError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (worker, sender) = self.into_worker();
            Ok(QueueTasksHandle { worker: worker.start().await?, sender })
        })
    }
}

/// Its name is the name of its queue, or the one that you [gave](QueueTasks::named) it. It starts after all services that are no
/// workers, and is drained before any of them stops.
impl<Q: Source + Publisher + Clone> IntoChild for QueueTasks<Q> {
    fn into_child(self) -> Kept {
        self.into_worker().0.into_child()
    }
}

impl<Q: Publisher> fmt::Debug for QueueTasks<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tasks: Vec<_> = self.functions.keys().collect();
        tasks.sort_unstable();
        f.debug_struct("QueueTasks").field("queue", &self.queue.name()).field("tasks", &tasks).finish_non_exhaustive()
    }
}

/// Tasks of a queue that are being done, for as long as this is kept; dropped, it asks them to stop. It derefs to the
/// [`TaskSender`] that enqueues jobs of this queue.
#[must_use = "dropping it ends the worker, and so does `let _ =`: give it a name"]
pub struct QueueTasksHandle {
    worker: WorkerHandle,
    sender: TaskSender,
}

impl QueueTasksHandle {
    /// Stops: nothing new is begun, and what runs is finished, for as long as the [drain timeout](QueueTasks::drain_timeout).
    ///
    /// # Errors
    ///
    /// `Gone` if the worker has panicked, or its arbiter has ended.
    pub async fn stop(self) -> Result<WorkerReport, WorkerError> {
        self.worker.drain().await
    }

    /// Returns the health of the worker.
    pub fn health(&self) -> WorkerHealth {
        self.worker.health()
    }

    /// Returns what the worker has done so far.
    pub fn report(&self) -> WorkerReport {
        self.worker.report()
    }

    /// Returns a function that tells the health of the worker from any thread, for a probe.
    pub fn probe(&self) -> impl Fn() -> WorkerHealth + Clone + Send + Sync + 'static {
        self.worker.probe()
    }
}

impl Deref for QueueTasksHandle {
    type Target = TaskSender;

    fn deref(&self) -> &TaskSender {
        &self.sender
    }
}

impl fmt::Debug for QueueTasksHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueTasksHandle").field("sender", &self.sender).finish_non_exhaustive()
    }
}
