//! What a thread keeps of a bus: its own station, and the routes it has used, as long as they are true.
//!
//! `emit, publish → Desk → LocalRoute`
//!
//! A route is looked up once after each change of the registrations; from then on an emission reads nothing that is
//! shared but one number.

use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use super::local_route::LocalRoute;
use super::station::Station;
use crate::events::event::{Address, Subject};
use crate::events::hub::{Door, Hub};
use crate::runtime::Executor;

/// How many topics of JSON a thread knows the routes of; beyond them it forgets all, so that topics which come from
/// outside cannot fill the memory.
const TOPICS: usize = 1024;

thread_local! {
    static DESKS: RefCell<Vec<Rc<Desk>>> = const { RefCell::new(Vec::new()) };
}

/// What one thread keeps of one bus.
pub(crate) struct Desk {
    hub: std::sync::Weak<Hub>,
    id: u64,
    /// The state of the registrations for which the routes are true.
    version: Cell<u64>,
    routes: RefCell<HashMap<TypeId, Rc<dyn Any>, BuildHasherDefault<Itself>>>,
    topics: RefCell<HashMap<Box<str>, Rc<dyn Any>>>,
    /// One for each arbiter of this thread; there is rarely more than one.
    stations: RefCell<Vec<Rc<Station>>>,
}

/// A `TypeId` is a hash already.
#[derive(Default)]
pub(crate) struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 ^= hash;
    }
}

impl Desk {
    /// The desk of this thread for this bus.
    #[inline]
    pub(crate) fn of(hub: &Arc<Hub>) -> Rc<Self> {
        let known = DESKS.try_with(|desks| desks.borrow().iter().find(|desk| desk.id == hub.id()).cloned());
        known.ok().flatten().unwrap_or_else(|| Self::open(hub))
    }

    #[cold]
    fn open(hub: &Arc<Hub>) -> Rc<Self> {
        let desk = Rc::new(Self {
            hub: Arc::downgrade(hub),
            id: hub.id(),
            version: Cell::new(0),
            routes: RefCell::default(),
            topics: RefCell::default(),
            stations: RefCell::default(),
        });
        // Those of buses that are gone go too.
        let gone = DESKS.try_with(|desks| {
            let mut desks = desks.borrow_mut();
            let gone: Vec<_> = desks.extract_if(.., |desk| desk.hub.strong_count() == 0).collect();
            desks.push(desk.clone());
            gone
        });
        drop(gone);
        desk
    }

    /// Forgets all routes if a registration has come or gone since they were looked up.
    #[inline]
    fn keep_up(&self, hub: &Hub) {
        let version = hub.registry.version();
        if self.version.get() != version {
            self.forget();
            self.version.set(version);
        }
    }

    fn forget(&self) {
        let routes = std::mem::take(&mut *self.routes.borrow_mut());
        let topics = std::mem::take(&mut *self.topics.borrow_mut());
        // They may hold the last of a listener, whose drop may come back here.
        drop((routes, topics));
    }

    fn station(&self) -> Option<Rc<Station>> {
        self.stations.borrow().iter().find(|station| station.is_here()).cloned()
    }

    /// Who hears this event.
    #[inline]
    pub(crate) fn route<S: Subject>(&self, hub: &Hub, event: &S) -> Rc<LocalRoute<S>> {
        match event.address() {
            Address::Type { public } => self.of_type(hub, public),
            Address::Topic(topic) => self.of_topic(hub, topic),
        }
    }

    /// Who hears events of this type; `public` are the topic and the name under which others hear them, unless they are
    /// local.
    #[inline]
    fn of_type<S: Subject>(&self, hub: &Hub, public: Option<(&str, &str)>) -> Rc<LocalRoute<S>> {
        self.keep_up(hub);
        let known = self.routes.borrow().get(&TypeId::of::<S>()).cloned();
        if let Some(Ok(known)) = known.map(Rc::downcast) {
            return known;
        }
        let route = Rc::new(LocalRoute::new(hub.registry.route_of(TypeId::of::<S>(), public), self.station()));
        let before = self.routes.borrow_mut().insert(TypeId::of::<S>(), route.clone());
        drop(before);
        route
    }

    /// Who hears JSON on this topic.
    fn of_topic<S: Subject>(&self, hub: &Hub, topic: &str) -> Rc<LocalRoute<S>> {
        self.keep_up(hub);
        let known = self.topics.borrow().get(topic).cloned();
        if let Some(Ok(known)) = known.map(Rc::downcast) {
            return known;
        }
        let route = Rc::new(LocalRoute::new(hub.registry.route_of_topic(topic), self.station()));
        if self.topics.borrow().len() >= TOPICS {
            drop(std::mem::take(&mut *self.topics.borrow_mut()));
        }
        self.topics.borrow_mut().insert(topic.into(), route.clone());
        route
    }
}

/// The station of a door, if this is its thread and its arbiter runs.
pub(crate) fn station_here(hub: &Hub, door: &Arc<Door>) -> Option<Rc<Station>> {
    let found = DESKS.try_with(|desks| {
        let desks = desks.try_borrow().ok()?;
        let desk = desks.iter().find(|desk| desk.id == hub.id())?;
        let stations = desk.stations.borrow();
        stations.iter().find(|station| Arc::ptr_eq(station.door(), door) && station.is_here()).cloned()
    });
    found.ok().flatten()
}

/// Somebody at this station is at rest: whoever waits for that may have waited for him.
#[inline]
pub(crate) fn rest(hub: &Hub, door: &Arc<Door>) {
    if door.is_asked()
        && let Some(station) = station_here(hub, door)
    {
        station.look();
    }
}

/// The station of this bus on this arbiter, started if there is none.
pub(crate) fn settle(hub: &Arc<Hub>, executor: &Rc<Executor>) -> Rc<Station> {
    let desk = Desk::of(hub);
    if let Some(station) = desk.station().filter(|station| !station.is_closed()) {
        return station;
    }
    let station = Station::start(hub, executor);
    desk.stations.borrow_mut().push(station.clone());
    hub.registry.joined(station.door());
    station
}

/// The buses that this thread knows.
#[cfg(feature = "testing")]
pub(crate) fn hubs_here() -> Vec<Arc<Hub>> {
    DESKS.with_borrow(|desks| desks.iter().filter_map(|desk| desk.hub.upgrade()).collect())
}

/// A station is gone.
pub(crate) fn leave(station: &Rc<Station>) {
    let left = DESKS.try_with(|desks| {
        let desks = desks.try_borrow().ok()?;
        let mut left = Vec::new();
        for desk in &*desks {
            left.extend(desk.stations.borrow_mut().extract_if(.., |other| Rc::ptr_eq(other, station)));
        }
        Some(left)
    });
    drop(left);
    forget_routes(&station.hub);
}

/// The routes that this thread knows of a bus are no longer true, and hold what has gone.
pub(crate) fn forget_routes(hub: &Hub) {
    let desk = DESKS.try_with(|desks| desks.try_borrow().ok()?.iter().find(|desk| desk.id == hub.id()).cloned());
    if let Ok(Some(desk)) = desk {
        desk.forget();
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("id", &self.id).finish_non_exhaustive()
    }
}
