//! What a session asks all its emitters, with the way back to it: shared by the pledges of a round, which are small for it.
//!
//! `session → Call → each Pledge; Pledged → inbox → session; payloads so far → Board → Pledge::so_far; End → Pledge::closed`

use std::cell::Cell;
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::heartbeats::Heartbeats;
use super::reply::{Reply, Written};
use super::to_broker::{Seated, ToBroker};
use crate::rounds::{RoundId, RoundKey};
use crate::runtime::Inbox;

pub(crate) struct Call<P> {
    /// The session's, closed with the round. It holds one answer and one heartbeat for each emitter of the round.
    pub(crate) inbox: Inbox<Pledged<P>>,
    pub(crate) broker: Arc<Inbox<ToBroker<P>>>,
    pub(crate) round: RoundId,
    pub(crate) key: Option<RoundKey>,
    pub(crate) deadline: Instant,
    pub(crate) board: Board<P>,
    pub(crate) heartbeats: Heartbeats,
    pub(crate) end: End,
    /// Its round is one of a durable broker.
    pub(crate) is_durable: bool,
}

impl<P> Call<P> {
    /// Takes the payloads off the board for a turn of the session: the caller swaps them for the empty list that is there.
    #[inline]
    pub(crate) fn take_board(&self) -> Taken<'_, P> {
        let payloads = self.board.lock();
        Taken { payloads, end: &self.end, before: TAKEN.replace(self.board.place()), is_back: false }
    }
}

/// What became of a pledge.
pub(crate) enum Pledged<P> {
    Kept {
        by: Seated,
        payload: P,
        reply: Option<Reply<P>>,
    },
    /// The same in a durable round, of which somebody waits until it is a row, or for the outcome.
    Awaited(Box<Awaited<P>>),
    Vetoed {
        by: Seated,
        reason: Arc<str>,
    },
    Lost {
        by: Seated,
    },
    /// It asks for more time: what for is among the heartbeats.
    Heartbeat {
        by: Seated,
    },
}

/// A pledge to a durable round that was kept.
pub(crate) struct Awaited<P> {
    pub(crate) by: Seated,
    pub(crate) payload: P,
    pub(crate) reply: Reply<P>,
    pub(crate) written: Written,
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

    /// Locks it for a pledge; `what` the pledge was asked for.
    ///
    /// The user's code that runs in a turn of the session, a predicate above all, would wait here for itself: it panics, and
    /// the session is lost, which everyone is told.
    #[expect(clippy::panic, reason = "in place of a thread that hangs; the session catches it")]
    #[track_caller]
    pub(crate) fn look(&self, what: &str) -> MutexGuard<'_, Vec<P>> {
        if TAKEN.get() == self.place() {
            panic!(
                "`Pledge::{what}` was called while its own round decides, as in a predicate of `Release::when`: look at \
                 `gathered.payloads()` there"
            );
        }
        self.lock()
    }

    fn place(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

thread_local! {
    /// The place of the board that is taken for the turn of a session on this thread; zero is none.
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

/// The board of a round, taken for a turn of its session.
pub(crate) struct Taken<'a, P> {
    pub(crate) payloads: MutexGuard<'a, Vec<P>>,
    end: &'a End,
    before: usize,
    is_back: bool,
}

impl<P> Taken<'_, P> {
    /// Lets the pledges see the payloads, which the caller has swapped back.
    #[inline]
    pub(crate) fn put_back(mut self) {
        self.is_back = true;
    }
}

impl<P> Drop for Taken<'_, P> {
    #[inline]
    fn drop(&mut self) {
        TAKEN.set(self.before);
        // A predicate has panicked, and the board is empty: no pledge finds it so while the round is open.
        if !self.is_back {
            self.end.close();
        }
    }
}

/// Somebody waits for the end, or has.
const AWAITED: u8 = 1;
const OVER: u8 = 2;

/// The end of a round, for those who work for it: `close`, then the board is empty, then `tell`.
#[derive(Default)]
pub(crate) struct End {
    /// Of the two above.
    state: AtomicU8,
    told: Notify,
}

impl End {
    /// The round is over, for whoever asks.
    #[inline]
    pub(crate) fn close(&self) {
        self.state.fetch_or(OVER, Ordering::AcqRel);
    }

    /// The round is over; wakes whoever waits for that.
    pub(crate) fn tell(&self) {
        if self.state.swap(OVER, Ordering::AcqRel) & AWAITED != 0 {
            self.told.notify_waiters();
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state.load(Ordering::Acquire) & OVER != 0
    }

    pub(crate) async fn wait(&self) {
        // Listens before it says so, and is told if it has said so before the end.
        let mut told = pin!(self.told.notified());
        told.as_mut().enable();
        if self.state.fetch_or(AWAITED, Ordering::AcqRel) & OVER == 0 {
            told.await;
        }
    }
}
