//! What a session tells of its round: the round knows slots, and here they get their names.

use std::sync::Arc;
use std::time::Duration;

use super::session::Session;
use crate::base::Payload;
use crate::rounds::OpenRound;
use crate::rounds::outcome::Vetoed;
use crate::rounds::round::{Needed, Slot};

impl<P: Payload> Session<P> {
    /// The expected and the required names that no member bears.
    pub(super) fn unfilled(&self) -> Vec<Arc<str>> {
        if self.round.rules().expected.is_empty() && !matches!(self.round.rules().release, Needed::Names(_)) {
            return Vec::new();
        }
        let expected = self.round.unfilled().filter_map(|name| self.round.rules().expected.get(name).cloned());
        let mut unfilled: Vec<_> = expected.collect();
        if let Needed::Names(names) = &self.round.rules().release {
            for name in self.round.unknown().filter_map(|name| names.get(name as usize)) {
                if !unfilled.contains(name) {
                    unfilled.push(name.clone());
                }
            }
        }
        unfilled
    }

    /// The vetoes that were tolerated.
    pub(super) fn vetoed(&self) -> Vec<Vetoed> {
        let vetoes = self.round.vetoes();
        if vetoes.is_empty() {
            return Vec::new();
        }
        let roster = self.room.roster.borrow();
        let by = |slot: Slot| roster.directory().emitters[slot as usize].clone();
        vetoes.iter().map(|veto| Vetoed { by: by(veto.slot), reason: veto.reason.clone() }).collect()
    }

    pub(super) fn describe(&self, t: Duration) -> OpenRound {
        let roster = self.room.roster.borrow();
        let name = |slot: Slot| roster.directory().emitters[slot as usize].clone();
        OpenRound {
            round: self.link.round,
            key: self.link.key.clone(),
            open_for: t,
            left: self.round.next_deadline().unwrap_or_default().saturating_sub(t),
            kept: self.round.kept().iter().map(|kept| name(kept.slot)).collect(),
            kept_at: self.round.kept().iter().map(|kept| kept.at).collect(),
            waits_for: self.round.owing().map(name).collect(),
            vetoed: self.vetoed(),
            unfilled: self.unfilled(),
        }
    }
}
