//! What an application says that its console shows.
//!
//! `Shown::new("shop").bus(&bus)… → Parts, which no request changes; State, which is made while somebody looks`

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use actix::Addr;
use convoke::look::Address;
use convoke::rounds::{Broker, BrokerError, BrokerExt, Payload};
use convoke::schema::Document;
use convoke::tasks::TasksProbe;
use convoke::{EventBus, Health, RelayProbe, ServiceTree, ServicesHandle, WorkerHandle};

use super::brokers::{Asking, BrokerShown, Brokers};
use super::buses::{BusShown, Known};
use super::kept::{Followers, Following, Kept};
use super::parts::{Probe, ServicesPart, ServicesShown, SideShown};
use super::passing::{PassedShown, Passing};
use super::trouble::{Trouble, troubles};
use crate::view::shown;

/// What a console shows: the parts of this process, and the servers and databases that it is told of.
///
/// It is cheap to clone, and may be sent to other threads. It does nothing while nobody looks, and keeps no broker and no service
/// alive. It holds a handle of each bus, so a bus closes after it at the earliest.
///
/// ```
/// use convoke::prelude::*;
/// use convoke_console::Shown;
///
/// # actix_web::rt::System::new().block_on(async {
/// let bus = EventBus::default();
/// let broker = Broker::<u32>::new(std::time::Duration::from_secs(1)).start();
/// let shown = Shown::new("shop").bus(&bus).broker("orders", &broker);
/// # drop(shown);
/// # });
/// ```
#[derive(Clone)]
pub struct Shown {
    parts: Arc<Parts>,
    state: Arc<State>,
}

/// What the application has said.
#[derive(Clone)]
struct Parts {
    name: Arc<str>,
    buses: Vec<(Arc<str>, EventBus)>,
    services: Vec<ServicesPart>,
    brokers: Vec<(Arc<str>, Asking)>,
    sides: Vec<Probe>,
    documents: Vec<Arc<Document>>,
    addresses: Vec<Address>,
}

/// What is known since somebody has looked.
#[derive(Default)]
struct State {
    kept: Kept,
    buses: Known,
    brokers: Brokers,
    passing: Passing,
    following: Arc<Following>,
}

impl Shown {
    /// Begins with the name of the application, which stands on every page.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        let (buses, services, brokers) = (Vec::new(), Vec::new(), Vec::new());
        let (sides, documents, addresses) = (Vec::new(), Vec::new(), Vec::new());
        let parts = Parts { name: name.into(), buses, services, brokers, sides, documents, addresses };
        Self { parts: Arc::new(parts), state: Arc::default() }
    }

    /// What is known of others is not known of this one.
    fn with(mut self, add: impl FnOnce(&mut Parts)) -> Self {
        add(Arc::make_mut(&mut self.parts));
        self.state = Arc::default();
        self
    }

    /// Adds a bus. On the pages its name is that of its publisher, or `bus`.
    #[must_use]
    pub fn bus(self, bus: &EventBus) -> Self {
        let name = if bus.publisher().is_empty() { "bus" } else { bus.publisher() };
        let name = unused(&shown(name), self.parts.buses.iter().map(|(name, _)| &**name));
        self.with(|parts| parts.buses.push((name, bus.clone())))
    }

    /// Adds the services of an application, with their health.
    #[must_use]
    pub fn services(self, services: &ServicesHandle) -> Self {
        self.health(&services.health())
    }

    /// Adds the services of an application by their health, which you can get before the handle is moved.
    #[must_use]
    pub fn health(self, health: &Health) -> Self {
        let part = ServicesPart { tree: health.tree(), health: Some(health.clone()) };
        self.with(|parts| parts.services.push(part))
    }

    /// Adds a supervisor or a service that is not one of an application's: [`SupervisorHandle::tree`](convoke::SupervisorHandle::tree),
    /// [`ServiceAddr::tree`](convoke::ServiceAddr::tree).
    #[must_use]
    pub fn tree(self, tree: ServiceTree) -> Self {
        self.with(|parts| parts.services.push(ServicesPart { tree, health: None }))
    }

    /// Adds a broker. Its rounds are asked for while somebody looks.
    #[must_use]
    pub fn broker<P: Payload>(self, name: &str, broker: &Addr<Broker<P>>) -> Self {
        let weak = broker.downgrade();
        let asking: Asking = Arc::new(move || {
            let broker = weak.upgrade();
            Box::pin(async move {
                match broker {
                    Some(broker) => broker.inspect().await,
                    None => Err(BrokerError::Gone),
                }
            })
        });
        let name = unused(&shown(name), self.parts.brokers.iter().map(|(name, _)| &**name));
        self.with(|parts| parts.brokers.push((name, asking)))
    }

    /// Adds a worker.
    #[must_use]
    pub fn worker(self, name: &str, worker: &WorkerHandle) -> Self {
        let probe = worker.probe();
        self.side(Probe::worker(name, probe))
    }

    /// Adds the relay of an outbox.
    #[must_use]
    pub fn relay(self, name: &str, relay: &RelayProbe) -> Self {
        self.side(Probe::relay(name, relay.clone()))
    }

    /// Adds who does the tasks of this process.
    #[must_use]
    pub fn tasks(self, name: &str, tasks: &TasksProbe) -> Self {
        self.side(Probe::tasks(name, tasks.clone()))
    }

    fn side(self, probe: Probe) -> Self {
        self.with(|parts| parts.sides.push(probe))
    }

    /// Adds the document of a service, with the schemas of its events; several, as that of each release, are compared.
    #[must_use]
    pub fn document(self, document: Document) -> Self {
        self.with(|parts| parts.documents.push(Arc::new(document)))
    }

    /// Adds a server or a database.
    #[must_use]
    pub fn at(self, address: Address) -> Self {
        self.with(|parts| parts.addresses.push(address))
    }

    /// Returns how many visitors follow a page by server-sent events now, and how many pages are made for them.
    pub fn followers(&self) -> Followers {
        self.state.following.figures()
    }

    pub(crate) fn name(&self) -> &str {
        &self.parts.name
    }

    pub(crate) fn addresses(&self) -> &[Address] {
        &self.parts.addresses
    }

    pub(crate) fn documents(&self) -> &[Arc<Document>] {
        &self.parts.documents
    }

    /// The one of this type that is kept with all that is shown, made now if there is none.
    pub(crate) fn keep<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        self.state.kept.get(make)
    }

    /// Counts those who follow pages.
    pub(crate) fn following(&self) -> &Arc<Following> {
        &self.state.following
    }

    /// The buses as they are now.
    pub(crate) fn buses(&self) -> Vec<BusShown> {
        self.parts.buses.iter().map(|(name, bus)| self.state.buses.look(name, bus)).collect()
    }

    /// The bus of this name.
    pub(crate) fn find_bus(&self, name: &str) -> Option<&EventBus> {
        self.parts.buses.iter().find(|(known, _)| **known == *name).map(|(_, bus)| bus)
    }

    /// The last events of this bus. Somebody looks from now on, and for some seconds more.
    pub(crate) fn passed(&self, name: &str) -> Option<PassedShown> {
        self.find_bus(name).map(|bus| self.state.passing.look(name, bus))
    }

    /// Services and supervisors as they are now.
    pub(crate) fn trees(&self) -> Vec<ServicesShown> {
        self.parts.services.iter().map(ServicesPart::look).collect()
    }

    /// Workers, relays and who does tasks, as they are now.
    pub(crate) fn sides(&self) -> Vec<SideShown> {
        self.parts.sides.iter().map(Probe::look).collect()
    }

    /// The brokers, each as it has answered last; waits for those that are asked, but not for long.
    pub(crate) async fn brokers(&self) -> Vec<BrokerShown> {
        self.state.brokers.look(&self.parts.brokers).await
    }

    /// What is wrong in this process, the worst first.
    pub(crate) fn troubles(&self) -> Vec<Trouble> {
        troubles(&self.trees(), &self.buses(), &self.sides())
    }
}

/// A name that none of these has: the second is called `orders 2`. It stands in links and forms, so it is one that can be shown.
fn unused<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Arc<str> {
    let mut unused = name.to_owned();
    let mut number = 1_u32;
    while known.clone().any(|known| known == unused) {
        number += 1;
        unused = format!("{name} {number}");
    }
    unused.into()
}

impl Default for Shown {
    fn default() -> Self {
        Self::new("console")
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = &self.parts;
        let names = |named: &[(Arc<str>, Asking)]| named.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        f.debug_struct("Shown")
            .field("name", &parts.name)
            .field("buses", &parts.buses.len())
            .field("services", &parts.services.len())
            .field("brokers", &names(&parts.brokers))
            .field("addresses", &parts.addresses.len())
            .finish_non_exhaustive()
    }
}
