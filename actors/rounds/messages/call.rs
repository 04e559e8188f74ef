//! What a session asks all its emitters, with the way back to it: shared by the pledges of a round, which are small for it.
//!
//! `session → Call → each Pledge; Pledged → inbox → session; payloads so far → Board → Pledge::so_far; End → Pledge::closed`

use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::reply::Reply;
use super::to_broker::{Seated, ToBroker};
use crate::rounds::{RoundId, RoundKey};
use crate::runtime::Inbox;

pub(crate) struct Call<P> {
    /// The session's, closed with the round. It holds one answer for each emitter of the round.
    pub(crate) inbox: Inbox<Pledged<P>>,
    pub(crate) broker: Arc<Inbox<ToBroker<P>>>,
    pub(crate) round: RoundId,
    pub(crate) key: Option<RoundKey>,
    pub(crate) deadline: Instant,
    pub(crate) board: Board<P>,
    pub(crate) end: End,
}

/// What became of a pledge.
pub(crate) enum Pledged<P> {
    Kept { by: Seated, payload: P, reply: Option<Reply<P>> },
    Vetoed { by: Seated, reason: Arc<str> },
    Lost { by: Seated },
}

/// The payloads of a round, in the order of emission, as its pledges see them; empty once it is over.
///
/// They are here between the turns of the session, which takes them off for a turn and keeps the lock meanwhile: one lock
/// for a turn, and not one for each signal.
pub(crate) struct Board<P>(Mutex<Vec<P>>);

impl<P> Default for Board<P> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<P> Board<P> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Vec<P>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const OPEN: u8 = 0;
/// Somebody waits for the end, or has.
const AWAITED: u8 = 1;
const OVER: u8 = 2;

/// The end of a round, for those who work for it.
#[derive(Default)]
pub(crate) struct End {
    state: AtomicU8,
    told: Notify,
}

impl End {
    /// The round is over; wakes whoever waits for that.
    pub(crate) fn tell(&self) {
        if self.state.swap(OVER, Ordering::AcqRel) == AWAITED {
            self.told.notify_waiters();
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state.load(Ordering::Acquire) == OVER
    }

    pub(crate) async fn wait(&self) {
        // Listens before it says so, and is told if it has said so before the end.
        let mut told = pin!(self.told.notified());
        told.as_mut().enable();
        let before = self.state.compare_exchange(OPEN, AWAITED, Ordering::AcqRel, Ordering::Acquire);
        if before != Err(OVER) {
            told.await;
        }
    }
}
