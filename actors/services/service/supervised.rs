//! A service with its options, and the handle of whoever has started it.
//!
//! `Billing::supervised(&bus, factory) → Supervised (options) → .await → ServiceHandle`

use std::fmt;
use std::future::{Future, IntoFuture};
use std::ops::Deref;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::service::BaseService;
use super::service_addr::ServiceAddr;
use crate::base::Failure;
use crate::events::bus::EventBus;
use crate::events::event::Name;
use crate::events::verdict::Overflow;
use crate::runtime;
use crate::services::life::{Backoff, Budget, Life, OnError, Options, Restart, Shared, Strategy, Terms};
use crate::services::standing::{Record, ServiceStatus, StartError};
use crate::services::supervision::{IntoChild, Keeper, Keeping, Kept};

/// The return type of a factory: the service, or a `Result` of it.
#[diagnostic::on_unimplemented(
    message = "a factory cannot return `{Self}`",
    label = "neither the service nor a `Result` of it",
    note = "the factory of a service is a closure such as `|bus| Billing {{ bus }}`, or one that returns `Result<Billing, E>` \
            with an error that is `Send + Sync`",
    note = "it is not async: what takes time belongs into the service's `start`"
)]
pub trait IntoService<A> {
    /// Returns the service, or the error of its factory.
    #[doc(hidden)]
    fn into_service(self) -> Result<A, Failure>;
}

impl<A: BaseService> IntoService<A> for A {
    fn into_service(self) -> Result<A, Failure> {
        Ok(self)
    }
}

impl<A: BaseService, E: Into<Failure>> IntoService<A> for Result<A, E> {
    fn into_service(self) -> Result<A, Failure> {
        self.map_err(Into::into)
    }
}

/// A service with its options. Awaiting it starts the service.
#[must_use = "the service starts when this is awaited, or when the supervisor or the services are started to which it was added"]
pub struct Supervised<A: BaseService> {
    bus: EventBus,
    factory: Box<dyn FnMut(EventBus) -> Result<A, Failure>>,
    options: Options,
    shared: Option<Arc<Shared<A>>>,
}

impl<A: BaseService> Supervised<A> {
    pub(crate) fn new<F, R>(bus: &EventBus, mut factory: F) -> Self
    where
        F: FnMut(EventBus) -> R + 'static,
        R: IntoService<A>,
    {
        let options = Options {
            name: Name::constant(A::NAME),
            restart: Restart::default(),
            backoff: Backoff::default(),
            budget: Budget::default(),
            on_error: OnError::default(),
            start_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            stop_timeout: Duration::from_secs(10),
            terms: Terms::default(),
            capacity: 1024,
            patience: Duration::from_secs(30),
            is_source: false,
        };
        Self { bus: bus.clone(), factory: Box::new(move |bus| factory(bus).into_service()), options, shared: None }
    }

    /// Sets the name of the service, which its status, its errors and the log show. The default is the name of the
    /// type.
    ///
    /// Call it before [`addr`](Self::addr).
    pub fn named(mut self, name: impl Into<Name>) -> Self {
        self.options.name = name.into();
        self
    }

    /// Sets after which ends the service is rebuilt. The default is [`Restart::Always`].
    pub fn restart(mut self, restart: Restart) -> Self {
        self.options.restart = restart;
        self
    }

    /// Sets how long the service waits before it is rebuilt. The default is [`Backoff::default`]: 100 ms, doubled up to
    /// 30 s.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.options.backoff = backoff;
        self
    }

    /// Sets how often the service is rebuilt before it counts as failed. The default is [`Budget::default`]: 5 times
    /// within 60 s of running.
    pub fn budget(mut self, restarts: u32, within: Duration) -> Self {
        self.options.budget = Budget::new(restarts, within);
        self
    }

    /// Sets what happens when a handler of an event fails. The default is [`OnError::GoOn`]: the service goes on.
    pub fn on_error(mut self, policy: OnError) -> Self {
        self.options.on_error = policy;
        self
    }

    /// Sets how long the service's `start` may take. The default is 30 s.
    pub fn start_timeout(mut self, limit: Duration) -> Self {
        self.options.start_timeout = limit;
        self
    }

    /// Sets how long the service may go on handling waiting events before it stops. Events that are left then become
    /// dead letters. The default is 10 s.
    pub fn drain_timeout(mut self, limit: Duration) -> Self {
        self.options.drain_timeout = limit;
        self
    }

    /// Sets how long the service's `stop` may take, after the waiting events. The default is 10 s.
    pub fn stop_timeout(mut self, limit: Duration) -> Self {
        self.options.stop_timeout = limit;
        self
    }

    /// Sets how many published events may wait for the service in each of its subscriptions, and how many messages may
    /// wait at its [`ServiceAddr`] while it restarts. The default is that of the bus for events, and 1,024 for
    /// messages. Zero counts as 1.
    pub fn capacity(mut self, most: usize) -> Self {
        self.options.terms.capacity = Some(most.max(1));
        self.options.capacity = most.max(1);
        self
    }

    /// Sets what happens to an event when as many events wait as the [`capacity`](Self::capacity) allows. The default
    /// is that of the bus: to [refuse](Overflow::Refuse) the event, unless you set another. A service refuses for
    /// itself alone. All other listeners get the event, and the event of this service becomes a dead letter, which you
    /// can redrive when there is room.
    pub fn overflow(mut self, policy: Overflow) -> Self {
        self.options.terms.overflow = Some(policy);
        self
    }

    /// Sets how long a handler may take for an event. The default is that of the bus: 30 s, unless you set another.
    pub fn handler_timeout(mut self, limit: Duration) -> Self {
        self.options.terms.timeout = Some(limit);
        self
    }

    /// Sets how long a message waits in all: for the service while it restarts, and for an answer. The default is 30 s.
    pub fn patience(mut self, limit: Duration) -> Self {
        self.options.patience = limit;
        self
    }

    /// Marks the service as one that brings in work for others. [`Services`](crate::Services) starts such a service
    /// after all others, and stops it before them.
    #[doc(hidden)]
    pub fn brings_in_work(mut self) -> Self {
        self.options.is_source = true;
        self
    }

    fn shared(&mut self) -> &Arc<Shared<A>> {
        let Options { name, capacity, patience, .. } = &self.options;
        self.shared.get_or_insert_with(|| Shared::new(Record::new(name.clone()), *capacity, *patience))
    }

    /// Returns the stable address of the service, even before it starts, so that you can build other services with it.
    pub fn addr(&mut self) -> ServiceAddr<A> {
        ServiceAddr::new(self.shared())
    }

    pub(crate) fn into_life(mut self) -> Rc<Life<A>> {
        let shared = self.shared().clone();
        self.options.terms.name = Arc::from(&*self.options.name);
        Life::new(&self.bus, shared, self.options, self.factory)
    }

    async fn start(self) -> Result<ServiceHandle<A>, StartError> {
        if !runtime::is_arbiter() {
            return Err(StartError::NoArbiter);
        }
        let life = self.into_life();
        let addr = ServiceAddr::new(&life.shared);
        let (keeper, started) = Keeping::begin(vec![life], Strategy::OneForOne, None, false, None);
        // From here on whoever drops this future has the service stopped.
        let handle = ServiceHandle { addr, keeper, armed: true };
        started.await.map_err(|_| StartError::Stopped)??;
        Ok(handle)
    }
}

impl<A: BaseService> IntoChild for Supervised<A> {
    fn into_child(self) -> Kept {
        Kept(self.into_life())
    }
}

impl<A: BaseService> IntoFuture for Supervised<A> {
    type Output = Result<ServiceHandle<A>, StartError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}

impl<A: BaseService> fmt::Debug for Supervised<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervised").field("service", &self.options.name).finish_non_exhaustive()
    }
}

/// A handle to a running service. Dropping it stops the service.
///
/// It dereferences to the service's [`ServiceAddr`]: `billing.send(…)`, `billing.status()`.
#[must_use = "dropping it stops the service, and so does `let _ =`: give it a name, or hand it over with `.forever()`"]
pub struct ServiceHandle<A: BaseService> {
    addr: ServiceAddr<A>,
    keeper: Keeper,
    armed: bool,
}

impl<A: BaseService> ServiceHandle<A> {
    /// Stops the service: no further event reaches it, events that wait are handled, and its `stop` is awaited. Returns
    /// the status of the service after that, with the error if something went wrong.
    ///
    /// To a test the returned status is no look at a failure, because most callers drop it: see
    /// `convoke::testing::expect_failure`.
    pub async fn stop(mut self) -> ServiceStatus {
        self.armed = false;
        self.keeper.stop().await;
        // Most who stop a service drop what is returned: to a test that is no look.
        self.addr.unlooked()
    }

    /// Lets the service run for as long as its arbiter does. Returns its stable address.
    pub fn forever(mut self) -> ServiceAddr<A> {
        self.armed = false;
        self.addr.clone()
    }

    /// Returns the stable address of the service, which does not keep it alive.
    pub fn addr(&self) -> ServiceAddr<A> {
        self.addr.clone()
    }
}

impl<A: BaseService> Deref for ServiceHandle<A> {
    type Target = ServiceAddr<A>;

    fn deref(&self) -> &ServiceAddr<A> {
        &self.addr
    }
}

impl<A: BaseService> Drop for ServiceHandle<A> {
    fn drop(&mut self) {
        if self.armed {
            self.keeper.ask_to_stop();
        }
    }
}

impl<A: BaseService> fmt::Debug for ServiceHandle<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServiceHandle").field(&self.status().to_string()).finish()
    }
}
