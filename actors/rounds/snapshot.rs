//! What a broker answers to [`Inspect`](crate::Inspect): one view for people, tests and consoles alike.
//!
//! `Inspect → broker.rs → each open session.rs adds its round → the last one sends the snapshot`

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::oneshot;

use super::id::{BrokerId, EmitterId, RoundId, RoundKey};
use crate::rounds::outcome::{Account, Cause, EmitterRef, FailedConsumer, Vetoed};
use crate::rounds::round::Verdict;

/// The largest number of open rounds that a snapshot describes. Its `open_count` counts all of them.
pub const DESCRIBED_ROUNDS: usize = 100;

/// The state of a broker at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct BrokerSnapshot {
    /// The id of the broker.
    pub broker: BrokerId,
    /// The timeout of the rounds that open from now on.
    pub timeout: Duration,
    /// The emitters and how each has kept its promises, in the order of their slots.
    pub emitters: Vec<EmitterStats>,
    /// The names of the consumers, in the order in which they joined.
    pub consumers: Vec<Arc<str>>,
    /// The number of open rounds.
    pub open_count: usize,
    /// The open rounds, earliest first, at most [`DESCRIBED_ROUNDS`].
    pub open: Vec<OpenRound>,
    /// The number of rounds that were resolved since the broker started.
    pub resolved: u64,
    /// The number of rounds that were cancelled since the broker started.
    pub cancelled: u64,
    /// The last outcomes, latest last. [`Broker::history`](crate::Broker::history) sets how many are kept.
    pub recent: Vec<PastRound>,
    /// The emitter whose signal was most often the last one of a resolved round.
    pub most_often_last: Option<EmitterRef>,
}

/// How an emitter has kept its promises so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EmitterStats {
    /// The id of the emitter.
    pub id: EmitterId,
    /// The name of the emitter.
    pub name: Arc<str>,
    /// The number of its signals that counted, in rounds that have closed.
    pub kept: u64,
    /// The number of rounds whose time was over before its signal came.
    pub missed: u64,
    /// The number of closed rounds that it has vetoed, whether its veto was tolerated or not.
    pub vetoed: u64,
    /// The number of its signals that came after the round was over, whatever ended the round.
    pub late: u64,
    /// The number of resolved rounds of at least two signals in which its signal was the last.
    pub last: u64,
}

impl EmitterStats {
    pub(crate) fn new(who: &EmitterRef) -> Self {
        Self { id: who.id, name: who.name.clone(), kept: 0, missed: 0, vetoed: 0, late: 0, last: 0 }
    }
}

/// A round that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenRound {
    /// The number of the round.
    pub round: RoundId,
    /// What the round is about; `None` for a round without a key.
    pub key: Option<RoundKey>,
    /// How long the round has been open.
    pub open_for: Duration,
    /// The time left until the next deadline of the round.
    pub left: Duration,
    /// The emitters that have kept their promise, in the order of emission.
    pub kept: Vec<EmitterRef>,
    /// The time from the opening of the round to the signal of each of these.
    pub kept_at: Vec<Duration>,
    /// The emitters that have not kept their promise yet.
    pub waits_for: Vec<EmitterRef>,
    /// The vetoes that were tolerated so far, in the order in which they came.
    pub vetoed: Vec<Vetoed>,
    /// The expected and required names that no member has.
    pub unfilled: Vec<Arc<str>>,
}

/// A round that is closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PastRound {
    /// The number of the round.
    pub round: RoundId,
    /// What the round was about; `None` for a round without a key.
    pub key: Option<RoundKey>,
    /// The reason why the round was cancelled; `None` if it was resolved.
    pub cause: Option<Cause>,
    /// Whether the round was resolved although signals that it asked for are missing.
    pub partial: bool,
    /// How long the round was open.
    pub elapsed: Duration,
    /// The number of signals that the round gathered.
    pub signals: usize,
    /// The emitters that owed a signal and had not kept their promise. An emitter that vetoed is not among them.
    pub missing: Vec<EmitterRef>,
    /// The expected and required names that no member had.
    pub unfilled: Vec<Arc<str>>,
    /// The vetoes that were tolerated, in the order in which they came.
    pub vetoed: Vec<Vetoed>,
    /// The consumers that failed to handle the round.
    pub failed_consumers: Vec<FailedConsumer>,
}

impl PastRound {
    fn new<P>(account: &Account<P>) -> Self {
        let resolved = account.verdict.is_resolved();
        Self {
            round: account.round,
            key: account.key.clone(),
            cause: (!resolved).then(|| account.cause()),
            partial: account.verdict == (Verdict::Resolved { partial: true }),
            elapsed: account.elapsed,
            signals: account.payloads.len(),
            missing: account.missing().cloned().collect(),
            unfilled: account.unfilled.clone(),
            vetoed: account.vetoes.clone(),
            failed_consumers: Vec::new(),
        }
    }

    /// Returns whether the round was resolved.
    pub fn is_resolved(&self) -> bool {
        self.cause.is_none()
    }
}

/// A closed round as its broker keeps it: of most there is little to say, and to say the rest of each would cost more.
pub(crate) enum Past {
    /// It was resolved, and nobody was missing or has vetoed.
    Plain {
        round: RoundId,
        key: Option<RoundKey>,
        elapsed: Duration,
        signals: usize,
    },
    Other(Box<PastRound>),
}

impl Past {
    pub(crate) fn new<P>(account: &Account<P>) -> Self {
        let is_plain = account.missing.is_empty() && account.unfilled.is_empty() && account.vetoes.is_empty();
        if is_plain && account.verdict == (Verdict::Resolved { partial: false }) {
            let (round, key, elapsed) = (account.round, account.key.clone(), account.elapsed);
            return Self::Plain { round, key, elapsed, signals: account.payloads.len() };
        }
        Self::Other(Box::new(PastRound::new(account)))
    }

    pub(crate) fn is_of(&self, number: RoundId) -> bool {
        match self {
            Self::Plain { round, .. } => *round == number,
            Self::Other(past) => past.round == number,
        }
    }

    /// Some consumers did not do their work.
    pub(crate) fn add_failed(&mut self, failed: Vec<FailedConsumer>) {
        *self = Self::Other(Box::new(PastRound { failed_consumers: failed, ..self.told() }));
    }

    /// The same for whoever asks.
    pub(crate) fn told(&self) -> PastRound {
        match self {
            Self::Other(past) => (**past).clone(),
            Self::Plain { round, key, elapsed, signals } => PastRound {
                round: *round,
                key: key.clone(),
                cause: None,
                partial: false,
                elapsed: *elapsed,
                signals: *signals,
                missing: Vec::new(),
                unfilled: Vec::new(),
                vetoed: Vec::new(),
                failed_consumers: Vec::new(),
            },
        }
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
