//! An event on its way to listeners of one arbiter: queued or called there, or lost on the way, which they are told.
//!
//! `emit, publish (another thread) → Freight → Door → Arrival → seats`

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use super::parcel::{AnyParcel, Parcel, Subject};
use super::route::{Group, Place};
use super::within::{Waiting, Within};
use crate::events::Reason;
use crate::events::bus::Hub;
use crate::events::listener::{Board, ListenerError, Ticket, Verdict};
use crate::events::seats::{Post, Station, Tickets, panicked};
use crate::runtime::{self, drop_quietly, quietly};

/// What an event is to do.
#[derive(Clone)]
pub(crate) enum Errand {
    /// Call the listeners, and write on the board.
    Call { board: Arc<Board>, timed: bool },
    /// Wait in their queues.
    Queue { reserved: Reserved },
}

/// Who has given an event a place in its queue before it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    Nobody,
    /// Those who would rather refuse than lose one.
    Refusing,
    Everybody,
}

impl Reserved {
    pub(crate) fn by(self, post: &Post) -> bool {
        match self {
            Self::Nobody => false,
            Self::Refusing => post.refuses(),
            Self::Everybody => true,
        }
    }
}

/// An event with those who are to hear it. Dropped before it has come to them, they are told that it is lost.
pub(crate) struct Freight {
    hub: Arc<Hub>,
    parcel: Option<Arc<dyn AnyParcel>>,
    group: Arc<Group>,
    errand: Errand,
    /// There was no room for it on the way.
    refused: bool,
}

impl Freight {
    pub(crate) fn new(hub: &Arc<Hub>, parcel: Arc<dyn AnyParcel>, group: &Arc<Group>, errand: Errand) -> Self {
        if let Errand::Call { board, .. } = &errand {
            board.expect_far(group);
        }
        Self { hub: hub.clone(), parcel: Some(parcel), group: group.clone(), errand, refused: false }
    }

    /// Too many are on their way.
    pub(crate) fn refuse(mut self) {
        self.refused = true;
    }

    /// Comes to its listeners.
    pub(crate) fn arrive(mut self, station: &Rc<Station>) {
        if let Some(parcel) = self.parcel.take() {
            parcel.arrive(&Arrival { station, group: &self.group, errand: &self.errand });
        }
    }

    fn lose(&self, parcel: &Arc<dyn AnyParcel>, place: &Place) {
        let post = &place.post;
        // Who has unregistered meanwhile misses nothing; who was lost with his arbiter does.
        let ended = post.has_ended() && !post.is_lost();
        match &self.errand {
            Errand::Call { board, .. } => {
                let Some(ticket) = Ticket::on_arrival(board, place.place, false) else { return };
                let error = if self.refused { ListenerError::Busy } else { ListenerError::Gone };
                let verdict = if ended { Verdict::Skipped } else { self.hub.failed(post, parcel.clone(), error) };
                ticket.finish(Some(verdict), None);
            }
            Errand::Queue { reserved } => {
                if reserved.by(post) {
                    post.unreserve();
                    self.hub.made_room();
                }
                // Who has had his last event wants no other.
                if post.is_spent() {
                    return;
                }
                let reason = match (ended, self.refused) {
                    (true, _) => Reason::Ended,
                    (false, true) => Reason::Busy,
                    (false, false) => Reason::Gone,
                };
                self.hub.dropped(post, parcel.clone(), reason);
            }
        }
    }
}

impl Drop for Freight {
    fn drop(&mut self) {
        let Some(parcel) = self.parcel.take() else { return };
        // Others wait behind it, in the inbox of an arbiter that stops: what the event does when it is dropped is its own.
        self.group.places.iter().for_each(|place| quietly(|| self.lose(&parcel, place)));
        drop_quietly(parcel);
    }
}

/// An event that has come to its listeners.
pub(crate) struct Arrival<'a> {
    station: &'a Rc<Station>,
    group: &'a Group,
    errand: &'a Errand,
}

impl Arrival<'_> {
    pub(crate) fn unload<S: Subject>(&self, parcel: Arc<Parcel<S>>) {
        match self.errand {
            Errand::Call { board, timed } => self.call(parcel, board, *timed),
            Errand::Queue { reserved } => self.queue(parcel, *reserved),
        }
    }

    fn queue<S: Subject>(&self, parcel: Arc<Parcel<S>>, reserved: Reserved) {
        let hub = &self.station.hub;
        let parcel = Rc::new(Waiting(parcel));
        for place in &self.group.places {
            match self.station.hears::<S>(&place.post) {
                Some(seat) => {
                    seat.queue(&parcel, self.station, reserved.by(&place.post));
                    drop_quietly(seat);
                }
                None if place.post.is_spent() => {}
                None => hub.dropped(&place.post, (*parcel).clone(), Reason::Ended),
            }
            if reserved.by(&place.post) {
                place.post.unreserve();
                hub.made_room();
            }
        }
        drop_quietly(parcel);
    }

    fn call<S: Subject>(&self, parcel: Arc<Parcel<S>>, board: &Arc<Board>, timed: bool) {
        let within = Within::call_of(Rc::new(Waiting(parcel.clone())));
        for place in &self.group.places {
            // Whoever emitted it has given this listener up, and its event is a dead letter.
            let Some(ticket) = Ticket::on_arrival(board, place.place, timed) else { continue };
            let Some(seat) = self.station.hears::<S>(&place.post) else {
                ticket.finish(Some(Verdict::Skipped), None);
                continue;
            };
            let began = timed.then(runtime::now);
            let mut later = Some(board.clone());
            let mut tickets = Tickets::new(&mut later, timed);
            let called = catch_unwind(AssertUnwindSafe(|| seat.call(&parcel, place.place, &mut tickets)));
            let verdict = match called {
                Ok(_) => tickets.verdict.take(),
                Err(panic) => Some(self.station.hub.failed(&place.post, parcel.clone(), panicked(panic))),
            };
            drop_quietly(seat);
            // If it goes on, another ticket tells of it.
            let took = began.filter(|_| !tickets.taken).map(|began| runtime::now() - began);
            ticket.finish(verdict, took);
        }
        drop_quietly(within);
        drop_quietly(parcel);
    }
}
