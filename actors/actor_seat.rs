//! An actor that hears events in its own context: its handler is called without a mailbox in between.
//!
//! `emit, publish → queue → Hearings (a future of the actor's context) → Handler<Heard<E>>`
//!
//! An actix mailbox costs two allocations for each message and the wake of a task; this costs a push, and wakes the
//! actor once for a burst.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix::dev::MessageResponse;
use actix::{Actor, ActorFuture, AsyncContext, Handler, ResponseActFuture, ResponseFuture};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use crate::bus::{EventBus, topics, typed};
use crate::call::{AsyncCall, Scope};
use crate::desk;
use crate::error::Handled;
use crate::event::Event;
use crate::heard::Heard;
use crate::hub::Hub;
use crate::json_event::JsonEvent;
use crate::letters::Reason;
use crate::listen_error::ListenError;
use crate::listening::{Listening, Options, Overflow, Seated};
use crate::oversight::Oversight;
use crate::parcel::{Parcel, Subject};
use crate::patterns::Patterns;
use crate::report::{Board, ListenerError, Ticket, Verdict};
use crate::runtime::{self, Counted, drop_quietly};
use crate::seat::{AnySeat, Hears, Tickets};
use crate::station::Station;
use crate::subscription::{self, Hearing, Post, Subscription};
use crate::within::{Waiting, Within};

/// How many events an actor handles before its mailbox and timers have their turn.
const TURN: usize = 64;

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
            seat_of::<S, A>(self, hearing, personal, place, |_| {}, None).inspect_err(|error| {
                log::error!(target: "convoke::bus", "{}: {error}", std::any::type_name::<A>());
            })?;
        seat.attend::<A>(ctx);
        Ok(subscription)
    }
}

/// Registers a seat for an actor of this type, which hears as soon as one [attends](ActorSeat::attend).
pub(crate) fn seat_of<S: Subject, A>(
    bus: &EventBus,
    hearing: Hearing,
    personal: bool,
    place: &Location<'_>,
    options: impl FnOnce(&mut Options<S>),
    oversight: Option<Rc<Oversight>>,
) -> Result<(Subscription, Rc<ActorSeat<S>>), ListenError> {
    let made: Rc<RefCell<Option<Rc<ActorSeat<S>>>>> = Rc::default();
    let slot = made.clone();
    let mut listening = Listening::new::<A>(true, move |seating| {
        let ringed = !seating.hub.middleware().is_empty();
        let timeout = seating.options.timeout.unwrap_or(seating.hub.limits().listener_timeout);
        let seat = Rc::new(ActorSeat::new(timeout, seating.hub.clone(), seating.post.clone(), ringed, oversight));
        *slot.borrow_mut() = Some(seat.clone());
        if !ringed {
            return Ok(Seated { own: seat.clone(), any: seat });
        }
        // What stands around a listener stands around a function that has the actor called and awaits it.
        let actor = Ringed(seat);
        Ok(seating.seat(AsyncCall::new(move |scope: &Scope<'_, S>| Ok(actor.0.ask(scope.parcel)))))
    });
    options(&mut listening.options);
    let subscription = bus.register(listening, hearing, personal, place)?;
    match made.take() {
        Some(seat) => Ok((subscription, seat)),
        None => unreachable!("it was made when it was registered"),
    }
}

/// The seat of an actor.
pub(crate) struct ActorSeat<S> {
    hub: Arc<Hub>,
    post: Arc<Post>,
    ended: Cell<bool>,
    busy: Cell<bool>,
    timeout: Duration,
    /// What was published.
    queue: RefCell<VecDeque<Rc<Waiting<S>>>>,
    /// How many have left that queue, in whichever way.
    left: Cell<u64>,
    /// What is awaited, which is not dropped for want of room, each with how many were published before it. In a queue of
    /// its own, so that the oldest of the other is found at once, and those of many actors are no larger than they must be.
    awaited: RefCell<VecDeque<Awaited<S>>>,
    waker: RefCell<Option<Waker>>,
    /// Middleware stands around it, and another seat in its place: that one counts and reports.
    ringed: bool,
    /// The actor is a service: its seat outlives it, for the next that is built.
    oversight: Option<Rc<Oversight>>,
}

/// An event whose emitter waits for the end of the call.
struct Awaited<S> {
    behind: Counted<u64>,
    parcel: Rc<Waiting<S>>,
    ticket: Ticket,
    /// Since when it waits, if it came while the service was away.
    since: Option<Instant>,
}

/// The seat of an actor within middleware, which ends with what is around it.
struct Ringed<S: Subject>(Rc<ActorSeat<S>>);

impl<S: Subject> Drop for Ringed<S> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl<S: Subject> ActorSeat<S> {
    fn new(timeout: Duration, hub: Arc<Hub>, post: Arc<Post>, ringed: bool, oversight: Option<Rc<Oversight>>) -> Self {
        Self {
            timeout,
            ringed,
            oversight,
            hub,
            post,
            ended: Cell::new(false),
            busy: Cell::new(false),
            queue: RefCell::default(),
            left: Cell::new(0),
            awaited: RefCell::default(),
            waker: RefCell::default(),
        }
    }

    /// Has an actor hear from this seat.
    pub(crate) fn attend<A>(self: &Rc<Self>, ctx: &mut A::Context)
    where
        A: Actor + Handler<Heard<S>>,
        A::Context: AsyncContext<A>,
        <A as Handler<Heard<S>>>::Result: 'static,
    {
        ctx.spawn(Hearings { seat: self.clone(), at: None, began: None, answer: None, calling: false });
    }

    /// Whether a call is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy.get()
    }

    /// Those who have waited so long for what has not begun, since they came or since the service is away, wait no longer;
    /// returns when to look again.
    pub(crate) fn expire(&self, limit: Duration, away_since: Instant) -> Instant {
        let now = runtime::now();
        let due = |one: &Awaited<S>| runtime::after(one.since.unwrap_or(away_since), limit);
        let mut expired = Vec::new();
        let next = {
            let mut awaited = self.awaited.borrow_mut();
            // They stand in the order in which they came.
            while awaited.front().is_some_and(|first| due(first) <= now) {
                expired.extend(awaited.pop_front());
            }
            awaited.front().map(due)
        };
        self.set_waiting(self.waiting());
        for Awaited { parcel, ticket, .. } in expired {
            self.finish(&parcel, Some(ticket), None, Err(ListenerError::TimedOut(limit)));
            drop_quietly(parcel);
        }
        // Whoever comes later has at least as long.
        let latest = runtime::after(now, limit);
        next.map_or(latest, |next| next.min(latest))
    }

    /// Has the actor called, and says how that ended.
    fn ask(&self, parcel: &Arc<Parcel<S>>) -> impl Future<Output = Result<(), ListenerError>> + use<S> {
        let board = Arc::new(Board::new());
        board.expect(1);
        let ticket = Ticket::new(board.clone(), 0, false);
        match self.ended.get() {
            true => drop(ticket),
            false => self.push(Rc::new(Waiting(parcel.clone())), Some(ticket)),
        }
        async move {
            poll_fn(|cx| if board.poll_done(cx.waker()) { Poll::Ready(()) } else { Poll::Pending }).await;
            board.error().map_or(Ok(()), Err)
        }
    }

    /// How many wait.
    #[inline]
    pub(crate) fn waiting(&self) -> usize {
        self.queue.borrow().len() + self.awaited.borrow().len()
    }

    /// How many wait is known of the seat that is in the report.
    #[inline]
    fn set_waiting(&self, events: usize) {
        if !self.ringed {
            self.post.set_waiting(events);
        }
    }

    #[inline]
    fn push(&self, parcel: Rc<Waiting<S>>, ticket: Option<Ticket>) {
        let mut queue = self.queue.borrow_mut();
        match ticket {
            None => queue.push_back(parcel),
            Some(ticket) => {
                let behind = Counted(self.left.get() + queue.len() as u64);
                let since = self.is_away().then(runtime::now);
                self.awaited.borrow_mut().push_back(Awaited { behind, parcel, ticket, since });
            }
        }
        drop(queue);
        let waiting = self.waiting();
        self.set_waiting(waiting);
        // What is pushed to others that wait wakes nobody anew.
        if waiting == 1 && !self.busy.get() {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    #[inline]
    fn pop(&self) -> Option<(Rc<Waiting<S>>, Option<Ticket>)> {
        let awaited = {
            let mut awaited = self.awaited.borrow_mut();
            let left = Counted(self.left.get());
            if awaited.front().is_some_and(|first| first.behind <= left) { awaited.pop_front() } else { None }
        };
        let next = match awaited {
            Some(Awaited { parcel, ticket, .. }) => (parcel, Some(ticket)),
            None => (self.pop_published()?, None),
        };
        self.set_waiting(self.waiting());
        Some(next)
    }

    /// Takes the oldest that nobody waits for: what is emitted is not bounded by the queue, but by its emitters.
    #[inline]
    fn pop_published(&self) -> Option<Rc<Waiting<S>>> {
        let parcel = self.queue.borrow_mut().pop_front()?;
        self.left.set(self.left.get() + 1);
        Some(parcel)
    }

    #[inline]
    fn finish(
        &self,
        parcel: &Arc<Parcel<S>>,
        ticket: Option<Ticket>,
        began: Option<Instant>,
        result: Result<(), ListenerError>,
    ) {
        let took = began.map(|began| runtime::now() - began);
        let verdict = match result {
            Ok(()) => {
                if !self.ringed {
                    self.post.counts.done();
                }
                None
            }
            Err(error) => {
                if let Some(oversight) = &self.oversight {
                    oversight.erred(&error);
                }
                Some(self.failed(parcel, error))
            }
        };
        if let Some(ticket) = ticket {
            ticket.finish(verdict, took);
        }
    }

    fn failed(&self, parcel: &Arc<Parcel<S>>, error: ListenerError) -> Verdict {
        match self.ringed {
            true => Verdict::Failed(error),
            false => self.hub.failed(&self.post, parcel.clone(), error),
        }
    }

    fn is_away(&self) -> bool {
        self.oversight.as_ref().is_some_and(|oversight| oversight.is_away())
    }

    /// Whether so many wait for a service that is away that it takes no more.
    fn is_full_and_away(&self) -> bool {
        self.is_away() && self.waiting() >= self.post.capacity()
    }
}

impl<S: Subject> Hears<S> for ActorSeat<S> {
    fn call(&self, parcel: &Arc<Parcel<S>>, place: u32, tickets: &mut Tickets<'_>) -> bool {
        if self.ended.get() {
            return tickets.give(Verdict::Skipped);
        }
        if self.is_full_and_away() {
            return tickets.give(self.failed(parcel, ListenerError::Busy));
        }
        self.push(Rc::new(Waiting(parcel.clone())), Some(tickets.take(place)));
        true
    }

    fn queue(&self, parcel: &Rc<Waiting<S>>, _: &Station, placed: bool) {
        if self.ended.get() {
            return;
        }
        let mut dropped = None;
        if self.waiting() >= self.post.capacity() && !self.post.refuses() && !placed {
            dropped = match self.post.overflow() {
                Overflow::DropNewest => Some(parcel.clone()),
                _ => self.pop_published(),
            };
        }
        if !matches!(&dropped, Some(dropped) if Rc::ptr_eq(dropped, parcel)) {
            self.push(parcel.clone(), None);
        }
        if let Some(dropped) = dropped {
            self.hub.dropped(&self.post, (*dropped).clone(), Reason::Overflow(self.post.overflow()));
            drop_quietly(dropped);
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
        // Those who wait for them hear that it is gone.
        let waiting: Vec<_> = std::iter::from_fn(|| Some(self.pop()?.0)).collect();
        self.hub.made_room();
        for parcel in waiting {
            if !self.ringed {
                self.hub.dropped(&self.post, (*parcel).clone(), self.post.ended_by());
            }
            drop_quietly(parcel);
        }
        self.wake();
    }

    fn is_idle(&self) -> bool {
        runtime::step();
        !self.busy.get() && self.waiting() == 0
    }

    fn call_json(&self, parcel: &Arc<Parcel<JsonEvent>>, place: u32, tickets: &mut Tickets<'_>) -> bool {
        match parcel.form() {
            Ok(event) => self.call(&event, place, tickets),
            Err(bad) => tickets.give(self.hub.failed(&self.post, parcel.clone(), bad)),
        }
    }

    fn queue_json(&self, parcel: &Rc<Waiting<JsonEvent>>, station: &Station, placed: bool) {
        match parcel.form() {
            Ok(event) => self.queue(&Rc::new(Waiting(event)), station, placed),
            Err(bad) => drop(self.hub.failed(&self.post, (**parcel).clone(), bad)),
        }
    }
}

/// The future in the actor's context that has its handler called.
struct Hearings<S: Subject, A: Actor> {
    seat: Rc<ActorSeat<S>>,
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

impl<S: Subject, A> ActorFuture<A> for Hearings<S, A>
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
                desk::rest(&this.seat.hub, this.seat.post.door());
                return Poll::Pending;
            };
            this.seat.busy.set(true);
            this.seat.hub.made_room();
            within.next(parcel.clone());
            let heard = Heard::new((*parcel).clone());
            this.began = ticket.as_ref().filter(|ticket| ticket.timed).map(|_| runtime::now());
            this.at = Some((parcel, ticket));
            this.calling = true;
            let response = actor.handle(heard, ctx);
            this.calling = false;
            match at_once(response) {
                Ok(handled) => this.finish(handled.map_err(ListenerError::from)),
                Err(response) => {
                    let timeout = this.seat.timeout;
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

impl<S: Subject, A: Actor> Hearings<S, A> {
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

impl<S: Subject, A: Actor> Drop for Hearings<S, A> {
    fn drop(&mut self) {
        // The actor is gone, or its registration.
        self.rest();
        if let Some(oversight) = self.seat.oversight.clone() {
            let lost = oversight.lost(self.calling);
            drop_quietly(self.answer.take());
            self.finish(Err(lost));
            *self.seat.waker.borrow_mut() = None;
            desk::rest(&self.seat.hub, self.seat.post.door());
            return;
        }
        self.finish(Err(ListenerError::Gone));
        if self.seat.ringed {
            // Those around it wait for what it has not done.
            self.seat.end();
        }
        subscription::end(&self.seat.hub, &self.seat.post, None);
        desk::rest(&self.seat.hub, self.seat.post.door());
    }
}

/// The actor is not pinned, and neither is what is held of it.
impl<S: Subject, A: Actor> Unpin for Hearings<S, A> {}
