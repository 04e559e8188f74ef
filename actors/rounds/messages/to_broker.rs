//! What reaches a broker from its members.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::reply::Reply;
use crate::rounds::round::Slot;
use crate::rounds::{EmitError, RoundId, RoundKey};

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
    /// To a durable broker, of whose signals and vetoes somebody wants to know when they are rows.
    Durable(Box<Durable<P>>),
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

/// A signal or a veto, and where it is told that it is a row.
pub(crate) struct Durable<P> {
    pub(crate) by: Seated,
    pub(crate) key: Option<RoundKey>,
    pub(crate) what: Result<P, Arc<str>>,
    pub(crate) written: oneshot::Sender<Result<RoundId, EmitError>>,
    pub(crate) reply: Reply<P>,
}

/// Whose pledge it is: the emitter's slot, and which of its memberships in that slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seated {
    pub(crate) slot: Slot,
    pub(crate) generation: u32,
}
