//! Where whoever waits for a packet to leave, and whoever has it leave, find each other.
//!
//! `Leaving::push → Slip ─┬─ Waits: is told what came of it, or goes`
//! `                      └─ Leaver (in a Batch): takes the packet, tells what came of it, or sees that nobody waits`

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::transport::{Packet, TransportError};

/// How many slips are kept for later packets.
const KEPT: usize = 256;

/// What came of a packet.
pub(super) type Taken = Result<(), TransportError>;

/// A packet that waits to leave, until somebody takes it, and what is known of it.
#[derive(Default)]
struct Slip(Mutex<State>);

#[derive(Default)]
struct State {
    packet: Option<Packet>,
    /// Why it has not left yet.
    error: Option<TransportError>,
    /// What came of it, until that is looked at.
    taken: Option<Taken>,
    /// Nobody waits for it any more.
    is_unwanted: bool,
    /// Nobody says any more what came of it.
    is_given_up: bool,
    /// Of who waits, and of who has it leave.
    waits: Option<Waker>,
    leaves: Option<Waker>,
}

impl Slip {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Slips of packets that have left, which are used again.
#[derive(Default)]
pub(super) struct Slips(Mutex<Vec<Arc<Slip>>>);

impl Slips {
    /// The two ends of a slip for this packet.
    pub(super) fn tear(&self, packet: Packet) -> (Slipped, Leaver) {
        let spare = self.lock().pop();
        let slip = spare.unwrap_or_default();
        slip.lock().packet = Some(packet);
        (Slipped(slip.clone()), Leaver { slip, is_told: false })
    }

    /// Keeps one for a later packet, if nobody else has it.
    pub(super) fn keep(&self, Slipped(mut slip): Slipped) {
        let Some(own) = Arc::get_mut(&mut slip) else { return };
        *own = Slip::default();
        let mut kept = self.lock();
        if kept.len() < KEPT {
            kept.push(slip);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Slip>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of whoever waits.
pub(super) struct Slipped(Arc<Slip>);

impl Slipped {
    /// What came of the packet; `None` if nobody says any more.
    pub(super) fn poll_taken(&self, cx: &mut Context<'_>) -> Poll<Option<Taken>> {
        let mut state = self.0.lock();
        if state.taken.is_some() || state.is_given_up {
            return Poll::Ready(state.taken.take());
        }
        set(&mut state.waits, cx);
        Poll::Pending
    }

    /// Why it has not left yet, if anything is known of that; and whether somebody has taken it.
    pub(super) fn why(&self) -> (Option<TransportError>, bool) {
        let mut state = self.0.lock();
        (state.error.take(), state.packet.is_none())
    }

    /// Nobody waits any more: it does not leave, unless it was taken.
    pub(super) fn go(&self) {
        let (packet, leaves) = {
            let mut state = self.0.lock();
            state.is_unwanted = true;
            (state.packet.take(), state.leaves.take())
        };
        drop(packet);
        leaves.into_iter().for_each(Waker::wake);
    }
}

/// The end of whoever has it leave. Dropped, it tells that nobody says any more what came of it.
pub(super) struct Leaver {
    slip: Arc<Slip>,
    is_told: bool,
}

impl Leaver {
    /// Takes the packet, unless nobody waits for it any more.
    pub(super) fn take(&self) -> Option<Packet> {
        self.slip.lock().packet.take()
    }

    /// Notes why it has not left yet.
    pub(super) fn note(&self, error: TransportError) {
        self.slip.lock().error = Some(error);
    }

    /// Says what came of it.
    pub(super) fn tell(&mut self, taken: Taken) {
        if !std::mem::replace(&mut self.is_told, true) {
            self.end(|state| state.taken = Some(taken));
        }
    }

    pub(super) fn is_told(&self) -> bool {
        self.is_told
    }

    /// Whether somebody waits who was told nothing yet.
    pub(super) fn is_wanted(&self) -> bool {
        !self.is_told && !self.slip.lock().is_unwanted
    }

    /// Ready when nobody waits any more.
    pub(super) fn poll_unwanted(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.slip.lock();
        if state.is_unwanted {
            return Poll::Ready(());
        }
        set(&mut state.leaves, cx);
        Poll::Pending
    }

    fn end(&self, how: impl FnOnce(&mut State)) {
        let waits = {
            let mut state = self.slip.lock();
            how(&mut state);
            state.waits.take()
        };
        waits.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Leaver {
    fn drop(&mut self) {
        if !self.is_told {
            self.end(|state| state.is_given_up = true);
        }
    }
}

fn set(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}
