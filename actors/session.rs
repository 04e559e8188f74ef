//! The actor of one round: asks the emitters, carries every input to the round and its decisions away.
//!
//! `broker.rs → Link → Session (round.rs decides) → emitters, consumers, and back to the broker`

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::fut::wrap_future;
use actix::{Actor, ActorContext, AsyncContext, Message, WeakRecipient};
use tokio::time::Instant;

use crate::Payload;
use crate::broker::ToBroker;
use crate::consumed::{Deliveries, Delivery, FailedConsumer};
use crate::consumer::ToConsumer;
use crate::emitter::ToEmitter;
use crate::error::{ConsumerError, EmitError, Handled};
use crate::id::{BrokerId, RoundId, RoundKey};
use crate::membership::Reply;
use crate::outcome::{Account, Outcome};
use crate::pledge::{Call, Pledge, Pledged, Summons};
use crate::policy::{Release, Rules};
use crate::roster::{Ask, Listed, Roster, Route};
use crate::round::{Abort, Decision, Input, Refusal, Round, Slot, Standing, Terms};
use crate::runtime::{self, Executor, Inbox, LocalContext, Player, TaskId};
use crate::snapshot::{Collector, OpenRound};

/// What a broker sends to the session of an open round.
pub(crate) enum ToSession<P: Payload> {
    Signal { slot: Slot, payload: P, reply: Option<Reply<P>> },
    Veto { slot: Slot, reason: Arc<str>, reply: Option<Reply<P>> },
    Join(Slot, Terms),
    Leave(Slot),
    Lost(Slot),
    Abort(Abort),
    Inspect(Rc<Collector>),
}

/// What a session sends to its broker.
pub(crate) enum FromSession<P: Payload> {
    /// The round is over.
    Closed {
        place: u32,
        account: Arc<Account<P>>,
        /// How every emitter stood, by slot.
        standing: Vec<Standing>,
        /// What the round did not take any more, in its order.
        returned: VecDeque<ToSession<P>>,
    },
    /// Some consumers did not do their work.
    ConsumersFailed { round: RoundId, failed: Vec<FailedConsumer> },
}

/// The way from the broker to one session; both are on the same arbiter. The broker hands over no more than a turn
/// of inputs before the session runs, so this queue is bounded by the broker's own.
pub(crate) struct Link<P: Payload> {
    pub(crate) round: RoundId,
    pub(crate) key: Option<RoundKey>,
    pub(crate) opened: Instant,
    task: Cell<Option<TaskId>>,
    inbox: RefCell<Vec<ToSession<P>>>,
}

impl<P: Payload> Link<P> {
    /// Makes the way to a new session, with an empty queue of an earlier one.
    pub(crate) fn new(round: RoundId, key: Option<RoundKey>, opened: Instant, inbox: Vec<ToSession<P>>) -> Rc<Self> {
        Rc::new(Self { round, key, opened, task: Cell::new(None), inbox: RefCell::new(inbox) })
    }

    #[inline]
    pub(crate) fn push(&self, executor: &Executor, input: ToSession<P>) {
        let mut inbox = self.inbox.borrow_mut();
        inbox.push(input);
        // While something waits here, the session has a turn coming.
        if inbox.len() == 1
            && let Some(task) = self.task.get()
        {
            executor.wake(task);
        }
    }
}

/// What a broker and its sessions share; all of them are on one arbiter.
pub(crate) struct Room<P: Payload> {
    pub(crate) id: BrokerId,
    pub(crate) executor: Rc<Executor>,
    pub(crate) broker: TaskId,
    pub(crate) door: Arc<Inbox<ToBroker<P>>>,
    pub(crate) roster: RefCell<Roster<P>>,
    /// In the order in which they joined; their names stand in the directory, at the same places.
    pub(crate) consumers: RefCell<Vec<Listed<P>>>,
    pub(crate) back: RefCell<VecDeque<FromSession<P>>>,
    pub(crate) consumer_timeout: Duration,
    /// How many signals one round may hold back for the next.
    pub(crate) max_deferred: usize,
    /// The broker is gone, and nobody reads what goes back to it.
    pub(crate) deserted: Cell<bool>,
}

impl<P: Payload> Room<P> {
    /// Writes the names of the consumers into the directory, after a change.
    pub(crate) fn name_consumers(&self) {
        let names = self.consumers.borrow().iter().map(|consumer| consumer.name.clone()).collect();
        self.roster.borrow_mut().name_consumers(names);
    }

    fn tell_broker(&self, message: FromSession<P>) {
        if self.deserted.get() {
            return;
        }
        self.back.borrow_mut().push_back(message);
        self.executor.wake(self.broker);
    }
}

/// The actor of one round. A broker starts it with the first signal; it ends when the round is closed and its
/// consumers are done.
pub struct Session<P: Payload> {
    room: Rc<Room<P>>,
    link: Rc<Link<P>>,
    /// Taken from the link and not handled yet.
    batch: VecDeque<ToSession<P>>,
    place: u32,
    rules: Rc<Rules<P>>,
    round: Round<P>,
    waiters: Vec<Reply<P>>,
    deferred: Vec<ToSession<P>>,
    /// Made when somebody is asked.
    call: Option<Arc<Call<P>>>,
    /// Taken from the inbox of the call and not handled yet.
    answers: VecDeque<Pledged<P>>,
    asked: bool,
    closed: bool,
    /// The timer for the consumers is set.
    patient: bool,
    /// What has become of the round, once it is closed.
    outcome: Option<Outcome<P>>,
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
        let terms = room.roster.borrow().terms().to_vec();
        let round = Round::open(rules.clone(), standing, terms);
        runtime::start_unaddressed(&room.executor, |task| {
            link.task.set(Some(task));
            Self {
                room: room.clone(),
                link,
                batch: VecDeque::new(),
                place,
                rules,
                round,
                waiters: Vec::new(),
                deferred: Vec::new(),
                call: None,
                answers: VecDeque::new(),
                asked: false,
                closed: false,
                patient: false,
                outcome: None,
            }
        });
    }

    #[inline]
    fn next_input(&mut self) -> Option<ToSession<P>> {
        if self.batch.is_empty() {
            runtime::swap(&mut self.link.inbox.borrow_mut(), &mut self.batch);
        }
        self.batch.pop_front()
    }

    #[inline]
    fn next_answer(&mut self) -> Option<Pledged<P>> {
        if self.answers.is_empty() {
            self.call.as_ref()?.inbox.take(&mut self.answers);
        }
        self.answers.pop_front()
    }

    fn since_opening(&self) -> Duration {
        runtime::now().saturating_duration_since(self.link.opened)
    }

    fn input(&mut self, t: Duration, input: ToSession<P>) {
        match input {
            ToSession::Signal { slot, payload, reply } => self.signal(t, slot, payload, reply),
            ToSession::Veto { slot, reason, reply } if self.round.standing_of(slot) != Standing::Absent => {
                self.round.handle(t, Input::Veto(slot, reason));
                self.waiters.extend(reply);
            }
            // It joined for the next round, and this one is none of its business.
            ToSession::Veto { reply, .. } => answer(reply, Err(EmitError::NoRound)),
            ToSession::Join(slot, terms) => {
                self.round.handle(t, Input::Join(slot, terms));
                if self.asked && self.round.standing_of(slot) == Standing::Owing {
                    self.ask(t, slot..slot + 1);
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

    #[inline]
    fn signal(&mut self, t: Duration, slot: Slot, payload: P, reply: Option<Reply<P>>) {
        match self.round.emit(t, slot, payload) {
            Decision::Taken { .. } => {
                self.waiters.extend(reply);
                self.tell_kept(t, slot);
            }
            decision => self.not_taken(decision, slot, reply),
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
            Decision::Refused(_, Refusal::Late) => self.late(),
            Decision::Refused(_, Refusal::Gone) => EmitError::NotJoined,
            _ => EmitError::Busy { limit: self.room.max_deferred },
        };
        log::debug!(target: "convoke::round", "broker {} round {}: slot {slot}: {error}", self.room.id, self.link.round);
        answer(reply, Err(error));
    }

    fn late(&self) -> EmitError {
        EmitError::Late { round: self.link.round, key: self.link.key.clone() }
    }

    fn tell_kept(&self, t: Duration, slot: Slot) {
        let roster = self.room.roster.borrow();
        if roster.anyone_wants_kept
            && let Some((wants, inbox)) = roster.slot(slot).and_then(|member| member.wants.as_ref())
            && wants.kept
        {
            inbox.push_always(ToEmitter::Kept { round: self.link.round, key: self.link.key.clone(), at: t });
        }
    }

    /// Asks everyone who owes a signal.
    fn ask_all(&mut self, t: Duration) {
        self.asked = true;
        self.ask(t, 0..self.round.slots());
    }

    /// Asks those of these who owe a signal.
    fn ask(&mut self, t: Duration, slots: Range<Slot>) {
        let room = self.room.clone();
        let mut roster = room.roster.borrow_mut();
        if !roster.asks() {
            return;
        }
        for slot in slots {
            if !self.round.standing_of(slot).owes() {
                continue;
            }
            let Some(member) = roster.slot_mut(slot) else { continue };
            let reached = match &mut member.ask {
                Ask::Never => true,
                Ask::Own(inbox) => inbox.push(ToEmitter::Summons(self.pledge(slot))).is_ok(),
                Ask::Any { weak, strong } => {
                    if strong.is_none() {
                        *strong = weak.upgrade();
                    }
                    let actor = strong.as_ref().filter(|actor| actor.connected());
                    actor.map(|actor| runtime::post(actor, Summons { pledge: self.pledge(slot) })).is_some()
                }
            };
            if !reached {
                self.round.handle(t, Input::Lost(slot));
                if self.round.verdict().is_some() {
                    return;
                }
            }
        }
    }

    fn pledge(&mut self, slot: Slot) -> Pledge<P> {
        let call = self.call.get_or_insert_with(|| {
            let inbox = Inbox::new(usize::MAX);
            if let Some(task) = self.link.task.get() {
                inbox.attach(self.room.executor.home(task));
            }
            Arc::new(Call {
                broker: self.room.door.clone(),
                inbox,
                round: self.link.round,
                key: self.link.key.clone(),
                deadline: runtime::after(self.link.opened, self.rules.timeout),
            })
        });
        Pledge::new(call.clone(), slot)
    }

    /// Holds the deadline: `run_later`, told as a point in time, which spares two looks at the clock.
    fn arm(&mut self, ctx: &mut LocalContext<Self>) {
        if let Some(deadline) = self.round.next_deadline() {
            ctx.run_at(runtime::after(self.link.opened, deadline), Self::on_deadline);
        }
    }

    fn on_deadline(&mut self, ctx: &mut LocalContext<Self>) {
        if self.closed {
            return;
        }
        let t = self.since_opening();
        self.round.handle(t, Input::Tick);
        if self.round.verdict().is_some() {
            self.close(t, ctx);
        } else {
            // The deadline has moved: a signal came, or the emitter whose own it was has kept its promise.
            self.arm(ctx);
        }
    }

    /// Tells everyone, once, and lives on only for the consumers.
    fn close(&mut self, t: Duration, ctx: &mut LocalContext<Self>) {
        let Some(outcome) = self.settle(t, Some(ctx)) else { return };
        self.deliver(&outcome, Some(ctx));
        self.outcome = Some(outcome);
        // Most consumers are done before this session's next turn, and then no timer is needed.
        ctx.wake();
    }

    /// The round is closed: waits for the consumers, up to their timeout.
    fn attend(&mut self, ctx: &mut LocalContext<Self>) {
        let Some((account, deliveries)) = self.deliveries() else { return ctx.stop() };
        if let Some(failed) = deliveries.if_done(&account.directory.consumers) {
            if !failed.is_empty() {
                self.room.tell_broker(FromSession::ConsumersFailed { round: self.link.round, failed });
            }
            ctx.stop();
        } else if !std::mem::replace(&mut self.patient, true) {
            let limit = self.room.consumer_timeout;
            ctx.run_later(limit, move |session, _| {
                if let Some((_, deliveries)) = session.deliveries() {
                    deliveries.give_up(limit);
                }
            });
        }
    }

    fn deliveries(&self) -> Option<(&Account<P>, &Deliveries)> {
        let account = self.outcome.as_ref()?.account();
        Some((account, account.deliveries.as_ref()?))
    }

    /// Counts as late the pledges that were kept before the round was over, or while its consumers were at work, and
    /// are handled after.
    fn refuse_answers(&mut self) {
        while let Some(answer) = self.next_answer() {
            if let (Pledged::Kept { slot, reply, .. }, Some(call)) = (answer, &self.call) {
                call.broker.push_always(ToBroker::PledgeLate { slot, round: call.round, reply });
            }
        }
        if let Some(call) = &self.call {
            call.inbox.close();
        }
    }

    /// Makes the outcome and tells the emitters and the broker; `None` if that was done before.
    fn settle(&mut self, t: Duration, ctx: Option<&LocalContext<Self>>) -> Option<Outcome<P>> {
        let verdict = self.round.verdict()?.clone();
        if std::mem::replace(&mut self.closed, true) {
            return None;
        }
        let (kept, payloads, standing) = self.round.take_parts();
        let missing: Vec<Slot> = if standing.iter().all(|standing| !standing.is_missing()) {
            Vec::new()
        } else {
            (0..).zip(&standing).filter(|(_, standing)| standing.is_missing()).map(|(slot, _)| slot).collect()
        };
        let directory = self.room.roster.borrow().directory().clone();
        let consumers = directory.consumers.len();
        // Without a context the session is being dropped, and nobody waits for the consumers.
        let deliveries = ctx.filter(|_| consumers > 0).map(|ctx| Deliveries::new(consumers, ctx.home()));
        let account = Arc::new(Account {
            round: self.link.round,
            key: self.link.key.clone(),
            verdict,
            elapsed: t,
            kept,
            payloads,
            missing,
            directory,
            deliveries,
        });
        let outcome = Outcome::new(account.clone());
        log::debug!(target: "convoke::round", "broker {}: {outcome}", self.room.id);
        for waiter in self.waiters.drain(..) {
            let _ = waiter.send(Ok(outcome.clone()));
        }
        let mut returned = std::mem::take(&mut self.batch);
        for input in self.deferred.drain(..).rev() {
            returned.push_front(input);
        }
        returned.extend(self.link.inbox.borrow_mut().drain(..));
        self.room.tell_broker(FromSession::Closed { place: self.place, account, standing, returned });
        Some(outcome)
    }

    fn deliver(&self, outcome: &Outcome<P>, mut ctx: Option<&mut LocalContext<Self>>) {
        {
            let roster = self.room.roster.borrow();
            for slot in &roster.hearers {
                if let Some((_, inbox)) = roster.slot(*slot).and_then(|member| member.wants.as_ref()) {
                    inbox.push_always(ToEmitter::Outcome(outcome.clone()));
                }
            }
        }
        for (place, consumer) in self.room.consumers.borrow().iter().enumerate() {
            let delivery = Delivery::new(outcome.clone(), place);
            match (&consumer.route, outcome) {
                (Route::Own(inbox), _) => {
                    if let Err(refused) = inbox.push(ToConsumer { delivery, limit: self.room.consumer_timeout }) {
                        refuse(refused);
                    }
                }
                (Route::All(actor), outcome) => hand_over(actor, outcome.clone(), delivery, ctx.as_deref_mut()),
                (Route::Resolved(actor), Outcome::Resolved(round)) => {
                    hand_over(actor, round.clone(), delivery, ctx.as_deref_mut());
                }
                (Route::Cancelled(actor), Outcome::Cancelled(round)) => {
                    hand_over(actor, round.clone(), delivery, ctx.as_deref_mut());
                }
                // Not of the kind this consumer asked for.
                _ => delivery.finish(Ok(())),
            }
        }
    }

    fn describe(&self, t: Duration) -> OpenRound {
        let roster = self.room.roster.borrow();
        let name = |slot: Slot| roster.directory().emitters[slot as usize].clone();
        OpenRound {
            round: self.link.round,
            key: self.link.key.clone(),
            open_for: t,
            left: self.round.next_deadline().unwrap_or_default().saturating_sub(t),
            kept: self.round.kept().iter().map(|kept| name(kept.slot)).collect(),
            waits_for: self.round.owing().map(name).collect(),
        }
    }
}

pub(crate) fn answer<P>(reply: Option<Reply<P>>, answer: Result<Outcome<P>, EmitError>) {
    if let Some(reply) = reply {
        let _ = reply.send(answer);
    }
}

fn refuse<P: Payload>(refused: runtime::Refused<ToConsumer<P>>) {
    match refused {
        runtime::Refused::Closed(round) => round.delivery.finish(Err(ConsumerError::Gone)),
        runtime::Refused::Full(round) => round.delivery.finish(Err(ConsumerError::Busy)),
    }
}

/// Sends a round to an actor of the user's own and waits for what it says; without a context, when the session is
/// being dropped, nobody can wait.
fn hand_over<P: Payload, M>(
    actor: &WeakRecipient<M>,
    message: M,
    delivery: Delivery<P>,
    ctx: Option<&mut LocalContext<Session<P>>>,
) where
    M: Message<Result = Handled> + Send + 'static,
{
    let Some(actor) = actor.upgrade() else { return };
    match ctx {
        Some(ctx) => {
            ctx.spawn(wrap_future(async move {
                delivery.finish(match actor.send(message).await {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(failure)) => Err(ConsumerError::Failed(failure.chain())),
                    Err(_) => Err(ConsumerError::Gone),
                });
            }));
        }
        None => {
            runtime::post(&actor, message);
            delivery.finish(Ok(()));
        }
    }
}

impl<P: Payload> Actor for Session<P> {
    type Context = LocalContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        log::debug!(target: "convoke::round", "broker {} round {} opened", self.room.id, self.link.round);
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
        // One look at the clock for a turn of bounded length; a predicate is the user's and may take its time.
        let each = matches!(self.rules.release, Release::When(_));
        let mut t = self.since_opening();
        let mut handled = 0;
        while handled < budget && !self.closed {
            if each && handled > 0 {
                t = self.since_opening();
            }
            if let Some(input) = self.next_input() {
                match input {
                    ToSession::Signal { slot, payload, reply } => self.signal(t, slot, payload, reply),
                    input => self.input(t, input),
                }
            } else if let Some(answer) = self.next_answer() {
                match answer {
                    Pledged::Kept { slot, payload, reply } => self.signal(t, slot, payload, reply),
                    Pledged::Vetoed { slot, reason } => {
                        self.round.handle(t, Input::Veto(slot, reason));
                    }
                    Pledged::Lost { slot } => {
                        self.round.handle(t, Input::Lost(slot));
                    }
                }
            } else {
                break;
            }
            handled += 1;
            if self.round.verdict().is_some() {
                self.close(t, ctx);
            }
        }
        if !self.asked && !self.closed {
            self.ask_all(t);
            if self.round.verdict().is_some() {
                self.close(t, ctx);
            }
        }
        handled
    }

    fn is_needed(&self, _: bool) -> bool {
        true
    }

    fn label(&self) -> String {
        format!("the session of round {} of broker `{}`", self.link.round, self.room.id)
    }
}

/// A session that is lost, by the panic of a predicate or with its arbiter, still tells everyone.
impl<P: Payload> Drop for Session<P> {
    fn drop(&mut self) {
        if !self.closed {
            self.round.handle(self.since_opening(), Input::Abort(Abort::SessionLost));
            if let Some(outcome) = self.settle(self.since_opening(), None) {
                self.deliver(&outcome, None);
            }
        } else if let Some((_, deliveries)) = self.deliveries() {
            deliveries.give_up(self.room.consumer_timeout);
        }
        self.refuse_answers();
    }
}

impl<P: Payload> std::fmt::Debug for Session<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("round", &self.link.round).field("key", &self.link.key).finish_non_exhaustive()
    }
}
