//! What a durable broker does with what its members say: it hands it on, and decides nothing. And how its consumers hear.
//!
//! `ToBroker → hand_on → Desk`, `Deliver → a consumer`

use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Handler, ResponseFuture};
use serde::de::DeserializeOwned;

use super::broker::Broker;
use crate::base::Payload;
use crate::rounds::durable::{
    Asked, Asking, Charter, CharterError, Deliver, Delivered, Desk, Early, Notices, Over, Predicates, Summoning, What,
};
use crate::rounds::messages::{Ask, Reply, Seated, Summons, ToEmitter, Written, answer};
use crate::rounds::outcome::{Deliveries, Delivery, Outcome};
use crate::rounds::round::OnLost;
use crate::rounds::session::deliver;
use crate::rounds::{BrokerId, ConsumerError, EmitError, RoundKey};
use crate::runtime::{self, LocalContext};

impl<P: Payload> Broker<P> {
    /// Hands on what a member says, if it is one.
    #[cold]
    pub(super) fn hand_on(
        &mut self,
        by: Seated,
        key: Option<RoundKey>,
        what: What<P>,
        written: Option<Written>,
        reply: Option<Reply<P>>,
    ) {
        let holds = self.room().roster.borrow().holds(by.slot, by.generation);
        let weight = self.room().roster.borrow().people().get(by.slot as usize).map_or(1, |who| who.weight);
        let notices = match holds {
            true => {
                let roster = self.room().roster.borrow();
                let member = roster.slot(by.slot);
                member.and_then(|member| Notices::of(member.wants.as_ref(), &member.seat, key.clone()))
            }
            false => None,
        };
        let asked = Asked { name: self.name(by.slot), key, what, weight, written, reply, notices };
        let refused = match &mut self.desk {
            Some(desk) if holds => match desk.take(asked) {
                Ok(()) => return,
                Err((asked, limit)) => (*asked, EmitError::Busy { limit }),
            },
            Some(_) => (asked, self.room().roster.borrow().refusal(by.slot, Some(by.generation))),
            None => (asked, EmitError::NotDurable),
        };
        let (Asked { written, reply, .. }, error) = refused;
        if let Some(written) = written {
            let _ = written.send(Err(error.clone()));
        }
        answer(reply, Err(error));
    }

    /// While a consumer of this name is listed, handles what waits in the inbox: it may have left.
    pub(super) fn see_off_consumer(&mut self, name: &Arc<str>, ctx: &mut LocalContext<Self>) {
        let is_listed = |broker: &Self| broker.room().consumers.borrow().iter().any(|listed| listed.name == *name);
        while is_listed(self) {
            self.batch.refill(&self.door);
            let Some(input) = self.returned.pop_front().or_else(|| self.batch.next(&self.door)) else { break };
            self.input(input, ctx);
        }
    }

    /// A consumer has left this process.
    pub(super) fn leave_desk(&mut self, ticket: u64) {
        let Some(desk) = &mut self.desk else { return };
        let room = self.room.as_ref();
        let name = room.and_then(|room| {
            room.consumers.borrow().iter().find(|listed| listed.ticket == ticket).map(|listed| listed.name.clone())
        });
        if let Some(name) = name {
            desk.leave(&name);
        }
    }
}

/// A broker of this process that has a desk.
#[derive(Debug)]
pub struct DeskBroker;

impl DeskBroker {
    /// Starts a broker that decides nothing, and hands on what its members say.
    ///
    /// # Panics
    ///
    /// Panics outside an actix system.
    #[track_caller]
    pub fn start<P: Payload>(broker: Broker<P>, desk: Box<dyn Desk<P>>) -> Addr<Broker<P>> {
        broker.at_desk(desk).start()
    }

    /// The predicates that this broker knows by their names.
    pub fn predicates<P: Payload>(broker: &Broker<P>) -> Predicates<P> {
        Predicates::of(&broker.rules.release)
    }

    /// How many signals may wait, and for how long a consumer may work.
    pub fn limits<P: Payload>(broker: &Broker<P>) -> (usize, Duration) {
        (broker.limits.waiting, broker.limits.consumer_timeout)
    }

    /// The id of the broker.
    pub fn id<P: Payload>(broker: &Broker<P>) -> &BrokerId {
        &broker.id
    }

    /// Writes the rules of a broker as data.
    ///
    /// # Errors
    ///
    /// Says why they are none of a durable one.
    pub fn charter<P: Payload>(broker: &Broker<P>, early: Early) -> Result<Charter, CharterError> {
        broker.check().map_err(CharterError::Config)?;
        let on_lost = if broker.lost_said { broker.rules.on_lost } else { OnLost::Wait };
        Charter::of(&broker.rules, broker.limits.late_window, on_lost, early)
    }
}

impl<P: Payload> Handler<Summoning<P>> for Broker<P> {
    type Result = Option<Over<P>>;

    fn handle(&mut self, summoning: Summoning<P>, _: &mut Self::Context) -> Self::Result {
        let room = self.room().clone();
        let roster = room.roster.borrow();
        let mut asked = roster.present().filter(|member| *member.seat.who.name == *summoning.name);
        let member = asked.find(|member| !member.seat.is_given_up() && !matches!(member.ask, Ask::Never))?;
        let weight = roster.people().get(member.seat.slot as usize).map_or(1, |who| who.weight);
        let notices = Notices::of(member.wants.as_ref(), &member.seat, summoning.key.clone());
        let (pledge, over) = Asking::begin(&room.executor, &member.seat, weight, notices, summoning);
        // One that is not reached is dropped, which is told as well.
        match &member.ask {
            Ask::Never => {}
            Ask::Own(inbox) => drop(inbox.push(ToEmitter::Summons(pledge))),
            Ask::Any { weak, .. } => {
                if let Some(actor) = weak.upgrade().filter(actix::Recipient::connected) {
                    runtime::post(&actor, Summons { pledge });
                }
            }
        }
        Some(over)
    }
}

impl<P: Payload + DeserializeOwned> Handler<Deliver> for Broker<P> {
    type Result = ResponseFuture<Delivered>;

    fn handle(&mut self, message: Deliver, ctx: &mut Self::Context) -> Self::Result {
        let Deliver { consumer, round, key, ending } = message;
        let payloads = match ending.payloads::<P>() {
            Ok(payloads) => payloads,
            Err(why) => return Box::pin(async { Delivered::Unreadable(why) }),
        };
        let room = self.room().clone();
        let consumers = room.consumers.borrow();
        let Some(listed) = consumers.iter().find(|listed| listed.name == consumer) else {
            return Box::pin(async { Delivered::Nobody });
        };
        let deliveries = Deliveries::new(1, ctx.home());
        let account = ending.account(&room.id, round, key, payloads, vec![consumer], Some(deliveries));
        let outcome = Outcome::new(Arc::new(account));
        let limit = room.consumer_timeout;
        deliver(&listed.route, &outcome, Delivery::new(outcome.clone(), 0), limit, Some(ctx));
        drop(consumers);
        Box::pin(async move {
            // An actor of the user's own is under no limit but this one.
            let consumed = runtime::within(limit, outcome.consumed()).await;
            match consumed.map(|consumed| consumed.failed.into_iter().next()) {
                Some(None) => Delivered::Done,
                Some(Some(failed)) => Delivered::Failed(failed.error),
                None => Delivered::Failed(ConsumerError::TimedOut(limit)),
            }
        })
    }
}
