//! How an actor registers itself, from within.

use std::panic::Location;

use actix::{Actor, AsyncContext, Handler};

use super::actor_seat::seat_of;
use super::overseer::Nobody;
use crate::events::bus::{EventBus, topics, typed};
use crate::events::event::{Event, JsonEvent, Subject};
use crate::events::hub::Hearing;
use crate::events::listener::{Heard, ListenError};
use crate::events::seats::Subscription;
use crate::events::topics::Patterns;

impl EventBus {
    /// Registers an actor as a listener to events of type `E`, from within the actor: where the actor is created, in
    /// `started`, or in a handler.
    ///
    /// The actor handles [`Heard<E>`](Heard) in its own context, one event at a time and in the order of the events, with
    /// no mailbox in between. The registration ends with the actor. A registration keeps the actor alive until the
    /// registration ends, even without an address.
    ///
    /// `start()` returns before `started` has run, and events that are emitted in between are missed. With `create`, as
    /// in the example, no event is missed. An error is also logged, because `started` cannot return it to anybody.
    ///
    /// ```
    /// # extern crate convoke_actors as convoke;
    /// use actix::prelude::*;
    /// use convoke::prelude::*;
    /// # use serde::{Deserialize, Serialize};
    ///
    /// # #[derive(Event, Serialize, Deserialize)]
    /// # struct OrderPlaced {
    /// #     id: u64,
    /// # }
    /// struct Billing {
    ///     _orders: Option<Subscription>,
    /// }
    ///
    /// impl Actor for Billing {
    ///     type Context = Context<Self>;
    /// }
    ///
    /// impl Handler<Heard<OrderPlaced>> for Billing {
    ///     type Result = Handled;
    ///
    ///     fn handle(&mut self, order: Heard<OrderPlaced>, _: &mut Context<Self>) -> Handled {
    ///         println!("bill order {}", order.id);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # actix::System::new().block_on(async {
    /// let bus = EventBus::default();
    /// let billing = Billing::create(|ctx| Billing { _orders: bus.subscribe::<OrderPlaced, Billing>(ctx).ok() });
    /// assert_eq!(bus.emit(OrderPlaced { id: 7 }).await.len(), 1);
    /// # drop(billing);
    /// # });
    /// ```
    ///
    /// To register an actor whose code you cannot change, pass its recipient:
    /// `bus.on(addr.recipient::<Heard<OrderPlaced>>())`. This costs a message to the actor's mailbox for each event.
    ///
    /// # Errors
    ///
    /// Returns [`ListenError::NoArbiter`] or [`ListenError::Full`].
    #[track_caller]
    pub fn subscribe<E, A>(&self, ctx: &mut A::Context) -> Result<Subscription, ListenError>
    where
        E: Event,
        A: Actor + Handler<Heard<E>>,
        A::Context: AsyncContext<A>,
        <A as Handler<Heard<E>>>::Result: 'static,
    {
        self.seat_actor::<E, A>(ctx, typed::<E>(), E::CONTAINS_PERSONAL_DATA, Location::caller())
    }

    /// Registers an actor as a listener to topics, from within the actor. The actor handles `Heard<JsonEvent>`. See
    /// [`subscribe`](Self::subscribe) and [`on_topic`](Self::on_topic).
    ///
    /// # Errors
    ///
    /// Returns [`ListenError::Pattern`], [`ListenError::NoPattern`], [`ListenError::NoArbiter`] or
    /// [`ListenError::Full`].
    #[track_caller]
    pub fn subscribe_topic<A>(&self, patterns: impl Patterns, ctx: &mut A::Context) -> Result<Subscription, ListenError>
    where
        A: Actor + Handler<Heard<JsonEvent>>,
        A::Context: AsyncContext<A>,
        <A as Handler<Heard<JsonEvent>>>::Result: 'static,
    {
        self.seat_actor::<JsonEvent, A>(ctx, topics(patterns)?, false, Location::caller())
    }

    fn seat_actor<S, A>(
        &self,
        ctx: &mut A::Context,
        hearing: Hearing,
        personal: bool,
        place: &'static Location<'static>,
    ) -> Result<Subscription, ListenError>
    where
        S: Subject,
        A: Actor + Handler<Heard<S>>,
        A::Context: AsyncContext<A>,
        <A as Handler<Heard<S>>>::Result: 'static,
    {
        let (subscription, seat) =
            seat_of::<S, A, Nobody>(self, hearing, personal, place, |_| {}, None).inspect_err(|error| {
                log::error!(target: "convoke::bus", "{}: {error}", std::any::type_name::<A>());
            })?;
        seat.attend::<A>(ctx);
        Ok(subscription)
    }
}
