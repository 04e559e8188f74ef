//! The deadlines of a round: the total one, the idle one, and those that emitters have of their own.
//!
//! `t → every deadline before it, in the order of time → missed, expired`; `heartbeat → a later deadline of its own`

use std::rc::Rc;
use std::time::Duration;

use super::policy::{Needed, OnTimeout};
use super::round::Round;
use super::standing::{Slot, Standing, Terms};
use super::verdict::Verdict;

/// A deadline and what it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deadline {
    Emitter(Slot),
    Idle,
    Total,
}

impl<P> Round<P> {
    /// Lets every deadline pass that lies before `t`, and with a tick the one at `t`, in the order of time.
    #[inline(always)]
    pub(super) fn pass_deadlines(&mut self, t: Duration, tick: bool) {
        // Most rounds have no other deadline but their timeout.
        if t < self.rules.timeout && self.own.is_none() && self.rules.idle.is_none() {
            return;
        }
        self.pass_each_deadline(t, tick);
    }

    #[inline(never)]
    fn pass_each_deadline(&mut self, t: Duration, tick: bool) {
        while self.verdict.is_none() {
            let (when, deadline) = self.next();
            if when > t || when == t && !tick {
                break;
            }
            match deadline {
                Deadline::Emitter(slot) => {
                    self.release_from(slot, Standing::Missed);
                    let is_owed = |name| self.is_owed(name);
                    match &self.rules.release {
                        Needed::All if self.expected_of(slot).is_some_and(is_owed) => {}
                        // Its promise is broken, and with it the round.
                        Needed::All => self.expire(when, Verdict::TimedOut),
                        _ if !self.is_in_reach() => self.expire(when, Verdict::TimedOut),
                        _ => {}
                    }
                }
                Deadline::Idle => self.expire(when, Verdict::Idle),
                Deadline::Total if self.unborne() > 0 && matches!(self.rules.release, Needed::All) => {
                    self.expire(when, Verdict::NoMember { timed_out: true });
                }
                Deadline::Total => self.expire(when, Verdict::TimedOut),
            }
        }
    }

    fn expire(&mut self, t: Duration, verdict: Verdict) {
        self.verdict = Some(if self.is_released(t) {
            Verdict::Resolved { partial: false }
        } else if matches!(self.rules.release, Needed::All) && self.is_refused() {
            Verdict::OutOfReach
        } else if self.rules.on_timeout == OnTimeout::DeliverPartial {
            Verdict::Resolved { partial: true }
        } else {
            verdict
        });
    }

    fn next(&self) -> (Duration, Deadline) {
        let mut next = (self.rules.timeout, Deadline::Total);
        if let Some(idle) = self.rules.idle {
            next = next.min((self.last.saturating_add(idle), Deadline::Idle));
        }
        if let Some((when, slot)) = self.own {
            next = next.min((when, Deadline::Emitter(slot)));
        }
        next
    }

    /// When the next deadline is, unless the round is over.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        match self.verdict {
            Some(_) => None,
            None => Some(self.next().0),
        }
    }

    /// Moves the emitter's own deadline to this time, if that is later and within what heartbeats may gain.
    pub(super) fn carry(&mut self, slot: Slot, until: Duration) {
        if !self.standing_of(slot).owes() {
            return;
        }
        let Ok(place) = self.terms.binary_search_by_key(&slot, |(slot, _)| *slot) else { return };
        let Some(deadline) = self.terms[place].1.deadline else { return };
        let limits = (self.rules.max_heartbeat, self.rules.timeout);
        let carried = &mut self.aside().carried;
        let known = carried.binary_search_by_key(&slot, |(slot, _)| *slot);
        let first = known.map_or(deadline, |place| carried[place].1);
        let until = until.min(first.saturating_add(limits.0)).min(limits.1);
        if until <= deadline {
            return;
        }
        if let Err(place) = known {
            carried.insert(place, (slot, first));
        }
        Rc::make_mut(&mut self.terms)[place].1.deadline = Some(until);
        if self.own.is_some_and(|(_, soonest)| soonest == slot) {
            self.find_own();
        }
    }

    /// Gives an emitter a deadline of its own, counted from the opening, that takes part without one.
    pub(crate) fn oblige(&mut self, slot: Slot, deadline: Duration) {
        match self.terms.binary_search_by_key(&slot, |(slot, _)| *slot) {
            Ok(place) => Rc::make_mut(&mut self.terms)[place].1.deadline = Some(deadline),
            Err(place) => {
                let terms = Terms { deadline: Some(deadline), ..Terms::default() };
                Rc::make_mut(&mut self.terms).insert(place, (slot, terms));
            }
        }
        self.find_own();
    }

    /// The deadline that an emitter has of its own.
    pub(crate) fn deadline_of(&self, slot: Slot) -> Option<Duration> {
        self.terms_of(slot).and_then(|terms| terms.deadline)
    }

    pub(super) fn find_own(&mut self) {
        self.own = self
            .terms
            .iter()
            .filter(|(slot, _)| self.standing_of(*slot).owes())
            .filter_map(|(slot, terms)| Some((terms.deadline?, *slot)))
            .min();
    }
}
