//! All services of an application: started in the order of what they need, stopped in the reverse, asked as one.
//!
//! `Services::new(&bus).add(…).add(…) → .await → ServicesHandle → run_until(signal): drain, stop, drain → ShutdownReport`

use std::collections::HashSet;
use std::fmt;
use std::future::{Future, IntoFuture, pending};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use super::health::{Health, Watch};
use super::order::levels;
use super::services_error::ServicesError;
use super::shutdown::{Hurry, Shutdown, ShutdownReport};
use crate::events::bus::EventBus;
use crate::events::event::Name;
use crate::runtime::{self, Either, all, either};
use crate::services::life::{Child, ServiceTree, Strategy};
use crate::services::standing::{Record, ServiceStatus, StartError};
use crate::services::supervision::{IntoChild, Keeper, Keeping};

/// What an application does when one of its services has failed for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnFailed {
    /// The application ends, as if it had been told to.
    #[default]
    End,
    /// The application goes on without that service.
    GoOn,
}

/// The services of an application. Awaiting it starts them.
///
/// Each service starts when the services that it [needs](crate::BaseService::NEEDS) are running. Services that do not
/// need each other start at the same time. If a service does not start, those that have started are stopped again.
///
/// When a service has failed for good, the application ends: [`run_until`](Self::run_until) shuts it down, unless
/// [`on_failed`](Self::on_failed) sets that it goes on. The application is then no longer [ready](Health::is_ready),
/// and events published to that service become dead letters. This holds for the services inside a supervisor too. A
/// service that its supervisor, or one above, starts again has not failed for good.
///
/// All services and supervisors have different names, including those inside supervisors.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::Services;
/// use convoke::prelude::*;
///
/// #[derive(BaseService)]
/// struct Ledger;
///
/// #[derive(BaseService)]
/// #[service(needs(Ledger))]
/// struct Billing;
///
/// # actix::System::new().block_on(async {
/// let bus = EventBus::default();
/// let services = Services::new(&bus)
///     .add(Billing::supervised(&bus, |_| Billing))
///     .add(Ledger::supervised(&bus, |_| Ledger)) // starts first, and stops last
///     .await?;
/// assert!(services.health().is_ready());
///
/// let asked_to_end = async {}; // in an application `convoke::shutdown_signal()`
/// let report = services.run_until(asked_to_end).await;
/// assert!(report.is_clean());
/// # Ok::<(), convoke::ServicesError>(())
/// # }).unwrap();
/// ```
#[must_use = "the services start when this is awaited"]
pub struct Services {
    bus: EventBus,
    children: Vec<Rc<dyn Child>>,
    start_timeout: Duration,
    drain_timeout: Duration,
    stop_timeout: Duration,
    live_within: Duration,
    live_needs: Vec<Name>,
    on_failed: OnFailed,
}

impl Services {
    /// Creates an application without services.
    pub fn new(bus: &EventBus) -> Self {
        Self {
            bus: bus.clone(),
            children: Vec::new(),
            start_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(10),
            stop_timeout: Duration::from_secs(30),
            live_within: Duration::from_secs(5),
            live_needs: Vec::new(),
            on_failed: OnFailed::default(),
        }
    }

    /// Adds a service, or a supervisor of several services.
    #[expect(clippy::should_implement_trait, reason = "nobody adds two applications with a `+`")]
    pub fn add(mut self, child: impl IntoChild) -> Self {
        self.children.push(child.into_child().0);
        self
    }

    /// Sets how long the start of all services may take. The default is 60 s.
    pub fn start_timeout(mut self, limit: Duration) -> Self {
        self.start_timeout = limit;
        self
    }

    /// Sets how long a shutdown waits for the events that are queued or in progress on the bus. It waits once before
    /// the services stop, and once after. The default is 10 s for each wait.
    pub fn drain_timeout(mut self, limit: Duration) -> Self {
        self.drain_timeout = limit;
        self
    }

    /// Sets how long a shutdown waits for all services to stop. The default is 30 s.
    pub fn stop_timeout(mut self, limit: Duration) -> Self {
        self.stop_timeout = limit;
        self
    }

    /// Sets after which time an arbiter that does not answer counts as blocked. The default is 5 s.
    pub fn live_within(mut self, limit: Duration) -> Self {
        self.live_within = limit;
        self
    }

    /// Makes [`Health::is_live`] return `false` once this service, or a supervisor above it, has failed for good, so that
    /// the system that probes the application can restart the process. By default no service does this: liveness is
    /// about the arbiter alone.
    pub fn live_needs(mut self, service: impl Into<Name>) -> Self {
        self.live_needs.push(service.into());
        self
    }

    /// Sets what the application does when a service has failed for good, which is beyond its own restarts and those of
    /// the supervisors above it. The default is [`OnFailed::End`]: [`run_until`](Self::run_until) ends.
    pub fn on_failed(mut self, policy: OnFailed) -> Self {
        self.on_failed = policy;
        self
    }

    /// Starts the services, waits for this signal, and shuts down as [`ServicesHandle::run_until`] does.
    ///
    /// A signal that comes during the start takes effect at once: services that have started are stopped, and the
    /// others do not start. A service that fails for good during the start does the same, unless
    /// [`on_failed`](Self::on_failed) sets that the application goes on.
    ///
    /// # Errors
    ///
    /// Returns the errors of a start: see [`ServicesError`].
    pub async fn run_until(self, signal: impl Shutdown) -> Result<ShutdownReport, ServicesError> {
        let (shutdown, hurry) = signal.into_signals();
        let mut shutdown = std::pin::pin!(shutdown);
        let (handle, begun) = self.start_unless(shutdown.as_mut()).await?;
        let ended_by = match &begun {
            Begun::All => handle.until(shutdown).await,
            Begun::Ended => None,
            Begun::Failed(status) => Some(handle.ended_by(status)),
        };
        Ok(handle.shut_down(hurry, matches!(begun, Begun::All), ended_by).await)
    }

    async fn start(self) -> Result<ServicesHandle, ServicesError> {
        let (mut handle, begun) = self.start_unless(pending()).await?;
        let Begun::Failed(status) = begun else { return Ok(handle) };
        handle.undo().await;
        status.look();
        let error = status.error.unwrap_or_else(|| "without a reason".to_owned());
        Err(ServicesError::Failed { service: status.service.to_string(), error })
    }

    /// Starts them, and returns whether all have before this came, or one that ran has failed for good.
    async fn start_unless(self, shutdown: impl Future<Output = ()>) -> Result<(ServicesHandle, Begun), ServicesError> {
        if !runtime::is_arbiter() {
            return Err(ServicesError::NoArbiter);
        }
        let levels = levels(&self.children)?;
        let mut records = Vec::new();
        self.children.iter().for_each(|child| child.records(&mut records));
        let tree = ServiceTree::new(self.children.iter().map(|child| child.node()).collect());
        let mut names = HashSet::new();
        if let Some(twice) =
            records.iter().map(|record| record.status().service).find(|name| !names.insert(name.clone()))
        {
            return Err(ServicesError::Twice { name: twice.to_string() });
        }
        let mut needed = Vec::new();
        for name in self.live_needs {
            if !self.children.iter().any(|child| child.line(&name, &mut needed)) {
                let added = records.iter().map(|record| record.status().service.to_string()).collect();
                return Err(ServicesError::Unknown { name: name.to_string(), added });
            }
        }
        let mut handle = ServicesHandle {
            bus: self.bus,
            keepers: Vec::new(),
            health: Health::new(records, needed, tree),
            on_failed: self.on_failed,
            watch: None,
            drain_timeout: self.drain_timeout,
            stop_timeout: self.stop_timeout,
            armed: true,
        };
        let deadline = runtime::after(runtime::now(), self.start_timeout);
        let mut shutdown = std::pin::pin!(shutdown);
        for level in levels {
            let mut starting: Vec<Pin<Box<dyn Future<Output = Option<ServicesError>>>>> = Vec::new();
            let mut keepers = Vec::new();
            let mut waiting = Vec::new();
            for place in level {
                let child = self.children[place].clone();
                let (service, is_source) = (child.name().to_string(), child.is_source());
                waiting.push(child.clone());
                let (keeper, started) = Keeping::begin(vec![child], Strategy::OneForOne, None, false, None);
                keepers.push(Kept { name: service.clone(), keeper, is_source });
                starting.push(Box::pin(async move {
                    let started = started.await.map_err(|_| StartError::Stopped).and_then(|started| started);
                    started.err().map(|error| ServicesError::Start { service, error: Box::new(error) })
                }));
            }
            handle.keepers.push(keepers);
            let left = deadline.saturating_duration_since(runtime::now());
            let started = runtime::within(left, all(starting, Option::is_some));
            let ended = either(shutdown.as_mut(), handle.failed_since());
            let started = match either(started, ended).await {
                Either::First(started) => started,
                Either::Second(Either::First(())) => return Ok((handle, Begun::Ended)),
                Either::Second(Either::Second(status)) => return Ok((handle, Begun::Failed(status))),
            };
            let failed = match started {
                Some(started) => started.into_iter().flatten().next(),
                None => {
                    waiting.iter().for_each(|child| child.interrupt(false));
                    let waiting = waiting.iter().filter(|child| !child.is_up());
                    let waiting = waiting.map(|child| child.name().to_string()).collect();
                    Some(ServicesError::TimedOut { waiting, after: self.start_timeout })
                }
            };
            if let Some(error) = failed {
                handle.undo().await;
                return Err(error);
            }
        }
        handle.watch = Some(Watch::begin(&handle.health, self.live_within));
        Ok((handle, Begun::All))
    }
}

/// How the start of all services has ended, if none of them has failed to start.
enum Begun {
    All,
    /// It was to end before.
    Ended,
    /// This one ran, and has failed for good before.
    Failed(ServiceStatus),
}

impl IntoFuture for Services {
    type Output = Result<ServicesHandle, ServicesError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.children.iter().map(|child| child.name()).collect();
        f.debug_struct("Services").field("services", &names).finish_non_exhaustive()
    }
}

struct Kept {
    name: String,
    keeper: Keeper,
    is_source: bool,
}

/// A handle to the running services of an application. Dropping it stops them.
#[must_use = "dropping it stops the services, and so does `let _ =`: give it a name, and `run_until` its end"]
pub struct ServicesHandle {
    bus: EventBus,
    /// By level.
    keepers: Vec<Vec<Kept>>,
    health: Health,
    on_failed: OnFailed,
    watch: Option<Watch>,
    drain_timeout: Duration,
    stop_timeout: Duration,
    armed: bool,
}

impl ServicesHandle {
    /// Waits for the signal, or until a service has failed for good, and then shuts down. [`Services::on_failed`] can
    /// set that a failed service does not end the wait.
    ///
    /// A shutdown handles the events that are queued or in progress, stops the services in the reverse of their start
    /// order, and handles the events that the services have emitted meanwhile. Sources of new work stop first: a
    /// `Worker` that was added does so by itself; stop a web server by its own handle.
    ///
    /// Every phase has a deadline. Work that is not done by then is left and reported, so a listener that hangs delays
    /// the shutdown only until the deadline.
    pub async fn run_until(self, signal: impl Shutdown) -> ShutdownReport {
        let (shutdown, hurry) = signal.into_signals();
        let ended_by = self.until(shutdown).await;
        self.shut_down(hurry, true, ended_by).await
    }

    /// Waits until a service or supervisor has failed for good, also one inside a supervisor, and returns its status.
    /// Returns at once if one has failed already. Use it in a loop of your own, for example beside that of a web server.
    pub async fn failed(&self) -> ServiceStatus {
        let status = self.first_failed(|_| true).await;
        status.look();
        status
    }

    /// The same, for who still starts them: one that did not start is told otherwise, and one that may be missing is not
    /// told.
    async fn failed_since(&self) -> ServiceStatus {
        match self.on_failed {
            OnFailed::End => self.first_failed(Record::has_run).await,
            OnFailed::GoOn => pending().await,
        }
    }

    async fn first_failed(&self, matters: fn(&Record) -> bool) -> ServiceStatus {
        let failing = self.health.records().iter().map(|record| {
            let failing: Pin<Box<dyn Future<Output = ServiceStatus> + '_>> = Box::pin(record.failed_if(matters));
            failing
        });
        match all(failing.collect(), |_| true).await.into_iter().next() {
            Some(status) => status,
            None => pending().await,
        }
    }

    /// Waits for the end; returns what has failed, if that is it.
    async fn until(&self, shutdown: impl Future<Output = ()>) -> Option<String> {
        if self.on_failed == OnFailed::GoOn {
            shutdown.await;
            return None;
        }
        match either(shutdown, self.first_failed(|_| true)).await {
            Either::First(()) => None,
            Either::Second(status) => Some(self.ended_by(&status)),
        }
    }

    /// Says that this ends the application; returns its name.
    fn ended_by(&self, status: &ServiceStatus) -> String {
        log::error!(
            target: "convoke::service",
            "{status}; so the application ends: `on_failed(OnFailed::GoOn)` would have it go on"
        );
        status.service.to_string()
    }

    /// Stops what has started, as not all do.
    async fn undo(&mut self) {
        let mut time = self.stop_timeout;
        self.stop(&mut Hurry::new(pending()), &mut time, false).await;
    }

    /// Shuts down at once, as [`run_until`](Self::run_until) does after its signal.
    pub async fn shutdown(self) -> ShutdownReport {
        self.shut_down(pending(), true, None).await
    }

    async fn shut_down(
        mut self,
        hurry: impl Future<Output = ()>,
        has_started: bool,
        ended_by: Option<String>,
    ) -> ShutdownReport {
        let (began, letters) = (runtime::now(), self.bus.dead_letters().counted());
        let mut hurry = Hurry::new(hurry);
        // What brings in work ends first, or it would never be drained.
        let mut time = self.stop_timeout;
        let mut late = self.stop(&mut hurry, &mut time, true).await;
        // What waits for a service that has not started yet is not waited for.
        let mut drained = !has_started || self.drain(&mut hurry).await;
        late.extend(self.stop(&mut hurry, &mut time, false).await);
        if drained {
            drained = self.drain(&mut hurry).await;
        }
        let hurried = hurry.has_come;
        let left = if drained { 0 } else { self.bus.count_left() };
        let took = runtime::now() - began;
        let dead_letters = self.bus.dead_letters().counted() - letters;
        let services = self.health.unlooked();
        let report = ShutdownReport { drained, left, dead_letters, ended_by, hurried, late, services, took };
        report.log();
        report
    }

    /// Whether all was handled in time.
    async fn drain<F: Future<Output = ()>>(&self, hurry: &mut Hurry<F>) -> bool {
        match either(runtime::within(self.drain_timeout, self.bus.drain()), hurry.come()).await {
            Either::First(drained) => drained.is_some(),
            Either::Second(()) => false,
        }
    }

    /// Stops all of them, or of the last levels those in which all bring in work, level by level and within this time, of
    /// which it leaves the rest; returns those that were late.
    async fn stop(
        &mut self,
        hurry: &mut Hurry<impl Future<Output = ()>>,
        time: &mut Duration,
        sources: bool,
    ) -> Vec<String> {
        self.armed = false;
        self.watch = None;
        let deadline = runtime::after(runtime::now(), *time);
        let mut late = Vec::new();
        while let Some(level) = self.keepers.pop_if(|level| !sources || level.iter().all(|kept| kept.is_source)) {
            let stopping: Vec<Pin<Box<dyn Future<Output = ()>>>> = level
                .iter()
                .map(|kept| {
                    let keeper = kept.keeper.clone();
                    Box::pin(async move { keeper.stop().await }) as Pin<Box<dyn Future<Output = ()>>>
                })
                .collect();
            let stopped = all(stopping, |()| false);
            let mut stopped = std::pin::pin!(stopped);
            let left = || deadline.saturating_duration_since(runtime::now());
            let done = match either(runtime::within(left(), stopped.as_mut()), hurry.come()).await {
                Either::First(done) => done,
                Either::Second(()) => {
                    self.hurry_all(&level);
                    runtime::within(left(), stopped.as_mut()).await
                }
            };
            if done.is_none() {
                self.hurry_all(&level);
                late.extend(self.late(&level));
            }
        }
        *time = deadline.saturating_duration_since(runtime::now());
        late
    }

    fn hurry_all(&self, level: &[Kept]) {
        self.keepers.iter().flatten().chain(level).for_each(|kept| kept.keeper.hurry());
    }

    /// Those of a level that have not stopped.
    fn late(&self, level: &[Kept]) -> Vec<String> {
        let statuses = self.health.unlooked();
        let over = |name: &str| statuses.iter().any(|status| *status.service == *name && status.state.is_over());
        level.iter().map(|kept| kept.name.clone()).filter(|name| !over(name)).collect()
    }

    /// Returns the status of each service, in the order in which the services were added.
    pub fn statuses(&self) -> Vec<ServiceStatus> {
        self.health.statuses()
    }

    /// Returns the services as a tree, with the last changes of each, which you may keep and look at from any thread.
    pub fn tree(&self) -> ServiceTree {
        self.health.tree()
    }

    /// Returns the health of the application, which a probe can ask from any thread.
    pub fn health(&self) -> Health {
        self.health.clone()
    }
}

impl Drop for ServicesHandle {
    fn drop(&mut self) {
        if self.armed {
            // The last level first; each keeper stops its own, and nobody waits for the others.
            self.keepers.iter().rev().flatten().for_each(|kept| kept.keeper.ask_to_stop());
        }
    }
}

impl fmt::Debug for ServicesHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statuses: Vec<_> = self.statuses().iter().map(ToString::to_string).collect();
        f.debug_struct("ServicesHandle").field("services", &statuses).finish_non_exhaustive()
    }
}
