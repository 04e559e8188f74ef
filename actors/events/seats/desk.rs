//! What a thread keeps of a bus: its own station, and the routes it has used, as long as they are true.
//!
//! `emit, publish → Desk → LocalRoute`
//!
//! A route is looked up once, and catches up with who comes and goes; but for that, an emission reads nothing that is shared but
//! one number of the route.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use super::local_route::{AnyRoute, LocalRoute};
use super::station::Station;
use crate::events::event::{Address, Subject};
use crate::events::hub::{Door, Hearing, Hub};
use crate::runtime::{Executor, drop_quietly};

/// How many topics of JSON a thread knows the routes of; beyond them it forgets all, so that topics which come from
/// outside cannot fill the memory.
const TOPICS: usize = 1024;

/// Below this many desks it is not worth looking whose buses are gone.
const FEW: usize = 8;

thread_local! {
    static DESKS: RefCell<Desks> = RefCell::default();
}

/// The desks of a thread, by the ids of their buses.
#[derive(Default)]
struct Desks {
    /// The one that was asked for last: most threads have no other.
    last: Option<Rc<Desk>>,
    all: HashMap<u64, Rc<Desk>, BuildHasherDefault<Spread>>,
    /// With so many it is looked whose buses are gone.
    full: usize,
}

impl Desks {
    #[inline]
    fn find(&mut self, id: u64) -> Option<Rc<Desk>> {
        match &self.last {
            Some(last) if last.id == id => Some(last.clone()),
            _ => self.find_other(id),
        }
    }

    fn find_other(&mut self, id: u64) -> Option<Rc<Desk>> {
        let desk = self.all.get(&id)?.clone();
        self.last = Some(desk.clone());
        Some(desk)
    }

    /// Takes out those of buses that are gone, once they may be half of all.
    fn tidy(&mut self) -> Vec<Rc<Desk>> {
        if self.all.len() < self.full.max(FEW) {
            return Vec::new();
        }
        let is_gone = |desk: &Rc<Desk>| desk.hub.strong_count() == 0;
        let last = self.last.take_if(|last| is_gone(last));
        let gone = self.all.extract_if(|_, desk| is_gone(desk)).map(|(_, desk)| desk).chain(last).collect();
        self.full = 2 * self.all.len();
        gone
    }
}

/// What one thread keeps of one bus.
pub(crate) struct Desk {
    hub: std::sync::Weak<Hub>,
    id: u64,
    routes: RefCell<HashMap<TypeId, Rc<dyn AnyRoute>, BuildHasherDefault<Itself>>>,
    topics: RefCell<HashMap<Box<str>, Rc<dyn AnyRoute>>>,
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

/// The numbers of buses follow each other, and a table wants its hashes far apart.
#[derive(Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        // 2^64 divided by the golden ratio.
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Desk {
    /// The desk of this thread for this bus.
    #[inline]
    pub(crate) fn of(hub: &Arc<Hub>) -> Rc<Self> {
        let known = DESKS.try_with(|desks| desks.borrow_mut().find(hub.id()));
        known.ok().flatten().unwrap_or_else(|| Self::open(hub))
    }

    #[cold]
    fn open(hub: &Arc<Hub>) -> Rc<Self> {
        let desk = Rc::new(Self {
            hub: Arc::downgrade(hub),
            id: hub.id(),
            routes: RefCell::default(),
            topics: RefCell::default(),
            stations: RefCell::default(),
        });
        let gone = DESKS.try_with(|desks| {
            let mut desks = desks.borrow_mut();
            let gone = desks.tidy();
            desks.all.insert(desk.id, desk.clone());
            gone
        });
        drop(gone);
        desk
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
        let known = self.routes.borrow().get(&TypeId::of::<S>()).cloned();
        known.and_then(current).unwrap_or_else(|| self.look_up_type(hub, public))
    }

    #[cold]
    #[inline(never)]
    fn look_up_type<S: Subject>(&self, hub: &Hub, public: Option<(&str, &str)>) -> Rc<LocalRoute<S>> {
        let of = TypeId::of::<S>();
        let before = self.routes.borrow_mut().remove(&of);
        let route = self.renewed(before).and_then(current);
        let route =
            route.unwrap_or_else(|| Rc::new(LocalRoute::new(hub.registry.route_of(of, public), self.station())));
        let before = self.routes.borrow_mut().insert(of, route.clone());
        drop_quietly(before);
        route
    }

    /// Who hears JSON on this topic.
    fn of_topic<S: Subject>(&self, hub: &Hub, topic: &str) -> Rc<LocalRoute<S>> {
        let known = self.topics.borrow().get(topic).cloned();
        if let Some(known) = known.and_then(current) {
            return known;
        }
        let before = self.topics.borrow_mut().remove(topic);
        let route = self.renewed(before).and_then(current);
        let route =
            route.unwrap_or_else(|| Rc::new(LocalRoute::new(hub.registry.route_of_topic(topic), self.station())));
        if self.topics.borrow().len() >= TOPICS {
            let gone = std::mem::take(&mut *self.topics.borrow_mut());
            drop_quietly(gone);
        }
        let before = self.topics.borrow_mut().insert(topic.into(), route.clone());
        drop_quietly(before);
        route
    }

    /// The same route as it is now, unless somebody is just using it or it has to be looked up anew.
    fn renewed(&self, before: Option<Rc<dyn AnyRoute>>) -> Option<Rc<dyn AnyRoute>> {
        let mut route = before?;
        let here = self.station();
        if Rc::get_mut(&mut route).is_some_and(|route| route.catch_up(here.as_ref())) {
            return Some(route);
        }
        // It may hold the last of a listener, whose drop may come back here.
        drop_quietly(route);
        None
    }

    /// Lets go of a listener of this hearing, which has gone: the routes hold it until they catch up.
    fn let_go(&self, hearing: &Hearing) {
        match hearing {
            Hearing::Type { of, event } => {
                self.renew_type(*of);
                if event.json {
                    self.renew_topic(event.topic);
                }
            }
            Hearing::Topics(_) | Hearing::Names(_) => {
                let types: Vec<_> = outdated(&self.routes.borrow()).copied().collect();
                let topics: Vec<_> = outdated(&self.topics.borrow()).cloned().collect();
                types.into_iter().for_each(|of| self.renew_type(of));
                topics.iter().for_each(|topic| self.renew_topic(topic));
            }
        }
    }

    fn renew_type(&self, of: TypeId) {
        let before = self.routes.borrow_mut().remove(&of);
        if let Some(route) = self.renewed(before) {
            let before = self.routes.borrow_mut().insert(of, route);
            drop_quietly(before);
        }
    }

    fn renew_topic(&self, topic: &str) {
        let Some((topic, before)) = self.topics.borrow_mut().remove_entry(topic) else { return };
        if let Some(route) = self.renewed(Some(before)) {
            let before = self.topics.borrow_mut().insert(topic, route);
            drop_quietly(before);
        }
    }
}

/// A route as one of this subject, if nobody has come or gone since.
#[inline]
fn current<S: Subject>(route: Rc<dyn AnyRoute>) -> Option<Rc<LocalRoute<S>>> {
    let route: Rc<dyn Any> = route;
    route.downcast::<LocalRoute<S>>().ok().filter(|route| route.is_current())
}

/// The keys of those that somebody has come to or gone from.
fn outdated<K, H>(routes: &HashMap<K, Rc<dyn AnyRoute>, H>) -> impl Iterator<Item = &K> {
    routes.iter().filter(|(_, route)| !route.is_current()).map(|(key, _)| key)
}

/// The station of a door, if this is its thread and its arbiter runs.
pub(crate) fn station_here(hub: &Hub, door: &Arc<Door>) -> Option<Rc<Station>> {
    let found = DESKS.try_with(|desks| {
        let desks = desks.try_borrow().ok()?;
        let desk = desks.all.get(&hub.id())?;
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
    DESKS.with_borrow(|desks| {
        let mut hubs: Vec<_> = desks.all.values().filter_map(|desk| desk.hub.upgrade()).collect();
        hubs.sort_by_key(|hub| hub.id());
        hubs
    })
}

/// A station is gone.
pub(crate) fn leave(station: &Rc<Station>) {
    let Some(desk) = desk_of(&station.hub) else { return };
    let left: Vec<_> = desk.stations.borrow_mut().extract_if(.., |other| Rc::ptr_eq(other, station)).collect();
    drop(left);
    desk.forget();
}

/// The routes that this thread knows of a bus are no longer true, and hold what has gone.
#[cfg(feature = "testing")]
pub(crate) fn forget_routes(hub: &Hub) {
    desk_of(hub).into_iter().for_each(|desk| desk.forget());
}

/// A listener of this hearing has gone from this thread.
pub(crate) fn let_go(hub: &Hub, hearing: &Hearing) {
    desk_of(hub).into_iter().for_each(|desk| desk.let_go(hearing));
}

/// The desk of this thread for a bus, unless there is none or the thread is ending.
fn desk_of(hub: &Hub) -> Option<Rc<Desk>> {
    DESKS.try_with(|desks| desks.try_borrow().ok()?.all.get(&hub.id()).cloned()).ok().flatten()
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("id", &self.id).finish_non_exhaustive()
    }
}
