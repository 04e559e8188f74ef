//! A listener that is sent each event and not heeded: the event is done once it lies in the actor's mailbox.
//!
//! `publish → Straight → UnheededCall → the mailbox`, `emit → Seat → UnheededCall → the mailbox`

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use super::call::{Call, Ran, Scope};
use super::hearer::{Hears, Tickets};
use super::seat::Seat;
use super::station::Station;
use crate::events::event::Subject;
use crate::events::parcel::{Parcel, Waiting};
use crate::events::verdict::{ListenerError, Queued, Room};

/// How many events lie in an actor's mailbox before one more waits until the actor has taken it.
const AHEAD: u64 = 256;

/// The way to an actor.
pub(crate) trait Mailbox<S>: 'static {
    /// Puts an event into the mailbox; `false` if the actor has stopped. The mark goes when the actor has taken it.
    fn post(&self, parcel: &Arc<Parcel<S>>, mark: Option<Arc<()>>) -> bool;

    /// The same, and is done when the actor has taken it. Dropped before that, it takes the event back.
    fn send(&self, parcel: &Arc<Parcel<S>>) -> impl Future<Output = Result<(), ListenerError>> + 'static;
}

/// A call that posts an event. A mark on every so many tells how many have been taken.
pub(crate) struct UnheededCall<M> {
    to: M,
    posted: Cell<u64>,
    taken: Rc<Cell<u64>>,
    /// The number of the one that is marked.
    mark: RefCell<Option<(u64, Arc<()>)>>,
}

impl<M> UnheededCall<M> {
    pub(crate) fn new(to: M) -> Self {
        Self { to, posted: Cell::new(0), taken: Rc::default(), mark: RefCell::default() }
    }

    /// So many were in the mailbox, of which the actor may have taken some.
    #[cold]
    #[inline(never)]
    fn call_slowly<S>(&self, parcel: &Arc<Parcel<S>>) -> Ran
    where
        M: Mailbox<S>,
    {
        let mut mark = self.mark.borrow_mut();
        if let Some((number, _)) = mark.take_if(|(_, mark)| Arc::strong_count(mark) == 1) {
            self.taken.set(self.taken.get().max(number));
        }
        let number = self.posted.get() + 1;
        if number - self.taken.get() > AHEAD {
            self.posted.set(number);
            let (taken, sent) = (self.taken.clone(), self.to.send(parcel));
            return Ran::Later(Box::pin(Some(async move {
                sent.await?;
                taken.set(taken.get().max(number));
                Ok(())
            })));
        }
        let new = if mark.is_none() { Some(mark.insert((number, Arc::default())).1.clone()) } else { None };
        drop(mark);
        self.post(parcel, number, new)
    }

    #[inline]
    fn post<S>(&self, parcel: &Arc<Parcel<S>>, number: u64, mark: Option<Arc<()>>) -> Ran
    where
        M: Mailbox<S>,
    {
        if !self.to.post(parcel, mark) {
            return Ran::Done(Err(ListenerError::Gone));
        }
        self.posted.set(number);
        Ran::Done(Ok(()))
    }
}

impl<S: Subject, M: Mailbox<S>> Call<S> for UnheededCall<M> {
    #[inline]
    fn call(&self, scope: &Scope<'_, S>) -> Ran {
        scope.begins();
        let number = self.posted.get() + 1;
        if number - self.taken.get() >= AHEAD / 2 {
            return self.call_slowly(scope.parcel);
        }
        self.post(scope.parcel, number, None)
    }
}

/// The seat of one that is not heeded: what is published goes straight into the mailbox, unless something waits.
pub(crate) struct Straight<S>(pub(crate) Rc<Seat<S>>);

impl<S: Subject> Hears<S> for Straight<S> {
    fn call(&self, parcel: &Arc<Parcel<S>>, place: u32, tickets: &mut Tickets<'_>) -> bool {
        self.0.call(parcel, place, tickets)
    }

    fn queue(&self, parcel: &Rc<Waiting<S>>, station: &Station, room: Room) -> Queued {
        if !self.0.is_at_rest() {
            return self.0.queue(parcel, station, room);
        }
        self.0.call_queued(parcel);
        Queued::Taken
    }

    fn declines(&self, parcel: &Arc<Parcel<S>>) -> bool {
        self.0.declines(parcel)
    }
}
