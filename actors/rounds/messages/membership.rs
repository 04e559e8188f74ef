//! What an emitter holds of its broker: a seat to emit from, and the guard that gives the seat up.
//!
//! `Membership::emit → the broker's inbox → broker.rs`

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::reply::{Emission, Reply, answer};
use super::to_broker::{Durable, Seated, ToBroker};
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
    /// `HELD`, or the farewell by which it was given up.
    given_up: AtomicU8,
    /// The broker is a durable one.
    durable: bool,
}

/// How a seat is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Farewell {
    /// In order.
    Left = 1,
    /// Its guard was dropped.
    Lost = 2,
    /// Its emitter was stopped or has panicked: lost as well, and whoever holds the guard may ask why.
    Gone = 3,
}

const HELD: u8 = 0;

impl<P: 'static> Seat<P> {
    pub(crate) fn new(
        door: Arc<Inbox<ToBroker<P>>>,
        broker: BrokerId,
        who: EmitterRef,
        slot: Slot,
        generation: u32,
    ) -> Self {
        Self { door, broker, who, slot, generation, given_up: AtomicU8::new(HELD), durable: false }
    }

    /// The same at a durable broker.
    pub(crate) fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    fn emission(&self, key: Option<RoundKey>, what: Result<P, Arc<str>>) -> Emission<P> {
        if self.durable {
            let by = Seated { slot: self.slot, generation: self.generation };
            return Emission::kept(|reply, written| {
                self.push(ToBroker::Durable(Box::new(Durable { by, key, what, written, reply })))
            });
        }
        Emission::of(|reply| match what {
            Ok(payload) => self.emit(key, payload, Some(reply)),
            Err(reason) => self.veto(key, reason, Some(reply)),
        })
    }

    /// Whether it is still somebody's, and the broker is there.
    pub(crate) fn is_held(&self) -> bool {
        !self.is_given_up() && !self.door.is_closed()
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire) != HELD
    }

    /// What a signal hears when the seat is nobody's any more.
    #[cold]
    pub(crate) fn refusal(&self) -> EmitError {
        if self.given_up.load(Ordering::Acquire) == Farewell::Gone as u8 {
            EmitError::EmitterGone { name: Some(self.who.name.clone()) }
        } else {
            EmitError::NotJoined
        }
    }

    #[inline]
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

    // Inlined up to the queue, as all on its way: see `Inbox::push`.
    #[inline(always)]
    fn push(&self, input: ToBroker<P>) -> Result<(), EmitError> {
        if self.is_given_up() {
            return self.refuse(input, self.refusal());
        }
        match self.door.push(input) {
            Ok(()) => Ok(()),
            Err(refused) => self.not_pushed(refused),
        }
    }

    #[cold]
    #[inline(never)]
    fn not_pushed(&self, refused: Refused<ToBroker<P>>) -> Result<(), EmitError> {
        match refused {
            Refused::Closed(input) => self.refuse(input, EmitError::BrokerGone),
            Refused::Full(input) => self.refuse(input, EmitError::Busy { limit: self.door.bound() }),
        }
    }

    #[cold]
    #[inline(never)]
    fn refuse(&self, input: ToBroker<P>, error: EmitError) -> Result<(), EmitError> {
        if let ToBroker::Emit { reply, .. } | ToBroker::Veto { reply, .. } = input {
            answer(reply, Err(error.clone()));
        }
        Err(error)
    }

    /// Gives the seat up. Only the first call counts.
    pub(crate) fn give_up(&self, by: Farewell) {
        if self.given_up.compare_exchange(HELD, by as u8, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            let Self { slot, generation, .. } = *self;
            let lost = by != Farewell::Left;
            // One farewell for each member, and the number of members is bounded.
            self.door.push_always(ToBroker::GiveUp { slot, generation, lost });
        }
    }
}

/// The membership of an emitter in a broker: a guard that an actor of your own keeps in a field.
///
/// [`BrokerExt::add_emitter`](crate::BrokerExt::add_emitter) returns it. Dropping it, also through a panic of the
/// actor, removes the emitter from the broker and makes it lost to every open round that it still owes a signal. The
/// broker's policy [`OnLost`](crate::OnLost) sets what happens to such a round. To leave in an orderly way, call
/// [`leave`](Self::leave): open rounds go on without the emitter.
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

    /// Emits a signal into the open round, or opens a round with it. The returned future resolves to the outcome of the
    /// round once the round has closed.
    ///
    /// The signal is on its way when this method returns, whether or not you await the future. Signals from one thread
    /// keep their order. Signals from different threads have no order, even if one was emitted before the other.
    ///
    /// # Errors
    ///
    /// The future returns any [`EmitError`] except `NoRound`. It is `EmitterGone` if the membership is that of an
    /// [`EmitterHandle`](crate::EmitterHandle) whose emitter was stopped or has panicked.
    pub fn emit(&self, payload: P) -> Emission<P> {
        self.seat.emission(None, Ok(payload))
    }

    /// Emits a signal into the round of this key. See [`emit`](Self::emit).
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`emit`](Self::emit).
    pub fn emit_for(&self, key: impl Into<RoundKey>, payload: P) -> Emission<P> {
        self.seat.emission(Some(key.into()), Ok(payload))
    }

    /// Emits a signal and does not wait for the outcome, as `do_send` does for a message.
    ///
    /// # Errors
    ///
    /// Returns the errors that are known at once: `NotJoined`, `EmitterGone`, `BrokerGone` and `Busy`. What goes wrong later at the
    /// broker is counted in the broker's snapshot.
    pub fn do_emit(&self, payload: P) -> Result<(), EmitError> {
        self.seat.emit(None, payload, None)
    }

    /// Emits a signal into the round of this key and does not wait for the outcome. See [`do_emit`](Self::do_emit).
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`do_emit`](Self::do_emit).
    pub fn do_emit_for(&self, key: impl Into<RoundKey>, payload: P) -> Result<(), EmitError> {
        self.seat.emit(Some(key.into()), payload, None)
    }

    /// Vetoes the open round without a key: the round is cancelled for everyone, unless the broker's
    /// [`on_veto`](crate::Broker::on_veto) tolerates the veto. The returned future resolves to the outcome of the round.
    ///
    /// # Errors
    ///
    /// The future returns [`EmitError::NoRound`] if no such round is open; otherwise `NotJoined`, `EmitterGone`,
    /// `BrokerGone` or `Busy`.
    pub fn veto(&self, reason: impl Into<Arc<str>>) -> Emission<P> {
        self.seat.emission(None, Err(reason.into()))
    }

    /// Vetoes the open round of this key. See [`veto`](Self::veto).
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`veto`](Self::veto).
    pub fn veto_for(&self, key: impl Into<RoundKey>, reason: impl Into<Arc<str>>) -> Emission<P> {
        self.seat.emission(Some(key.into()), Err(reason.into()))
    }

    /// Leaves the broker in an orderly way: open rounds no longer wait for this emitter, and its earlier signals still
    /// count.
    pub fn leave(self) {
        self.seat.give_up(Farewell::Left);
    }
}

impl<P: 'static> Drop for Membership<P> {
    fn drop(&mut self) {
        if self.armed {
            self.seat.give_up(Farewell::Lost);
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
