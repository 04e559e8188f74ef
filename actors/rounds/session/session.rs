//! The actor of one round: asks the emitters, carries every input to the round and its decisions away.
//!
//! `broker.rs → Link → Session (round.rs decides) → emitters, consumers, and back to the broker`

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::Actor;
use tokio::time::Instant;

use crate::base::{Payload, Shown};
use crate::rounds::EmitError;
use crate::rounds::messages::{
    Ask, Board, Call, End, Heartbeats, Pledge, Pledged, Reply, Seated, Summons, ToEmitter, answer,
};
use crate::rounds::outcome::Outcome;
use crate::rounds::room::{Joining, Link, Room, ToSession};
use crate::rounds::round::{Abort, Decision, Input, Needed, Refusal, Round, Rules, Slot, Standing};
use crate::runtime::{self, Inbox, Intake, LocalContext, Player};

/// So close to a deadline a session looks at the clock for each input.
const NEAR: Duration = Duration::from_millis(10);

/// The actor of one round. A broker starts it with the first signal of the round. It ends when the round is closed and
/// its consumers have finished.
pub struct Session<P: Payload> {
    pub(crate) room: Rc<Room<P>>,
    pub(crate) link: Rc<Link<P>>,
    /// Taken from the link and not handled yet.
    pub(crate) batch: VecDeque<ToSession<P>>,
    pub(crate) place: u32,
    pub(crate) round: Round<P>,
    pub(crate) waiters: Vec<Reply<P>>,
    pub(crate) deferred: Vec<ToSession<P>>,
    /// Made when somebody is asked.
    pub(crate) call: Option<Arc<Call<P>>>,
    /// Taken from the inbox of the call and not handled yet; absent as that is.
    pub(crate) answers: Option<Intake<Pledged<P>>>,
    pub(crate) asked: bool,
    /// The point in time of the next timer.
    pub(crate) armed: Option<Instant>,
    /// Whose turn it is when inputs and answers wait: neither may keep the other waiting.
    pub(crate) answers_first: bool,
    /// An emitter has joined, and its own deadline may come before the one that is armed.
    pub(crate) rearm: bool,
    /// Those that have joined in this turn, to be asked at its end.
    pub(crate) joined: Vec<Slot>,
    pub(crate) closed: bool,
    /// The timer for the consumers is set.
    pub(crate) patient: bool,
    /// They are done.
    pub(crate) consumed: bool,
    /// What has become of the round, once it is closed.
    pub(crate) outcome: Option<Outcome<P>>,
}

impl<P: Payload> Session<P> {
    /// Starts the session of a round whose first input lies in the link.
    pub(crate) fn start(
        room: &Rc<Room<P>>,
        link: Rc<Link<P>>,
        place: u32,
        rules: Rc<Rules<P>>,
        standing: Vec<Standing>,
    ) {
        let batch = room.spare.borrow_mut().queue();
        room.sessions.update(|sessions| sessions + 1);
        // The round is made where it stays.
        runtime::start_unaddressed(&room.executor, |task| {
            link.task.set(Some(task));
            let (terms, people) = {
                let roster = room.roster.borrow();
                (roster.terms().clone(), rules.release.asks_who().then(|| roster.people().clone()))
            };
            Self {
                room: room.clone(),
                link,
                batch,
                place,
                round: Round::open(rules, standing, terms, people),
                waiters: Vec::new(),
                deferred: Vec::new(),
                call: None,
                answers: None,
                asked: false,
                armed: None,
                answers_first: false,
                rearm: false,
                joined: Vec::new(),
                closed: false,
                patient: false,
                consumed: false,
                outcome: None,
            }
        });
    }

    #[inline]
    fn next_input(&mut self) -> Option<ToSession<P>> {
        if self.batch.is_empty() {
            // Both keep their room.
            std::mem::swap(&mut self.batch, &mut *self.link.inbox.borrow_mut());
        }
        self.batch.pop_front()
    }

    #[inline]
    pub(crate) fn next_answer(&mut self) -> Option<Pledged<P>> {
        let inbox = &self.call.as_ref()?.inbox;
        let answers = self.answers.get_or_insert_with(Intake::new);
        if answers.is_empty() {
            answers.refill(inbox);
        }
        answers.pop()
    }

    /// The next answer, if it is the turn of the answers, or if nothing else waits.
    fn answer_in_turn(&mut self) -> Option<Pledged<P>> {
        self.answers_first = !self.answers_first;
        let is_theirs = self.answers_first || self.batch.is_empty() && self.link.inbox.borrow().is_empty();
        if is_theirs { self.next_answer() } else { None }
    }

    #[inline]
    fn is_near_deadline(&self, t: Duration) -> bool {
        self.round.next_deadline().is_some_and(|deadline| t + NEAR > deadline)
    }

    pub(crate) fn since_opening(&self) -> Duration {
        runtime::now().saturating_duration_since(self.link.opened)
    }

    fn input(&mut self, t: Duration, input: ToSession<P>) {
        match input {
            ToSession::Signal { slot, payload, reply } => self.signal(t, slot, payload, reply),
            ToSession::Veto { slot, reason, reply } if self.round.standing_of(slot).takes_part() => {
                // Waits before it is decided, as a signal does.
                self.waiters.extend(reply);
                self.round.handle(t, Input::Veto(slot, reason));
            }
            // It belongs to the next round, and this one is none of its business.
            ToSession::Veto { reply, .. } => answer(reply, Err(EmitError::NoRound)),
            ToSession::Join(joining) => {
                let Joining { slot, terms, who } = &*joining;
                self.round.handle(t, Input::Join(*slot, *terms, who.clone()));
                self.rearm = true;
                if self.asked {
                    self.joined.push(*slot);
                }
            }
            ToSession::Leave(slot) => {
                self.round.handle(t, Input::Leave(slot));
            }
            ToSession::Lost(slot) => {
                self.round.handle(t, Input::Lost(slot));
            }
            ToSession::Abort(abort) => {
                self.round.handle(t, Input::Abort(abort));
            }
            ToSession::Inspect(collector) => {
                self.round.handle(t, Input::Tick);
                if self.round.verdict().is_none() {
                    collector.add(self.describe(t));
                }
            }
        }
    }

    #[inline(always)]
    fn signal(&mut self, t: Duration, slot: Slot, payload: P, reply: Option<Reply<P>>) {
        // Waits before it is decided: when a predicate panics, it hears of that like all the others.
        let waits = reply.is_some();
        if let Some(reply) = reply {
            self.waiters.push(reply);
        }
        match self.round.emit(t, slot, payload) {
            Decision::Taken { .. } => self.tell_kept(t, slot),
            decision => {
                let reply = if waits { self.waiters.pop() } else { None };
                self.not_taken(decision, slot, reply);
            }
        }
    }

    #[cold]
    fn not_taken(&mut self, decision: Decision<P>, slot: Slot, reply: Option<Reply<P>>) {
        let error = match decision {
            Decision::Over(payload) | Decision::Deferred(payload) if self.deferred.len() < self.room.max_deferred => {
                self.deferred.push(ToSession::Signal { slot, payload, reply });
                return;
            }
            Decision::Refused(_, Refusal::AlreadyKept) => EmitError::AlreadyKept { round: self.link.round },
            Decision::Refused(_, Refusal::Vetoed) => EmitError::Vetoed { round: self.link.round },
            Decision::Refused(_, Refusal::Late) => {
                self.room.meter.late();
                if let Some(member) = self.room.roster.borrow_mut().slot_mut(slot) {
                    member.stats.late += 1;
                }
                EmitError::Late { round: self.link.round, key: self.link.key.clone() }
            }
            Decision::Refused(_, Refusal::Gone) => self.room.roster.borrow().refusal(slot, None),
            _ => EmitError::Busy { limit: self.room.max_deferred },
        };
        let name = self.room.roster.borrow().directory().emitters[slot as usize].name.clone();
        log::debug!(target: "convoke::round", "broker {}: {}: `{}`: {error}", self.room.id, self.link.title(), Shown::name(&name));
        answer(reply, Err(error));
    }

    /// Takes what became of a pledge. One of an emitter that is no member any more, or has come back since, has no say.
    #[inline]
    fn pledged(&mut self, t: Duration, pledged: Pledged<P>) {
        let present = |by: Seated| self.room.roster.borrow().holds(by.slot, by.generation);
        match pledged {
            Pledged::Kept { by, payload, reply } if present(by) => self.signal(t, by.slot, payload, reply),
            Pledged::Kept { by, reply, .. } => {
                let refusal = self.room.roster.borrow().refusal(by.slot, Some(by.generation));
                answer(reply, Err(refusal));
            }
            Pledged::Vetoed { by, reason } if present(by) => {
                self.round.handle(t, Input::Veto(by.slot, reason));
            }
            Pledged::Lost { by } if present(by) => {
                self.round.handle(t, Input::Lost(by.slot));
            }
            Pledged::Heartbeat { by } => self.heartbeat(t, by, present(by)),
            // A session is of no durable round, so nobody waits for a row of it.
            Pledged::Awaited(_) | Pledged::Vetoed { .. } | Pledged::Lost { .. } => {}
        }
    }

    #[cold]
    fn heartbeat(&mut self, t: Duration, by: Seated, is_present: bool) {
        let Some(call) = &self.call else { return };
        let Some(until) = call.heartbeats.take(by) else { return };
        let until = until.saturating_duration_since(self.link.opened);
        if is_present {
            self.round.handle(t, Input::Heartbeat(by.slot, until));
        }
        if !is_present || self.round.standing_of(by.slot).has_missed() {
            call.heartbeats.is_late(by);
        }
    }

    #[inline]
    fn tell_kept(&self, t: Duration, slot: Slot) {
        if self.room.roster.borrow().anyone_wants_kept {
            self.tell_who_wants(t, slot);
        }
    }

    #[inline(never)]
    fn tell_who_wants(&self, t: Duration, slot: Slot) {
        let roster = self.room.roster.borrow();
        if let Some((wants, inbox)) = roster.slot(slot).and_then(|member| member.wants.as_ref())
            && wants.kept
        {
            let kept = ToEmitter::Kept { round: self.link.round, key: self.link.key.clone(), at: t };
            self.notify(inbox, kept, slot);
        }
    }

    /// Does this with what was emitted so far in the round, off the board on which the pledges see it. No code of others may
    /// run meanwhile but a predicate: it might look at the board, which is a panic there.
    #[inline]
    fn with_payloads<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> R {
        let Some(call) = self.call.clone() else { return work(self) };
        let mut board = call.take_board();
        self.round.swap_payloads(&mut board.payloads);
        let result = work(self);
        self.round.swap_payloads(&mut board.payloads);
        board.put_back();
        result
    }

    /// Takes as many inputs and answers as the budget is, up to the one that ends the round; `t` is now.
    #[inline]
    fn take_inputs(&mut self, t: &mut Duration, budget: usize) -> usize {
        // One look at the clock for a turn of bounded length, far shorter than NEAR; close to a deadline one for each
        // input. A predicate is the user's and may take its time.
        let mut each = matches!(self.round.rules().release, Needed::When(_)) || self.is_near_deadline(*t);
        let mut handled = 0;
        while handled < budget && self.round.verdict().is_none() {
            if handled > 0 && (each || handled == 1 && !self.asked) {
                *t = self.since_opening();
                each |= self.is_near_deadline(*t);
            }
            // Whoever was not asked has not answered.
            if self.call.is_some()
                && let Some(answer) = self.answer_in_turn()
            {
                self.pledged(*t, answer);
            } else if let Some(input) = self.next_input() {
                match input {
                    // A signal brings no deadline nearer.
                    ToSession::Signal { slot, payload, reply } => self.signal(*t, slot, payload, reply),
                    input => {
                        self.input(*t, input);
                        each |= self.is_near_deadline(*t);
                    }
                }
            } else {
                break;
            }
            handled += 1;
        }
        handled
    }

    /// Asks everyone who owes a signal, at the end of the first turn; after it, those who have joined.
    #[inline]
    fn ask_whom_to_ask(&mut self, t: Duration) {
        if self.round.verdict().is_some() {
            return;
        }
        if !std::mem::replace(&mut self.asked, true) {
            self.ask(t, 0..self.round.slots());
        } else if !self.joined.is_empty() {
            let joined = std::mem::take(&mut self.joined);
            self.ask(t, joined.into_iter());
        }
    }

    /// Asks those of these who owe a signal.
    fn ask(&mut self, t: Duration, slots: impl Iterator<Item = Slot>) {
        let room = self.room.clone();
        let mut roster = room.roster.borrow_mut();
        if roster.asked() == 0 {
            return;
        }
        let is_first = self.call.is_none();
        let call = self.call(roster.asked()).clone();
        // Whoever is asked first may look at once, and sees what there is by then.
        let board = is_first.then(|| call.take_board());
        for slot in slots {
            if !self.round.standing_of(slot).owes() {
                continue;
            }
            let Some(member) = roster.slot_mut(slot) else { continue };
            let by = Seated { slot, generation: member.seat.generation };
            let reached = match &mut member.ask {
                Ask::Never => true,
                Ask::Own(inbox) => inbox.push(ToEmitter::Summons(Pledge::new(call.clone(), by))).is_ok(),
                Ask::Any { weak, strong } => {
                    if strong.is_none() {
                        *strong = weak.upgrade();
                    }
                    let actor = strong.as_ref().filter(|actor| actor.connected());
                    actor.map(|actor| runtime::post(actor, Summons { pledge: Pledge::new(call.clone(), by) })).is_some()
                }
            };
            if !reached {
                self.round.handle(t, Input::Lost(slot));
                if self.round.verdict().is_some() {
                    break;
                }
            }
        }
        if let Some(mut board) = board {
            self.round.swap_payloads(&mut board.payloads);
            board.put_back();
        }
    }

    /// What the pledges of this round share, made when somebody is asked.
    fn call(&mut self, asked: usize) -> &Arc<Call<P>> {
        self.call.get_or_insert_with(|| {
            let inbox = Inbox::new(usize::MAX);
            if let Some(task) = self.link.task.get() {
                inbox.attach(self.room.executor.home(task));
                self.room.executor.reserve::<Pledged<P>>(task, asked);
            }
            Arc::new(Call {
                broker: self.room.door.clone(),
                inbox,
                round: self.link.round,
                key: self.link.key.clone(),
                deadline: runtime::after(self.link.opened, self.round.rules().timeout),
                board: Board::default(),
                heartbeats: Heartbeats::default(),
                end: End::default(),
                is_durable: false,
            })
        })
    }

    /// Holds the deadline: `run_later`, told as a point in time, which spares two looks at the clock.
    fn arm(&mut self, ctx: &mut LocalContext<Self>) {
        let Some(deadline) = self.round.next_deadline().filter(|deadline| *deadline < runtime::FOREVER) else { return };
        let when = runtime::after(self.link.opened, deadline);
        if self.armed.is_none_or(|armed| when < armed) {
            self.armed = Some(when);
            ctx.run_at(when, Self::on_deadline);
        }
    }

    fn on_deadline(&mut self, ctx: &mut LocalContext<Self>) {
        if self.closed {
            return;
        }
        self.armed = None;
        let t = self.since_opening();
        self.with_payloads(|session| session.round.handle(t, Input::Tick));
        if self.round.verdict().is_some() {
            self.close(t, ctx);
        } else {
            // The deadline has moved: a signal came, or the emitter whose own it was has kept its promise.
            self.arm(ctx);
        }
    }
}

impl<P: Payload> Actor for Session<P> {
    type Context = LocalContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        log::debug!(target: "convoke::round", "broker {}: {} opened", self.room.id, self.link.title());
        self.arm(ctx);
    }
}

impl<P: Payload> Player for Session<P> {
    fn turn(&mut self, budget: usize, ctx: &mut LocalContext<Self>) -> usize {
        if self.closed {
            self.refuse_answers();
            self.attend(ctx);
            return 0;
        }
        // The signal that opens a round is part of it, however long the session has waited for its first turn.
        let mut t = if self.asked { self.since_opening() } else { Duration::ZERO };
        let handled = self.with_payloads(|session| {
            let handled = session.take_inputs(&mut t, budget);
            session.ask_whom_to_ask(t);
            handled
        });
        if self.round.verdict().is_some() {
            self.close(t, ctx);
        } else if std::mem::take(&mut self.rearm) {
            self.arm(ctx);
        }
        handled
    }

    fn is_needed(&self, _: bool) -> bool {
        true
    }

    fn label(&self) -> String {
        format!("the session of {} of broker `{}`", self.link.title(), self.room.id)
    }
}

/// A session that is lost, by the panic of a predicate or with its arbiter, still tells everyone.
impl<P: Payload> Drop for Session<P> {
    fn drop(&mut self) {
        self.room.sessions.update(|sessions| sessions.saturating_sub(1));
        if !self.closed {
            let t = self.since_opening();
            self.round.handle(t, Input::Abort(Abort::SessionLost));
            self.settle(t, None);
        }
        // Nothing to do but where a waker or the log panicked while the outcome was told.
        self.tell_waiters();
        if !self.consumed
            && let Some((account, deliveries)) = self.deliveries()
        {
            deliveries.give_up(self.room.consumer_timeout, &account.directory.consumers);
        }
        self.refuse_answers();
    }
}

impl<P: Payload> std::fmt::Debug for Session<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("round", &self.link.round).field("key", &self.link.key).finish_non_exhaustive()
    }
}
