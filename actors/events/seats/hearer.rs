//! Who hears an event on its arbiter: by its own subject, by another form of it, or whatever it is.
//!
//! `LocalRoute → Hearer → Seat, ActorSeat`, `arrival.rs → AnySeat → Seat, ActorSeat`

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;

use super::arrival::Brought;
use super::seat::Seat;
use super::station::Station;
use crate::events::event::{JsonEvent, Subject};
use crate::events::hub::{Hub, Post};
use crate::events::parcel::{AnyParcel, Board, Packed, Parcel, Tally, Ticket, Waiting};
use crate::events::verdict::{Queued, Room, Verdict};
use crate::runtime;

/// A seat as it hears events of one subject.
pub(crate) trait Hears<S> {
    /// Calls the listener now. `false` if there is a verdict in the tickets.
    fn call(&self, parcel: &Arc<Parcel<S>>, place: u32, tickets: &mut Tickets<'_>) -> bool;

    /// Puts a published event into the listener's queue. One for which a place was kept pushes out no other: two threads that
    /// keep places at the same moment may together have kept one too many.
    fn queue(&self, parcel: &Rc<Waiting<S>>, station: &Station, room: Room) -> Queued;

    /// Whether this event would take no place in the queue, because it is not wanted.
    fn declines(&self, _: &Arc<Parcel<S>>) -> bool {
        false
    }
}

/// A seat that hears events of any subject, as they are.
pub(crate) trait HearsAny {
    /// Calls the listener now, as [`Hears::call`].
    fn call(&self, parcel: Rc<dyn Packed>, place: u32, tickets: &mut Tickets<'_>) -> bool;

    /// Puts a published event into the listener's queue, as [`Hears::queue`].
    fn queue(&self, parcel: &Rc<dyn Packed>, station: &Station, room: Room) -> Queued;

    /// Whether this event would take no place in the queue.
    fn declines(&self, parcel: &dyn AnyParcel) -> bool;
}

/// Such a seat, as it hears events of one subject.
pub(crate) struct Whole(pub(crate) Rc<dyn HearsAny>);

impl<S: Subject> Hears<S> for Whole {
    fn call(&self, parcel: &Arc<Parcel<S>>, place: u32, tickets: &mut Tickets<'_>) -> bool {
        self.0.call(tickets.waiting(parcel), place, tickets)
    }

    fn queue(&self, parcel: &Rc<Waiting<S>>, station: &Station, room: Room) -> Queued {
        let parcel: Rc<dyn Packed> = parcel.clone();
        self.0.queue(&parcel, station, room)
    }

    fn declines(&self, parcel: &Arc<Parcel<S>>) -> bool {
        self.0.declines(&**parcel)
    }
}

/// A seat as its station knows it.
pub(crate) trait AnySeat {
    fn post(&self) -> &Arc<Post>;

    /// Puts itself into the slot, an `Option<Hearer<S>>`, if it is a seat for this subject.
    fn offer(self: Rc<Self>, slot: &mut dyn Any);

    /// Itself, if it hears whatever there is, as it is.
    fn whole(self: Rc<Self>) -> Option<Rc<dyn HearsAny>> {
        None
    }

    /// Takes up to so many events from the queue and calls the listener with them; says how many.
    fn run(&self, station: &Rc<Station>, budget: usize) -> usize;

    /// A call from the queue has ended.
    fn ended_one(&self, station: &Station);

    /// Looks at the answer of the actor to whom it has sent a message first.
    fn look(&self, _: &Rc<Station>) {}

    /// Hears no more from now on; what waits is dropped.
    fn end(&self);

    /// Whether nothing waits and nothing from the queue is under way.
    fn is_idle(&self) -> bool;

    /// Calls the listener now, with an event that has come from another arbiter.
    fn call_brought(&self, brought: &Brought, place: u32, tickets: &mut Tickets<'_>) -> bool;

    /// Puts a published event into the listener's queue that has come from another arbiter.
    fn queue_brought(&self, brought: &Brought, station: &Station, room: Room) -> Queued;

    /// Calls the listener now, with an event that came as JSON.
    fn call_json(&self, parcel: &Arc<Parcel<JsonEvent>>, place: u32, tickets: &mut Tickets<'_>) -> bool;

    /// Puts a published event into the listener's queue, which came as JSON.
    fn queue_json(&self, parcel: &Rc<Waiting<JsonEvent>>, station: &Station, room: Room) -> Queued;

    /// Whether this event would take no place in the queue, which came as JSON.
    fn declines_json(&self, _: &Arc<Parcel<JsonEvent>>) -> bool {
        false
    }
}

/// What is said of calls that are not simply done: a verdict, or a place on the board, which is made for the first.
pub(crate) struct Tickets<'a> {
    board: &'a mut Option<Arc<Board>>,
    timed: bool,
    /// One was taken.
    pub(crate) taken: bool,
    pub(crate) verdict: Option<Verdict>,
    /// Only one is called: it writes on the board by itself.
    alone: bool,
    /// Of those on this arbiter, unless others on another write on the board as well.
    tally: Option<Rc<Tally>>,
    /// The parcel as it waits in queues: made for the first, and shared by the others.
    waiting: &'a mut Option<Rc<dyn Any>>,
    /// Where those sit who are called.
    pub(crate) station: &'a Rc<Station>,
    /// Who was sent a message last, by its place, and at what time.
    sent: Option<(u32, Instant)>,
}

/// So many messages in a row are sent at one time. That is a few microseconds, and the clock costs more than the rest.
const AT_ONE_TIME: u32 = 32;

impl<'a> Tickets<'a> {
    #[inline]
    pub(crate) fn new(
        board: &'a mut Option<Arc<Board>>,
        waiting: &'a mut Option<Rc<dyn Any>>,
        station: &'a Rc<Station>,
        (timed, alone): (bool, bool),
    ) -> Self {
        Self { board, timed, alone, taken: false, verdict: None, tally: None, waiting, station, sent: None }
    }

    /// The time at which a message is sent to the one at this place. Of those who are sent one after the other, with no call of
    /// another listener in between, it is that of the first.
    pub(crate) fn sent_at(&mut self, place: u32) -> Instant {
        let known = self.sent.filter(|(last, _)| *last + 1 == place && !place.is_multiple_of(AT_ONE_TIME));
        let (_, time) = *self.sent.insert((place, known.map_or_else(runtime::now, |(_, time)| time)));
        time
    }

    /// Something of the user's has run since the last message.
    pub(crate) fn time_has_passed(&mut self) {
        self.sent = None;
    }

    pub(crate) fn take(&mut self, place: u32) -> Ticket {
        self.taken = true;
        if let Some(tally) = &self.tally {
            return Ticket::near(tally, place, self.timed);
        }
        let board = self.board.get_or_insert_with(|| Arc::new(Board::new()));
        if board.is_far() || self.alone {
            board.expect(1);
            return Ticket::new(board.clone(), place, self.timed);
        }
        let tally = self.tally.insert(Tally::new(board.clone()));
        Ticket::near(tally, place, self.timed)
    }

    /// The parcel of this emission, for those who are not done with it at once.
    pub(crate) fn waiting<S: Subject>(&mut self, parcel: &Arc<Parcel<S>>) -> Rc<Waiting<S>> {
        if let Some(waiting) = &*self.waiting
            && let Ok(waiting) = waiting.clone().downcast::<Waiting<S>>()
            && Arc::ptr_eq(&waiting, parcel)
        {
            return waiting;
        }
        let waiting = Rc::new(Waiting(parcel.clone()));
        *self.waiting = Some(waiting.clone());
        waiting
    }

    #[cold]
    pub(crate) fn give(&mut self, verdict: Verdict) -> bool {
        self.verdict = Some(verdict);
        false
    }
}

/// Who is to hear an event, as a route keeps it. Most are a [`Seat`], which is called without looking up how.
pub(crate) enum Hearer<S> {
    Seat(Rc<Seat<S>>),
    Other(Rc<dyn Hears<S>>),
}

impl<S> Clone for Hearer<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Seat(seat) => Self::Seat(seat.clone()),
            Self::Other(other) => Self::Other(other.clone()),
        }
    }
}

impl<S: Subject> Hearer<S> {
    /// A seat as it hears this subject, if that is its own.
    pub(crate) fn of(seat: &Rc<dyn AnySeat>) -> Option<Self> {
        let mut own: Option<Self> = None;
        seat.clone().offer(&mut own);
        own
    }

    /// Puts a seat of this subject into the slot, if that is for such a one.
    pub(crate) fn put(self, slot: &mut dyn Any) {
        if let Some(slot) = slot.downcast_mut() {
            *slot = Some(self);
        }
    }

    #[inline]
    pub(crate) fn call(&self, parcel: &Arc<Parcel<S>>, place: u32, tickets: &mut Tickets<'_>) -> bool {
        match self {
            Self::Seat(seat) => seat.call(parcel, place, tickets),
            Self::Other(other) => other.call(parcel, place, tickets),
        }
    }

    #[inline]
    pub(crate) fn queue(&self, parcel: &Rc<Waiting<S>>, station: &Station, room: Room) -> Queued {
        match self {
            Self::Seat(seat) => seat.queue(parcel, station, room),
            Self::Other(other) => other.queue(parcel, station, room),
        }
    }

    #[cold]
    pub(crate) fn declines(&self, parcel: &Arc<Parcel<S>>) -> bool {
        match self {
            Self::Seat(seat) => seat.declines(parcel),
            Self::Other(other) => other.declines(parcel),
        }
    }
}

/// A listener of such events in its seat.
#[doc(hidden)]
pub struct Seated<S> {
    pub(crate) any: Rc<dyn AnySeat>,
    of: PhantomData<S>,
}

impl<S> Seated<S> {
    pub(crate) fn new(any: Rc<dyn AnySeat>) -> Self {
        Self { any, of: PhantomData }
    }
}

impl<S> fmt::Debug for Seated<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seated").finish_non_exhaustive()
    }
}

/// A seat for JSON that hears a typed event.
pub(crate) struct Viewer {
    pub(crate) seat: Hearer<JsonEvent>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) post: Arc<Post>,
}

impl<S: Subject> Hears<S> for Viewer {
    fn call(&self, parcel: &Arc<Parcel<S>>, place: u32, tickets: &mut Tickets<'_>) -> bool {
        match parcel.form() {
            Ok(json) => self.seat.call(&json, place, tickets),
            Err(bad) => tickets.give(self.hub.failed(&self.post, parcel.clone(), bad)),
        }
    }

    fn queue(&self, parcel: &Rc<Waiting<S>>, station: &Station, room: Room) -> Queued {
        match parcel.form() {
            Ok(json) => self.seat.queue(&Rc::new(Waiting(json)), station, room),
            Err(bad) => self.hub.unfit(&self.post, (**parcel).clone(), bad),
        }
    }

    fn declines(&self, parcel: &Arc<Parcel<S>>) -> bool {
        parcel.form().is_ok_and(|json| self.seat.declines(&json))
    }
}

/// A typed seat that hears of JSON.
pub(crate) struct Reader(pub(crate) Rc<dyn AnySeat>);

impl Hears<JsonEvent> for Reader {
    fn call(&self, parcel: &Arc<Parcel<JsonEvent>>, place: u32, tickets: &mut Tickets<'_>) -> bool {
        self.0.call_json(parcel, place, tickets)
    }

    fn queue(&self, parcel: &Rc<Waiting<JsonEvent>>, station: &Station, room: Room) -> Queued {
        self.0.queue_json(parcel, station, room)
    }

    fn declines(&self, parcel: &Arc<Parcel<JsonEvent>>) -> bool {
        self.0.declines_json(parcel)
    }
}
