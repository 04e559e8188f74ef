//! How a party of this process is asked for its signal to a durable round, and what becomes of its pledge.
//!
//! `Summoning → Broker → a pledge → an emitter → Asking → Promised: whoever writes it down`, `Over → Pledge::closed`

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix::{Actor, Message};
use tokio::time::Instant;

use super::desk::Answers;
use super::notices::Notices;
use crate::base::Payload;
use crate::rounds::messages::{Board, Call, End, Heartbeats, Pledge, Pledged, Reply, Seat, Seated, Written};
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
pub trait Promised<P: 'static>: Send + 'static {
    /// It was kept.
    fn kept(&mut self, payload: P, weight: u32, answers: Answers<P>);

    /// It was vetoed.
    fn vetoed(&mut self, reason: Arc<str>);

    /// It was dropped; `with_emitter` if that is because its emitter is no member here any more.
    fn dropped(&mut self, with_emitter: bool);

    /// It asks for so much time from now on, and `beat` is to be told if that comes too late.
    fn heartbeat(&mut self, more: Duration, beat: Beat<P>);
}

/// Where it is told what a heartbeat was good for.
pub struct Beat<P: 'static>(Weak<Call<P>>, Seated);

impl<P: 'static> Beat<P> {
    /// It was late: the pledge need not ask again, and is told so when it does.
    pub fn is_late(&self) {
        if let Some(call) = self.0.upgrade() {
            call.heartbeats.is_late(self.1);
        }
    }
}

impl<P: 'static> fmt::Debug for Beat<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Beat")
    }
}

/// Where it is told that the round of a pledge is over.
pub struct Over<P: 'static> {
    call: Weak<Call<P>>,
    notices: Option<Notices<P>>,
}

impl<P: 'static> Over<P> {
    /// Whether there is a pledge still.
    pub fn is_awaited(&self) -> bool {
        self.call.strong_count() > 0
    }

    /// Where the emitter hears of the round, if it asked to be told.
    pub fn notices(&self) -> Option<&Notices<P>> {
        self.notices.as_ref()
    }

    /// The round is over.
    pub fn tell(&self) {
        let Some(call) = self.call.upgrade() else { return };
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
        Self { call: self.call.clone(), notices: self.notices.clone() }
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
    notices: Option<Notices<P>>,
    promised: Box<dyn Promised<P>>,
    is_done: bool,
}

impl<P: Payload> Asking<P> {
    /// Makes a pledge of this member.
    pub(crate) fn begin(
        executor: &std::rc::Rc<Executor>,
        seat: &Arc<Seat<P>>,
        weight: u32,
        notices: Option<Notices<P>>,
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
            is_durable: true,
        });
        let over = Over { call: Arc::downgrade(&call), notices: notices.clone() };
        runtime::start_unaddressed(executor, |task| {
            call.inbox.attach(executor.home(task));
            let (call, seat) = (call.clone(), seat.clone());
            Self { call, answers: Intake::new(), seat, weight, notices, promised, is_done: false }
        });
        let by = Seated { slot: seat.slot, generation: seat.generation };
        (Pledge::new(call, by), over)
    }

    fn pledged(&mut self, pledged: Pledged<P>) {
        match pledged {
            Pledged::Heartbeat { by } => {
                let until: Option<Instant> = self.call.heartbeats.take(by);
                let more = until.map(|until| until.saturating_duration_since(runtime::now()));
                if let Some(more) = more.filter(|_| !self.seat.is_given_up()) {
                    self.promised.heartbeat(more, Beat(Arc::downgrade(&self.call), by));
                }
                return;
            }
            Pledged::Kept { payload, reply, .. } => self.kept(payload, reply, None),
            Pledged::Awaited(awaited) => self.kept(awaited.payload, Some(awaited.reply), Some(awaited.written)),
            Pledged::Vetoed { reason, .. } if !self.seat.is_given_up() => self.promised.vetoed(reason),
            Pledged::Vetoed { .. } => self.promised.dropped(true),
            Pledged::Lost { .. } => self.promised.dropped(self.seat.is_given_up()),
        }
        self.is_done = true;
    }

    fn kept(&mut self, payload: P, reply: Option<Reply<P>>, written: Option<Written>) {
        let answers = Answers::of(reply, written, self.notices.take());
        if self.seat.is_given_up() {
            answers.refused(self.seat.refusal());
            return self.promised.dropped(true);
        }
        self.promised.kept(payload, self.weight, answers);
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
