//! How an emitter of this process hears what becomes of its signals to a durable broker, if it asked to be told.
//!
//! `a member with on_kept or on_outcome → Notices, beside what it says → whoever writes it down → its inbox`

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::base::Shown;
use crate::rounds::messages::{Seat, ToEmitter, Wants};
use crate::rounds::outcome::Outcome;
use crate::rounds::{RoundId, RoundKey};
use crate::runtime::{Inbox, Refused};

/// What an emitter wants to be told, and where.
type Wanted<P> = (Wants, Arc<Inbox<ToEmitter<P>>>);

/// Where an emitter of this process hears what becomes of one of its signals. Clones are of the same signal.
pub struct Notices<P: 'static> {
    wants: Wants,
    inbox: Arc<Inbox<ToEmitter<P>>>,
    seat: Arc<Seat<P>>,
    key: Option<RoundKey>,
    /// It was told that the signal is kept.
    is_kept: Arc<AtomicBool>,
}

impl<P: 'static> Notices<P> {
    /// Of a signal from this seat to the round of this key; `None` if its emitter wants to hear of none.
    pub(crate) fn of(wants: Option<&Wanted<P>>, seat: &Arc<Seat<P>>, key: Option<RoundKey>) -> Option<Self> {
        let (wants, inbox) = wants?;
        Some(Self { wants: *wants, inbox: inbox.clone(), seat: seat.clone(), key, is_kept: Arc::default() })
    }

    /// Whether the emitter is still there, and a member.
    pub fn is_heard(&self) -> bool {
        !self.inbox.is_closed() && !self.seat.is_given_up()
    }

    /// Whether it wants to hear how rounds end.
    pub fn wants_outcome(&self) -> bool {
        self.wants.outcome
    }

    /// Whether both are of the same emitter.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inbox, &other.inbox)
    }

    /// The round has taken its signal, so long after its opening. It is told once.
    pub fn kept(&self, round: RoundId, at: Duration) {
        if self.wants.kept && !self.is_kept.swap(true, Ordering::Relaxed) {
            self.push(ToEmitter::Kept { round, key: self.key.clone(), at });
        }
    }

    /// The round is over.
    pub fn ended(&self, outcome: Outcome<P>) {
        if self.wants.outcome {
            self.push(ToEmitter::Outcome(outcome));
        }
    }

    fn push(&self, notice: ToEmitter<P>) {
        if !self.is_heard() {
            return;
        }
        if let Err(Refused::Full(_)) = self.inbox.push(notice) {
            let (broker, name) = (&self.seat.broker, Shown::name(&self.seat.who.name));
            log::warn!(target: "convoke::round", "broker {broker}: `{name}` is too far behind to be told");
        }
    }
}

impl<P: 'static> Clone for Notices<P> {
    fn clone(&self) -> Self {
        let Self { wants, inbox, seat, key, is_kept } = self;
        let (inbox, seat, key, is_kept) = (inbox.clone(), seat.clone(), key.clone(), is_kept.clone());
        Self { wants: *wants, inbox, seat, key, is_kept }
    }
}

impl<P: 'static> fmt::Debug for Notices<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notices").field("emitter", &self.seat.who.name).finish_non_exhaustive()
    }
}
