//! A round in progress, as the predicate of a release sees it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::names::Names;
use super::people::People;
use super::standing::{Slot, Standing};
use super::verdict::{Kept, Veto};

/// A round in progress, as the predicate of [`Release::when`](crate::Release::when) sees it.
///
/// It tells who has answered and how, by the names with which the emitters have joined.
pub struct Gathered<'a, P> {
    pub(super) kept: &'a [Kept],
    pub(super) payloads: &'a [P],
    pub(super) vetoes: &'a [Veto],
    pub(super) standing: &'a [Standing],
    pub(super) people: Option<&'a People>,
    pub(super) expected: &'a [Arc<str>],
    pub(super) names: Option<&'a Names>,
    pub(super) owing: usize,
    pub(super) elapsed: Duration,
}

impl<'a, P> Gathered<'a, P> {
    /// Returns whether an emitter with this name has kept its promise.
    pub fn kept(&self, name: &str) -> bool {
        self.kept.iter().any(|kept| self.is(kept.slot, name))
    }

    /// Returns the payload of the emitter with this name; the first one if several emitters with that name have emitted,
    /// `None` if none has.
    pub fn payload(&self, name: &str) -> Option<&'a P> {
        let place = self.kept.iter().position(|kept| self.is(kept.slot, name))?;
        self.payloads.get(place)
    }

    /// Returns the payloads emitted so far, in the order of emission.
    pub fn payloads(&self) -> &'a [P] {
        self.payloads
    }

    /// Returns the sum of the weights of the emitters that have kept their promise. See
    /// [`Emitter::weight`](crate::Emitter::weight).
    pub fn weight(&self) -> u64 {
        let weight = |kept: &Kept| self.people?.get(kept.slot).map(|who| u64::from(who.weight));
        self.kept.iter().filter_map(weight).sum()
    }

    /// Returns the names that still owe a signal, each once: first those of the emitters, then the
    /// [expected](crate::Broker::expects) ones that no member has.
    ///
    /// A name whose emitter has vetoed, left, been lost or passed its own deadline owes nothing any more.
    pub fn missing(&self) -> Vec<&'a str> {
        let owing = (0..).zip(self.standing).filter(|(_, standing)| standing.owes());
        let mut missing: Vec<_> = owing.filter_map(|(slot, _)| self.name(slot)).collect();
        let unfilled = self.names.into_iter().flat_map(Names::list_unfilled);
        missing.extend(unfilled.filter_map(|place| self.expected.get(place)).map(|name| &**name));
        let mut seen = std::collections::HashSet::new();
        missing.retain(|name| seen.insert(*name));
        missing
    }

    /// Returns the vetoes that were tolerated so far, in the order in which they came: the name of the emitter and its
    /// reason. See [`Broker::on_veto`](crate::Broker::on_veto).
    pub fn vetoed(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let people = self.people;
        let of = move |slot| people?.get(slot).map(|who| &*who.name);
        self.vetoes.iter().filter_map(move |veto| Some((of(veto.slot)?, &*veto.reason)))
    }

    /// Returns the number of promises that are not kept yet: those of emitters and those of
    /// [expected](crate::Broker::expects) names, each of which counts once.
    pub fn owing(&self) -> usize {
        self.owing
    }

    /// Returns the time since the round opened.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    fn name(&self, slot: Slot) -> Option<&'a str> {
        self.people?.get(slot).map(|who| &*who.name)
    }

    fn is(&self, slot: Slot, name: &str) -> bool {
        self.name(slot) == Some(name)
    }
}

/// Omits the payloads, which may be personal, and shows only their number.
impl<P> fmt::Debug for Gathered<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathered").field("payloads", &self.payloads.len()).field("owing", &self.owing).finish()
    }
}
