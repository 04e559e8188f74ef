//! What waits to be written, and who waits for the ends of rounds, in this process.
//!
//! `Desk::take → Waiting → Queue → the writer → Waiters → an outcome`

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::bench::{Ask, lock};
use super::known::Before;
use super::leases::Claimed;
use crate::__private::rounds::{Answers, Beat, Notices, Over};
use crate::durable::store::Place;
use crate::{EmitError, Outcome, RoundId, Uuid};

/// Where an ask is answered.
pub(in crate::durable) enum Reply<P: 'static> {
    /// A member of the broker has emitted or vetoed.
    Member(Answers<P>),
    /// Somebody has asked something of a round.
    Round(oneshot::Sender<Result<RoundId, EmitError>>),
    /// Somebody is about to ask a party.
    Claim(oneshot::Sender<Result<Arc<Claimed>, EmitError>>),
    /// A pledge has asked for more time.
    Beat(Beat<P>),
}

impl<P: 'static> Reply<P> {
    pub(in crate::durable) fn refused(self, error: EmitError) {
        match self {
            Self::Member(answers) => answers.refused(error),
            Self::Round(answer) => drop(answer.send(Err(error))),
            Self::Claim(answer) => drop(answer.send(Err(error))),
            // Another one asks the party by now, or it has answered, or its deadline is past.
            Self::Beat(beat) if matches!(error, EmitError::Late { .. } | EmitError::NoRound) => beat.is_late(),
            Self::Beat(_) => {}
        }
    }
}

/// An ask that waits for its turn.
pub(in crate::durable) struct Waiting<P: 'static> {
    pub(in crate::durable) place: Place,
    pub(in crate::durable) ask: Ask,
    pub(in crate::durable) reply: Reply<P>,
    /// Nobody writes it after this.
    pub(in crate::durable) until: Instant,
    /// How often it came too early.
    pub(in crate::durable) again: u32,
}

/// What waits to be written.
pub(in crate::durable) struct Queue<P: 'static> {
    waiting: Mutex<VecDeque<Waiting<P>>>,
    pub(in crate::durable) bound: usize,
    pub(in crate::durable) rings: Arc<Notify>,
}

impl<P: 'static> Queue<P> {
    pub(in crate::durable) fn new(bound: usize) -> Self {
        Self { waiting: Mutex::default(), bound, rings: Arc::new(Notify::new()) }
    }

    /// Adds one behind all others; hands back where it is answered if there is no room.
    pub(in crate::durable) fn push(&self, waiting: Waiting<P>) -> Result<(), Reply<P>> {
        let mut all = lock(&self.waiting);
        if all.len() >= self.bound {
            return Err(waiting.reply);
        }
        all.push_back(waiting);
        drop(all);
        self.rings.notify_one();
        Ok(())
    }

    pub(in crate::durable) fn is_empty(&self) -> bool {
        lock(&self.waiting).is_empty()
    }

    pub(in crate::durable) fn is_full(&self) -> bool {
        lock(&self.waiting).len() >= self.bound
    }

    /// Puts some back before all others.
    pub(in crate::durable) fn put_back(&self, back: Vec<Waiting<P>>) {
        if back.is_empty() {
            return;
        }
        let mut all = lock(&self.waiting);
        back.into_iter().rev().for_each(|waiting| all.push_front(waiting));
        drop(all);
        self.rings.notify_one();
    }

    /// Takes the first, at most so many.
    pub(in crate::durable) fn take(&self, most: usize) -> Vec<Waiting<P>> {
        let mut all = lock(&self.waiting);
        let count = all.len().min(most);
        all.drain(..count).collect()
    }
}

/// What waits of a batch, by place: a place once, with its asks in their order.
pub(in crate::durable) struct Gathered<P: 'static> {
    pub(in crate::durable) places: Vec<Place>,
    pub(in crate::durable) asks: Vec<Vec<Ask>>,
    /// Beside the asks.
    pub(in crate::durable) replies: Vec<Vec<(Reply<P>, Instant, u32)>>,
    /// It was tried before, and nobody knows what came of that.
    pub(super) before: Option<Before>,
}

impl<P: 'static> Gathered<P> {
    pub(in crate::durable) fn of(batch: Vec<Waiting<P>>) -> Self {
        let mut gathered = Self { places: Vec::new(), asks: Vec::new(), replies: Vec::new(), before: None };
        let mut known: HashMap<Place, usize> = HashMap::with_capacity(batch.len());
        for Waiting { place, ask, reply, until, again } in batch {
            let at = *known.entry(place).or_insert_with_key(|place| {
                gathered.places.push(place.clone());
                gathered.asks.push(Vec::new());
                gathered.replies.push(Vec::new());
                gathered.places.len() - 1
            });
            if let (Some(asks), Some(replies)) = (gathered.asks.get_mut(at), gathered.replies.get_mut(at)) {
                asks.push(ask);
                replies.push((reply, until, again));
            }
        }
        gathered
    }
}

impl<P: 'static> Gathered<P> {
    /// Each place by itself.
    pub(in crate::durable) fn divide(self) -> Vec<Self> {
        let (all, before) = (self.places.into_iter().zip(self.asks).zip(self.replies), self.before);
        let one = |((place, asks), replies)| Self {
            places: vec![place],
            asks: vec![asks],
            replies: vec![replies],
            before: before.clone(),
        };
        all.map(one).collect()
    }
}

/// Who waits for the ends of rounds.
pub(in crate::durable) struct Waiters<P: 'static>(Mutex<HashMap<RoundId, Vec<Waiter<P>>>>);

/// One that waits for the end of a round.
pub(in crate::durable) enum Waiter<P: 'static> {
    /// With the token of what it has said, which may be for the next round.
    Member(Answers<P>, Uuid),
    Outcome(oneshot::Sender<Result<Outcome<P>, Arc<str>>>),
    /// A pledge, whose work is needed no longer then.
    Pledge(Over<P>),
    /// An emitter that asked to be told what becomes of its signal, with the token of that.
    Emitter(Notices<P>, Uuid),
}

impl<P: 'static> Waiter<P> {
    fn waits(&self) -> bool {
        match self {
            Self::Member(answers, _) => answers.waits(),
            Self::Outcome(answer) => !answer.is_closed(),
            Self::Pledge(over) => over.is_awaited(),
            Self::Emitter(notices, _) => notices.is_heard(),
        }
    }
}

impl<P: 'static> Waiters<P> {
    pub(in crate::durable) fn new() -> Self {
        Self(Mutex::default())
    }

    pub(in crate::durable) fn add(&self, round: RoundId, waiter: Waiter<P>) {
        lock(&self.0).entry(round).or_default().push(waiter);
    }

    /// Takes those of a round.
    pub(in crate::durable) fn take(&self, round: RoundId) -> Vec<Waiter<P>> {
        lock(&self.0).remove(&round).unwrap_or_default()
    }

    /// The rounds for which somebody still waits.
    pub(in crate::durable) fn rounds(&self) -> Vec<RoundId> {
        let mut all = lock(&self.0);
        all.retain(|_, waiters| {
            waiters.retain(Waiter::waits);
            !waiters.is_empty()
        });
        let mut rounds: Vec<_> = all.keys().copied().collect();
        rounds.sort_unstable();
        rounds
    }
}
