//! Who hears an event, as one thread reaches them.
//!
//! `Route → LocalRoute → near (called or queued here), far (by their doors)`

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use super::hearer::Hearer;
use super::station::Station;
use crate::events::event::Subject;
use crate::events::hub::{Group, Route};
use crate::events::parcel::{Held, Parcel};

/// Who hears an event, as this thread reaches them.
pub(crate) struct LocalRoute<S> {
    pub(crate) route: Arc<Route>,
    /// The station of those who are near.
    station: Option<Rc<Station>>,
    near: Vec<Near<S>>,
    /// Those of other arbiters.
    far: Vec<Arc<Group>>,
    /// Where a parcel lies while it is called with.
    held: Rc<Held<S>>,
    /// The last parcel, for the next event: most are of no more than a few numbers, and half of what their emission
    /// costs would be to allocate them.
    spare: Cell<Option<Arc<Parcel<S>>>>,
}

/// A listener of this arbiter, with its place in the report.
pub(crate) struct Near<S> {
    pub(crate) place: u32,
    pub(crate) seat: Hearer<S>,
}

impl<S: Subject> LocalRoute<S> {
    pub(crate) fn new(route: Arc<Route>, station: Option<Rc<Station>>) -> Self {
        let mut near = Vec::new();
        let mut far = Vec::new();
        for group in &route.groups {
            match &station {
                Some(station) if Arc::ptr_eq(station.door(), &group.door) => {
                    near.extend(
                        group
                            .places
                            .iter()
                            .filter_map(|place| Some(Near { place: place.place, seat: station.hears(&place.post)? })),
                    );
                }
                _ => far.push(group.clone()),
            }
        }
        Self { route, station, near, far, held: Held::new(None), spare: Cell::new(None) }
    }

    /// Packs an event of which nobody sees more than itself.
    #[inline]
    pub(crate) fn pack(&self, event: S) -> Arc<Parcel<S>> {
        let event = match self.spare.take() {
            Some(spare) => match Parcel::reuse(spare, event) {
                Ok(parcel) => return parcel,
                Err(event) => event,
            },
            None => event,
        };
        Arc::new(Parcel::new(Arc::new(event), None, None))
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
        if !std::mem::needs_drop::<S>() && parcel.is_bare() {
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
            None => (None, &[], &self.route.groups),
            Some(station) if station.is_here() => (Some(station), &self.near, &self.far),
            // Another arbiter of this thread runs.
            Some(_) => (None, &[], &self.route.groups),
        }
    }
}

impl<S> fmt::Debug for LocalRoute<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalRoute")
            .field("near", &self.near.len())
            .field("far", &self.far.len())
            .finish_non_exhaustive()
    }
}
