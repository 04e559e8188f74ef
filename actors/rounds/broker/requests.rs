//! What one may ask of a broker: messages to its address.
//!
//! `Inspect → each open session adds its round → the snapshot; Abort, SetTimeout, Stop`

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::dev::{MessageResponse, OneshotSender};
use actix::{ActorContext, Handler, Message};

use super::broker::Broker;
use crate::base::Payload;
use crate::rounds::room::{Link, ToSession};
use crate::rounds::{BrokerError, BrokerSnapshot, Collector, ConfigError, DESCRIBED_ROUNDS, Past, RoundKey, round};
use crate::runtime::{Executor, LocalContext};

/// A message that asks a broker for a [`BrokerSnapshot`]: the open rounds and the emitters that each waits for, the
/// last outcomes, and how each emitter has kept its promises.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "BrokerSnapshot")]
pub struct Inspect;

/// An answer that the sessions complete.
#[doc(hidden)]
pub struct Inspected<P: Payload> {
    snapshot: BrokerSnapshot,
    open: Vec<Rc<Link<P>>>,
    executor: Rc<Executor>,
}

impl<P: Payload> MessageResponse<Broker<P>, Inspect> for Inspected<P> {
    fn handle(self, _: &mut LocalContext<Broker<P>>, answer: Option<OneshotSender<BrokerSnapshot>>) {
        let Some(answer) = answer else { return };
        let collector = Rc::new(Collector::new(self.snapshot, answer));
        for link in self.open {
            link.push(&self.executor, ToSession::Inspect(collector.clone()));
        }
    }
}

impl<P: Payload> fmt::Debug for Inspected<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspected").finish_non_exhaustive()
    }
}

impl<P: Payload> Handler<Inspect> for Broker<P> {
    type Result = Inspected<P>;

    fn handle(&mut self, _: Inspect, _: &mut Self::Context) -> Inspected<P> {
        self.hear_sessions();
        Inspected {
            snapshot: self.snapshot(),
            open: self.open.earliest(DESCRIBED_ROUNDS),
            executor: self.room().executor.clone(),
        }
    }
}

impl<P: Payload> Broker<P> {
    fn snapshot(&self) -> BrokerSnapshot {
        let roster = self.room().roster.borrow();
        let most = roster.present().filter(|member| member.stats.last > 0).max_by_key(|member| member.stats.last);
        BrokerSnapshot {
            broker: self.id.clone(),
            timeout: self.rules.timeout,
            emitters: roster.stats().collect(),
            consumers: roster.directory().consumers.clone(),
            open_count: self.open.len(),
            open: Vec::new(),
            resolved: self.resolved,
            cancelled: self.cancelled,
            recent: self.history.iter().map(Past::told).collect(),
            most_often_last: most.map(|member| member.seat.who.clone()),
        }
    }
}

/// A message that tells a broker to cancel an open round for everyone.
///
/// # Errors
///
/// Returns [`BrokerError::NoRound`] if no round of this key is open.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<(), BrokerError>")]
pub struct Abort {
    /// The key of the round; `None` for the round without a key.
    pub key: Option<RoundKey>,
    /// The reason, which the outcome shows.
    pub reason: Arc<str>,
}

impl<P: Payload> Handler<Abort> for Broker<P> {
    type Result = Result<(), BrokerError>;

    fn handle(&mut self, abort: Abort, _: &mut Self::Context) -> Self::Result {
        if self.desk.is_some() {
            return Err(BrokerError::Durable);
        }
        self.hear_sessions();
        let Some(link) = self.open.by_key(abort.key.as_ref()) else {
            return Err(BrokerError::NoRound { key: abort.key });
        };
        link.push(&self.room().executor, ToSession::Abort(round::Abort::Asked(abort.reason)));
        Ok(())
    }
}

/// A message that sets the timeout of the rounds that a broker opens from now on. Rounds that are open keep theirs.
///
/// # Errors
///
/// Returns [`BrokerError::Config`] for a timeout of zero.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<(), BrokerError>")]
pub struct SetTimeout(pub Duration);

impl<P: Payload> Handler<SetTimeout> for Broker<P> {
    type Result = Result<(), BrokerError>;

    fn handle(&mut self, SetTimeout(timeout): SetTimeout, _: &mut Self::Context) -> Self::Result {
        if timeout.is_zero() {
            return Err(ConfigError::ZeroTimeout.into());
        }
        if self.desk.is_some() {
            return Err(BrokerError::Durable);
        }
        Rc::make_mut(&mut self.rules).timeout = timeout;
        self.misconfigured = self.check().err();
        Ok(())
    }
}

/// A message that tells a broker to stop. The broker's open rounds are cancelled for everyone.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Stop;

impl<P: Payload> Handler<Stop> for Broker<P> {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
