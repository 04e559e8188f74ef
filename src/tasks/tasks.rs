//! Who does tasks, as users set it up.
//!
//! `Tasks::new(&db, &bus).on(function)?.every(…)? → await | Services::add → running/service.rs`

use std::collections::HashMap;
use std::fmt;
use std::future::IntoFuture;
use std::ops::Deref;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::cron::{Missed, Schedule, ScheduleError};
use super::error::TaskError;
use super::function::{Does, TaskFunction};
use super::queue::pack;
use super::rows::TaskDatabase;
use super::running::{Every, FAR, Options, Parts, Stats, TasksProbe, TasksService};
use super::{Task, TaskQueue};
use crate::__private::Kept;
use crate::{
    BaseService, EventBus, IntoChild, Outbox, ServiceHandle, Services, ServicesError, Shutdown, ShutdownReport,
    StartError, Supervised,
};

/// Under which name events are published that tell how jobs have ended.
const PUBLISHER: &str = "Tasks";

/// The least lease.
const LEAST: Duration = Duration::from_secs(3);

/// What may pass between the end of a drain and the service's.
const LAST_STEPS: Duration = Duration::from_secs(25);

/// Does the jobs of a database: each of a task of which a function is registered here. Awaiting it starts it, and it can be one of the
/// [`Services`] of an application. Any number of processes may do the jobs of one database.
///
/// ```
/// use convoke::Tasks;
/// use convoke::prelude::*;
/// use convoke::transport::Memory;
/// use serde::{Deserialize, Serialize};
/// use std::sync::Arc;
/// use std::time::Duration;
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
/// // What it returns is published when the job has ended; what it needs stands behind the task.
/// async fn register(user: Arc<RegisterUser>) -> Result<UserRegistered, std::io::Error> {
///     Ok(UserRegistered { id: user.id })
/// }
///
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let db = Memory::database(); // in an application `Sqlite::open("shop.db").await?`, or `Postgres::connect(…)`
/// let bus = EventBus::default();
/// let _welcome = bus.on(|user: &UserRegistered| println!("welcome, {}", user.id))?;
///
/// let tasks = Tasks::new(&db, &bus).on(register)?.await?;
/// let job = tasks.enqueue(RegisterUser { id: 7 }).await?;
/// let status = job.wait(Duration::from_secs(10)).await?;
/// println!("{}", status.expect("it is kept for an hour"));
/// # tasks.stop().await;
/// # Ok(())
/// # }
/// ```
///
/// # What is kept
///
/// - **At least once.** A job of which nothing is heard comes again when its lease ends; so does one whose process was killed
///   before what it has done was settled.
/// - **Its end is an event.** A job has ended when the event that tells it is in the outbox, by the same transaction. An attempt
///   that has lost its job to another tells nothing.
/// - **A failure is told once,** when there is no other attempt: after the last of them, for an error that is
///   [permanent](crate::Fault::permanent), and for a job that was cancelled.
/// - **What kills its process** ends as failed as well, after its attempts. The last of them runs alone, so that it takes no other
///   job along.
///
/// # Where the events go
///
/// Into an outbox, which is by default one of its own, from which the bus hears them. Where several processes do the jobs of a
/// database, the bus of one of them hears each event. To have them leave for a server, give an [outbox](Self::outbox) that you relay.
#[must_use = "nothing is done before it is awaited or added to the services of an application"]
pub struct Tasks<D: TaskDatabase> {
    database: D,
    bus: EventBus,
    outbox: Option<Outbox<D>>,
    functions: HashMap<&'static str, Rc<dyn Does<D>>>,
    options: Options,
    name: Option<String>,
    stats: Arc<Stats>,
    schedules: Vec<Every>,
    /// What was said in vain.
    wrong: Option<TaskError>,
}

impl<D: TaskDatabase> Tasks<D> {
    /// Creates what does the jobs of this database. Functions are given what this bus provides.
    pub fn new(database: &D, bus: &EventBus) -> Self {
        Self {
            database: database.clone(),
            bus: bus.clone(),
            outbox: None,
            functions: HashMap::new(),
            options: Options::default(),
            name: None,
            stats: Arc::default(),
            schedules: Vec::new(),
            wrong: None,
        }
    }

    /// Has a function do the jobs of a task: `async fn(Arc<T>, …)`, or a sync one, which also may take a `&T`. Behind the task
    /// stands what it [asks for](crate::TaskArgument). Jobs of tasks without a function wait for a process that has one.
    ///
    /// # Errors
    ///
    /// - [`TaskError::Container`] if nobody provides what it asks for, by name; also the [`Repository`](crate::Repository) of what
    ///   it is about.
    /// - [`TaskError::Instance`] if that repository does not fit.
    /// - [`TaskError::Twice`] if the task has a function.
    /// - [`TaskError::Fails`] if the event of a failure cannot be made, and [`TaskError::Outbox`] if an event is local.
    pub fn on<T: Task, Kind>(mut self, function: impl TaskFunction<D, T, Kind>) -> Result<Self, TaskError> {
        let does = function.register(self.bus.container())?.0;
        if let Some(found) = does.found() {
            found.check::<D::Connection>(T::NAME)?;
        }
        if let Some(deleting) = does.deleting() {
            self.functions.insert(deleting.task(), deleting);
        }
        match self.functions.insert(T::NAME, does) {
            None => Ok(self),
            Some(_) => Err(TaskError::Twice { task: T::NAME.into() }),
        }
    }

    /// Enqueues a job again and again, at the times of a [`Schedule`]: `"0 3 * * *"` is every night at three, by the clock of UTC.
    /// Each time is enqueued once, however many processes do so: where the schedule stands is a row. It is one schedule for as
    /// long as its text, its zone, its task and the payload stay the same.
    ///
    /// ```no_run
    /// use convoke::{Missed, Schedule, Tasks};
    /// # use convoke::prelude::*;
    /// # use convoke::transport::SqliteDatabase;
    /// # use serde::{Deserialize, Serialize};
    /// # use std::sync::Arc;
    ///
    /// # #[derive(Task, Serialize, Deserialize)]
    /// # struct CleanUp {}
    /// # async fn clean_up(_: Arc<CleanUp>) {}
    /// # async fn start(db: SqliteDatabase, bus: EventBus) -> Result<(), Box<dyn std::error::Error>> {
    /// let tasks = Tasks::new(&db, &bus)
    ///     .on(clean_up)?
    ///     .every(Schedule::parse("0 3 * * *")?.in_zone("Europe/Berlin")?, CleanUp {})?
    ///     .missed(Missed::Once)
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`TaskError::Schedule`] if the schedule is wrong, or is there already with the same task; [`TaskError::NotJson`] and
    /// [`TaskError::TooLarge`] for the task. It does not start if no function does the task.
    pub fn every<T: Task, S>(mut self, schedule: S, task: T) -> Result<Self, TaskError>
    where
        S: TryInto<Schedule, Error: Into<ScheduleError>> + fmt::Display,
    {
        let text = schedule.to_string();
        let wrong = |reason: String| TaskError::Schedule { schedule: text.clone(), reason };
        let schedule = schedule.try_into().map_err(|error| wrong(error.into().to_string()))?;
        // By the payload as a key: a map has no order, and another one in each process.
        let key = crate::__tasks::part(&task)
            .map_err(|error| TaskError::NotJson { task: T::NAME.into(), reason: error.to_string() })?;
        let every = Every::new(schedule, pack(&task)?, &key);
        if self.schedules.iter().any(|other| other.name == every.name) {
            return Err(wrong(format!("there is one for `{}` already: leave one out", T::NAME)));
        }
        self.schedules.push(every);
        Ok(self)
    }

    /// Sets what becomes of times of the last [schedule](Self::every) at which no process was there. The default is
    /// [`Missed::Skip`]. It does not start if there is no schedule before this.
    pub fn missed(mut self, missed: Missed) -> Self {
        match self.schedules.last_mut() {
            Some(every) => every.missed = missed,
            None => {
                let reason = "it is said of the schedule before it, and there is none: move it behind its `.every(…)`";
                let schedule = format!(".missed(Missed::{missed:?})");
                self.wrong = Some(TaskError::Schedule { schedule, reason: reason.to_owned() });
            }
        }
        self
    }

    /// Sets the outbox that gets the events, with your own transactions or without. You relay it. The default is one of its own,
    /// named `Tasks`, whose events this bus hears.
    pub fn outbox(mut self, outbox: &Outbox<D>) -> Self {
        self.outbox = Some(outbox.clone());
        self
    }

    /// Sets how many jobs run at the same time, on one thread. The default is 16, and the least is 1. A function that computes
    /// for long, and waits for nothing, keeps the thread from all others: give such work to `actix_web::web::block` or to threads.
    pub fn concurrency(mut self, jobs: usize) -> Self {
        self.options.concurrency = jobs.max(1);
        self
    }

    /// Sets how many jobs may have ended and not be settled: they are settled together, and done again if the process is killed
    /// before. The default is 64. With 1, at most those are done again that run.
    pub fn gather(mut self, jobs: usize) -> Self {
        self.options.gather = jobs.clamp(1, 500);
        self
    }

    /// Sets how long a job is kept that is done, so that [`Job::status`](crate::Job::status) tells its result. The default is an
    /// hour. With zero it is deleted at once, which costs the least.
    pub fn keep(mut self, time: Duration) -> Self {
        self.options.keep = time;
        self
    }

    /// Sets how long a job is kept that has failed or was cancelled, so that it can be [tried once more](crate::Job::retry). The
    /// default is 30 days.
    pub fn keep_failed(mut self, time: Duration) -> Self {
        self.options.keep_failed = time;
        self
    }

    /// Sets how long a function may go on that was told to end by its [`CancelToken`](crate::CancelToken). After that it is
    /// dropped where it waits. The default is 10 s.
    pub fn grace(mut self, time: Duration) -> Self {
        self.options.grace = time.min(FAR);
        self
    }

    /// Sets how long nothing may be heard of a process before others take its jobs. It is extended while a job runs. The default
    /// is 30 s, and the least is 3 s. What it was about to say of [batches](crate::TaskQueue::together) others take over in a third of that, and
    /// within 10 s.
    pub fn lease(mut self, time: Duration) -> Self {
        self.options.lease = time.clamp(LEAST, FAR);
        self
    }

    /// Sets how often it is looked for jobs that other processes have enqueued. The default is 200 ms, and the least is 1 ms. Those
    /// of this process are seen at once, and of others where the database tells.
    pub fn poll_every(mut self, poll: Duration) -> Self {
        self.options.poll_every = poll.clamp(Duration::from_millis(1), FAR);
        self
    }

    /// Sets how long jobs may go on when the worker shuts down. Those that go on after that are told to end, and given back after
    /// the [grace](Self::grace). The default is 20 s.
    pub fn drain_timeout(mut self, limit: Duration) -> Self {
        self.options.drain_timeout = limit.min(FAR);
        self
    }

    /// Sets the name of the service. The default is `Tasks`.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Returns what tells on any thread how the worker is, even before it starts.
    pub fn probe(&self) -> TasksProbe {
        TasksProbe(self.stats.clone())
    }

    /// Runs until this signal, as [`Services::run_until`] does with it alone. For a process that does nothing else.
    ///
    /// # Errors
    ///
    /// `ServicesError` if it does not start, as when there are no tables. If the database is lost later, it waits for it.
    pub async fn run_until(self, shutdown: impl Shutdown) -> Result<ShutdownReport, ServicesError> {
        let limit = self.stop_timeout();
        Services::new(&self.bus).drain_timeout(limit).stop_timeout(limit).add(self).run_until(shutdown).await
    }

    fn stop_timeout(&self) -> Duration {
        self.options.drain_timeout.saturating_add(self.options.grace).saturating_add(LAST_STEPS)
    }

    /// Makes a service of it that its bus is told of: await it, or give it to others that keep services.
    pub fn supervised(self) -> Supervised<TasksService<D>> {
        let (bus, stop_timeout) = (self.bus.clone(), self.stop_timeout());
        let name = self.name.unwrap_or_else(|| "Tasks".to_owned());
        let parts = Rc::new(Parts {
            database: self.database,
            bus: self.bus,
            outbox: self.outbox,
            publisher: PUBLISHER.to_owned(),
            functions: Rc::new(self.functions),
            options: self.options,
            stats: self.stats,
            schedules: self.schedules.into(),
            wrong: self.wrong,
        });
        let service = TasksService::supervised(&bus, move |_| TasksService::new(&parts));
        service.named(name).stop_timeout(stop_timeout).brings_in_work()
    }
}

/// Starts it.
///
/// # Errors
///
/// `Failed` if it does not start: without tables, without a database, or if no task has a function.
impl<D: TaskDatabase> IntoFuture for Tasks<D> {
    type Output = Result<TasksHandle<D>, StartError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (database, stats) = (self.database.clone(), self.stats.clone());
            let service = self.supervised().await?;
            match TaskQueue::open(&database).await {
                Ok(queue) => Ok(TasksHandle { service, queue, stats }),
                Err(error) => {
                    service.stop().await;
                    Err(StartError::Failed(error.to_string()))
                }
            }
        })
    }
}

/// Its name is `Tasks`, or the one that you [gave](Tasks::named) it. It starts after all services that are no workers, and is drained
/// before any of them stops.
impl<D: TaskDatabase> IntoChild for Tasks<D> {
    fn into_child(self) -> Kept {
        self.supervised().into_child()
    }
}

impl<D: TaskDatabase> fmt::Debug for Tasks<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tasks: Vec<_> = self.functions.keys().collect();
        tasks.sort_unstable();
        f.debug_struct("Tasks").field("tasks", &tasks).field("options", &self.options).finish_non_exhaustive()
    }
}

/// Tasks that are being done, for as long as this is kept; dropped, it asks them to stop. It derefs to the [`TaskQueue`] that
/// enqueues jobs.
#[must_use = "dropping it ends the worker, and so does `let _ =`: give it a name"]
pub struct TasksHandle<D: TaskDatabase> {
    service: ServiceHandle<TasksService<D>>,
    queue: TaskQueue<D>,
    stats: Arc<Stats>,
}

impl<D: TaskDatabase> TasksHandle<D> {
    /// Stops: nothing new is begun, and what runs is finished, for as long as the [drain timeout](Tasks::drain_timeout).
    pub async fn stop(self) -> crate::ServiceStatus {
        self.service.stop().await
    }

    /// Lets it run for as long as its arbiter.
    pub fn forever(self) -> TaskQueue<D> {
        self.service.forever();
        self.queue
    }

    /// Returns what tells on any thread how the worker is.
    pub fn probe(&self) -> TasksProbe {
        TasksProbe(self.stats.clone())
    }
}

impl<D: TaskDatabase> Deref for TasksHandle<D> {
    type Target = TaskQueue<D>;

    fn deref(&self) -> &TaskQueue<D> {
        &self.queue
    }
}

impl<D: TaskDatabase> fmt::Debug for TasksHandle<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TasksHandle").field("queue", &self.queue).finish_non_exhaustive()
    }
}
