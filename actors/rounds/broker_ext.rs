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

/// The messages of a broker as methods of its address. The returned futures borrow nothing, so an actor can spawn them.
pub trait BrokerExt<P: Payload> {
    /// Registers an actor of your own as an emitter. The actor is asked for its signals with the message [`Summons`].
    ///
    /// Keep the returned membership in a field of the actor: dropping it ends the membership. The broker holds the
    /// actor while rounds are open, and for up to two seconds longer. Beyond that the broker does not keep the actor
    /// alive, so hold the actor's address.
    ///
    /// # Errors
    ///
    /// Returns `DuplicateId`, `DuplicateName`, `RoundOpen`, `Full`, `Config` or `BrokerGone`: see [`JoinError`].
    fn add_emitter<S: Into<EmitterSpec>>(
        &self,
        emitter: S,
        actor: Recipient<Summons<P>>,
    ) -> impl Future<Output = Result<Membership<P>, JoinError>> + use<Self, P, S>;

    /// Registers an emitter that is never asked for a signal. You emit with the returned membership.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`add_emitter`](Self::add_emitter).
    fn enlist<S: Into<EmitterSpec>>(
        &self,
        emitter: S,
    ) -> impl Future<Output = Result<Membership<P>, JoinError>> + use<Self, P, S>;

    /// Registers an actor of your own as a consumer. The type of the recipient decides what the actor hears: resolved
    /// rounds, cancelled rounds, or every outcome.
    ///
    /// The returned guard owns the registration: dropping it unregisters the consumer. The guard keeps the actor alive
    /// if you pass a `Recipient`; it does not if you pass a `WeakRecipient`.
    ///
    /// # Errors
    ///
    /// Returns `Full`, `Config` or `BrokerGone`: see [`JoinError`].
    fn add_consumer<N: Into<Arc<str>>, A: Into<ConsumingActor<P>>>(
        &self,
        name: N,
        actor: A,
    ) -> impl Future<Output = Result<ConsumerHandle<P>, JoinError>> + use<Self, P, N, A>;

    /// Asks the broker for a snapshot of its state. See [`Inspect`].
    ///
    /// # Errors
    ///
    /// Returns [`BrokerError::Gone`] if the broker has stopped.
    fn inspect(&self) -> impl Future<Output = Result<BrokerSnapshot, BrokerError>> + use<Self, P>;

    /// Cancels the open round that has no key. See [`Abort`].
    ///
    /// # Errors
    ///
    /// Returns [`BrokerError::NoRound`] if no such round is open, and [`BrokerError::Gone`] if the broker has stopped.
    fn abort<R: Into<Arc<str>>>(&self, reason: R) -> impl Future<Output = Result<(), BrokerError>> + use<Self, P, R>;

    /// Cancels the open round of this key. See [`Abort`].
    ///
    /// # Errors
    ///
    /// Returns [`BrokerError::NoRound`] if no round of this key is open, and [`BrokerError::Gone`] if the broker has
    /// stopped.
    fn abort_for<K: Into<RoundKey>, R: Into<Arc<str>>>(
        &self,
        key: K,
        reason: R,
    ) -> impl Future<Output = Result<(), BrokerError>> + use<Self, P, K, R>;

    /// Sets the timeout of the rounds that open from now on. See [`SetTimeout`].
    ///
    /// # Errors
    ///
    /// Returns [`BrokerError::Config`] for a timeout of zero, and [`BrokerError::Gone`] if the broker has stopped.
    fn set_timeout(&self, timeout: Duration) -> impl Future<Output = Result<(), BrokerError>> + use<Self, P>;

    /// Stops the broker, which cancels its open rounds for everyone. See [`Stop`].
    ///
    /// The request travels as a message. It has no fixed order relative to signals that a guard emits just before or
    /// after.
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
    let EmitterSpec { id, name, deadline, weight } = emitter;
    let request = broker.send(Enlist { id, name, deadline, weight, ask, wants: None });
    async move { request.await.map_err(|_| JoinError::BrokerGone)? }
}

/// An actor of your own that consumes rounds, given by a recipient of the messages that it handles.
///
/// You make it from a `Recipient` or a `WeakRecipient` of [`Resolved`], [`Cancelled`] or [`Outcome`]. Each of these
/// messages is answered with [`Handled`](crate::Handled), so that the actor can report that it failed.
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
