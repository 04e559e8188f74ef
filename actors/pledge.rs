//! What a summoned actor gets: a pledge to keep, to veto, or to drop.
//!
//! `session.rs → Summons → any actor → Pledge::keep → the broker's inbox`

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::Message;
use tokio::time::Instant;

use crate::broker::ToBroker;
use crate::id::{RoundId, RoundKey};
use crate::membership::{Emission, Reply, Seat};
use crate::runtime;

/// Asks an emitter for its signal: the message that any actor handles to be one.
///
/// ```
/// use actix::prelude::*;
/// use convoke_actors::{Membership, Summons};
///
/// struct Clerk {
///     on_stock: u32,
///     membership: Option<Membership<u32>>,
/// }
///
/// impl Actor for Clerk {
///     type Context = Context<Self>;
/// }
///
/// impl Handler<Summons<u32>> for Clerk {
///     type Result = ();
///
///     fn handle(&mut self, Summons { pledge }: Summons<u32>, _: &mut Context<Self>) {
///         match self.on_stock {
///             0 => pledge.veto("sold out"),
///             count => pledge.keep(count),
///         }
///     }
/// }
/// ```
#[derive(Message)]
#[rtype(result = "()")]
pub struct Summons<P: 'static> {
    /// What the emitter owes the round.
    pub pledge: Pledge<P>,
}

impl<P> fmt::Debug for Summons<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Summons").field("pledge", &self.pledge).finish()
    }
}

/// One emitter's promise to one round: kept, vetoed, or, when it is dropped, lost at once.
#[must_use = "dropping a pledge loses the round its signal: keep it or veto it"]
pub struct Pledge<P: 'static> {
    seat: Arc<Seat<P>>,
    claim: Claim,
    key: Option<RoundKey>,
    deadline: Instant,
    open: bool,
}

/// Which round of its broker a pledge is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    /// The round's place in the broker's table.
    pub(crate) place: u32,
    pub(crate) round: RoundId,
}

/// What became of a pledge.
pub(crate) enum Answer<P> {
    Kept(P, Option<Reply<P>>),
    Vetoed(Arc<str>, Option<Reply<P>>),
    Lost,
}

impl<P: 'static> Pledge<P> {
    pub(crate) fn new(seat: Arc<Seat<P>>, claim: Claim, key: Option<RoundKey>, deadline: Instant) -> Self {
        Self { seat, claim, key, deadline, open: true }
    }

    /// Returns the number of the round.
    pub fn round(&self) -> RoundId {
        self.claim.round
    }

    /// Returns what the round is about; `None` for a round without a key.
    pub fn key(&self) -> Option<&RoundKey> {
        self.key.as_ref()
    }

    /// Returns how much time is left until the round's deadline; zero when it is past.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(runtime::now())
    }

    /// Keeps the promise and does not wait for the outcome. A signal that comes too late is counted as such.
    pub fn keep(mut self, payload: P) {
        self.answer(Answer::Kept(payload, None));
    }

    /// Keeps the promise; the answer is the round's outcome, once it has closed.
    ///
    /// # Errors
    ///
    /// `Late` if the round was over, `AlreadyKept` if the emitter has emitted in it otherwise, `BrokerGone`.
    pub fn keep_and_wait(mut self, payload: P) -> Emission<P> {
        Emission::of(|reply| {
            self.answer(Answer::Kept(payload, Some(reply)));
            Ok(())
        })
    }

    /// Refuses: the round is cancelled for everyone, for this reason.
    pub fn veto(mut self, reason: impl Into<Arc<str>>) {
        self.answer(Answer::Vetoed(reason.into(), None));
    }

    fn answer(&mut self, answer: Answer<P>) {
        self.open = false;
        // Past the bound: there is one pledge for each emitter and open round, and both are limited.
        self.seat.door.push_always(ToBroker::Pledged { claim: self.claim, slot: self.seat.slot, answer });
    }
}

impl<P: 'static> Drop for Pledge<P> {
    fn drop(&mut self) {
        if self.open {
            self.answer(Answer::Lost);
        }
    }
}

impl<P: 'static> fmt::Debug for Pledge<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pledge")
            .field("emitter", &self.seat.who.name)
            .field("round", &self.claim.round)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
