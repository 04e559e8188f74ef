//! A listener that is sent each event and not heeded: the event is done once it lies in the actor's mailbox.
//!
//! `publish → Straight → UnheededCall → the mailbox`, `emit → Seat → UnheededCall → the mailbox`

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use super::arrival::Brought;
use super::call::{Call, Ran, Scope};
use super::hearer::{AnySeat, Hearer, Hears, Tickets};
use super::seat::Seat;
use super::station::Station;
use crate::events::event::{JsonEvent, Subject};
use crate::events::hub::Post;
use crate::events::parcel::{Parcel, Waiting};
use crate::events::verdict::{ListenerError, Queued, Room};
use crate::runtime::drop_quietly;

/// How many events lie in an actor's mailbox before one more waits until the actor has taken it.
const AHEAD: u64 = 256;

/// The way to an actor.
pub(crate) trait Mailbox<S>: 'static {
    /// Puts an event into the mailbox; `false` if the actor has stopped.
    fn post(&self, parcel: Arc<Parcel<S>>) -> bool;

    /// The same, and is done when the actor has taken it. Dropped before that, it takes the event back.
    fn send(&self, parcel: Arc<Parcel<S>>) -> impl Future<Output = Result<(), ListenerError>> + 'static;
}

/// A call that posts an event. One of every so many is in a parcel of its own, which goes when the actor has taken it: by that it
/// is known how many have been taken.
pub(crate) struct UnheededCall<S, M> {
    to: M,
    posted: Cell<u64>,
    taken: Rc<Cell<u64>>,
    /// The number of that one, and its parcel.
    mark: RefCell<Option<(u64, Arc<Parcel<S>>)>>,
}

impl<S: Subject, M: Mailbox<S>> UnheededCall<S, M> {
    pub(crate) fn new(to: M) -> Self {
        Self { to, posted: Cell::new(0), taken: Rc::default(), mark: RefCell::default() }
    }

    /// So many were in the mailbox, of which the actor may have taken some.
    #[cold]
    #[inline(never)]
    fn call_slowly(&self, parcel: &Arc<Parcel<S>>) -> Ran {
        let number = self.posted.get() + 1;
        let passed = {
            let taken = self.taken.get();
            // The actor may keep what it has heard; then it is one that was awaited behind it which tells.
            let is_taken = |(marked, mark): &mut (u64, _)| *marked <= taken || Arc::strong_count(mark) == 1;
            self.mark.borrow_mut().take_if(is_taken)
        };
        if let Some((marked, last)) = passed {
            self.taken.set(self.taken.get().max(marked));
            drop_quietly(last);
        }
        if number - self.taken.get() > AHEAD {
            self.posted.set(number);
            let (taken, sent) = (self.taken.clone(), self.to.send(parcel.clone()));
            return Ran::Later(Box::pin(Some(async move {
                sent.await?;
                taken.set(taken.get().max(number));
                Ok(())
            })));
        }
        if self.mark.borrow().is_some() {
            return self.post(parcel.clone());
        }
        let mark = parcel.twin();
        *self.mark.borrow_mut() = Some((number, mark.clone()));
        self.post(mark)
    }

    #[inline]
    fn post(&self, parcel: Arc<Parcel<S>>) -> Ran {
        if !self.to.post(parcel) {
            return Ran::Done(Err(ListenerError::Gone));
        }
        self.posted.set(self.posted.get() + 1);
        Ran::Done(Ok(()))
    }

    /// Whether as many may be in the mailbox as are posted without a look.
    #[inline]
    fn is_at_ease(&self) -> bool {
        self.posted.get() - self.taken.get() < AHEAD / 2
    }
}

impl<S: Subject, M: Mailbox<S>> Call<S> for Rc<UnheededCall<S, M>> {
    #[inline]
    fn call(&self, scope: &Scope<'_, S>) -> Ran {
        scope.begins();
        if self.is_at_ease() { self.post(scope.parcel.clone()) } else { self.call_slowly(scope.parcel) }
    }
}

/// The seat of one that is not heeded: what is published goes straight into the mailbox, unless something waits.
pub(crate) struct Straight<S, M> {
    pub(crate) seat: Seat<S>,
    pub(crate) call: Rc<UnheededCall<S, M>>,
}

impl<S: Subject, M: Mailbox<S>> Straight<S, M> {
    /// Posts an event without asking how it is called, if as many are posted without a look and the actor is there.
    #[inline]
    fn post(&self, parcel: &Arc<Parcel<S>>) -> bool {
        if !self.call.is_at_ease() {
            return false;
        }
        self.seat.scope(parcel).begins();
        let is_posted = self.call.to.post(parcel.clone());
        if is_posted {
            self.call.posted.set(self.call.posted.get() + 1);
            self.seat.done();
        }
        is_posted
    }
}

impl<S: Subject, M: Mailbox<S>> Hears<S> for Straight<S, M> {
    #[inline]
    fn call(&self, parcel: &Arc<Parcel<S>>, place: u32, tickets: &mut Tickets<'_>) -> bool {
        self.seat.is_plain() && self.post(parcel) || self.seat.call(parcel, place, tickets)
    }

    fn queue(&self, parcel: &Rc<Waiting<S>>, station: &Station, room: Room) -> Queued {
        if !self.seat.is_at_rest() {
            return self.seat.queue(parcel, station, room);
        }
        if !self.post(parcel) {
            self.seat.call_queued(parcel);
        }
        Queued::Taken
    }

    fn declines(&self, parcel: &Arc<Parcel<S>>) -> bool {
        self.seat.declines(parcel)
    }
}

/// In all but what is published here it is as the seat.
impl<S: Subject, M: Mailbox<S>> AnySeat for Straight<S, M> {
    fn post(&self) -> &Arc<Post> {
        self.seat.post()
    }

    fn offer(self: Rc<Self>, slot: &mut dyn Any) {
        Hearer::Other(self).put(slot);
    }

    fn run(&self, station: &Rc<Station>, budget: usize) -> usize {
        self.seat.run(station, budget)
    }

    fn ended_one(&self, station: &Station) {
        self.seat.ended_one(station);
    }

    fn look(&self, station: &Rc<Station>) {
        self.seat.look(station);
    }

    fn end(&self) {
        self.seat.end();
    }

    fn is_idle(&self) -> bool {
        self.seat.is_idle()
    }

    fn call_brought(&self, brought: &Brought, place: u32, tickets: &mut Tickets<'_>) -> bool {
        self.seat.call_brought(brought, place, tickets)
    }

    fn queue_brought(&self, brought: &Brought, station: &Station, room: Room) -> Queued {
        self.seat.queue_brought(brought, station, room)
    }

    fn call_json(&self, parcel: &Arc<Parcel<JsonEvent>>, place: u32, tickets: &mut Tickets<'_>) -> bool {
        self.seat.call_json(parcel, place, tickets)
    }

    fn queue_json(&self, parcel: &Rc<Waiting<JsonEvent>>, station: &Station, room: Room) -> Queued {
        self.seat.queue_json(parcel, station, room)
    }

    fn declines_json(&self, parcel: &Arc<Parcel<JsonEvent>>) -> bool {
        self.seat.declines_json(parcel)
    }
}
