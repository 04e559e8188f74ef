//! Several services that fall and rise together: a supervisor, with its strategy and its budget.
//!
//! `Supervisor::one_for_all(…).add(…).add(…) → .await → SupervisorHandle`, `a child beyond its budget → all of them failed → the supervisor above`

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::group::Group;
use super::keeper::Keeper;
use super::supervision::Keeping;
use crate::events::bus::EventBus;
use crate::events::event::Name;
use crate::runtime;
use crate::services::life::{Backoff, Budget, Child, Restart, ServiceTree, Strategy};
use crate::services::standing::{Record, ServiceStatus, StartError};

/// A child that a supervisor keeps alive, and that [`Services`](crate::Services) starts: a service, or a supervisor of
/// several.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a supervisor keeps alive",
    label = "neither a service nor a supervisor",
    note = "write `Billing::supervised(&bus, |bus| Billing {{ bus }})`, without `.await`: who keeps it starts it"
)]
pub trait IntoChild {
    /// Returns the child.
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

impl IntoChild for Supervisor {
    fn into_child(self) -> Kept {
        Kept(Group::of(self))
    }
}

/// A group of services that are kept alive together, and started and stopped in their order.
///
/// When a service ends by itself and is restarted, the supervisor's strategy decides which other services are restarted
/// with it. These are stopped first, last one first; what waits for them is not lost.
///
/// If a service exceeds its own budget, or all services together exceed that of the supervisor, then the supervisor
/// gives up. The supervisor above it, or the [`Services`](crate::Services) that it was added to, start it again. Until
/// then it and its services are *restarting*, and what is published to them waits. If nobody starts it again, then it
/// and the service that ended have failed for good, and its other services stop; events published to any of them become
/// dead letters. A supervisor whose services have all done their work, and do not come back, goes on running.
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
    pub(crate) bus: EventBus,
    pub(crate) name: Name,
    pub(crate) strategy: Strategy,
    pub(crate) children: Vec<Rc<dyn Child>>,
    pub(crate) budget: Budget,
    pub(crate) backoff: Backoff,
    pub(crate) restart: Restart,
}

impl Supervisor {
    /// Creates a supervisor that restarts only the service that has ended.
    pub fn one_for_one(bus: &EventBus, name: impl Into<Name>) -> Self {
        Self::new(bus, name, Strategy::OneForOne)
    }

    /// Creates a supervisor that restarts all its services when one has ended.
    pub fn one_for_all(bus: &EventBus, name: impl Into<Name>) -> Self {
        Self::new(bus, name, Strategy::OneForAll)
    }

    /// Creates a supervisor that restarts the service that has ended, and those that were added after it.
    pub fn rest_for_one(bus: &EventBus, name: impl Into<Name>) -> Self {
        Self::new(bus, name, Strategy::RestForOne)
    }

    /// Creates a supervisor with this strategy.
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

    /// Adds a service, or another supervisor. Children start in the order in which you add them, and stop in the
    /// reverse order.
    #[expect(clippy::should_implement_trait, reason = "nobody adds two supervisors with a `+`")]
    pub fn add(mut self, child: impl IntoChild) -> Self {
        self.children.push(child.into_child().0);
        self
    }

    /// Sets how often all services of the supervisor together may be rebuilt before the supervisor has failed. The
    /// default is 5 times within 60 s of running. Each service has a budget of its own as well.
    pub fn budget(mut self, restarts: u32, within: Duration) -> Self {
        self.budget = Budget::new(restarts, within);
        self
    }

    /// Sets how long the supervisor above waits before it starts this one again. The default is [`Backoff::default`].
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets whether the supervisor above starts this one again when it has failed. The default is [`Restart::Always`].
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    async fn start(self) -> Result<SupervisorHandle, StartError> {
        if !runtime::is_arbiter() {
            return Err(StartError::NoArbiter);
        }
        let group = Group::of(self);
        let mut records = Vec::new();
        group.records(&mut records);
        let tree = ServiceTree::new(vec![group.node()]);
        let (keeper, started) = Keeping::begin(vec![group], Strategy::OneForOne, None, true, None);
        let handle = SupervisorHandle { records, tree, keeper, armed: true };
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

/// A handle to a running supervisor. Dropping it stops all that the supervisor keeps alive.
#[must_use = "dropping it stops the services, and so does `let _ =`: give it a name, or hand it over with `.forever()`"]
pub struct SupervisorHandle {
    records: Vec<Arc<Record>>,
    tree: ServiceTree,
    keeper: Keeper,
    armed: bool,
}

impl SupervisorHandle {
    /// Stops the services, last one first, each as [`ServiceHandle::stop`](crate::ServiceHandle::stop) does. Returns
    /// their statuses.
    pub async fn stop(mut self) -> Vec<ServiceStatus> {
        self.armed = false;
        self.keeper.stop().await;
        // As with a single service.
        self.records.iter().map(|record| record.status()).collect()
    }

    /// Lets the services run for as long as their arbiter does.
    pub fn forever(mut self) {
        self.armed = false;
    }

    /// Returns the supervisor and all that it keeps alive as a tree, which you may keep and look at from any thread.
    pub fn tree(&self) -> ServiceTree {
        self.tree.clone()
    }

    /// Returns the status of the supervisor itself.
    pub fn status(&self) -> ServiceStatus {
        // Its own is the first.
        self.records[0].seen()
    }

    /// Returns the statuses of the supervisor and of all that it keeps alive: its own first, then those of its children
    /// in their order, each followed by those beneath it.
    pub fn statuses(&self) -> Vec<ServiceStatus> {
        self.records.iter().map(|record| record.seen()).collect()
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
