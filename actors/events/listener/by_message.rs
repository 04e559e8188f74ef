//! An actor as a listener by messages to its mailbox: by its recipient or by its address.
//!
//! `Recipient, Addr → SentCall → the actor's mailbox → its answer`

use std::future::Future;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, MailboxError, Recipient};

use super::heard::Heard;
use super::listener::Listen;
use super::listening::Listening;
use crate::base::Handled;
use crate::events::event::Subject;
use crate::events::seats::{Scope, SentCall};
use crate::events::verdict::ListenerError;

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
                answered(if scope.post.at_work() == 0 { self.send(heard) } else { self.clone().send(heard) })
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
                answered(if scope.post.at_work() == 0 { self.send(heard) } else { self.clone().send(heard) })
            })))
        })
    }
}

/// What an actor answers to an event.
async fn answered(answer: impl Future<Output = Result<Handled, MailboxError>>) -> Result<(), ListenerError> {
    answer.await.map_err(|_| ListenerError::Gone)?.map_err(ListenerError::from)
}
