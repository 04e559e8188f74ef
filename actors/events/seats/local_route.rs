//! Who hears an event, as one thread reaches them.
//!
//! `Route → LocalRoute → near (called or queued here), far (by their doors)`
//!
//! Who comes or goes is let in or out where the route lies, because to look up all others again would cost more than to call
//! them.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use super::hearer::Hearer;
use super::station::Station;
use crate::events::event::Subject;
use crate::events::hub::{Change, Group, Place, Post, Rank, Route, by_arbiter};
use crate::events::parcel::{Given, Held, Parcel, Waiting};
use crate::runtime::drop_quietly;

/// Who hears an event, as this thread reaches them.
pub(crate) struct LocalRoute<S> {
    pub(crate) route: Route,
    /// The station of those who are near.
    station: Option<Rc<Station>>,
    near: Vec<Near<S>>,
    /// Those of other arbiters.
    far: Vec<Arc<Group>>,
    /// All of them, for when another arbiter of this thread runs.
    everywhere: OnceCell<Vec<Arc<Group>>>,
    /// Where a parcel lies while it is called with.
    held: Rc<Held<S>>,
    /// The last parcel, for the next event: most are of no more than a few numbers, and half of what their emission
    /// costs would be to allocate them.
    spare: Cell<Option<Arc<Parcel<S>>>>,
    /// The same of what was published, oldest first: each is free for another event as soon as no queue has it.
    queued: RefCell<VecDeque<Rc<Waiting<S>>>>,
    /// The one of them that is about to be queued again.
    laid: Cell<Option<Rc<Waiting<S>>>>,
}

/// How many published parcels are kept for later events.
const KEPT: usize = 64;

/// A listener of this arbiter, with its place in the report.
pub(crate) struct Near<S> {
    pub(crate) place: u32,
    pub(crate) seat: Hearer<S>,
}

/// A route, whatever it is a route of.
pub(crate) trait AnyRoute: Any {
    /// Whether nobody has come or gone since.
    fn is_current(&self) -> bool;

    /// Lets those in who have come, and those go who have gone; `false` if the route has to be looked up anew. `here` is the
    /// station of those who are near now.
    fn catch_up(&mut self, here: Option<&Rc<Station>>) -> bool;
}

impl<S: Subject> AnyRoute for LocalRoute<S> {
    #[inline]
    fn is_current(&self) -> bool {
        self.route.is_current()
    }

    fn catch_up(&mut self, here: Option<&Rc<Station>>) -> bool {
        if self.station.as_ref().map(Rc::as_ptr) != here.map(Rc::as_ptr) {
            return false;
        }
        let Some(missed) = self.route.take_missed() else { return false };
        for change in missed {
            match change {
                Change::Came(post) => post.upgrade().into_iter().for_each(|post| self.let_in(post)),
                Change::Went(rank) => self.let_out(rank),
            }
        }
        self.everywhere.take();
        true
    }
}

impl<S: Subject> LocalRoute<S> {
    pub(crate) fn new(route: Route, station: Option<Rc<Station>>) -> Self {
        let mut near = Vec::new();
        let is_near = |place: &Place| station.as_ref().is_some_and(|here| Arc::ptr_eq(here.door(), place.post.door()));
        if let Some(station) = &station {
            let places = route.places().filter(is_near);
            near.extend(places.filter_map(|Place { place, post }| Some(Near { place, seat: station.hears(&post)? })));
        }
        near.shrink_to_fit();
        let far = by_arbiter(route.places().filter(|place| !is_near(place)));
        Self {
            route,
            station,
            near,
            far,
            everywhere: OnceCell::new(),
            held: Held::new(None),
            spare: Cell::new(None),
            queued: RefCell::default(),
            laid: Cell::new(None),
        }
    }

    fn let_in(&mut self, post: Arc<Post>) {
        let Some(place) = self.route.add(&post) else { return };
        if place as usize + 1 < self.route.posts.len() {
            self.shift(place, |place| *place += 1);
        }
        match &self.station {
            Some(station) if Arc::ptr_eq(station.door(), post.door()) => {
                if let Some(seat) = station.hears(&post) {
                    let at = self.near.partition_point(|near| near.place < place);
                    self.near.insert(at, Near { place, seat });
                }
            }
            _ => match self.far.iter_mut().find(|group| Arc::ptr_eq(&group.door, post.door())) {
                Some(group) => {
                    let places = &mut Arc::make_mut(group).places;
                    let at = places.partition_point(|other| other.place < place);
                    places.insert(at, Place { place, post });
                }
                None => {
                    let group = Group { door: post.door().clone(), places: vec![Place { place, post }] };
                    self.far.push(Arc::new(group));
                }
            },
        }
    }

    fn let_out(&mut self, rank: Rank) {
        let Some(place) = self.route.remove(rank) else { return };
        if let Ok(at) = self.near.binary_search_by_key(&place, |near| near.place) {
            drop_quietly(self.near.remove(at).seat);
        } else {
            for group in &mut self.far {
                if let Ok(at) = group.places.binary_search_by_key(&place, |other| other.place) {
                    Arc::make_mut(group).places.remove(at);
                }
            }
            self.far.retain(|group| !group.places.is_empty());
        }
        if (place as usize) < self.route.posts.len() {
            self.shift(place, |place| *place -= 1);
        }
    }

    /// Changes the places of those who stand at this one or behind it.
    fn shift(&mut self, from: u32, change: impl Fn(&mut u32)) {
        let at = self.near.partition_point(|near| near.place < from);
        self.near[at..].iter_mut().for_each(|near| change(&mut near.place));
        for group in &mut self.far {
            let at = group.places.partition_point(|other| other.place < from);
            if at < group.places.len() {
                Arc::make_mut(group).places[at..].iter_mut().for_each(|other| change(&mut other.place));
            }
        }
    }

    /// Packs an event of which nobody sees more than itself.
    #[inline]
    pub(crate) fn pack(&self, event: S) -> Arc<Parcel<S>> {
        let event = match self.spare.take() {
            Some(mut spare) => match Parcel::reuse(&mut spare, event) {
                Ok(()) => return spare,
                Err(event) => event,
            },
            None => event,
        };
        pack_anew(event, None)
    }

    /// Packs an event for queues; without `given`, nobody sees more of it than itself.
    // Or the packing of what is emitted becomes slower.
    #[inline(never)]
    pub(crate) fn pack_for_queues(&self, event: S, given: Option<&Arc<Given>>) -> Arc<Parcel<S>> {
        let free = {
            let mut queued = self.queued.borrow_mut();
            let is_free = queued.front().is_some_and(|waiting| Rc::strong_count(waiting) == 1);
            if is_free { queued.pop_front() } else { None }
        };
        let Some(mut waiting) = free else { return pack_anew(event, given) };
        let renewed = match Rc::get_mut(&mut waiting) {
            Some(Waiting(parcel)) => Parcel::renew(parcel, event, given),
            None => Err(event),
        };
        match renewed {
            Ok(()) => {
                let parcel = waiting.0.clone();
                self.laid.set(Some(waiting));
                parcel
            }
            Err(event) => pack_anew(event, given),
        }
    }

    /// A parcel as it lies in queues.
    #[inline]
    pub(crate) fn lay(&self, parcel: Arc<Parcel<S>>) -> Rc<Waiting<S>> {
        match self.laid.take() {
            Some(waiting) if Arc::ptr_eq(&waiting, &parcel) => waiting,
            _ => Rc::new(Waiting(parcel)),
        }
    }

    /// The place in queues of the last parcel that was [packed for them](Self::pack_for_queues), if that is of an event before.
    #[inline]
    pub(crate) fn take_laid(&self, parcel: &Arc<Parcel<S>>) -> Option<Rc<dyn Any>> {
        let laid = self.laid.take()?;
        if Arc::ptr_eq(&laid, parcel) { Some(laid) } else { None }
    }

    /// Keeps a parcel that was emitted, and that waits for actors or has: as [`keep`](Self::keep) does one that was published.
    #[inline(never)]
    pub(crate) fn keep_emitted(&self, waiting: Rc<dyn Any>) {
        match waiting.downcast::<Waiting<S>>() {
            Ok(waiting) if S::OWNS_NOTHING => self.keep(waiting),
            // It may be the last of the event.
            other => drop_quietly(other),
        }
    }

    /// Keeps a parcel that has been queued for a later event, if there is nothing in it to drop.
    #[inline]
    pub(crate) fn keep(&self, waiting: Rc<Waiting<S>>) {
        if S::OWNS_NOTHING && waiting.is_of_its_own() {
            let mut queued = self.queued.borrow_mut();
            if queued.len() < KEPT {
                queued.push_back(waiting);
            }
        }
    }

    /// Holds a parcel while it is called with.
    #[inline]
    pub(crate) fn hold(&self, parcel: Arc<Parcel<S>>) -> Rc<Held<S>> {
        match self.held.lay(parcel) {
            Ok(()) => self.held.clone(),
            // A listener emits its own event.
            Err(parcel) => Held::new(Some(parcel)),
        }
    }

    /// Takes a parcel back to be dropped, or keeps it for the next event if there is nothing in it to drop.
    #[inline]
    pub(crate) fn let_go(&self, held: Rc<Held<S>>) -> Option<Arc<Parcel<S>>> {
        let parcel = held.take()?;
        if S::OWNS_NOTHING && parcel.is_bare() {
            self.spare.set(Some(parcel));
            return None;
        }
        Some(parcel)
    }

    /// Those who are called or queued here, and those to whom it is sent.
    #[inline]
    #[expect(clippy::type_complexity, reason = "three things that are taken apart at once")]
    pub(crate) fn reach(&self) -> (Option<&Rc<Station>>, &[Near<S>], &[Arc<Group>]) {
        match &self.station {
            None => (None, &[], &self.far),
            Some(station) if station.is_here() => (Some(station), &self.near, &self.far),
            // Another arbiter of this thread runs.
            Some(_) => (None, &[], self.everywhere.get_or_init(|| by_arbiter(self.route.places()))),
        }
    }
}

/// Drops a route that was in use. It may hold the last of a listener that has ended itself meanwhile, with what that has
/// captured.
#[inline]
pub(crate) fn let_go<S: Subject>(route: Rc<LocalRoute<S>>) {
    if Rc::strong_count(&route) == 1 {
        drop_quietly(route);
    }
}

fn pack_anew<S: Subject>(event: S, given: Option<&Arc<Given>>) -> Arc<Parcel<S>> {
    Arc::new(Parcel::new(Arc::new(event), None, given))
}

impl<S> fmt::Debug for LocalRoute<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalRoute")
            .field("near", &self.near.len())
            .field("far", &self.far.len())
            .finish_non_exhaustive()
    }
}
