//! How a party of this process is asked for its signal to a durable round, and what becomes of its pledge.
//!
//! `Summoning → Broker → a pledge → an emitter → Asking → Promised: whoever writes it down`, `Over → Pledge::closed`

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix::{Actor, Message};
use tokio::time::Instant;

use super::desk::Answers;
use crate::base::Payload;
use crate::rounds::messages::{Board, Call, End, Heartbeats, Pledge, Pledged, Seat, Seated};
use crate::rounds::{RoundId, RoundKey};
use crate::runtime::{self, Executor, Inbox, Intake, LocalContext, Player};

/// Asks a party of this broker for its signal to a round; there may be none here.
pub struct Summoning<P: Payload> {
    /// Who is asked.
    pub name: Arc<str>,
    /// The number of the round.
    pub round: RoundId,
    /// What it is about.
    pub key: Option<RoundKey>,
    /// How long it is open still.
    pub left: Duration,
    /// What was emitted so far.
    pub payloads: Vec<P>,
    /// What becomes of the pledge.
    pub promised: Box<dyn Promised<P>>,
}

impl<P: Payload> fmt::Debug for Summoning<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Summoning").field("name", &self.name).field("round", &self.round).finish_non_exhaustive()
    }
}

impl<P: Payload> Message for Summoning<P> {
    type Result = Option<Over<P>>;
}

/// Whoever writes down what becomes of a pledge.
pub trait Promised<P>: Send + 'static {
    /// It was kept.
    fn kept(&mut self, payload: P, weight: u32, answers: Answers<P>);

    /// It was vetoed.
    fn vetoed(&mut self, reason: Arc<str>);

    /// It was dropped; `with_emitter` if that is because its emitter is no member here any more.
    fn dropped(&mut self, with_emitter: bool);

    /// It asks for so much time from now on.
    fn heartbeat(&mut self, more: Duration);
}

/// Where it is told that the round of a pledge is over.
pub struct Over<P: 'static>(Weak<Call<P>>);

impl<P: 'static> Over<P> {
    /// Whether there is a pledge still.
    pub fn is_awaited(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// The round is over.
    pub fn tell(&self) {
        let Some(call) = self.0.upgrade() else { return };
        // Before the board is empty: a pledge in another thread finds no round that is open and about nothing.
        call.end.close();
        let payloads = std::mem::take(&mut *call.board.lock());
        call.end.tell();
        // Their `Drop` is the user's.
        payloads.into_iter().for_each(runtime::drop_quietly);
    }
}

impl<P: 'static> Clone for Over<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P: 'static> fmt::Debug for Over<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Over")
    }
}

/// Hands on what becomes of one pledge.
pub(crate) struct Asking<P: Payload> {
    call: Arc<Call<P>>,
    answers: Intake<Pledged<P>>,
    seat: Arc<Seat<P>>,
    weight: u32,
    promised: Box<dyn Promised<P>>,
    is_done: bool,
}

impl<P: Payload> Asking<P> {
    /// Makes a pledge of this member.
    pub(crate) fn begin(
        executor: &std::rc::Rc<Executor>,
        seat: &Arc<Seat<P>>,
        weight: u32,
        summoning: Summoning<P>,
    ) -> (Pledge<P>, Over<P>) {
        let Summoning { round, key, left, payloads, promised, .. } = summoning;
        let board = Board::default();
        *board.lock() = payloads;
        let call = Arc::new(Call {
            inbox: Inbox::new(usize::MAX),
            broker: seat.door.clone(),
            round,
            key,
            deadline: runtime::after(runtime::now(), left),
            board,
            heartbeats: Heartbeats::default(),
            end: End::default(),
        });
        runtime::start_unaddressed(executor, |task| {
            call.inbox.attach(executor.home(task));
            let (call, seat) = (call.clone(), seat.clone());
            Self { call, answers: Intake::new(), seat, weight, promised, is_done: false }
        });
        let by = Seated { slot: seat.slot, generation: seat.generation };
        let over = Over(Arc::downgrade(&call));
        (Pledge::new(call, by), over)
    }

    fn pledged(&mut self, pledged: Pledged<P>) {
        match pledged {
            Pledged::Heartbeat { by } => {
                let until: Option<Instant> = self.call.heartbeats.take(by);
                let more = until.map(|until| until.saturating_duration_since(runtime::now()));
                if let Some(more) = more.filter(|_| !self.seat.is_given_up()) {
                    self.promised.heartbeat(more);
                }
                return;
            }
            Pledged::Kept { payload, reply, .. } if !self.seat.is_given_up() => {
                self.promised.kept(payload, self.weight, Answers::of(reply));
            }
            Pledged::Kept { reply, .. } => {
                Answers::of(reply).refused(self.seat.refusal());
                self.promised.dropped(true);
            }
            Pledged::Vetoed { reason, .. } if !self.seat.is_given_up() => self.promised.vetoed(reason),
            Pledged::Vetoed { .. } => self.promised.dropped(true),
            Pledged::Lost { .. } => self.promised.dropped(self.seat.is_given_up()),
        }
        self.is_done = true;
    }
}

impl<P: Payload> Actor for Asking<P> {
    type Context = LocalContext<Self>;
}

impl<P: Payload> Player for Asking<P> {
    fn turn(&mut self, budget: usize, _: &mut LocalContext<Self>) -> usize {
        let call = self.call.clone();
        self.answers.refill(&call.inbox);
        for handled in 0..budget {
            match self.answers.next(&call.inbox) {
                Some(pledged) => self.pledged(pledged),
                None => return handled,
            }
        }
        budget
    }

    fn is_needed(&self, _: bool) -> bool {
        !self.is_done
    }

    fn label(&self) -> String {
        format!("the pledge of `{}` for round {}", self.seat.who.name, self.call.round)
    }
}
