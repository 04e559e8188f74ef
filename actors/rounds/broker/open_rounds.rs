//! The table of a broker's open rounds: by key, by place, in the order of opening.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use slab::Slab;

use crate::base::Payload;
use crate::rounds::room::Link;
use crate::rounds::{RoundId, RoundKey};
use crate::runtime::step;

/// Below this many it is not worth looking which of them have closed.
const FEW: usize = 64;

pub(crate) struct OpenRounds<P: Payload> {
    places: Slab<Rc<Link<P>>>,
    /// In the order of opening, with their places. The first is open; of the others no more than half have closed.
    order: VecDeque<(RoundId, u32)>,
    keyed: HashMap<RoundKey, u32>,
    /// The one without a key: most brokers have no other, and each signal looks for it.
    unkeyed: Option<Rc<Link<P>>>,
}

impl<P: Payload> OpenRounds<P> {
    pub(crate) fn new() -> Self {
        Self { places: Slab::new(), order: VecDeque::new(), keyed: HashMap::new(), unkeyed: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn insert(&mut self, link: Rc<Link<P>>) -> u32 {
        let (key, round) = (link.key.clone(), link.round);
        let unkeyed = key.is_none().then(|| link.clone());
        let place = self.places.insert(link) as u32;
        if self.order.len() > FEW + 2 * self.places.len() {
            let places = &self.places;
            self.order.retain(|entry| is_open(places, *entry));
        }
        self.order.push_back((round, place));
        match key {
            Some(key) => drop(self.keyed.insert(key, place)),
            None => self.unkeyed = unkeyed,
        }
        place
    }

    pub(crate) fn remove(&mut self, place: u32) -> Option<Rc<Link<P>>> {
        let link = self.places.try_remove(place as usize)?;
        match &link.key {
            Some(key) => drop(self.keyed.remove(key)),
            None => self.unkeyed = None,
        }
        while self.order.front().is_some_and(|entry| !is_open(&self.places, *entry)) {
            self.order.pop_front();
        }
        Some(link)
    }

    #[inline(always)]
    pub(crate) fn by_key(&self, key: Option<&RoundKey>) -> Option<&Rc<Link<P>>> {
        match key {
            Some(key) => self.by_place(*self.keyed.get(key)?),
            None => self.unkeyed.as_ref(),
        }
    }

    pub(crate) fn by_place(&self, place: u32) -> Option<&Rc<Link<P>>> {
        self.places.get(place as usize)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Rc<Link<P>>> {
        self.places.iter().map(|(_, link)| link)
    }

    pub(crate) fn oldest(&self) -> Option<RoundId> {
        self.order.front().map(|(round, _)| *round)
    }

    /// The earliest rounds, in the order of opening, at most so many.
    pub(crate) fn earliest(&mut self, most: usize) -> Vec<Rc<Link<P>>> {
        let (mut found, mut open, mut seen) = (Vec::new(), Vec::new(), 0);
        for entry in &self.order {
            step();
            if found.len() == most {
                break;
            }
            seen += 1;
            if is_open(&self.places, *entry) {
                open.push(*entry);
                found.extend(self.places.get(entry.1 as usize).cloned());
            }
        }
        // Whoever looks again does not pass by those that have closed.
        self.order.drain(..seen);
        open.into_iter().rev().for_each(|entry| self.order.push_front(entry));
        found
    }
}

/// Whether the round of this entry is the one that is open at its place.
fn is_open<P: Payload>(places: &Slab<Rc<Link<P>>>, (round, place): (RoundId, u32)) -> bool {
    places.get(place as usize).is_some_and(|link| link.round == round)
}
