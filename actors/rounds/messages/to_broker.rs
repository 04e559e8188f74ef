//! What reaches a broker from its members.

use std::sync::Arc;

use super::reply::Reply;
use crate::rounds::round::Slot;
use crate::rounds::{RoundId, RoundKey};

/// What reaches a broker from its members.
pub(crate) enum ToBroker<P> {
    Emit {
        slot: Slot,
        generation: u32,
        key: Option<RoundKey>,
        payload: P,
        reply: Option<Reply<P>>,
    },
    Veto {
        slot: Slot,
        generation: u32,
        key: Option<RoundKey>,
        reason: Arc<str>,
        reply: Option<Reply<P>>,
    },
    /// A pledge was kept when its round was over.
    PledgeLate {
        by: Seated,
        round: RoundId,
        key: Option<RoundKey>,
        reply: Option<Reply<P>>,
    },
    GiveUp {
        slot: Slot,
        generation: u32,
        lost: bool,
    },
    ConsumerLeft {
        ticket: u64,
    },
}

/// Whose pledge it is: the emitter's slot, and which of its memberships in that slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seated {
    pub(crate) slot: Slot,
    pub(crate) generation: u32,
}
