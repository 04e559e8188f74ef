//! What one may ask of an emitter: messages to its address, and the trait that makes methods of them.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use actix::dev::{MessageResponse, OneshotSender};
use actix::fut::ActorFutureExt;
use actix::{Addr, Handler, Message, ResponseActFuture};

use super::emitter::Emitter;
use crate::base::Payload;
use crate::rounds::broker::Broker;
use crate::rounds::messages::{Reply, Seat, answer};
use crate::rounds::outcome::{EmitterRef, Outcome};
use crate::rounds::{EmitError, JoinError, RoundKey};
use crate::runtime::LocalContext;

/// A message that tells an emitter to join a broker. The answer is the emitter's id and name at the broker.
///
/// # Errors
///
/// Returns any [`JoinError`] except `NoArbiter`.
#[derive(Debug)]
pub struct Join<P: Payload> {
    /// The broker to join.
    pub broker: Addr<Broker<P>>,
}

impl<P: Payload> Message for Join<P> {
    type Result = Result<EmitterRef, JoinError>;
}

impl<P: Payload> Handler<Join<P>> for Emitter<P> {
    type Result = ResponseActFuture<Self, Result<EmitterRef, JoinError>>;

    fn handle(&mut self, join: Join<P>, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.settle(join.broker).map(|seat, _, _| seat.map(|seat| seat.who.clone())))
    }
}

/// A message that tells an emitter to emit. The answer is the outcome of the round, which comes when the round has
/// closed.
///
/// # Errors
///
/// Returns any [`EmitError`] except `NoRound`.
#[derive(Clone)]
pub struct Emit<P> {
    /// The key of the round; `None` for the round without a key.
    pub key: Option<RoundKey>,
    /// The payload that is emitted.
    pub payload: P,
}

/// Omits the payload, which may be personal.
impl<P> fmt::Debug for Emit<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emit").field("key", &self.key).finish_non_exhaustive()
    }
}

impl<P: Payload> Message for Emit<P> {
    type Result = Result<Outcome<P>, EmitError>;
}

/// A message that tells an emitter to veto an open round. The answer is the outcome of the round, which is cancelled
/// unless the broker's [`on_veto`](crate::Broker::on_veto) tolerates the veto.
///
/// # Errors
///
/// Returns `NoRound`, `NotJoined`, `BrokerGone` or `Busy`: see [`EmitError`].
#[derive(Clone, Debug)]
pub struct Veto<P> {
    key: Option<RoundKey>,
    reason: Arc<str>,
    payload: std::marker::PhantomData<fn() -> P>,
}

impl<P> Veto<P> {
    /// Creates a veto against the open round without a key.
    pub fn new(reason: impl Into<Arc<str>>) -> Self {
        Self { key: None, reason: reason.into(), payload: std::marker::PhantomData }
    }

    /// Creates a veto against the open round of this key.
    pub fn of(key: impl Into<RoundKey>, reason: impl Into<Arc<str>>) -> Self {
        Self { key: Some(key.into()), ..Self::new(reason) }
    }
}

impl<P: Payload> Message for Veto<P> {
    type Result = Result<Outcome<P>, EmitError>;
}

/// A message that tells an emitter to leave its broker in an orderly way. See
/// [`Membership::leave`](crate::Membership::leave).
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Leave;

/// A message whose answer the broker gives: it takes over the sender's place to answer to.
#[doc(hidden)]
pub struct Forwarded<P>(Option<Arc<Seat<P>>>, Forward<P>);

enum Forward<P> {
    Emit(Option<RoundKey>, P),
    Veto(Option<RoundKey>, Arc<str>),
}

impl<P: Payload, M> MessageResponse<Emitter<P>, M> for Forwarded<P>
where
    M: Message<Result = Result<Outcome<P>, EmitError>>,
{
    fn handle(self, _: &mut LocalContext<Emitter<P>>, reply: Option<OneshotSender<M::Result>>) {
        let reply: Option<Reply<P>> = reply;
        // A refusal reaches the reply as well, and without one nobody waits for it.
        let _ = match self {
            Self(Some(seat), Forward::Emit(key, payload)) => seat.emit(key, payload, reply),
            Self(Some(seat), Forward::Veto(key, reason)) => seat.veto(key, reason, reply),
            Self(None, _) => {
                answer(reply, Err(EmitError::NotJoined));
                Ok(())
            }
        };
    }
}

impl<P> fmt::Debug for Forwarded<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forwarded")
    }
}

impl<P: Payload> Handler<Emit<P>> for Emitter<P> {
    type Result = Forwarded<P>;

    fn handle(&mut self, emit: Emit<P>, _: &mut Self::Context) -> Forwarded<P> {
        Forwarded(self.seat(), Forward::Emit(emit.key, emit.payload))
    }
}

impl<P: Payload> Handler<Veto<P>> for Emitter<P> {
    type Result = Forwarded<P>;

    fn handle(&mut self, veto: Veto<P>, _: &mut Self::Context) -> Forwarded<P> {
        Forwarded(self.seat(), Forward::Veto(veto.key, veto.reason))
    }
}

impl<P: Payload> Handler<Leave> for Emitter<P> {
    type Result = ();

    fn handle(&mut self, _: Leave, _: &mut Self::Context) {
        if let Some(membership) = self.membership.take() {
            membership.leave();
        }
    }
}

/// The messages of an emitter as methods of its address.
///
/// To emit without waiting for the outcome, use [`do_emit`](crate::Membership::do_emit) of the emitter's handle.
/// Sending the message [`Emit`] with `do_send` works as well, but nothing bounds the mailbox then.
pub trait EmitterExt<P: Payload> {
    /// Joins a broker. See [`Join`].
    ///
    /// # Errors
    ///
    /// Returns any [`JoinError`] except `NoArbiter`.
    fn join(&self, broker: &Addr<Broker<P>>) -> impl Future<Output = Result<EmitterRef, JoinError>> + use<Self, P>;

    /// Emits a signal. See [`Membership::emit`](crate::Membership::emit).
    ///
    /// # Errors
    ///
    /// Returns any [`EmitError`] except `NoRound`.
    fn emit(&self, payload: P) -> impl Future<Output = Result<Outcome<P>, EmitError>> + use<Self, P>;

    /// Emits a signal into the round of this key. See [`Membership::emit_for`](crate::Membership::emit_for).
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`emit`](Self::emit).
    fn emit_for<K: Into<RoundKey>>(
        &self,
        key: K,
        payload: P,
    ) -> impl Future<Output = Result<Outcome<P>, EmitError>> + use<Self, P, K>;

    /// Vetoes the open round without a key. See [`Membership::veto`](crate::Membership::veto).
    ///
    /// # Errors
    ///
    /// Returns `NoRound`, `NotJoined`, `BrokerGone`, `EmitterGone` or `Busy`: see [`EmitError`].
    fn veto<R: Into<Arc<str>>>(
        &self,
        reason: R,
    ) -> impl Future<Output = Result<Outcome<P>, EmitError>> + use<Self, P, R>;

    /// Leaves the broker in an orderly way. See [`Membership::leave`](crate::Membership::leave).
    ///
    /// # Errors
    ///
    /// Returns [`EmitError::EmitterGone`] if the emitter has stopped.
    fn leave(&self) -> impl Future<Output = Result<(), EmitError>> + use<Self, P>;
}

impl<P: Payload> EmitterExt<P> for Addr<Emitter<P>> {
    fn join(&self, broker: &Addr<Broker<P>>) -> impl Future<Output = Result<EmitterRef, JoinError>> + use<P> {
        let request = self.send(Join { broker: broker.clone() });
        async move { request.await.unwrap_or(Err(JoinError::EmitterGone)) }
    }

    fn emit(&self, payload: P) -> impl Future<Output = Result<Outcome<P>, EmitError>> + use<P> {
        let request = self.send(Emit { key: None, payload });
        async move { request.await.unwrap_or(Err(EmitError::EmitterGone { name: None })) }
    }

    fn emit_for<K: Into<RoundKey>>(
        &self,
        key: K,
        payload: P,
    ) -> impl Future<Output = Result<Outcome<P>, EmitError>> + use<P, K> {
        let request = self.send(Emit { key: Some(key.into()), payload });
        async move { request.await.unwrap_or(Err(EmitError::EmitterGone { name: None })) }
    }

    fn veto<R: Into<Arc<str>>>(&self, reason: R) -> impl Future<Output = Result<Outcome<P>, EmitError>> + use<P, R> {
        let request = self.send(Veto::new(reason));
        async move { request.await.unwrap_or(Err(EmitError::EmitterGone { name: None })) }
    }

    fn leave(&self) -> impl Future<Output = Result<(), EmitError>> + use<P> {
        let request = self.send(Leave);
        async move { request.await.map_err(|_| EmitError::EmitterGone { name: None }) }
    }
}
