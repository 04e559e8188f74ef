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
    /// Registers an actor to events of one type, from within: where it is created, in `started`, or in a handler. It
    /// handles [`Heard<E>`](Heard), in its own context, one at a time and in their order, with no mailbox in between; the
    /// registration ends with the actor. Until one of them ends, the actor lives, even without an address.
    ///
    /// `start()` returns before `started` has run, and what is emitted in between is missed; with `create`, as here,
    /// nothing is. A refusal is logged as an error too, because there is nobody to return it to.
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
    /// An actor that cannot be changed is registered by its recipient, `bus.on(addr.recipient::<Heard<OrderPlaced>>())`,
    /// which costs a message to its mailbox for each event.
    ///
    /// # Errors
    ///
    /// `NoArbiter`, `Full`.
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

    /// Registers an actor to topics, from within: it handles `Heard<JsonEvent>`. See [`subscribe`](Self::subscribe) and
    /// [`on_topic`](Self::on_topic).
    ///
    /// # Errors
    ///
    /// `Pattern`, `NoPattern`, `NoArbiter`, `Full`.
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
        place: &Location<'_>,
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
