//! The future in an actor's context that takes events from its seat and has its handler called.
//!
//! `ActorSeat (its queue) → Hearings → Handler<Heard<E>> → an answer, at once or later`

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix::dev::MessageResponse;
use actix::{Actor, ActorFuture, AsyncContext, Handler, ResponseActFuture, ResponseFuture};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use super::actor_seat::ActorSeat;
use super::overseer::Overseer;
use crate::base::Handled;
use crate::events::event::Subject;
use crate::events::hub::DeadLetter;
use crate::events::listener::Heard;
use crate::events::parcel::{Ticket, Waiting, Within};
use crate::events::seats::{self, AnySeat};
use crate::events::verdict::ListenerError;
use crate::runtime::{self, drop_quietly};

/// How many events an actor handles before its mailbox and timers have their turn.
const TURN: usize = 64;

/// The future in the actor's context that has its handler called.
pub(crate) struct Hearings<S: Subject, A: Actor, O: Overseer> {
    seat: Rc<ActorSeat<S, O>>,
    /// What the handler is at: kept here, so that nothing is lost if it panics.
    at: Option<(Rc<Waiting<S>>, Option<Ticket>)>,
    /// Since when, if somebody asked for the time.
    began: Option<Instant>,
    answer: Option<Answer<A>>,
    /// The handler is being called, or its answer polled: if the actor panics, it is this.
    calling: bool,
}

/// The answer of a handler that is not done at once, and when its time is over.
struct Answer<A: Actor> {
    by: Answering<A>,
    deadline: Pin<Box<Sleep>>,
    timeout: Duration,
}

/// How a handler answers that is not done at once.
enum Answering<A: Actor> {
    /// A `ResponseActFuture`.
    Acting(ResponseActFuture<A, Handled>),
    /// A `ResponseFuture`.
    Future(ResponseFuture<Handled>),
    /// Whatever else there is, through actix.
    Channel(oneshot::Receiver<Handled>),
}

impl<A: Actor> Answer<A> {
    fn poll(&mut self, actor: &mut A, ctx: &mut A::Context, task: &mut Context<'_>) -> Poll<Result<(), ListenerError>> {
        let polled = match &mut self.by {
            Answering::Acting(future) => future.as_mut().poll(actor, ctx, task).map_err(ListenerError::from),
            Answering::Future(future) => future.as_mut().poll(task).map_err(ListenerError::from),
            Answering::Channel(answer) => Pin::new(answer).poll(task).map(|answer| match answer {
                Ok(handled) => handled.map_err(ListenerError::from),
                Err(_) => Err(ListenerError::Gone),
            }),
        };
        if polled.is_pending() && self.deadline.as_mut().poll(task).is_ready() {
            return Poll::Ready(Err(ListenerError::TimedOut(self.timeout)));
        }
        polled
    }
}

impl<S: Subject, A, O: Overseer> ActorFuture<A> for Hearings<S, A, O>
where
    A: Actor + Handler<Heard<S>>,
    A::Context: AsyncContext<A>,
    <A as Handler<Heard<S>>>::Result: 'static,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, actor: &mut A, ctx: &mut A::Context, task: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let within = Within::nothing();
        let turn = if this.seat.post.door().is_seeded() { 1 } else { TURN };
        for _ in 0..turn {
            if let Some(answer) = &mut this.answer {
                if let Some((parcel, _)) = &this.at {
                    within.next(parcel.clone());
                }
                this.calling = true;
                let polled = answer.poll(actor, ctx, task);
                this.calling = false;
                let Poll::Ready(result) = polled else { return Poll::Pending };
                this.answer = None;
                this.finish(result);
            }
            // What the actor waits for, or that it stops, holds up events as it holds up messages.
            if ctx.waiting() {
                return Poll::Pending;
            }
            // A service that is about to be started again leaves what waits to the next.
            if this.seat.oversight.as_ref().is_some_and(|oversight| oversight.is_paused()) {
                this.rest();
                return Poll::Pending;
            }
            let Some((parcel, ticket)) = this.seat.pop() else {
                this.rest();
                if this.seat.ended.get() {
                    return Poll::Ready(());
                }
                let mut waker = this.seat.waker.borrow_mut();
                if !waker.as_ref().is_some_and(|known| known.will_wake(task.waker())) {
                    *waker = Some(task.waker().clone());
                }
                drop(waker);
                seats::rest(&this.seat.hub, this.seat.post.door());
                return Poll::Pending;
            };
            this.seat.busy.set(true);
            this.seat.hub.made_room();
            within.next(parcel.clone());
            let heard = Heard::new((*parcel).clone());
            this.began = ticket.as_ref().filter(|ticket| ticket.timed).map(|_| runtime::now());
            DeadLetter::comes_to(&this.seat.post, &*heard);
            this.at = Some((parcel, ticket));
            this.calling = true;
            let response = actor.handle(heard, ctx);
            this.calling = false;
            match at_once(response) {
                Ok(handled) => this.finish(handled.map_err(ListenerError::from)),
                Err(response) => {
                    let timeout = this.seat.post.timeout();
                    let deadline = runtime::after(runtime::now(), timeout);
                    let by = answering(response, ctx);
                    this.answer = Some(Answer { by, deadline: Box::pin(tokio::time::sleep_until(deadline)), timeout });
                }
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: Subject, A: Actor, O: Overseer> Hearings<S, A, O> {
    pub(crate) fn at(seat: Rc<ActorSeat<S, O>>) -> Self {
        Self { seat, at: None, began: None, answer: None, calling: false }
    }

    /// No call is under way.
    #[inline]
    fn rest(&self) {
        self.seat.busy.set(false);
        if let Some(oversight) = &self.seat.oversight {
            oversight.rested();
        }
    }

    #[inline]
    fn finish(&mut self, result: Result<(), ListenerError>) {
        if let Some((parcel, ticket)) = self.at.take() {
            self.seat.finish(&parcel, ticket, self.began.take(), result);
        }
    }
}

/// What a handler has answered, if that is no future: without a channel for it.
#[inline]
fn at_once<R: 'static>(response: R) -> Result<Handled, R> {
    let mut response = Some(response);
    if let Some(handled) = (&mut response as &mut dyn Any).downcast_mut::<Option<Handled>>().and_then(Option::take) {
        return Ok(handled);
    }
    match response {
        Some(response) => Err(response),
        None => Ok(Ok(())),
    }
}

/// Takes over what a handler has answered: a future is polled here, where what it emits is known to be caused by its
/// event, and one at a time.
fn answering<S: Subject, A>(response: <A as Handler<Heard<S>>>::Result, ctx: &mut A::Context) -> Answering<A>
where
    A: Actor + Handler<Heard<S>>,
    A::Context: AsyncContext<A>,
    <A as Handler<Heard<S>>>::Result: 'static,
{
    let mut response = Some(response);
    let any: &mut dyn Any = &mut response;
    if let Some(future) = any.downcast_mut::<Option<ResponseActFuture<A, Handled>>>().and_then(Option::take) {
        return Answering::Acting(future);
    }
    if let Some(future) = any.downcast_mut::<Option<ResponseFuture<Handled>>>().and_then(Option::take) {
        return Answering::Future(future);
    }
    let (sender, answer) = oneshot::channel();
    if let Some(response) = response {
        response.handle(ctx, Some(sender));
    }
    Answering::Channel(answer)
}

impl<S: Subject, A: Actor, O: Overseer> Drop for Hearings<S, A, O> {
    fn drop(&mut self) {
        // The actor is gone, or its registration.
        self.rest();
        if let Some(oversight) = self.seat.oversight.clone() {
            let lost = oversight.lost(self.calling);
            drop_quietly(self.answer.take());
            self.finish(Err(lost));
            *self.seat.waker.borrow_mut() = None;
            seats::rest(&self.seat.hub, self.seat.post.door());
            return;
        }
        self.finish(Err(ListenerError::Gone));
        if self.seat.ringed {
            // Those around it wait for what it has not done.
            self.seat.end();
        }
        seats::end(&self.seat.hub, &self.seat.post, None);
        seats::rest(&self.seat.hub, self.seat.post.door());
    }
}

/// The actor is not pinned, and neither is what is held of it.
impl<S: Subject, A: Actor, O: Overseer> Unpin for Hearings<S, A, O> {}
