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
use crate::services::life::{Backoff, Budget, Life, OnError, Options, Restart, Shared, Terms};
use crate::services::standing::{Record, ServiceStatus, StartError};
use crate::services::supervision::{IntoChild, Keeper, Keeping, Kept, Strategy};

/// What a factory may return: the service, or a `Result` of it.
#[diagnostic::on_unimplemented(
    message = "a factory cannot return `{Self}`",
    label = "neither the service nor a `Result` of it",
    note = "the factory of a service is a closure such as `|bus| Billing {{ bus }}`, or one that returns `Result<Billing, E>` \
            with an error that is `Send + Sync`",
    note = "it is not async: what takes time belongs into the service's `start`"
)]
pub trait IntoService<A> {
    /// Returns the service.
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

/// A service with its options: awaited, it starts.
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

    /// Gives it a name, by which its status, errors and the log know it. The default is that of its type.
    ///
    /// Said before [`addr`](Self::addr) is asked for.
    pub fn named(mut self, name: impl Into<Name>) -> Self {
        self.options.name = name.into();
        self
    }

    /// Sets after which end it is built anew. The default is always.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.options.restart = restart;
        self
    }

    /// Sets how long it waits before it is built anew. The default is [`Backoff::default`]: 100 ms, doubled up to 30 s.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.options.backoff = backoff;
        self
    }

    /// Sets how often it is built anew before it has failed. The default is [`Budget::default`]: 5 times within 60 s of
    /// running.
    pub fn budget(mut self, restarts: u32, within: Duration) -> Self {
        self.options.budget = Budget::new(restarts, within);
        self
    }

    /// Sets what happens when a handler of an event fails. The default is to go on.
    pub fn on_error(mut self, policy: OnError) -> Self {
        self.options.on_error = policy;
        self
    }

    /// Sets how long its `start` may take. The default is 30 s.
    pub fn start_timeout(mut self, limit: Duration) -> Self {
        self.options.start_timeout = limit;
        self
    }

    /// Sets how long it may handle what has come before it stops; what is left then becomes dead letters. The default is
    /// 10 s.
    pub fn drain_timeout(mut self, limit: Duration) -> Self {
        self.options.drain_timeout = limit;
        self
    }

    /// Sets how long its `stop` may take, after that. The default is 10 s.
    pub fn stop_timeout(mut self, limit: Duration) -> Self {
        self.options.stop_timeout = limit;
        self
    }

    /// Sets how many published events may wait for it in each of its subscriptions, and how many messages of its
    /// [`ServiceAddr`] while it restarts. The default is that of the bus for events, and 1,024 for messages; zero counts
    /// as 1.
    pub fn capacity(mut self, most: usize) -> Self {
        self.options.terms.capacity = Some(most.max(1));
        self.options.capacity = most.max(1);
        self
    }

    /// Sets what happens with an event when that many wait. The default is that of the bus, to
    /// [refuse](Overflow::Refuse) more unless it was told. A service refuses for itself alone: all others have the event, and its
    /// own is a dead letter, to be given back when it has room.
    pub fn overflow(mut self, policy: Overflow) -> Self {
        self.options.terms.overflow = Some(policy);
        self
    }

    /// Sets how long a handler may take for an event. The default is that of the bus, 30 s unless it was told.
    pub fn handler_timeout(mut self, limit: Duration) -> Self {
        self.options.terms.timeout = Some(limit);
        self
    }

    /// Sets how long a message waits for it while it restarts, and for an answer. The default is 30 s.
    pub fn patience(mut self, limit: Duration) -> Self {
        self.options.patience = limit;
        self
    }

    /// Says that it brings in work for the others: where [`Services`](crate::Services) start many, it starts after them and
    /// stops before anything else does.
    #[doc(hidden)]
    pub fn brings_in_work(mut self) -> Self {
        self.options.is_source = true;
        self
    }

    fn shared(&mut self) -> &Arc<Shared<A>> {
        let Options { name, capacity, patience, .. } = &self.options;
        self.shared.get_or_insert_with(|| Shared::new(Record::new(name.clone()), *capacity, *patience))
    }

    /// Returns its stable address, also before it is started: for those that are built with it.
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

/// The handle of a service that somebody has started: when it is dropped, the service stops.
///
/// It is read as the service's [`ServiceAddr`]: `billing.send(…)`, `billing.status()`.
#[must_use = "dropping it stops the service, and so does `let _ =`: give it a name, or hand it over with `.forever()`"]
pub struct ServiceHandle<A: BaseService> {
    addr: ServiceAddr<A>,
    keeper: Keeper,
    armed: bool,
}

impl<A: BaseService> ServiceHandle<A> {
    /// Stops the service: no further event finds it, those that wait are handled, its `stop` is awaited. Returns how it was
    /// then, with what went wrong.
    pub async fn stop(mut self) -> ServiceStatus {
        self.armed = false;
        self.keeper.stop().await;
        self.addr.status()
    }

    /// Lets the service run as long as its arbiter.
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
