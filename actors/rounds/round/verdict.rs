//! The inputs of a round and its answers: any input but a signal, the answer to a signal, and how the round ended.

use std::sync::Arc;
use std::time::Duration;

use super::people::Who;
use super::standing::{Slot, Terms};

/// Everything that may reach a round but a signal, which [`Round::emit`] takes.
#[derive(Debug)]
pub(crate) enum Input {
    Join(Slot, Terms, Who),
    Leave(Slot),
    Lost(Slot),
    Veto(Slot, Arc<str>),
    /// It asks to have time until then, counted from the opening.
    Heartbeat(Slot, Duration),
    Abort(Abort),
    Tick,
}

/// Who ended a round from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Abort {
    Asked(Arc<str>),
    /// By somebody of this name, for this reason. In a box, for verdicts are in every round.
    AskedBy(Box<(Arc<str>, Arc<str>)>),
    BrokerStopped,
    SessionLost,
}

/// What the round says to a signal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision<P> {
    /// It counts; a replaced one is handed back.
    Taken { replaced: Option<P> },
    /// It does not count.
    Refused(P, Refusal),
    /// It belongs to the next round.
    Deferred(P),
    /// The round was over before.
    Over(P),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    AlreadyKept,
    /// Its own deadline is past.
    Late,
    /// It has left or was lost.
    Gone,
    /// It has vetoed, or another that bears its expected name has.
    Vetoed,
}

/// How a round ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Resolved {
        partial: bool,
    },
    TimedOut,
    /// No signal came for the idle time.
    Idle,
    Lost(Slot),
    Vetoed(Slot, Arc<str>),
    /// An expected name was borne by nobody: when time was over, or as soon as nobody could join any more.
    NoMember {
        timed_out: bool,
    },
    /// Whoever is left cannot release the round any more.
    OutOfReach,
    Aborted(Abort),
}

impl Verdict {
    pub(crate) fn is_resolved(&self) -> bool {
        matches!(self, Self::Resolved { .. })
    }

    /// Whether those who still owed have missed the round: time was over, and not somebody else's doing.
    pub(crate) fn is_timeout(&self) -> bool {
        matches!(
            self,
            Self::TimedOut | Self::Idle | Self::Resolved { partial: true } | Self::NoMember { timed_out: true }
        )
    }
}

/// A signal that counts: whose, and how long after the opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) slot: Slot,
    pub(crate) at: Duration,
}

/// A veto that was tolerated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Veto {
    pub(crate) slot: Slot,
    pub(crate) reason: Arc<str>,
}
