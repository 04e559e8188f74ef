//! The table of a broker's open rounds: by key, by place, in the order of opening.

use std::collections::HashMap;
use std::rc::Rc;

use slab::Slab;

use crate::base::Payload;
use crate::rounds::room::Link;
use crate::rounds::{RoundId, RoundKey};

pub(crate) struct OpenRounds<P: Payload> {
    places: Slab<Rc<Link<P>>>,
    keyed: HashMap<RoundKey, u32>,
    unkeyed: Option<u32>,
}

impl<P: Payload> OpenRounds<P> {
    pub(crate) fn new() -> Self {
        Self { places: Slab::new(), keyed: HashMap::new(), unkeyed: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn insert(&mut self, link: Rc<Link<P>>) -> u32 {
        let key = link.key.clone();
        let place = self.places.insert(link) as u32;
        match key {
            Some(key) => drop(self.keyed.insert(key, place)),
            None => self.unkeyed = Some(place),
        }
        place
    }

    pub(crate) fn remove(&mut self, place: u32) -> Option<Rc<Link<P>>> {
        let link = self.places.try_remove(place as usize)?;
        match &link.key {
            Some(key) => drop(self.keyed.remove(key)),
            None => self.unkeyed = None,
        }
        Some(link)
    }

    pub(crate) fn by_key(&self, key: Option<&RoundKey>) -> Option<&Rc<Link<P>>> {
        let place = match key {
            Some(key) => self.keyed.get(key).copied(),
            None => self.unkeyed,
        };
        self.by_place(place?)
    }

    pub(crate) fn by_place(&self, place: u32) -> Option<&Rc<Link<P>>> {
        self.places.get(place as usize)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Rc<Link<P>>> {
        self.places.iter().map(|(_, link)| link)
    }

    pub(crate) fn oldest(&self) -> Option<RoundId> {
        self.all().map(|link| link.round).min()
    }

    /// The earliest rounds, at most so many, in no particular order.
    pub(crate) fn earliest(&self, most: usize) -> Vec<Rc<Link<P>>> {
        let mut links: Vec<_> = self.all().cloned().collect();
        if links.len() > most {
            links.select_nth_unstable_by_key(most, |link| link.round);
            links.truncate(most);
        }
        links
    }
}
