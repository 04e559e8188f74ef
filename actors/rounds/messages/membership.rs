//! What an emitter holds of its broker: a seat to emit from, and the guard that gives the seat up.
//!
//! `Membership::emit → the broker's inbox → broker.rs`

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::reply::{Emission, Reply, answer};
use super::to_broker::ToBroker;
use crate::rounds::outcome::EmitterRef;
use crate::rounds::round::Slot;
use crate::rounds::{BrokerId, EmitError, EmitterId, RoundKey};
use crate::runtime::{Inbox, Refused};

/// An emitter's place at a broker, shared by its guard, its actor and its pledges.
pub(crate) struct Seat<P> {
    pub(crate) door: Arc<Inbox<ToBroker<P>>>,
    pub(crate) broker: BrokerId,
    pub(crate) who: EmitterRef,
    pub(crate) slot: Slot,
    /// Tells this emitter from an earlier one in the same slot.
    pub(crate) generation: u32,
    given_up: AtomicBool,
}

impl<P: 'static> Seat<P> {
    pub(crate) fn new(
        door: Arc<Inbox<ToBroker<P>>>,
        broker: BrokerId,
        who: EmitterRef,
        slot: Slot,
        generation: u32,
    ) -> Self {
        Self { door, broker, who, slot, generation, given_up: AtomicBool::new(false) }
    }

    /// Whether it is still somebody's, and the broker is there.
    pub(crate) fn is_held(&self) -> bool {
        !self.is_given_up() && !self.door.is_closed()
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire)
    }

    pub(crate) fn emit(&self, key: Option<RoundKey>, payload: P, reply: Option<Reply<P>>) -> Result<(), EmitError> {
        let Self { slot, generation, .. } = *self;
        self.push(ToBroker::Emit { slot, generation, key, payload, reply })
    }

    pub(crate) fn veto(
        &self,
        key: Option<RoundKey>,
        reason: Arc<str>,
        reply: Option<Reply<P>>,
    ) -> Result<(), EmitError> {
        let Self { slot, generation, .. } = *self;
        self.push(ToBroker::Veto { slot, generation, key, reason, reply })
    }

    fn push(&self, input: ToBroker<P>) -> Result<(), EmitError> {
        let (error, input) = if self.is_given_up() {
            (EmitError::NotJoined, input)
        } else {
            match self.door.push(input) {
                Ok(()) => return Ok(()),
                Err(Refused::Closed(input)) => (EmitError::BrokerGone, input),
                Err(Refused::Full(input)) => (EmitError::Busy { limit: self.door.bound() }, input),
            }
        };
        if let ToBroker::Emit { reply, .. } | ToBroker::Veto { reply, .. } = input {
            answer(reply, Err(error.clone()));
        }
        Err(error)
    }

    /// Gives the seat up: in order, or lost. Only the first call counts.
    pub(crate) fn give_up(&self, lost: bool) {
        if !self.given_up.swap(true, Ordering::AcqRel) {
            let Self { slot, generation, .. } = *self;
            // One farewell for each member, and the number of members is bounded.
            self.door.push_always(ToBroker::GiveUp { slot, generation, lost });
        }
    }
}

/// An emitter's membership of a broker: the guard that an actor of your own keeps in a field.
///
/// [`BrokerExt::add_emitter`](crate::BrokerExt::add_emitter) returns it. When it is dropped, by a panic of its actor
/// too, the emitter is off the roster, and lost to every open round that it still owes a signal: what that means is
/// the broker's [`OnLost`](crate::OnLost) policy. [`leave`](Self::leave) is the orderly way out: open rounds go on
/// without it.
#[must_use = "dropping a membership ends it, and so does `let _ =`: keep it in a field of the actor"]
pub struct Membership<P: 'static> {
    seat: Arc<Seat<P>>,
    armed: bool,
}

impl<P: 'static> Membership<P> {
    pub(crate) fn new(seat: Arc<Seat<P>>) -> Self {
        Self { seat, armed: true }
    }

    /// Lets go of the guard without giving up the seat.
    pub(crate) fn disarm(mut self) {
        self.armed = false;
    }

    pub(crate) fn seat(&self) -> &Arc<Seat<P>> {
        &self.seat
    }

    /// Returns the emitter's id.
    pub fn id(&self) -> EmitterId {
        self.seat.who.id
    }

    /// Returns the emitter's name.
    pub fn name(&self) -> &str {
        &self.seat.who.name
    }

    /// Returns the id of the broker.
    pub fn broker(&self) -> &BrokerId {
        &self.seat.broker
    }

    /// Emits into the round that is open, or opens one; the answer is the round's outcome, once it has closed.
    ///
    /// The signal is on its way when this returns, whether or not the answer is awaited. Signals from one thread keep
    /// their order; those from different threads have none, even if one was emitted before the other.
    ///
    /// # Errors
    ///
    /// Every variant of [`EmitError`] but `NoRound` and `EmitterGone`.
    pub fn emit(&self, payload: P) -> Emission<P> {
        Emission::of(|reply| self.seat.emit(None, payload, Some(reply)))
    }

    /// Emits into the round of this key; see [`emit`](Self::emit).
    ///
    /// # Errors
    ///
    /// As [`emit`](Self::emit).
    pub fn emit_for(&self, key: impl Into<RoundKey>, payload: P) -> Emission<P> {
        Emission::of(|reply| self.seat.emit(Some(key.into()), payload, Some(reply)))
    }

    /// Emits and does not wait for the outcome, as `do_send` does for a message.
    ///
    /// # Errors
    ///
    /// What is known at once: `NotJoined`, `BrokerGone`, `Busy`. What the broker finds out later is counted in its
    /// snapshot.
    pub fn do_emit(&self, payload: P) -> Result<(), EmitError> {
        self.seat.emit(None, payload, None)
    }

    /// Emits into the round of this key and does not wait for the outcome; see [`do_emit`](Self::do_emit).
    ///
    /// # Errors
    ///
    /// As [`do_emit`](Self::do_emit).
    pub fn do_emit_for(&self, key: impl Into<RoundKey>, payload: P) -> Result<(), EmitError> {
        self.seat.emit(Some(key.into()), payload, None)
    }

    /// Refuses the open round without a key, which is cancelled for everyone; the answer is its outcome.
    ///
    /// # Errors
    ///
    /// `NoRound` if none is open, `NotJoined`, `BrokerGone`, `Busy`.
    pub fn veto(&self, reason: impl Into<Arc<str>>) -> Emission<P> {
        Emission::of(|reply| self.seat.veto(None, reason.into(), Some(reply)))
    }

    /// Refuses the open round of this key; see [`veto`](Self::veto).
    ///
    /// # Errors
    ///
    /// As [`veto`](Self::veto).
    pub fn veto_for(&self, key: impl Into<RoundKey>, reason: impl Into<Arc<str>>) -> Emission<P> {
        Emission::of(|reply| self.seat.veto(Some(key.into()), reason.into(), Some(reply)))
    }

    /// Leaves the broker in order: open rounds no longer wait for this emitter; what it has emitted stays.
    pub fn leave(self) {
        self.seat.give_up(false);
    }
}

impl<P: 'static> Drop for Membership<P> {
    fn drop(&mut self) {
        if self.armed {
            self.seat.give_up(true);
        }
    }
}

impl<P: 'static> fmt::Debug for Membership<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership")
            .field("emitter", &self.seat.who.name)
            .field("broker", &self.seat.broker)
            .finish_non_exhaustive()
    }
}
