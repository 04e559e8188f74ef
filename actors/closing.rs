//! How a session closes its round: one outcome, told to everyone, once.
//!
//! `verdict → Outcome → waiting emitters, broker, consumers → consumers done → the session stops`

use std::sync::Arc;
use std::time::Duration;

use actix::fut::wrap_future;
use actix::{ActorContext, AsyncContext, Message, WeakRecipient};

use crate::Payload;
use crate::broker::ToBroker;
use crate::consumed::{Deliveries, Delivery};
use crate::consumer::ToConsumer;
use crate::emitter::ToEmitter;
use crate::error::{ConsumerError, Handled};
use crate::outcome::{Account, Outcome};
use crate::pledge::{Pledged, Seated};
use crate::policy::Release;
use crate::room::FromSession;
use crate::roster::Route;
use crate::round::{Slot, Standing, Verdict};
use crate::runtime::{self, LocalContext};
use crate::session::Session;

impl<P: Payload> Session<P> {
    /// Tells everyone, once, and lives on only for the consumers.
    pub(crate) fn close(&mut self, t: Duration, ctx: &mut LocalContext<Self>) {
        let Some(outcome) = self.settle(t, Some(ctx)) else { return };
        self.deliver(&outcome, Some(ctx));
        self.outcome = Some(outcome);
        // Most consumers are done before this session's next turn, and then no timer is needed.
        ctx.wake();
    }

    /// The round is closed: waits for the consumers, up to their timeout.
    pub(crate) fn attend(&mut self, ctx: &mut LocalContext<Self>) {
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

    pub(crate) fn deliveries(&self) -> Option<(&Account<P>, &Deliveries)> {
        let account = self.outcome.as_ref()?.account();
        Some((account, account.deliveries.as_ref()?))
    }

    /// Counts as late the pledges that were kept before the round was over, or while its consumers were at work, and
    /// are handled after.
    pub(crate) fn refuse_answers(&mut self) {
        while let Some(answer) = self.next_answer() {
            if let (Pledged::Kept { by: Seated { slot, .. }, reply, .. }, Some(call)) = (answer, &self.call) {
                let (round, key) = (call.round, call.key.clone());
                call.broker.push_always(ToBroker::PledgeLate { slot, round, key, reply });
            }
        }
        if let Some(call) = &self.call {
            call.inbox.close();
        }
    }

    /// Makes the outcome and tells the emitters and the broker; `None` if that was done before.
    pub(crate) fn settle(&mut self, t: Duration, ctx: Option<&LocalContext<Self>>) -> Option<Outcome<P>> {
        let verdict = self.round.verdict()?.clone();
        if std::mem::replace(&mut self.closed, true) {
            return None;
        }
        let unfilled = self.unfilled();
        let (kept, payloads, standing) = self.round.take_parts();
        // Whoever vetoed has answered, and is not missing.
        let refused = match &verdict {
            Verdict::Vetoed(slot, _) => Some(*slot),
            _ => None,
        };
        let missing = |(slot, standing): &(Slot, &Standing)| standing.is_missing() && Some(*slot) != refused;
        let missing = (0..).zip(&standing).filter(missing).map(|(slot, _)| slot).collect();
        let quorum = match self.rules.release {
            Release::AtLeast(quorum) => Some(quorum),
            _ => None,
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
            unfilled,
            quorum,
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

    pub(crate) fn deliver(&self, outcome: &Outcome<P>, mut ctx: Option<&mut LocalContext<Self>>) {
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
