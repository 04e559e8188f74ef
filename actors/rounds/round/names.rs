//! The names that a broker expects, as one round sees them: each is one promise, whoever bears it.
//!
//! A name that nobody bears owes as well. It is counted here what its bearers owe or have missed, so that the round need not
//! look through all of them at each signal.

use super::standing::{Place, Standing};

#[derive(Clone, Debug, Default)]
struct Name {
    /// How many of the round's emitters bear it, or have borne it.
    bearers: usize,
    owing: usize,
    missed: usize,
    settled: Option<Settled>,
}

/// How the promise of a name was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    Kept,
    /// One of its bearers has vetoed.
    Vetoed,
    /// Whoever bore it last was lost, and the policy is to go on without it.
    Excused,
}

impl Name {
    fn is_unfilled(&self) -> bool {
        self.settled.is_none() && self.owing == 0 && self.missed == 0
    }
}

#[derive(Debug)]
pub(super) struct Names {
    names: Vec<Name>,
    unfilled: usize,
}

impl Names {
    /// `None` for none, which most brokers expect: their rounds pay nothing for names.
    #[inline]
    pub(super) fn new(count: usize) -> Option<Box<Self>> {
        (count > 0).then(|| Box::new(Self { names: vec![Name::default(); count], unfilled: count }))
    }

    fn change(&mut self, name: Place, change: impl FnOnce(&mut Name)) {
        let name = &mut self.names[name as usize];
        self.unfilled -= usize::from(name.is_unfilled());
        change(name);
        self.unfilled += usize::from(name.is_unfilled());
    }

    /// One more emitter of the round bears this name, and owes nothing yet.
    pub(super) fn add_bearer(&mut self, name: Place) {
        self.names[name as usize].bearers += 1;
    }

    /// An emitter has come back under another name.
    pub(super) fn remove_bearer(&mut self, name: Place) {
        self.names[name as usize].bearers -= 1;
    }

    /// One that bears this name stands otherwise than before.
    pub(super) fn moves(&mut self, name: Place, from: Standing, to: Standing) {
        self.change(name, |name| {
            name.owing = name.owing + usize::from(to.owes()) - usize::from(from.owes());
            name.missed = name.missed + usize::from(to.has_missed()) - usize::from(from.has_missed());
            if to.owes() && name.settled == Some(Settled::Excused) {
                name.settled = None;
            }
        });
    }

    pub(super) fn settle(&mut self, name: Place, settled: Settled) {
        self.change(name, |name| name.settled = Some(settled));
    }

    /// Its last bearer is lost, and the round goes on without it; who has missed a deadline stays missing.
    pub(super) fn excuse(&mut self, name: Place) {
        self.change(name, |name| {
            if name.missed == 0 {
                name.settled = Some(Settled::Excused);
            }
        });
    }

    /// Whether a bearer has answered for it.
    pub(super) fn is_answered(&self, name: Place) -> bool {
        matches!(self.names[name as usize].settled, Some(Settled::Kept | Settled::Vetoed))
    }

    pub(super) fn is_vetoed(&self, name: Place) -> bool {
        self.names[name as usize].settled == Some(Settled::Vetoed)
    }

    /// How many of them the round counts among its parties: all but those without which it goes on.
    pub(super) fn parties(&self) -> usize {
        self.names.iter().filter(|name| name.settled != Some(Settled::Excused)).count()
    }

    pub(super) fn is_owed(&self, name: Place) -> bool {
        self.names[name as usize].owing > 0
    }

    /// Whether more than one emitter of the round bears it.
    pub(super) fn is_shared(&self, name: Place) -> bool {
        self.names[name as usize].bearers > 1
    }

    /// How many names nobody bears.
    #[inline]
    pub(super) fn unfilled(&self) -> usize {
        self.unfilled
    }

    /// The names that nobody bears, by their places.
    pub(super) fn list_unfilled(&self) -> impl Iterator<Item = usize> + '_ {
        (0..).zip(&self.names).filter(|(_, name)| name.is_unfilled()).map(|(place, _)| place)
    }

    /// How many of those that owe do so for a name that another owes as well.
    pub(super) fn surplus(&self) -> usize {
        self.names.iter().map(|name| name.owing.saturating_sub(1)).sum()
    }
}
