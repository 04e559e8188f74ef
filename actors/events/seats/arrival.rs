//! An event that has come from another thread to its listeners on this arbiter.
//!
//! `Door → Freight → arrive → AnySeat (called, or its queue)`

use std::any::{Any, TypeId};
use std::cell::OnceCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use super::hearer::Tickets;
use super::station::Station;
use crate::events::event::Subject;
use crate::events::hub::{Errand, Freight, Group, Reserved};
use crate::events::parcel::{AnyParcel, Board, Parcel, Ticket, Waiting, Within};
use crate::events::verdict::{ListenerError, Reason, Verdict, panicked};
use crate::runtime::{self, drop_quietly};

/// An event that has come, in whichever form one who hears it wants.
pub(crate) struct Brought {
    parcel: Arc<dyn AnyParcel>,
    /// In the queues of those who hear its own subject: made for the first, and shared by the others.
    waiting: OnceCell<Rc<dyn Any>>,
}

impl Brought {
    pub(crate) fn any(&self) -> &Arc<dyn AnyParcel> {
        &self.parcel
    }

    /// As one hears it who listens to `S`.
    pub(crate) fn parcel<S: Subject>(&self) -> Result<Arc<Parcel<S>>, ListenerError> {
        Parcel::heard(&self.parcel)
    }

    /// The same, as it waits in a queue.
    pub(crate) fn waiting<S: Subject>(&self) -> Result<Rc<Waiting<S>>, ListenerError> {
        if let Some(waiting) = self.waiting.get()
            && let Ok(waiting) = waiting.clone().downcast()
        {
            return Ok(waiting);
        }
        let waiting = Rc::new(Waiting(self.parcel()?));
        if self.parcel.subject() == TypeId::of::<S>() {
            let _ = self.waiting.set(waiting.clone());
        }
        Ok(waiting)
    }
}

/// Has an event come to its listeners.
pub(crate) fn arrive(mut freight: Freight, station: &Rc<Station>) {
    let Some(parcel) = freight.unload() else { return };
    let brought = Brought { parcel, waiting: OnceCell::new() };
    match freight.errand() {
        Errand::Call { board, timed } => call(&brought, freight.group(), station, board, *timed),
        Errand::Queue { reserved } => queue(&brought, freight.group(), station, *reserved),
    }
    drop_quietly(brought);
}

fn queue(brought: &Brought, group: &Group, station: &Rc<Station>, reserved: Reserved) {
    let hub = &station.hub;
    for place in &group.places {
        match station.reach(&place.post) {
            Some(seat) => {
                seat.queue_brought(brought, station, reserved.room(&place.post));
                drop_quietly(seat);
            }
            None if place.post.is_spent() => {}
            None => hub.dropped(&place.post, brought.any().clone(), Reason::Ended),
        }
        if reserved.by(&place.post) {
            place.post.unreserve();
            hub.made_room();
        }
    }
}

fn call(brought: &Brought, group: &Group, station: &Rc<Station>, board: &Arc<Board>, timed: bool) {
    let within = Within::call_of(Rc::new(brought.any().clone()));
    for place in &group.places {
        // Whoever emitted it has given this listener up, and its event is a dead letter.
        let Some(ticket) = Ticket::on_arrival(board, place.place, timed) else { continue };
        let Some(seat) = station.reach(&place.post) else {
            ticket.finish(Some(Verdict::Skipped), None);
            continue;
        };
        let began = timed.then(runtime::now);
        let (mut later, mut waiting) = (Some(board.clone()), None);
        let mut tickets = Tickets::new(&mut later, &mut waiting, station, (timed, true));
        let called = catch_unwind(AssertUnwindSafe(|| seat.call_brought(brought, place.place, &mut tickets)));
        let verdict = match called {
            Ok(_) => tickets.verdict.take(),
            Err(panic) => Some(station.hub.failed(&place.post, brought.any().clone(), panicked(panic))),
        };
        drop_quietly(seat);
        // If it goes on, another ticket tells of it.
        let took = began.filter(|_| !tickets.taken).map(|began| runtime::now() - began);
        ticket.finish(verdict, took);
    }
    drop_quietly(within);
}
