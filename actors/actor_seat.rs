//! An actor that hears events in its own context: its handler is called without a mailbox in between.
//!
//! `emit, publish → queue → Hearings (a future of the actor's context) → Handler<Heard<E>>`
//!
//! An actix mailbox costs two allocations for each message and the wake of a task; this costs a push, and wakes the
//! actor once for a burst.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix::dev::MessageResponse;
use actix::{Actor, ActorFuture, AsyncContext, Handler};
use tokio::sync::oneshot;

use crate::bus::{EventBus, ListenError, Patterns, topics, typed};
use crate::error::Handled;
use crate::event::Event;
use crate::heard::Heard;
use crate::hub::Hub;
use crate::json_event::JsonEvent;
use crate::letters::Reason;
use crate::listening::{Listening, Options, Overflow, Seated};
use crate::parcel::{Current, Parcel, Subject, Within};
use crate::report::{ListenerError, Ticket, Verdict};
use crate::runtime;
use crate::seat::{AnySeat, Hears, Tickets};
use crate::station::Station;
use crate::subscription::{self, Hearing, Post, Subscription};

/// How many events an actor handles before its mailbox and timers have their turn.
const TURN: usize = 64;

impl EventBus {
    /// Registers an actor to events of one type, from within: in `started`, or in a handler. It handles
    /// [`Heard<E>`](Heard), in its own context, one at a time and in their order, with no mailbox in between; the
    /// registration ends with the actor.
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
    ///     bus: EventBus,
    ///     orders: Option<Subscription>,
    /// }
    ///
    /// impl Actor for Billing {
    ///     type Context = Context<Self>;
    ///
    ///     fn started(&mut self, ctx: &mut Context<Self>) {
    ///         self.orders = self.bus.subscribe::<OrderPlaced, Self>(ctx).ok();
    ///     }
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
        let made: Rc<RefCell<Option<Rc<ActorSeat<S>>>>> = Rc::default();
        let slot = made.clone();
        let listening = Listening::new::<A>(true, move |seating| {
            let seat = Rc::new(ActorSeat::new(seating.options, seating.hub, seating.post));
            *slot.borrow_mut() = Some(seat.clone());
            Ok(Seated { own: seat.clone(), any: seat })
        });
        let subscription = self.register(listening, hearing, personal, place)?;
        if let Some(seat) = made.take() {
            ctx.spawn(Hearings { seat, waiting: None });
        }
        Ok(subscription)
    }
}

/// What waits for an actor: an event, and who waits for its end.
type Waiting<S> = (Rc<Arc<Parcel<S>>>, Option<Ticket>);

/// The seat of an actor.
struct ActorSeat<S> {
    hub: Arc<Hub>,
    post: Arc<Post>,
    ended: Cell<bool>,
    busy: Cell<bool>,
    timeout: Duration,
    queue: RefCell<VecDeque<Waiting<S>>>,
    waker: RefCell<Option<Waker>>,
}

impl<S: Subject> ActorSeat<S> {
    fn new(options: Options<S>, hub: Arc<Hub>, post: Arc<Post>) -> Self {
        Self {
            timeout: options.timeout.unwrap_or(hub.limits().listener_timeout),
            hub,
            post,
            ended: Cell::new(false),
            busy: Cell::new(false),
            queue: RefCell::default(),
            waker: RefCell::default(),
        }
    }

    fn push(&self, waiting: Waiting<S>) {
        let mut queue = self.queue.borrow_mut();
        queue.push_back(waiting);
        self.post.set_waiting(queue.len());
        // What is pushed to others that wait wakes nobody anew.
        if queue.len() == 1 && !self.busy.get() {
            drop(queue);
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    fn pop(&self) -> Option<Waiting<S>> {
        let mut queue = self.queue.borrow_mut();
        let next = queue.pop_front();
        self.post.set_waiting(queue.len());
        next
    }

    fn finish(&self, parcel: &Arc<Parcel<S>>, ticket: Option<Ticket>, result: Result<(), ListenerError>) {
        let verdict = match result {
            Ok(()) => {
                self.post.counts.done();
                None
            }
            Err(error) => Some(self.hub.failed(&self.post, parcel.clone(), error)),
        };
        if let Some(ticket) = ticket {
            ticket.finish(verdict, None);
        }
    }
}

impl<S: Subject> Hears<S> for ActorSeat<S> {
    fn call(&self, parcel: &Arc<Parcel<S>>, tickets: &mut Tickets<'_>) -> Option<Verdict> {
        if self.ended.get() {
            return Some(Verdict::Skipped);
        }
        self.push((Rc::new(parcel.clone()), Some(tickets.take())));
        None
    }

    fn queue(&self, parcel: &Rc<Arc<Parcel<S>>>, _: &Station) {
        if self.ended.get() {
            return;
        }
        let mut dropped = None;
        if self.queue.borrow().len() >= self.post.capacity() && !self.post.refuses() {
            dropped = match self.post.overflow() {
                Overflow::DropNewest => Some((parcel.clone(), None)),
                _ => self.pop(),
            };
        }
        if !matches!(&dropped, Some((dropped, _)) if Rc::ptr_eq(dropped, parcel)) {
            self.push((parcel.clone(), None));
        }
        if let Some((dropped, _)) = dropped {
            self.hub.dropped(&self.post, (*dropped).clone(), Reason::Overflow(self.post.overflow()));
        }
    }
}

impl<S: Subject> AnySeat for ActorSeat<S> {
    fn post(&self) -> &Arc<Post> {
        &self.post
    }

    fn run(&self, _: &Rc<Station>, _: usize) -> usize {
        0
    }

    fn ended_one(&self, _: &Station) {}

    fn end(&self) {
        self.ended.set(true);
        self.post.end();
        let waiting = std::mem::take(&mut *self.queue.borrow_mut());
        self.post.set_waiting(0);
        for (parcel, _) in waiting {
            self.hub.dropped(&self.post, (*parcel).clone(), Reason::Ended);
        }
        self.wake();
    }

    fn is_idle(&self) -> bool {
        !self.busy.get() && self.queue.borrow().is_empty()
    }

    fn call_json(&self, parcel: &Arc<Parcel<JsonEvent>>, tickets: &mut Tickets<'_>) -> Option<Verdict> {
        match parcel.form() {
            Ok(event) => self.call(&event, tickets),
            Err(bad) => Some(self.hub.failed(&self.post, parcel.clone(), bad.into())),
        }
    }

    fn queue_json(&self, parcel: &Rc<Arc<Parcel<JsonEvent>>>, station: &Station) {
        match parcel.form() {
            Ok(event) => self.queue(&Rc::new(event), station),
            Err(bad) => drop(self.hub.failed(&self.post, (**parcel).clone(), bad.into())),
        }
    }
}

/// The future in the actor's context that has its handler called.
struct Hearings<S: Subject> {
    seat: Rc<ActorSeat<S>>,
    /// The answer of a handler that is not done at once, and what it is about.
    waiting: Option<(Answer, Waiting<S>)>,
}

/// What a handler that is not done at once will answer, or that its time is over.
type Answer = Pin<Box<dyn Future<Output = Result<(), ListenerError>>>>;

impl<S: Subject, A> ActorFuture<A> for Hearings<S>
where
    A: Actor + Handler<Heard<S>>,
    A::Context: AsyncContext<A>,
    <A as Handler<Heard<S>>>::Result: 'static,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, actor: &mut A, ctx: &mut A::Context, task: &mut Context<'_>) -> Poll<()> {
        let seat = self.seat.clone();
        for _ in 0..TURN {
            if let Some((answer, _)) = &mut self.waiting {
                let Poll::Ready(result) = answer.as_mut().poll(task) else { return Poll::Pending };
                if let Some((_, (parcel, ticket))) = self.waiting.take() {
                    seat.finish(&parcel, ticket, result);
                }
            }
            let Some((parcel, ticket)) = seat.pop() else {
                seat.busy.set(false);
                if seat.ended.get() {
                    return Poll::Ready(());
                }
                let mut waker = seat.waker.borrow_mut();
                if !waker.as_ref().is_some_and(|known| known.will_wake(task.waker())) {
                    *waker = Some(task.waker().clone());
                }
                return Poll::Pending;
            };
            seat.busy.set(true);
            seat.hub.made_room();
            let within = Within::call_of(Current::Queued(parcel.clone()));
            let response = actor.handle(Heard::new((*parcel).clone()), ctx);
            drop(within);
            match at_once(response) {
                Ok(handled) => seat.finish(&parcel, ticket, handled.map_err(ListenerError::from)),
                Err(response) => {
                    let (sender, answer) = oneshot::channel();
                    response.handle(ctx, Some(sender));
                    let limit = seat.timeout;
                    let answer = async move {
                        match runtime::within(limit, answer).await {
                            Some(Ok(handled)) => handled.map_err(ListenerError::from),
                            Some(Err(_)) => Err(ListenerError::Gone),
                            None => Err(ListenerError::TimedOut(limit)),
                        }
                    };
                    self.waiting = Some((Box::pin(answer), (parcel, ticket)));
                }
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

/// What a handler has answered, if that is no future: without a channel for it.
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

impl<S: Subject> Drop for Hearings<S> {
    fn drop(&mut self) {
        // The actor is gone, or its registration.
        self.seat.busy.set(false);
        if let Some((_, (parcel, ticket))) = self.waiting.take() {
            self.seat.finish(&parcel, ticket, Err(ListenerError::Gone));
        }
        subscription::end(&self.seat.hub, &self.seat.post, None);
    }
}
