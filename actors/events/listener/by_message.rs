//! An actor as a listener by messages to its mailbox: by its recipient, by its address, or sent and not heeded.
//!
//! `Recipient, Addr → SentCall → the actor's mailbox → its answer`, `Unheeded → the actor's mailbox`

use std::future::Future;
use std::sync::Arc;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Recipient};

use super::heard::Heard;
use super::listener::Listen;
use super::listening::Listening;
use crate::events::event::Subject;
use crate::events::parcel::Parcel;
use crate::events::seats::{Mailbox, Scope, SentCall};
use crate::events::verdict::ListenerError;
use crate::runtime;

/// Marks an actor.
#[doc(hidden)]
#[derive(Debug)]
pub struct ByActor;

impl<E: Subject> Listen<E, ByActor> for Recipient<Heard<E>> {
    fn listening(self) -> Listening<E> {
        Listening::new::<Self>(true, move |seating| {
            Ok(seating.seat(SentCall::new(move |scope: &Scope<'_, E>| {
                scope.begins();
                let heard = Heard::new(scope.parcel.clone());
                // One that has not been answered yet may have parked this sender, which then refuses another and wakes nobody.
                if scope.post.at_work() == 0 { self.send(heard) } else { self.clone().send(heard) }
            })))
        })
    }
}

impl<E: Subject, A> Listen<E, ByActor> for Addr<A>
where
    A: Actor + Handler<Heard<E>>,
    A::Context: ToEnvelope<A, Heard<E>>,
{
    fn listening(self) -> Listening<E> {
        Listening::new::<A>(true, move |seating| {
            Ok(seating.seat(SentCall::new(move |scope: &Scope<'_, E>| {
                scope.begins();
                let heard = Heard::new(scope.parcel.clone());
                if scope.post.at_work() == 0 { self.send(heard) } else { self.clone().send(heard) }
            })))
        })
    }
}

/// An actor that is sent each event and not heeded: what its handler returns is nobody's.
///
/// This is the promise of actix-broker, and costs less than to register the recipient itself. The event is done as soon as it
/// is in the actor's mailbox. That the handler fails or panics is in no report, no log and no dead letter;
/// [`ListenerResult::heeded`](crate::ListenerResult::heeded) is `false`, and the report says how many are unheeded. An event
/// that is sent to an actor which has stopped fails as [`Gone`](crate::ListenerError::Gone) and is a dead letter.
///
/// The mailbox is bounded by 256 events, whatever its own capacity. One more waits until the actor has taken it: if it is
/// emitted, the emission waits, and if it is published, those behind it wait in the listener's queue, up to its
/// [`capacity`](crate::Listening::capacity). So nothing is lost in silence.
///
/// Events that are in the mailbox are heard even if the registration ends meanwhile.
/// [`concurrency`](crate::Listening::concurrency) does not limit them.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use actix::prelude::*;
/// use convoke::{Unheeded, prelude::*};
/// # use serde::{Deserialize, Serialize};
///
/// # #[derive(Event, Serialize, Deserialize)]
/// # struct OrderPlaced {
/// #     id: u64,
/// # }
/// struct Statistics;
///
/// impl Actor for Statistics {
///     type Context = Context<Self>;
/// }
///
/// impl Handler<Heard<OrderPlaced>> for Statistics {
///     type Result = Handled;
///
///     fn handle(&mut self, order: Heard<OrderPlaced>, _: &mut Context<Self>) -> Handled {
///         println!("count order {}", order.id);
///         Ok(())
///     }
/// }
///
/// # actix::System::new().block_on(async {
/// let bus = EventBus::default();
/// let statistics = Statistics.start().recipient::<Heard<OrderPlaced>>();
/// let _statistics = bus.on(Unheeded(statistics).named("statistics"))?;
/// let report = bus.emit(OrderPlaced { id: 7 }).await;
/// assert_eq!(report.to_string(), "OrderPlaced: 1 listener (1 unheeded), 0 failed");
/// # Ok::<(), ListenError>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Unheeded<R>(pub R);

impl<E: Subject> Listen<E, ByActor> for Unheeded<Recipient<Heard<E>>> {
    fn listening(self) -> Listening<E> {
        let mut listening = Listening::new::<Recipient<Heard<E>>>(true, move |seating| Ok(seating.seat_unheeded(self)));
        listening.heeded = false;
        listening
    }
}

impl<E: Subject> Mailbox<E> for Unheeded<Recipient<Heard<E>>> {
    #[inline]
    fn post(&self, parcel: Arc<Parcel<E>>) -> bool {
        let is_there = self.0.connected();
        if is_there {
            runtime::post(&self.0, Heard::new(parcel));
        }
        is_there
    }

    fn send(&self, parcel: Arc<Parcel<E>>) -> impl Future<Output = Result<(), ListenerError>> + 'static {
        let sent = self.0.clone().send(Heard::new(parcel));
        async move { sent.await.map(drop).map_err(|_| ListenerError::Gone) }
    }
}
