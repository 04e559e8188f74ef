//! How a broker hands on what its members say to whoever writes it down, and how they hear what became of it.
//!
//! `Membership → Broker → Desk::take(Asked) → rows → Asked::{committed, ended, refused}`, `an outbox → Deliver → Broker → a consumer`

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actix::{Addr, Handler, Message, ResponseFuture};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::ending::Ending;
use crate::base::Payload;
use crate::rounds::broker::Broker;
use crate::rounds::messages::{Reply, answer};
use crate::rounds::outcome::{Deliveries, Delivery, Outcome};
use crate::rounds::session::deliver;
use crate::rounds::{ConsumerError, EmitError, JoinError, RoundId, RoundKey};
use crate::runtime;

/// Where it is told that a signal is written down.
pub(crate) type Written = oneshot::Sender<Result<RoundId, EmitError>>;

/// What a member of a broker says.
#[derive(Debug)]
pub enum What<P> {
    /// A signal.
    Signal(P),
    /// A veto, with its reason.
    Veto(Arc<str>),
}

/// What a member of a broker says, for whoever writes it down.
pub struct Asked<P> {
    /// Who says it.
    pub name: Arc<str>,
    /// To which round.
    pub key: Option<RoundKey>,
    /// What.
    pub what: What<P>,
    /// How much a signal of it weighs.
    pub weight: u32,
    pub(crate) written: Option<Written>,
    pub(crate) reply: Option<Reply<P>>,
}

impl<P> Asked<P> {
    /// Takes what is said, leaving where it is answered.
    pub fn divide(self) -> (What<P>, Answers<P>) {
        (self.what, Answers { written: self.written, reply: self.reply })
    }
}

impl<P> fmt::Debug for Asked<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Where what a member has said is answered.
pub struct Answers<P> {
    written: Option<Written>,
    reply: Option<Reply<P>>,
}

impl<P> Answers<P> {
    /// It is a row of this round.
    pub fn committed(&mut self, round: RoundId) {
        if let Some(written) = self.written.take() {
            let _ = written.send(Ok(round));
        }
    }

    /// The round is over.
    pub fn ended(mut self, outcome: Outcome<P>) {
        self.committed(outcome.round());
        answer(self.reply, Ok(outcome));
    }

    /// It is none of a round.
    pub fn refused(mut self, error: EmitError) {
        if let Some(written) = self.written.take() {
            let _ = written.send(Err(error.clone()));
        }
        answer(self.reply, Err(error));
    }

    /// Whether somebody waits for the end of the round still.
    pub fn waits(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| !reply.is_closed())
    }
}

impl<P> fmt::Debug for Answers<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").finish_non_exhaustive()
    }
}

/// What comes of having a consumer written down.
pub type Attending = Pin<Box<dyn Future<Output = Result<(), JoinError>>>>;

/// Whoever writes down what the members of a broker say, on the arbiter of the broker.
pub trait Desk<P: Payload>: 'static {
    /// Takes what a member says; hands it back with the bound if too much waits.
    ///
    /// # Errors
    ///
    /// What it was given, and how many may wait.
    fn take(&mut self, asked: Asked<P>) -> Result<(), (Asked<P>, usize)>;

    /// Writes down that there is a consumer of this name, and begins to deliver to it.
    fn attend(&mut self, name: Arc<str>) -> Attending;

    /// There is no consumer of this name in this process any more.
    fn leave(&mut self, name: &str);
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
    pub fn predicates<P: Payload>(broker: &Broker<P>) -> super::course::Predicates<P> {
        super::course::Predicates::of(&broker.rules.release)
    }

    /// How many signals may wait, and for how long a consumer may work.
    pub fn limits<P: Payload>(broker: &Broker<P>) -> (usize, std::time::Duration) {
        (broker.limits.waiting, broker.limits.consumer_timeout)
    }

    /// The id of the broker.
    pub fn id<P: Payload>(broker: &Broker<P>) -> &crate::rounds::BrokerId {
        &broker.id
    }

    /// Makes the number of a round.
    pub fn round(id: i64) -> RoundId {
        RoundId(id.unsigned_abs())
    }
}

/// Has a consumer of this broker hear of a round.
pub struct Deliver {
    /// Which consumer.
    pub consumer: Arc<str>,
    /// The number of the round.
    pub round: RoundId,
    /// What it was about.
    pub key: Option<RoundKey>,
    /// What became of it.
    pub ending: Ending,
}

impl fmt::Debug for Deliver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliver").field("consumer", &self.consumer).field("round", &self.round).finish_non_exhaustive()
    }
}

/// What came of it.
#[derive(Debug)]
pub enum Delivered {
    /// The consumer is done.
    Done,
    /// It has failed, and may be tried again.
    Failed(ConsumerError),
    /// A payload cannot be read.
    Unreadable(String),
    /// There is no such consumer here any more.
    Nobody,
}

impl Message for Deliver {
    type Result = Delivered;
}

impl<P: Payload + DeserializeOwned> Handler<Deliver> for Broker<P> {
    type Result = ResponseFuture<Delivered>;

    fn handle(&mut self, message: Deliver, ctx: &mut Self::Context) -> Self::Result {
        let Deliver { consumer, round, key, ending } = message;
        let read = |sign: &super::ending::Sign| {
            let why = |error: serde_json::Error| format!("the payload of `{}` cannot be read: {error}", sign.name);
            serde_json::from_str(&sign.payload).map_err(why)
        };
        let payloads = match ending.signals.iter().map(read).collect::<Result<Vec<P>, _>>() {
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
