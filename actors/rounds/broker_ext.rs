//! The messages of a broker as methods of its address, and how an actor of the user's own is registered.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Recipient, WeakRecipient};

use super::consumer::ConsumerHandle;
use super::error::{BrokerError, JoinError};
use super::id::RoundKey;
use super::snapshot::BrokerSnapshot;
use crate::base::Payload;
use crate::rounds::broker::{Abort, Attend, Broker, EmitterSpec, Enlist, Inspect, SetTimeout, Stop};
use crate::rounds::messages::{Ask, Keeper, Membership, Route, Summons};
use crate::rounds::outcome::{Cancelled, Outcome, Resolved};
use crate::runtime;

/// The messages of a broker as methods of its address. The futures borrow nothing, so that an actor can spawn them.
pub trait BrokerExt<P: Payload> {
    /// Registers any actor as an emitter, by the summons that it handles. Keep the membership in a field of the
    /// actor. The broker holds the actor while it has rounds and up to two seconds longer, but does not keep it alive
    /// beyond: hold its address.
    ///
    /// # Errors
    ///
    /// `DuplicateId`, `RoundOpen`, `Full`, `Config`, `BrokerGone`.
    fn add_emitter<S: Into<EmitterSpec>>(
        &self,
        emitter: S,
        actor: Recipient<Summons<P>>,
    ) -> impl Future<Output = Result<Membership<P>, JoinError>> + use<Self, P, S>;

    /// Registers an emitter that is never asked: whoever holds the membership emits with it.
    ///
    /// # Errors
    ///
    /// As [`add_emitter`](Self::add_emitter).
    fn enlist<S: Into<EmitterSpec>>(
        &self,
        emitter: S,
    ) -> impl Future<Output = Result<Membership<P>, JoinError>> + use<Self, P, S>;

    /// Registers any actor as a consumer, by what it handles: resolved rounds, cancelled ones, or every outcome. The
    /// guard keeps the actor alive if it is given as a `Recipient`, and not as a `WeakRecipient`.
    ///
    /// # Errors
    ///
    /// `Full`, `Config`, `BrokerGone`.
    fn add_consumer<N: Into<Arc<str>>, A: Into<ConsumingActor<P>>>(
        &self,
        name: N,
        actor: A,
    ) -> impl Future<Output = Result<ConsumerHandle<P>, JoinError>> + use<Self, P, N, A>;

    /// Asks the broker how it is. See [`Inspect`].
    ///
    /// # Errors
    ///
    /// `Gone`.
    fn inspect(&self) -> impl Future<Output = Result<BrokerSnapshot, BrokerError>> + use<Self, P>;

    /// Cancels the open round without a key. See [`Abort`].
    ///
    /// # Errors
    ///
    /// `NoRound`, `Gone`.
    fn abort<R: Into<Arc<str>>>(&self, reason: R) -> impl Future<Output = Result<(), BrokerError>> + use<Self, P, R>;

    /// Cancels the open round of this key. See [`Abort`].
    ///
    /// # Errors
    ///
    /// `NoRound`, `Gone`.
    fn abort_for<K: Into<RoundKey>, R: Into<Arc<str>>>(
        &self,
        key: K,
        reason: R,
    ) -> impl Future<Output = Result<(), BrokerError>> + use<Self, P, K, R>;

    /// Sets the timeout of the rounds that open from now on. See [`SetTimeout`].
    ///
    /// # Errors
    ///
    /// `Config` for a timeout of zero, `Gone`.
    fn set_timeout(&self, timeout: Duration) -> impl Future<Output = Result<(), BrokerError>> + use<Self, P>;

    /// Stops the broker, which cancels its open rounds for everyone. See [`Stop`].
    ///
    /// It is a message, and has no order with signals that were emitted by a guard just before or after.
    fn stop(&self);
}

impl<P: Payload> BrokerExt<P> for Addr<Broker<P>> {
    fn add_emitter<S: Into<EmitterSpec>>(
        &self,
        emitter: S,
        actor: Recipient<Summons<P>>,
    ) -> impl Future<Output = Result<Membership<P>, JoinError>> + use<P, S> {
        join(self, emitter.into(), Ask::Any { weak: actor.downgrade(), strong: None })
    }

    fn enlist<S: Into<EmitterSpec>>(
        &self,
        emitter: S,
    ) -> impl Future<Output = Result<Membership<P>, JoinError>> + use<P, S> {
        join(self, emitter.into(), Ask::Never)
    }

    fn add_consumer<N: Into<Arc<str>>, A: Into<ConsumingActor<P>>>(
        &self,
        name: N,
        actor: A,
    ) -> impl Future<Output = Result<ConsumerHandle<P>, JoinError>> + use<P, N, A> {
        let ConsumingActor { route, keeper } = actor.into();
        let request = self.send(Attend { name: Some(name.into()), route });
        let broker = self.clone();
        async move {
            let seat = request.await.map_err(|_| JoinError::BrokerGone)??;
            Ok(ConsumerHandle { seat, keeper, broker })
        }
    }

    fn inspect(&self) -> impl Future<Output = Result<BrokerSnapshot, BrokerError>> + use<P> {
        let request = self.send(Inspect);
        async move { Ok(request.await?) }
    }

    fn abort<R: Into<Arc<str>>>(&self, reason: R) -> impl Future<Output = Result<(), BrokerError>> + use<P, R> {
        let request = self.send(Abort { key: None, reason: reason.into() });
        async move { request.await? }
    }

    fn abort_for<K: Into<RoundKey>, R: Into<Arc<str>>>(
        &self,
        key: K,
        reason: R,
    ) -> impl Future<Output = Result<(), BrokerError>> + use<P, K, R> {
        let request = self.send(Abort { key: Some(key.into()), reason: reason.into() });
        async move { request.await? }
    }

    fn set_timeout(&self, timeout: Duration) -> impl Future<Output = Result<(), BrokerError>> + use<P> {
        let request = self.send(SetTimeout(timeout));
        async move { request.await? }
    }

    fn stop(&self) {
        runtime::post_to(self, Stop);
    }
}

fn join<P: Payload>(
    broker: &Addr<Broker<P>>,
    emitter: EmitterSpec,
    ask: Ask<P>,
) -> impl Future<Output = Result<Membership<P>, JoinError>> + use<P> {
    let EmitterSpec { id, name, deadline } = emitter;
    let request = broker.send(Enlist { id, name, deadline, ask, wants: None });
    async move { request.await.map_err(|_| JoinError::BrokerGone)? }
}

/// An actor that consumes rounds, by the recipient of what it handles.
///
/// It is made from a `Recipient`, or a `WeakRecipient`, of [`Resolved`], [`Cancelled`] or [`Outcome`]; all of them are
/// answered with [`Handled`](crate::Handled), so that the actor can say that it failed.
pub struct ConsumingActor<P: Payload> {
    route: Route<P>,
    keeper: Option<Keeper>,
}

impl<P: Payload> fmt::Debug for ConsumingActor<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumingActor").finish_non_exhaustive()
    }
}

macro_rules! consuming_actors {
    ($($kind:ident => $route:ident),*) => {$(
        impl<P: Payload> From<Recipient<$kind<P>>> for ConsumingActor<P> {
            fn from(actor: Recipient<$kind<P>>) -> Self {
                Self { route: Route::$route(actor.downgrade()), keeper: Some(Box::new(actor)) }
            }
        }

        impl<P: Payload> From<WeakRecipient<$kind<P>>> for ConsumingActor<P> {
            fn from(actor: WeakRecipient<$kind<P>>) -> Self {
                Self { route: Route::$route(actor), keeper: None }
            }
        }
    )*};
}

consuming_actors!(Resolved => Resolved, Cancelled => Cancelled, Outcome => All);
