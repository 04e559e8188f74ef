//! What a broker answers to [`Inspect`](crate::Inspect): one view for people, tests and consoles alike.
//!
//! `Inspect → broker.rs → each open session.rs adds its round → the last one sends the snapshot`

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::oneshot;

use super::id::{BrokerId, EmitterId, RoundId, RoundKey};
use crate::rounds::outcome::{Cause, EmitterRef, FailedConsumer, Outcome};

/// How many open rounds a snapshot describes; it counts them all.
pub const DESCRIBED_ROUNDS: usize = 100;

/// A broker as it is now.
#[derive(Clone, Debug, Serialize)]
pub struct BrokerSnapshot {
    /// Its id.
    pub broker: BrokerId,
    /// The timeout of the rounds that open from now on.
    pub timeout: Duration,
    /// Its emitters, in the order of their slots, with how they kept their promises.
    pub emitters: Vec<EmitterStats>,
    /// Its consumers by name, in the order in which they joined.
    pub consumers: Vec<Arc<str>>,
    /// How many rounds are open.
    pub open_count: usize,
    /// The open rounds, the earliest first, up to [`DESCRIBED_ROUNDS`].
    pub open: Vec<OpenRound>,
    /// How many rounds were resolved since the broker started.
    pub resolved: u64,
    /// How many were cancelled.
    pub cancelled: u64,
    /// The last outcomes, the latest last; how many is the broker's `history`.
    pub recent: Vec<PastRound>,
    /// The emitter whose signal has most often been the last one of a resolved round.
    pub most_often_last: Option<EmitterRef>,
}

/// How an emitter has kept its promises so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EmitterStats {
    /// Its id.
    pub id: EmitterId,
    /// Its name.
    pub name: Arc<str>,
    /// Signals that counted, by rounds that have closed.
    pub kept: u64,
    /// Rounds whose time was over before its signal came.
    pub missed: u64,
    /// Signals that came when the round was over, for whatever reason it was.
    pub late: u64,
    /// Resolved rounds of at least two signals in which its own was the last.
    pub last: u64,
}

impl EmitterStats {
    pub(crate) fn new(who: &EmitterRef) -> Self {
        Self { id: who.id, name: who.name.clone(), kept: 0, missed: 0, late: 0, last: 0 }
    }
}

/// A round that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenRound {
    /// Its number.
    pub round: RoundId,
    /// What it is about.
    pub key: Option<RoundKey>,
    /// How long it has been open.
    pub open_for: Duration,
    /// The time to its next deadline.
    pub left: Duration,
    /// Who has kept its promise, in the order of emission.
    pub kept: Vec<EmitterRef>,
    /// Who has not.
    pub waits_for: Vec<EmitterRef>,
    /// Expected and required names that no member bears.
    pub unfilled: Vec<Arc<str>>,
}

/// A round that is closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PastRound {
    /// Its number.
    pub round: RoundId,
    /// What it was about.
    pub key: Option<RoundKey>,
    /// Why it was cancelled; `None` if it was resolved.
    pub cause: Option<Cause>,
    /// Whether it was resolved without all that it asked for.
    pub partial: bool,
    /// How long it was open.
    pub elapsed: Duration,
    /// How many signals it gathered.
    pub signals: usize,
    /// Who owed a signal and had not kept its promise; whoever vetoed is not among them.
    pub missing: Vec<EmitterRef>,
    /// Expected and required names that no member bore.
    pub unfilled: Vec<Arc<str>>,
    /// The consumers that did not do their work.
    pub failed_consumers: Vec<FailedConsumer>,
}

impl PastRound {
    pub(crate) fn new<P>(outcome: &Outcome<P>) -> Self {
        let (cause, partial, missing) = match outcome {
            Outcome::Resolved(round) => (None, round.is_partial(), round.missing().cloned().collect()),
            Outcome::Cancelled(round) => (Some(round.cause()), false, round.missing().cloned().collect()),
        };
        Self {
            round: outcome.round(),
            key: outcome.key().cloned(),
            cause,
            partial,
            elapsed: outcome.elapsed(),
            signals: outcome.payloads().len(),
            missing,
            unfilled: outcome.account().unfilled.clone(),
            failed_consumers: Vec::new(),
        }
    }

    /// Whether the round was resolved.
    pub fn is_resolved(&self) -> bool {
        self.cause.is_none()
    }
}

/// Gathers what the sessions say; the last one to let go of it sends the snapshot.
pub(crate) struct Collector {
    inner: RefCell<Option<(BrokerSnapshot, oneshot::Sender<BrokerSnapshot>)>>,
}

impl Collector {
    pub(crate) fn new(snapshot: BrokerSnapshot, answer: oneshot::Sender<BrokerSnapshot>) -> Self {
        Self { inner: RefCell::new(Some((snapshot, answer))) }
    }

    pub(crate) fn add(&self, round: OpenRound) {
        if let Some((snapshot, _)) = &mut *self.inner.borrow_mut() {
            snapshot.open.push(round);
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some((mut snapshot, answer)) = self.inner.get_mut().take() {
            snapshot.open.sort_by_key(|round| round.round);
            let _ = answer.send(snapshot);
        }
    }
}
