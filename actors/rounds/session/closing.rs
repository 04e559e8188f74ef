//! How a session closes its round: one outcome, told to everyone, once.
//!
//! `verdict → Outcome → waiting emitters, broker, consumers → consumers done → the session stops`

use std::sync::Arc;
use std::time::Duration;

use actix::fut::wrap_future;
use actix::{Actor, ActorContext, AsyncContext, Message, WeakRecipient};

use super::session::Session;
use crate::base::{Handled, Payload, Shown};
#[cfg(feature = "testing")]
use crate::base::{Noted, Of, last_noted, last_of};
use crate::rounds::messages::{Pledged, Route, ToBroker, ToConsumer, ToEmitter};
use crate::rounds::outcome::{Account, Deliveries, Delivery, Logged, Outcome};
use crate::rounds::room::FromSession;
#[cfg(feature = "testing")]
use crate::rounds::round::Abort;
use crate::rounds::round::{Needed, Slot, Standing, Verdict};
use crate::rounds::{ConsumerError, Past};
use crate::runtime::{self, Inbox, LocalContext, Player, Refused};

impl<P: Payload> Session<P> {
    /// Tells everyone, once, and lives on only for the consumers.
    pub(crate) fn close(&mut self, t: Duration, ctx: &mut LocalContext<Self>) {
        self.settle(t, Some(ctx));
        // Most consumers are done before this session's next turn, and then no timer is needed.
        ctx.wake();
    }

    /// The round is closed: waits for the consumers, up to their timeout.
    pub(crate) fn attend(&mut self, ctx: &mut LocalContext<Self>) {
        let Some((account, deliveries)) = self.deliveries() else { return ctx.stop() };
        if let Some(failed) = deliveries.if_done(&account.directory.consumers) {
            self.consumed = true;
            if !failed.is_empty() {
                self.room.tell_broker(FromSession::ConsumersFailed { round: self.link.round, failed });
            }
            ctx.stop();
        } else if !std::mem::replace(&mut self.patient, true) {
            let limit = self.room.consumer_timeout;
            ctx.run_later(limit, move |session, _| {
                if let Some((account, deliveries)) = session.deliveries() {
                    deliveries.give_up(limit, &account.directory.consumers);
                }
            });
        }
    }

    pub(crate) fn deliveries(&self) -> Option<(&Account<P>, &Deliveries)> {
        let account = self.outcome.as_ref()?.account();
        Some((account, account.deliveries.as_ref()?))
    }

    /// Counts as late the pledges that were kept before the round was over, or while its consumers were at work, and
    /// are handled after.
    pub(crate) fn refuse_answers(&mut self) {
        while let Some(answer) = self.next_answer() {
            if let (Pledged::Kept { by, reply, .. }, Some(call)) = (answer, &self.call) {
                let (round, key) = (call.round, call.key.clone());
                call.broker.push_always(ToBroker::PledgeLate { by, round, key, reply });
            }
        }
        if let Some(call) = &self.call {
            call.inbox.close();
            call.end.tell();
        }
    }

    /// Makes the outcome, once, and tells everyone: the broker first, because what comes after may run the code of
    /// others (wakers, the log), and a panic there must not leave a round in the table that is over.
    pub(crate) fn settle(&mut self, t: Duration, ctx: Option<&mut LocalContext<Self>>) {
        let Some(verdict) = self.round.verdict().cloned() else { return };
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let unfilled = self.unfilled();
        let vetoes = self.vetoed();
        let is_complete = self.round.is_complete();
        let (kept, mut payloads, standing) = self.round.take_parts();
        if let Some(call) = &self.call {
            // Before the board is empty: a pledge in another thread finds no round that is open and about nothing.
            call.end.close();
            // Between turns they are on the board; a predicate that has panicked had them.
            if payloads.is_empty() {
                payloads = std::mem::take(&mut call.board.lock());
            }
        }
        // Whoever vetoed has answered, and is not missing.
        let refused = match &verdict {
            Verdict::Vetoed(slot, _) => Some(*slot),
            _ => None,
        };
        let missing = |(slot, standing): &(Slot, &Standing)| standing.is_missing() && Some(*slot) != refused;
        let missing = match is_complete {
            true => Vec::new(),
            false => (0..).zip(&standing).filter(missing).map(|(slot, _)| slot).collect(),
        };
        let quorum = match self.round.rules().release {
            Needed::AtLeast(quorum) => Some(quorum),
            _ => None,
        };
        let directory = self.room.roster.borrow().directory().clone();
        let consumers = directory.consumers.len();
        // Without a context the session is being dropped, and nobody waits for the consumers.
        let deliveries = ctx.as_ref().filter(|_| consumers > 0).map(|ctx| Deliveries::new(consumers, ctx.home()));
        #[cfg(feature = "testing")]
        let predicate = match &verdict {
            Verdict::Aborted(Abort::SessionLost) => last_of(Of::Predicate),
            _ => Noted::default(),
        };
        let outcome = self.outcome.insert(Outcome::new(Arc::new(Account {
            round: self.link.round,
            key: self.link.key.clone(),
            verdict,
            elapsed: t,
            kept,
            payloads,
            missing,
            unfilled,
            vetoes,
            quorum,
            directory,
            deliveries,
            #[cfg(feature = "testing")]
            noted: last_noted(),
            #[cfg(feature = "testing")]
            predicate,
        })));
        let mut returned = std::mem::take(&mut self.batch);
        while let Some(input) = self.deferred.pop() {
            returned.push_front(input);
        }
        let mut inbox = self.link.inbox.take();
        if !inbox.is_empty() {
            returned.append(&mut inbox);
        }
        self.room.spare.borrow_mut().keep_queue(inbox);
        let account = outcome.account();
        if is_complete && account.verdict.is_resolved() && returned.is_empty() {
            self.room.count_complete(&account.kept);
            let mut spare = self.room.spare.borrow_mut();
            spare.keep_standing(standing);
            spare.keep_queue(returned);
            drop(spare);
            self.room.leave_word(FromSession::Complete { place: self.place, past: Past::new(account) });
        } else {
            let (place, account) = (self.place, account.clone());
            self.room.tell_broker(FromSession::Closed { place, account, standing, returned });
        }
        self.room.meter.closed(&outcome.account().verdict, t);
        log::debug!(target: "convoke::round", "broker {}: {}", self.room.id, Logged(outcome));
        self.tell_waiters();
        if let Some(call) = &self.call {
            call.end.tell();
        }
        self.deliver(ctx);
    }

    pub(crate) fn tell_waiters(&mut self) {
        // Those who wait longest first; each is taken off before its waker, which is not ours, may panic.
        self.waiters.reverse();
        if let Some(outcome) = &self.outcome {
            while let Some(waiter) = self.waiters.pop() {
                let _ = waiter.send(Ok(outcome.clone()));
            }
        }
    }

    /// Tells an emitter what it asked to be told, unless it is far behind.
    pub(crate) fn notify(&self, inbox: &Inbox<ToEmitter<P>>, notice: ToEmitter<P>, slot: Slot) {
        if let Err(Refused::Full(_)) = inbox.push(notice) {
            let name = self.room.roster.borrow().directory().emitters[slot as usize].name.clone();
            log::warn!(target: "convoke::round", "broker {}: `{}` is too far behind to be told", self.room.id, Shown::name(&name));
        }
    }

    fn deliver(&self, mut ctx: Option<&mut LocalContext<Self>>) {
        let Some(outcome) = &self.outcome else { return };
        {
            let roster = self.room.roster.borrow();
            for slot in &roster.hearers {
                if let Some((_, inbox)) = roster.slot(*slot).and_then(|member| member.wants.as_ref()) {
                    self.notify(inbox, ToEmitter::Outcome(outcome.clone()), *slot);
                }
            }
        }
        for (place, consumer) in self.room.consumers.borrow().iter().enumerate() {
            let delivery = Delivery::new(outcome.clone(), place);
            deliver(&consumer.route, outcome, delivery, self.room.consumer_timeout, ctx.as_deref_mut());
        }
    }
}

/// Hands a round to one consumer.
pub(crate) fn deliver<P: Payload, A: Actor<Context = LocalContext<A>> + Player>(
    route: &Route<P>,
    outcome: &Outcome<P>,
    delivery: Delivery<P>,
    limit: Duration,
    ctx: Option<&mut LocalContext<A>>,
) {
    match (route, outcome) {
        (Route::Own(inbox), _) => {
            if let Err(refused) = inbox.push(ToConsumer { delivery, limit }) {
                refuse(refused);
            }
        }
        (Route::All(actor), outcome) => hand_over(actor, outcome.clone(), delivery, ctx),
        (Route::Resolved(actor), Outcome::Resolved(round)) => hand_over(actor, round.clone(), delivery, ctx),
        (Route::Cancelled(actor), Outcome::Cancelled(round)) => hand_over(actor, round.clone(), delivery, ctx),
        // Not of the kind this consumer asked for.
        _ => delivery.finish(Ok(())),
    }
}

fn refuse<P: Payload>(refused: Refused<ToConsumer<P>>) {
    match refused {
        Refused::Closed(round) => round.delivery.finish(Err(ConsumerError::Gone)),
        Refused::Full(round) => round.delivery.finish(Err(ConsumerError::Busy)),
    }
}

/// Sends a round to an actor of the user's own and waits for what it says; without a context, when the session is
/// being dropped, nobody can wait.
fn hand_over<P: Payload, M, A: Actor<Context = LocalContext<A>> + Player>(
    actor: &WeakRecipient<M>,
    message: M,
    delivery: Delivery<P>,
    ctx: Option<&mut LocalContext<A>>,
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
