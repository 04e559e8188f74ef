//! Several services that fall and rise together: a supervisor, with its strategy and its budget.
//!
//! `Supervisor::one_for_all(…).add(…).add(…) → .await → SupervisorHandle`, `a child beyond its budget → all of them failed → the supervisor above`

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::bus::EventBus;
use crate::instance::End;
use crate::life::StartError;
use crate::name::Name;
use crate::oversight::{Record, Standing};
use crate::restart::{Backoff, Budget, Ledger, Restart};
use crate::runtime::{self, spawn_named};
use crate::service::{BaseService, ServiceState, ServiceStatus};
use crate::supervised::Supervised;
use crate::supervision::{Child, Keeper, Keeping, LocalFuture, Shared, Strategy, ToKeeper};

/// What a supervisor keeps alive, and what [`Services`](crate::Services) start: a service, or a supervisor of several.
pub trait IntoChild {
    /// Returns it.
    #[doc(hidden)]
    fn into_child(self) -> Kept;
}

/// What is kept alive.
#[doc(hidden)]
pub struct Kept(pub(crate) Rc<dyn Child>);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kept").field(&self.0.name()).finish()
    }
}

impl<A: BaseService> IntoChild for Supervised<A> {
    fn into_child(self) -> Kept {
        Kept(self.into_life())
    }
}

impl IntoChild for Supervisor {
    fn into_child(self) -> Kept {
        Kept(self.into_group())
    }
}

/// Keeps several services alive together, and starts and stops them in their order.
///
/// When one falls, its strategy says which others are started again with it: they are stopped first, the last one first,
/// without losing what waits for them. A service that is beyond its budget, or all of them beyond that of the supervisor,
/// is the end of all: they stop, the supervisor has failed, and the one above it, if there is one, starts it anew. One
/// whose services have all done their work, and do not come back, goes on running.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::prelude::*;
/// use convoke::{ServiceState, Supervisor};
///
/// #[derive(BaseService)]
/// struct Ledger;
///
/// #[derive(BaseService)]
/// struct Billing;
///
/// # actix::System::new().block_on(async {
/// let bus = EventBus::default();
/// let orders = Supervisor::one_for_all(&bus, "orders")
///     .add(Ledger::supervised(&bus, |_| Ledger))
///     .add(Billing::supervised(&bus, |_| Billing))
///     .await?;
/// assert_eq!(orders.status().state, ServiceState::Running);
/// assert_eq!(orders.statuses().len(), 3); // its own, and those of its services
/// orders.stop().await;
/// # Ok::<(), StartError>(())
/// # }).unwrap();
/// ```
#[must_use = "the services start when this is awaited, or when the supervisor or the services are started to which it was added"]
pub struct Supervisor {
    bus: EventBus,
    name: Name,
    strategy: Strategy,
    children: Vec<Rc<dyn Child>>,
    budget: Budget,
    backoff: Backoff,
    restart: Restart,
}

impl Supervisor {
    /// Makes one that starts again what has fallen, and nothing else.
    pub fn one_for_one(bus: &EventBus, name: impl Into<Name>) -> Self {
        Self::new(bus, name, Strategy::OneForOne)
    }

    /// Makes one that starts all again when one has fallen.
    pub fn one_for_all(bus: &EventBus, name: impl Into<Name>) -> Self {
        Self::new(bus, name, Strategy::OneForAll)
    }

    /// Makes one that starts again what has fallen, and those that were added after it.
    pub fn rest_for_one(bus: &EventBus, name: impl Into<Name>) -> Self {
        Self::new(bus, name, Strategy::RestForOne)
    }

    /// Makes one with this strategy.
    pub fn new(bus: &EventBus, name: impl Into<Name>, strategy: Strategy) -> Self {
        Self {
            bus: bus.clone(),
            name: name.into(),
            strategy,
            children: Vec::new(),
            budget: Budget::default(),
            backoff: Backoff::default(),
            restart: Restart::default(),
        }
    }

    /// Adds a service, or another supervisor. They start in the order in which they were added, and stop in the reverse.
    #[allow(clippy::should_implement_trait, reason = "nobody adds two supervisors with a `+`")]
    pub fn add(mut self, child: impl IntoChild) -> Self {
        self.children.push(child.into_child().0);
        self
    }

    /// Sets how often all of its services together may be built anew before it has failed. The default is 5 times within
    /// 60 s of running. Each service has a budget of its own beside it.
    pub fn budget(mut self, restarts: u32, within: Duration) -> Self {
        self.budget = Budget::new(restarts, within);
        self
    }

    /// Sets how long the supervisor above it waits before it starts this one anew. The default is [`Backoff::default`].
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets whether the supervisor above it starts this one anew when it has failed. The default is always.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    fn into_group(self) -> Rc<Group> {
        let record = Record::new(self.name.clone());
        Rc::new_cyclic(|me| Group {
            me: me.clone(),
            standing: Standing::new(record.clone(), self.bus.clone()),
            record,
            plan: self,
            keepers: RefCell::default(),
            above: RefCell::default(),
            runs: Cell::new(0),
            ran: Cell::new(Duration::ZERO),
            since: Cell::new(None),
            hurried: Cell::new(false),
        })
    }

    async fn start(self) -> Result<SupervisorHandle, StartError> {
        if !runtime::is_arbiter() {
            return Err(StartError::NoArbiter);
        }
        let group = self.into_group();
        let mut records = Vec::new();
        group.records(&mut records);
        let (keeper, started) = Keeping::begin(vec![group], Strategy::OneForOne, None, true, None);
        let handle = SupervisorHandle { records, keeper, armed: true };
        started.await.map_err(|_| StartError::Stopped)??;
        Ok(handle)
    }
}

impl IntoFuture for Supervisor {
    type Output = Result<SupervisorHandle, StartError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let children: Vec<_> = self.children.iter().map(|child| child.name()).collect();
        f.debug_struct("Supervisor")
            .field("name", &self.name)
            .field("strategy", &self.strategy)
            .field("children", &children)
            .finish_non_exhaustive()
    }
}

/// The handle of a supervisor that somebody has started: when it is dropped, all that it keeps stops.
#[must_use = "dropping it stops the services, and so does `let _ =`: give it a name, or hand it over with `.forever()`"]
pub struct SupervisorHandle {
    records: Vec<Arc<Record>>,
    keeper: Keeper,
    armed: bool,
}

impl SupervisorHandle {
    /// Stops the services, the last one first, each as [`ServiceHandle::stop`](crate::ServiceHandle::stop) does; returns
    /// their statuses.
    pub async fn stop(mut self) -> Vec<ServiceStatus> {
        self.armed = false;
        self.keeper.stop().await;
        self.statuses()
    }

    /// Lets the services run as long as their arbiter.
    pub fn forever(mut self) {
        self.armed = false;
    }

    /// Returns how the supervisor itself is.
    pub fn status(&self) -> ServiceStatus {
        // Its own is the first.
        self.records[0].status()
    }

    /// Returns how it and all that it keeps are: itself first, then its children in their order, and theirs.
    pub fn statuses(&self) -> Vec<ServiceStatus> {
        self.records.iter().map(|record| record.status()).collect()
    }
}

impl Drop for SupervisorHandle {
    fn drop(&mut self) {
        if self.armed {
            self.keeper.ask_to_stop();
        }
    }
}

impl fmt::Debug for SupervisorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SupervisorHandle").field(&self.status().to_string()).finish()
    }
}

/// A supervisor that has a place in a tree.
struct Group {
    me: Weak<Self>,
    record: Arc<Record>,
    standing: Standing,
    plan: Supervisor,
    /// One for each child, or one for all.
    keepers: RefCell<Vec<Keeper>>,
    above: RefCell<Option<ToKeeper>>,
    runs: Cell<u64>,
    ran: Cell<Duration>,
    since: Cell<Option<Instant>>,
    hurried: Cell<bool>,
}

impl Group {
    fn enter(&self, state: ServiceState, error: Option<String>) {
        self.standing.enter(state, error);
        if self.standing.state().is_up() {
            self.since.set(Some(runtime::now()));
        } else if let Some(since) = self.since.take() {
            self.ran.set(self.ran.get() + (runtime::now() - since));
        }
    }

    async fn start_children(&self) -> Result<(), StartError> {
        self.runs.set(self.runs.get() + 1);
        let run = self.runs.get();
        self.keepers.take();
        let me = self.me.clone();
        let ran = Box::new(move || me.upgrade().map_or(Duration::ZERO, |group| group.ran()));
        let ledger = Rc::new(Shared { ledger: RefCell::new(Ledger::new(self.plan.budget)), ran });
        let sets: Vec<Vec<_>> = match self.plan.strategy {
            Strategy::OneForOne => self.plan.children.iter().map(|child| vec![child.clone()]).collect(),
            _ => vec![self.plan.children.clone()],
        };
        for children in sets.into_iter().filter(|children| !children.is_empty()) {
            let me = self.me.clone();
            let on_failed = Box::new(move |why| Self::failed(&me, run, why));
            let named = children[0].name();
            let alone = children.len() == 1;
            let (keeper, started) =
                Keeping::begin(children, self.plan.strategy, Some(ledger.clone()), false, Some(on_failed));
            self.keepers.borrow_mut().push(keeper);
            let started = started.await.map_err(|_| StartError::Stopped).and_then(|started| started);
            if let Err(error) = started {
                self.stop_children().await;
                return Err(match error {
                    StartError::Stopped | StartError::Neighbour { .. } => error,
                    error if alone => StartError::Neighbour { service: named.to_string(), error: Box::new(error) },
                    error => error,
                });
            }
        }
        Ok(())
    }

    async fn stop_children(&self) {
        // They stay listed until they have ended: somebody else may wait for the same.
        let keepers = self.keepers.borrow().clone();
        for keeper in keepers.into_iter().rev() {
            if self.hurried.get() {
                keeper.hurry();
            }
            keeper.stop().await;
        }
        // Those that were paused have no keeper.
        for child in self.plan.children.iter().rev().filter(|child| !child.is_over()) {
            child.stop().await;
        }
    }

    /// A child is beyond the budget: the others stop, and whoever is above is told.
    fn failed(me: &Weak<Self>, run: u64, why: String) {
        let Some(group) = me.upgrade().filter(|group| group.runs.get() == run) else { return };
        let label = format!("the end of the supervisor `{}`", group.plan.name);
        spawn_named(move || label.clone(), async move {
            group.stop_children().await;
            let above = group.above.borrow().clone();
            if let Some(above) = above {
                above.ended(run, End::Failed(why));
            }
        });
    }
}

impl Child for Group {
    fn name(&self) -> Name {
        self.plan.name.clone()
    }

    fn answers_to(&self, name: &str) -> bool {
        *self.plan.name == *name || self.plan.children.iter().any(|child| child.answers_to(name))
    }

    fn records(&self, into: &mut Vec<Arc<Record>>) {
        into.push(self.record.clone());
        self.plan.children.iter().for_each(|child| child.records(into));
    }

    fn needs(&self) -> Vec<Name> {
        let needs: Vec<_> = self.plan.children.iter().flat_map(|child| child.needs()).collect();
        needs.into_iter().filter(|name| !self.answers_to(name)).collect()
    }

    fn restart(&self) -> (Restart, Backoff, Budget) {
        (self.plan.restart, self.plan.backoff, Budget::default())
    }

    fn runs(&self) -> u64 {
        self.runs.get()
    }

    fn ran(&self) -> Duration {
        self.ran.get() + self.since.get().map_or(Duration::ZERO, |since| runtime::now() - since)
    }

    fn is_over(&self) -> bool {
        self.standing.state().is_over()
    }

    fn keep(&self, keeper: ToKeeper) {
        *self.above.borrow_mut() = Some(keeper);
    }

    fn start(&self) -> LocalFuture<'_, Result<(), StartError>> {
        Box::pin(async {
            self.enter(ServiceState::Starting, None);
            let started = self.start_children().await;
            if started.is_ok() {
                self.enter(ServiceState::Running, None);
            }
            started
        })
    }

    fn interrupt(&self) {
        self.keepers.borrow().iter().for_each(Keeper::ask_to_stop);
    }

    fn away(&self, why: String) {
        self.enter(ServiceState::Restarting, Some(why));
    }

    fn pause(&self) -> LocalFuture<'_, ()> {
        Box::pin(async {
            self.enter(ServiceState::Stopping, None);
            let keepers = self.keepers.borrow().clone();
            for keeper in keepers.into_iter().rev() {
                keeper.pause().await;
            }
            self.enter(ServiceState::Restarting, None);
        })
    }

    fn stop(&self) -> LocalFuture<'_, ()> {
        Box::pin(async {
            if self.is_over() {
                return;
            }
            self.enter(ServiceState::Stopping, None);
            self.stop_children().await;
            self.enter(ServiceState::Stopped, None);
        })
    }

    fn hurry(&self) {
        self.keepers.borrow().iter().for_each(Keeper::hurry);
        self.hurried.set(true);
    }

    fn is_up(&self) -> bool {
        self.standing.state().is_up()
    }

    fn expire(&self, since: Instant) -> Instant {
        let latest = runtime::after(since, runtime::FOREVER);
        self.plan.children.iter().map(|child| child.expire(since)).min().unwrap_or(latest)
    }

    fn settle(&self, error: Option<String>, failed: bool) {
        self.enter(if failed { ServiceState::Failed } else { ServiceState::Stopped }, error);
    }
}
