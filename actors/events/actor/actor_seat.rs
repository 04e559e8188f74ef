//! An actor that hears events in its own context: its handler is called without a mailbox in between.
//!
//! `emit, publish → ActorSeat (a queue) → hearings.rs, in the actor's context`
//!
//! An actix mailbox costs two allocations for each message and the wake of a task; this costs a push, and wakes the
//! actor once for a burst.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use actix::{Actor, AsyncContext, Handler};
use tokio::time::Instant;

use super::hearings::Hearings;
use super::overseer::Overseer;
use crate::base::Noted;
use crate::events::bus::EventBus;
use crate::events::event::{JsonEvent, Subject};
use crate::events::hub::{Hearing, Hub, Post};
use crate::events::listener::{Heard, ListenError, Listening};
use crate::events::parcel::{Board, Parcel, Ticket, Waiting};
use crate::events::seats::{
    AnySeat, AsyncCall, Brought, Hearer, Hears, Options, Scope, Seated, Station, Subscription, Tickets,
};
use crate::events::verdict::{ListenerError, Overflow, Queued, Room, Verdict};
use crate::runtime::{self, Counted, drop_quietly};

/// Registers a seat for an actor of this type, which hears as soon as one [attends](ActorSeat::attend).
pub(crate) fn seat_of<S: Subject, A, O: Overseer>(
    bus: &EventBus,
    hearing: Hearing,
    personal: bool,
    place: &'static Location<'static>,
    options: impl FnOnce(&mut Options<S>),
    oversight: Option<Rc<O>>,
) -> Result<(Subscription, Rc<ActorSeat<S, O>>), ListenError> {
    let made: Rc<OnceCell<Rc<ActorSeat<S, O>>>> = Rc::default();
    let slot = made.clone();
    let mut listening = Listening::new::<A>(true, move |seating| {
        let ringed = !seating.hub.middleware().is_empty();
        let seat = Rc::new(ActorSeat::new(seating.hub.clone(), seating.post.clone(), ringed, oversight));
        let _ = slot.set(seat.clone());
        if !ringed {
            return Ok(Seated::new(seat));
        }
        // What stands around a listener stands around a function that has the actor called and awaits it.
        let actor = Ringed(seat);
        Ok(seating.seat(AsyncCall::new(move |scope: &Scope<'_, S>| Ok(actor.0.ask(scope.parcel)))))
    });
    options(&mut listening.options);
    let subscription = bus.register(listening, hearing, personal, place)?;
    match made.get().cloned() {
        Some(seat) => Ok((subscription, seat)),
        None => unreachable!("it was made when it was registered"),
    }
}

/// The seat of an actor.
pub(crate) struct ActorSeat<S, O> {
    pub(crate) hub: Arc<Hub>,
    pub(crate) post: Arc<Post>,
    pub(crate) ended: Cell<bool>,
    pub(crate) busy: Cell<bool>,
    lines: RefCell<Lines<S>>,
    /// How many stand in them.
    waiting: Cell<usize>,
    pub(crate) waker: RefCell<Option<Waker>>,
    /// Middleware stands around it, and another seat in its place: that one counts and reports.
    pub(crate) ringed: bool,
    /// The actor is a service: its seat outlives it, for the next that is built.
    pub(crate) oversight: Option<Rc<O>>,
}

/// What waits for an actor.
struct Lines<S> {
    /// What was published.
    published: VecDeque<Rc<Waiting<S>>>,
    /// How many have left that line, in whichever way.
    left: u64,
    /// What is awaited, which is not dropped for want of room, each with how many were published before it. In a line of
    /// its own, so that the oldest of the other is found at once, and those of many actors are no larger than they must be.
    awaited: VecDeque<Awaited<S>>,
}

impl<S> Lines<S> {
    #[inline]
    fn next(&mut self) -> Option<(Rc<Waiting<S>>, Option<Ticket>)> {
        if let Some(first) = self.awaited.front()
            && first.behind <= Counted(self.left)
            && let Some(Awaited { parcel, ticket, .. }) = self.awaited.pop_front()
        {
            return Some((parcel, Some(ticket)));
        }
        Some((self.next_published()?, None))
    }

    #[inline]
    fn next_published(&mut self) -> Option<Rc<Waiting<S>>> {
        let parcel = self.published.pop_front()?;
        self.left += 1;
        Some(parcel)
    }
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
struct Ringed<S: Subject, O: Overseer>(Rc<ActorSeat<S, O>>);

impl<S: Subject, O: Overseer> Drop for Ringed<S, O> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl<S: Subject, O: Overseer> ActorSeat<S, O> {
    fn new(hub: Arc<Hub>, post: Arc<Post>, ringed: bool, oversight: Option<Rc<O>>) -> Self {
        Self {
            ringed,
            oversight,
            hub,
            post,
            ended: Cell::new(false),
            busy: Cell::new(false),
            lines: RefCell::new(Lines { published: VecDeque::new(), left: 0, awaited: VecDeque::new() }),
            waiting: Cell::new(0),
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
        ctx.spawn(Hearings::at(self.clone()));
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
            let awaited = &mut self.lines.borrow_mut().awaited;
            // They stand in the order in which they came.
            while awaited.front().is_some_and(|first| due(first) <= now) {
                expired.extend(awaited.pop_front());
            }
            awaited.front().map(due)
        };
        self.set_waiting(self.waiting() - expired.len());
        for Awaited { parcel, ticket, .. } in expired {
            self.finish(&parcel, Some(ticket), None, Err(ListenerError::TimedOut(limit)));
            drop_quietly(parcel);
        }
        // Whoever comes later has at least as long.
        let latest = runtime::after(now, limit);
        next.map_or(latest, |next| next.min(latest))
    }

    /// Has the actor called, and says how that ended.
    fn ask(&self, parcel: &Arc<Parcel<S>>) -> impl Future<Output = Result<(), ListenerError>> + use<S, O> {
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
        self.waiting.get()
    }

    /// How many wait is known of the seat that is in the report.
    #[inline]
    fn set_waiting(&self, events: usize) {
        self.waiting.set(events);
        if !self.ringed {
            self.post.set_waiting(events);
        }
    }

    #[inline]
    fn push(&self, parcel: Rc<Waiting<S>>, ticket: Option<Ticket>) {
        {
            let mut lines = self.lines.borrow_mut();
            match ticket {
                None => lines.published.push_back(parcel),
                Some(ticket) => {
                    let behind = Counted(lines.left + lines.published.len() as u64);
                    let since = self.is_away().then(runtime::now);
                    lines.awaited.push_back(Awaited { behind, parcel, ticket, since });
                }
            }
        }
        let waiting = self.waiting() + 1;
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
    pub(crate) fn pop(&self) -> Option<(Rc<Waiting<S>>, Option<Ticket>)> {
        let next = self.lines.borrow_mut().next()?;
        self.set_waiting(self.waiting() - 1);
        Some(next)
    }

    /// Takes the oldest that nobody waits for: what is emitted is not bounded by the queue, but by its emitters.
    fn pop_published(&self) -> Option<Rc<Waiting<S>>> {
        let oldest = self.lines.borrow_mut().next_published()?;
        self.set_waiting(self.waiting() - 1);
        Some(oldest)
    }

    #[inline]
    pub(crate) fn finish(
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
            true => Verdict::Failed(error, Noted::default()),
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

impl<S: Subject, O: Overseer> Hears<S> for ActorSeat<S, O> {
    fn call(&self, parcel: &Arc<Parcel<S>>, place: u32, tickets: &mut Tickets<'_>) -> bool {
        if self.ended.get() {
            return tickets.give(Verdict::Skipped);
        }
        if self.is_full_and_away() {
            return tickets.give(self.failed(parcel, ListenerError::Busy));
        }
        self.push(tickets.waiting(parcel), Some(tickets.take(place)));
        true
    }

    fn queue(&self, parcel: &Rc<Waiting<S>>, _: &Station, room: Room) -> Queued {
        if self.ended.get() {
            return Queued::Taken;
        }
        let waiting = self.waiting();
        if self.post.is_at_ease(waiting) {
            self.push(parcel.clone(), None);
            return Queued::Taken;
        }
        let Some(overflow) = self.post.room_for(waiting, room) else {
            self.push(parcel.clone(), None);
            self.post.mind(self.waiting());
            return Queued::Taken;
        };
        if overflow != Overflow::DropOldest {
            return self.hub.give_way(&self.post, (**parcel).clone(), overflow);
        }
        let dropped = self.pop_published();
        self.push(parcel.clone(), None);
        // What is emitted counts, and is not dropped.
        let Some(dropped) = dropped else { return Queued::Taken };
        let queued = self.hub.give_way(&self.post, (*dropped).clone(), overflow);
        drop_quietly(dropped);
        queued
    }
}

impl<S: Subject, O: Overseer> AnySeat for ActorSeat<S, O> {
    fn post(&self) -> &Arc<Post> {
        &self.post
    }

    fn offer(self: Rc<Self>, slot: &mut dyn Any) {
        Hearer::Other(self).put(slot);
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

    fn call_brought(&self, brought: &Brought, place: u32, tickets: &mut Tickets<'_>) -> bool {
        match brought.parcel() {
            Ok(parcel) => self.call(&parcel, place, tickets),
            Err(bad) => tickets.give(self.hub.failed(&self.post, brought.any().clone(), bad)),
        }
    }

    fn queue_brought(&self, brought: &Brought, station: &Station, room: Room) -> Queued {
        match brought.waiting() {
            Ok(parcel) => self.queue(&parcel, station, room),
            Err(bad) => self.hub.unfit(&self.post, brought.any().clone(), bad),
        }
    }

    fn call_json(&self, parcel: &Arc<Parcel<JsonEvent>>, place: u32, tickets: &mut Tickets<'_>) -> bool {
        match parcel.form() {
            Ok(event) => self.call(&event, place, tickets),
            Err(bad) => tickets.give(self.hub.failed(&self.post, parcel.clone(), bad)),
        }
    }

    fn queue_json(&self, parcel: &Rc<Waiting<JsonEvent>>, station: &Station, room: Room) -> Queued {
        match parcel.form() {
            Ok(event) => self.queue(&Rc::new(Waiting(event)), station, room),
            Err(bad) => self.hub.unfit(&self.post, (**parcel).clone(), bad),
        }
    }
}
