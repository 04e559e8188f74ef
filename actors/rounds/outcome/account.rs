//! Everything that is known of a closed round: what an outcome is a view of.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::consumed::Deliveries;
use super::outcome::Signal;
#[cfg(feature = "testing")]
use crate::base::{Noted, saw_emitter, saw_emitters_named};
use crate::base::{Shown, joined};
use crate::rounds::round::{Abort, Kept, Slot, Verdict};
use crate::rounds::{BrokerId, EmitterId, RoundId, RoundKey, Title};

/// The id and the name of an emitter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct EmitterRef {
    /// The id of the emitter.
    pub id: EmitterId,
    /// The name of the emitter, by which people know it.
    pub name: Arc<str>,
}

impl fmt::Display for EmitterRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown::name(&self.name).fmt(f)
    }
}

/// An emitter that has vetoed a round, and why. Its `Display` is `stock: sold out`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Vetoed {
    /// The emitter that vetoed.
    pub by: EmitterRef,
    /// The reason that the emitter gave.
    pub reason: Arc<str>,
}

impl fmt::Display for Vetoed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.by, Shown::text(&self.reason))
    }
}

/// Who belonged to a broker when a round closed: made anew when that changes, and shared by all rounds between.
#[derive(Clone)]
pub(crate) struct Directory {
    pub(crate) broker: BrokerId,
    /// By slot.
    pub(crate) emitters: Vec<EmitterRef>,
    /// By place.
    pub(crate) consumers: Vec<Arc<str>>,
}

/// The reason why a round was cancelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The time of the round was over, or that of an emitter that the round could not do without.
    TimedOut {
        /// The names of the emitters that had not kept their promise, then the expected and required names that no
        /// member had.
        missing: Vec<Arc<str>>,
    },
    /// No signal came within the idle timeout.
    Idle {
        /// The same names as in `TimedOut`.
        missing: Vec<Arc<str>>,
    },
    /// This emitter was lost while it still owed its signal.
    Lost(EmitterRef),
    /// An emitter vetoed the round, and the broker's [`on_veto`](crate::Broker::on_veto) did not tolerate it.
    Vetoed {
        /// The emitter that vetoed.
        by: EmitterRef,
        /// The reason that the emitter gave.
        reason: Arc<str>,
    },
    /// No member had these names, which the broker [expects](crate::Broker::expects): either until the time of the
    /// round was over, or when nobody could join the round any more.
    NoMember(Vec<Arc<str>>),
    /// The remaining emitters could not release the round any more, for example because the quorum is larger than the
    /// roster, or because too many have vetoed.
    OutOfReach {
        /// The same names as in `TimedOut`.
        missing: Vec<Arc<str>>,
        /// The vetoes that were tolerated, in the order in which they came.
        vetoes: Vec<Vetoed>,
    },
    /// The round was aborted by a request to the broker, for this reason.
    Aborted(Arc<str>),
    /// The same by somebody who has said who that is, as at a durable broker.
    AbortedBy {
        /// The name of whoever aborted it.
        by: Arc<str>,
        /// The reason that was given.
        reason: Arc<str>,
    },
    /// The broker was stopped or panicked.
    BrokerStopped,
    /// The session was lost: a predicate panicked, or its arbiter was stopped.
    SessionLost,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why(f)?;
        match self {
            Self::TimedOut { missing } | Self::Idle { missing } | Self::OutOfReach { missing, .. }
                if !missing.is_empty() =>
            {
                write!(f, "; missing {}", joined(missing.iter().map(|name| &**name), ", "))?;
            }
            _ => {}
        }
        match self {
            Self::OutOfReach { vetoes, .. } => vetoes.iter().try_for_each(|veto| write!(f, "; vetoed by {veto}")),
            _ => Ok(()),
        }
    }
}

impl Cause {
    /// Says it without those who are missing, of whom a cancelled round says more.
    pub(super) fn why(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { .. } => f.write_str("timed out"),
            Self::Idle { .. } => f.write_str("no signal came for the idle timeout"),
            Self::Lost(emitter) => write!(f, "lost {emitter}"),
            Self::Vetoed { by, reason } => write!(f, "vetoed by {by}: {}", Shown::text(reason)),
            Self::NoMember(names) => write!(f, "no member named {}", joined(names.iter().map(|name| &**name), ", ")),
            Self::OutOfReach { .. } => f.write_str("whoever was left could not release it"),
            Self::Aborted(reason) => write!(f, "aborted: {}", Shown::text(reason)),
            Self::AbortedBy { by, reason } => write!(f, "aborted by {}: {}", Shown::name(by), Shown::text(reason)),
            Self::BrokerStopped => f.write_str("the broker stopped"),
            Self::SessionLost => f.write_str("the session was lost"),
        }
    }
}

/// Everything that is known of a closed round.
pub(crate) struct Account<P> {
    pub(crate) round: RoundId,
    pub(crate) key: Option<RoundKey>,
    pub(crate) verdict: Verdict,
    pub(crate) elapsed: Duration,
    pub(crate) kept: Vec<Kept>,
    pub(crate) payloads: Vec<P>,
    pub(crate) missing: Vec<Slot>,
    pub(crate) unfilled: Vec<Arc<str>>,
    /// Those that were tolerated, in their order.
    pub(crate) vetoes: Vec<Vetoed>,
    /// How many signals the broker's rules ask for, if they ask for a number.
    pub(crate) quorum: Option<usize>,
    pub(crate) directory: Arc<Directory>,
    /// Absent when nobody consumes.
    pub(crate) deliveries: Option<Deliveries>,
    /// The last failure before it closed: who looks at the round looks at none that came later.
    #[cfg(feature = "testing")]
    pub(crate) noted: Noted,
    /// The panic of the predicate that has ended it, if that is why.
    #[cfg(feature = "testing")]
    pub(crate) predicate: Noted,
}

impl<P> Account<P> {
    pub(crate) fn emitter(&self, slot: Slot) -> &EmitterRef {
        &self.directory.emitters[slot as usize]
    }

    pub(crate) fn signals(&self) -> impl ExactSizeIterator<Item = Signal<'_, P>> {
        self.kept.iter().zip(&self.payloads).map(|(kept, payload)| Signal {
            emitter: self.emitter(kept.slot),
            at: kept.at,
            payload,
        })
    }

    pub(crate) fn payload(&self, emitter: &str) -> Option<&P> {
        self.signals().find(|signal| &*signal.emitter.name == emitter).map(|signal| signal.payload)
    }

    pub(crate) fn missing(&self) -> impl ExactSizeIterator<Item = &EmitterRef> {
        self.missing.iter().map(|slot| self.emitter(*slot))
    }

    fn missing_names(&self) -> Vec<Arc<str>> {
        self.missing().map(|emitter| emitter.name.clone()).chain(self.unfilled.iter().cloned()).collect()
    }

    /// Somebody reads why it ended as it did: those whom it names as lost or missing were looked at.
    #[inline]
    pub(crate) fn look(&self) {
        #[cfg(feature = "testing")]
        {
            let lost = match &self.verdict {
                Verdict::Lost(slot) => Some(self.emitter(*slot)),
                _ => None,
            };
            self.missing().chain(lost).for_each(|one| saw_emitter(one.id.as_uuid().as_u128(), self.noted));
            self.unfilled.iter().for_each(|name| saw_emitters_named(name, self.noted));
            self.predicate.seen();
        }
    }

    pub(crate) fn title(&self) -> Title<'_> {
        Title(self.round, self.key.as_ref())
    }

    pub(crate) fn cause(&self) -> Cause {
        match &self.verdict {
            Verdict::Idle => Cause::Idle { missing: self.missing_names() },
            Verdict::Lost(slot) => Cause::Lost(self.emitter(*slot).clone()),
            Verdict::Vetoed(slot, reason) => Cause::Vetoed { by: self.emitter(*slot).clone(), reason: reason.clone() },
            Verdict::NoMember { .. } => Cause::NoMember(self.unfilled.clone()),
            Verdict::OutOfReach => Cause::OutOfReach { missing: self.missing_names(), vetoes: self.vetoes.clone() },
            Verdict::Aborted(Abort::Asked(reason)) => Cause::Aborted(reason.clone()),
            Verdict::Aborted(Abort::AskedBy(asked)) => {
                let (by, reason) = (**asked).clone();
                Cause::AbortedBy { by, reason }
            }
            Verdict::Aborted(Abort::BrokerStopped) => Cause::BrokerStopped,
            Verdict::Aborted(Abort::SessionLost) => Cause::SessionLost,
            // A resolved round has no cause, and nobody can ask it for one.
            Verdict::TimedOut | Verdict::Resolved { .. } => Cause::TimedOut { missing: self.missing_names() },
        }
    }
}

/// The names of those who are missing.
pub(crate) struct Names<'a, P>(pub(crate) &'a Account<P>);

impl<P> fmt::Display for Names<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, slot) in self.0.missing.iter().enumerate() {
            write!(f, "{}{}", if place == 0 { "" } else { ", " }, self.0.emitter(*slot))?;
        }
        Ok(())
    }
}

impl<P> fmt::Debug for Names<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

/// A duration as a person reads it: to the millisecond from a second on, to the microsecond below.
pub(crate) struct Brief(pub(crate) Duration);

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.0 >= Duration::from_secs(1) { 1_000_000 } else { 1_000 };
        let rest = self.0.subsec_nanos() % unit;
        write!(f, "{:?}", self.0 - Duration::from_nanos(rest.into()))
    }
}
