//! What a round sends, made by hand: to call a handler without a broker.
//!
//! `Summons::by_hand → the handler → Promise`, `Resolved::by_hand, Cancelled::by_hand → the handler`

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::{Noted, Payload};
use crate::rounds::messages::{Board, Call, End, Heartbeats, Pledge, Pledged, Seated, Summons};
use crate::rounds::outcome::{Account, Cancelled, Cause, Directory, EmitterRef, Resolved, Vetoed};
use crate::rounds::round::{Abort, Kept, Slot, Verdict};
use crate::rounds::{BrokerId, EmitterId, RoundId, RoundKey};
use crate::runtime::{self, Inbox, Intake};

/// How much time a round made by hand has left.
const LEFT: Duration = Duration::from_secs(60);

/// Whose pledge it is.
const BY_HAND: Seated = Seated { slot: 0, generation: 0 };

/// The end of a pledge that was made by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Promised<P> {
    /// The pledge was kept with this payload.
    Kept(P),
    /// The pledge was vetoed for this reason.
    Vetoed(Arc<str>),
    /// The pledge was dropped.
    Lost,
}

/// The other side of a pledge that was made by hand. It returns how the pledge ended.
pub struct Promise<P: 'static>(Arc<Call<P>>);

impl<P: Payload> Promise<P> {
    /// Returns how the pledge ended, once; `None` while the pledge is open.
    pub fn take(&self) -> Option<Promised<P>> {
        let mut answers = Intake::new();
        answers.refill(&self.0.inbox);
        loop {
            return Some(match answers.pop()? {
                Pledged::Kept { payload, .. } => Promised::Kept(payload),
                Pledged::Awaited(awaited) => Promised::Kept(awaited.payload),
                Pledged::Vetoed { reason, .. } => Promised::Vetoed(reason),
                Pledged::Lost { .. } => Promised::Lost,
                // It is among the heartbeats.
                Pledged::Heartbeat { .. } => continue,
            });
        }
    }

    /// Returns how much time from now the pledge has asked for by a [`heartbeat`](Pledge::heartbeat), once; `None` if it has
    /// not asked since.
    pub fn heartbeat(&self) -> Option<Duration> {
        Some(self.0.heartbeats.take(BY_HAND)?.saturating_duration_since(runtime::now()))
    }
}

impl<P: 'static> fmt::Debug for Promise<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promise").finish_non_exhaustive()
    }
}

impl<P: Payload> Summons<P> {
    /// Creates a summons by hand, to test a handler, together with the [`Promise`] that returns how its pledge ended.
    /// The summons is of round 1, which has no key and a minute left.
    ///
    /// The emission of [`keep_and_wait`](Pledge::keep_and_wait) ends with `BrokerGone` once [`Promise::take`] has
    /// returned the end.
    ///
    /// ```
    /// # extern crate convoke_actors as convoke;
    /// use convoke::prelude::*;
    /// use convoke::testing::Promised;
    ///
    /// let (summons, promise) = Summons::by_hand();
    /// summons.pledge.keep("3 left");
    /// assert_eq!(promise.take(), Some(Promised::Kept("3 left")));
    /// ```
    pub fn by_hand() -> (Self, Promise<P>) {
        Self::made(None)
    }

    /// Creates a summons of the round of this key by hand. See [`by_hand`](Self::by_hand).
    pub fn by_hand_for(key: impl Into<RoundKey>) -> (Self, Promise<P>) {
        Self::made(Some(key.into()))
    }

    fn made(key: Option<RoundKey>) -> (Self, Promise<P>) {
        let call = Arc::new(Call {
            inbox: Inbox::new(usize::MAX),
            broker: Arc::new(Inbox::new(1)),
            round: RoundId(1),
            key,
            deadline: runtime::after(runtime::now(), LEFT),
            board: Board::default(),
            heartbeats: Heartbeats::default(),
            end: End::default(),
            is_durable: false,
        });
        let pledge = Pledge::new(call.clone(), BY_HAND);
        (Self { pledge }, Promise(call))
    }
}

/// The members of a round that nobody has played.
#[derive(Default)]
struct Cast(Vec<EmitterRef>);

impl Cast {
    fn slot(&mut self, name: &str) -> Slot {
        let known = self.0.iter().position(|emitter| &*emitter.name == name);
        let slot = known.unwrap_or_else(|| {
            self.0.push(EmitterRef { id: EmitterId::from(runtime::new_id()), name: name.into() });
            self.0.len() - 1
        });
        slot as Slot
    }

    fn slot_of(&mut self, emitter: EmitterRef) -> Slot {
        let slot = self.slot(&emitter.name);
        if let Some(known) = self.0.get_mut(slot as usize) {
            *known = emitter;
        }
        slot
    }

    fn account<'a, P>(
        mut self,
        verdict: Verdict,
        signals: impl IntoIterator<Item = (&'a str, P)>,
        missing: Vec<Slot>,
        unfilled: Vec<Arc<str>>,
        vetoes: Vec<Vetoed>,
    ) -> Arc<Account<P>> {
        let (kept, payloads) = signals
            .into_iter()
            .map(|(name, payload)| (Kept { slot: self.slot(name), at: Duration::ZERO }, payload))
            .unzip();
        Arc::new(Account {
            round: RoundId(1),
            key: None,
            verdict,
            elapsed: Duration::ZERO,
            kept,
            payloads,
            missing,
            unfilled,
            vetoes,
            quorum: None,
            directory: Arc::new(Directory {
                broker: BrokerId::from("by hand"),
                emitters: self.0,
                consumers: Vec::new(),
            }),
            deliveries: None,
            noted: Noted::default(),
            predicate: Noted::default(),
        })
    }
}

impl<P: Payload> Resolved<P> {
    /// Creates a resolved round by hand, to test a handler: round 1, with these signals, each by the name of its
    /// emitter.
    ///
    /// ```
    /// # extern crate convoke_actors as convoke;
    /// use convoke::prelude::*;
    ///
    /// let round = Resolved::by_hand([("stock", 3), ("payment", 1)]);
    /// assert_eq!(round.payloads(), [3, 1]);
    /// ```
    pub fn by_hand<'a>(signals: impl IntoIterator<Item = (&'a str, P)>) -> Self {
        Self(Cast::default().account(Verdict::Resolved { partial: false }, signals, Vec::new(), Vec::new(), Vec::new()))
    }
}

impl<P: Payload> Cancelled<P> {
    /// Creates a cancelled round by hand, to test a handler: round 1, cancelled for this cause. The missing emitters
    /// are these, and those that the cause names.
    pub fn by_hand<'a>(cause: Cause, missing: impl IntoIterator<Item = &'a str>) -> Self {
        let mut cast = Cast::default();
        let mut missing: Vec<_> = missing.into_iter().map(|name| cast.slot(name)).collect();
        let (mut unfilled, mut tolerated) = (Vec::new(), Vec::new());
        let verdict = match &cause {
            Cause::Idle { .. } => Verdict::Idle,
            Cause::OutOfReach { vetoes, .. } => {
                tolerated.clone_from(vetoes);
                Verdict::OutOfReach
            }
            _ => Verdict::TimedOut,
        };
        let verdict = match cause {
            Cause::TimedOut { missing: named }
            | Cause::Idle { missing: named }
            | Cause::OutOfReach { missing: named, .. } => {
                for slot in named.iter().map(|name| cast.slot(name)) {
                    if !missing.contains(&slot) {
                        missing.push(slot);
                    }
                }
                verdict
            }
            Cause::Lost(emitter) => Verdict::Lost(cast.slot_of(emitter)),
            Cause::Vetoed { by, reason } => Verdict::Vetoed(cast.slot_of(by), reason),
            Cause::NoMember(names) => {
                unfilled = names;
                Verdict::NoMember { timed_out: true }
            }
            Cause::Aborted(reason) => Verdict::Aborted(Abort::Asked(reason)),
            Cause::AbortedBy { by, reason } => Verdict::Aborted(Abort::AskedBy(Box::new((by, reason)))),
            Cause::BrokerStopped => Verdict::Aborted(Abort::BrokerStopped),
            Cause::SessionLost => Verdict::Aborted(Abort::SessionLost),
        };
        Self(cast.account(verdict, [], missing, unfilled, tolerated))
    }
}
