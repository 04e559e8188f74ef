//! The seat of who sends events on: it takes each as it is, and makes JSON of it only for who wants that.
//!
//! `publish → queue → Sender`, `emit → Sender`, `what came of it → Station (after the others' turn) → done, or a Work`

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use serde_json::Value;
use tokio::time::Instant;

use super::arrival::Brought;
use super::call::Step;
use super::desk::station_here;
use super::hearer::{AnySeat, HearsAny, Tickets};
use super::station::Station;
use super::work::Work;
use crate::base::Handled;
use crate::events::event::{JsonEvent, Metadata};
use crate::events::hub::{Hub, Post};
use crate::events::parcel::{AnyParcel, Packed, Parcel, Ticket, Waiting, Within};
use crate::events::verdict::{ListenerError, Overflow, Queued, Room, Verdict, panicked};
use crate::runtime::{self, drop_quietly};

/// What sends events on.
#[doc(hidden)]
pub trait Sender: 'static {
    /// What came of one.
    type Sent: Future<Output = Handled> + Unpin + 'static;

    /// Sends an event on: it has its place when this returns.
    fn send(&self, payload: &Value, metadata: &Metadata) -> Self::Sent;

    /// Whether it takes a payload as it is [written](Self::send_written) too.
    fn takes_written(&self) -> bool;

    /// The same of an event whose payload was written as JSON without being made a value first.
    fn send_written(&self, payload: &[u8], metadata: &Metadata) -> Self::Sent;
}

/// What is written takes no more for long.
const KEPT: usize = 16 * 1024;

/// The seat of what sends events on.
pub(crate) struct Exit<T: Sender> {
    hub: Arc<Hub>,
    post: Arc<Post>,
    sender: T,
    concurrency: usize,
    ended: Cell<bool>,
    /// How many of those that were published are under way.
    running: Cell<usize>,
    /// It is in its station's list of those that have something to do.
    listed: Cell<bool>,
    queue: RefCell<VecDeque<Rc<dyn Packed>>>,
    /// The place in which payloads are written.
    written: Cell<Vec<u8>>,
    /// Whose end is looked at next.
    sent: RefCell<VecDeque<Sent<T::Sent>>>,
}

/// An event that is under way.
struct Sent<F> {
    parcel: Rc<dyn Packed>,
    /// Who waits for it; one from the queue has nobody.
    ticket: Option<Ticket>,
    began: Instant,
    end: F,
}

impl<T: Sender> Exit<T> {
    pub(crate) fn new(hub: Arc<Hub>, post: Arc<Post>, sender: T, concurrency: usize) -> Self {
        Self {
            hub,
            post,
            sender,
            concurrency,
            ended: Cell::new(false),
            running: Cell::new(0),
            listed: Cell::new(false),
            queue: RefCell::default(),
            written: Cell::default(),
            sent: RefCell::default(),
        }
    }

    /// What came from outside does not leave again.
    fn wants(&self, parcel: &dyn AnyParcel) -> bool {
        !self.ended.get() && !parcel.is_foreign()
    }

    /// Sends one on; whatever of it is the user's may panic.
    fn send(&self, parcel: &dyn Packed) -> Result<T::Sent, ListenerError> {
        let sent = catch_unwind(AssertUnwindSafe(|| {
            let any = parcel.any();
            if self.sender.takes_written() {
                let mut written = self.written.take();
                if any.write_json(&mut written) {
                    let sent = self.sender.send_written(&written, any.metadata());
                    written.clear();
                    written.shrink_to(KEPT);
                    self.written.set(written);
                    return Ok(sent);
                }
            }
            let json = parcel.shared().json()?;
            Ok(self.sender.send(json.event.payload(), any.metadata()))
        }));
        sent.map_err(panicked)?
    }

    /// Sends one that is counted as under way already, if it is from the queue; says whether its end is looked at.
    fn begin(&self, parcel: Rc<dyn Packed>, ticket: Option<Ticket>, station: &Rc<Station>) -> bool {
        let end = match self.send(&*parcel) {
            Ok(end) => end,
            Err(error) => {
                let verdict = self.hub.failed(&self.post, parcel.shared(), error);
                match ticket {
                    Some(ticket) => ticket.finish(Some(verdict), None),
                    None => drop(verdict),
                }
                drop_quietly(parcel);
                return false;
            }
        };
        // The seed chooses when it has ended, and a time that is measured ends then.
        if station.door().is_seeded() || ticket.as_ref().is_some_and(|ticket| ticket.timed) {
            Work::begin(&self.hub, &self.post, parcel.shared(), later(end), self.post.timeout(), ticket);
            return true;
        }
        station.began();
        self.post.began_work();
        // What is published is sent in a turn of the station, which knows the time.
        let began = if ticket.is_none() { station.now() } else { runtime::now() };
        self.sent.borrow_mut().push_back(Sent { parcel, ticket, began, end });
        station.list_answer(&self.post);
        true
    }

    /// Takes the next that waits, if one more may be under way.
    fn take(&self) -> Option<Rc<dyn Packed>> {
        let next = match self.running.get() < self.concurrency {
            true => self.queue.borrow_mut().pop_front(),
            false => None,
        };
        match &next {
            Some(_) => {
                self.post.set_waiting(self.queue.borrow().len());
                self.hub.made_room();
            }
            None => self.listed.set(false),
        }
        next
    }

    /// Sends what has waited.
    fn begin_next(&self, parcel: Rc<dyn Packed>, station: &Rc<Station>) -> bool {
        self.running.set(self.running.get() + 1);
        let begun = self.begin(parcel, None, station);
        if !begun {
            self.running.set(self.running.get() - 1);
        }
        begun
    }

    /// It has a turn, unless as many are under way as may be.
    fn list_if_idle(&self, station: &Station) {
        if !self.listed.get() && self.running.get() < self.concurrency && !self.queue.borrow().is_empty() {
            self.listed.set(true);
            station.list(&self.post);
        }
    }

    fn push(&self, parcel: Rc<dyn Packed>, station: &Station) {
        let waiting = {
            let mut queue = self.queue.borrow_mut();
            queue.push_back(parcel);
            queue.len()
        };
        self.post.set_waiting(waiting);
        self.list_if_idle(station);
    }

    /// One has ended.
    fn end_one(&self, sent: Sent<T::Sent>, result: Handled, station: &Rc<Station>) {
        let Sent { parcel, ticket, .. } = sent;
        let verdict = match result {
            Ok(()) => {
                self.post.counts.done();
                None
            }
            Err(error) => Some(self.hub.failed(&self.post, parcel.shared(), error.into())),
        };
        let was_queued = ticket.is_none();
        if let Some(ticket) = ticket {
            ticket.finish(verdict, None);
        }
        if Rc::strong_count(&parcel) == 1 {
            drop_quietly(parcel);
        }
        self.post.ended_work();
        if was_queued {
            self.running.set(self.running.get() - 1);
            self.list_if_idle(station);
        }
        station.ended_answer();
    }

    /// One goes on by itself.
    #[cold]
    fn go_on(&self, sent: Sent<T::Sent>) {
        let Sent { parcel, ticket, began, end } = sent;
        Work::go_on(&self.hub, &self.post, parcel.shared(), later(end), (began, self.post.timeout()), ticket);
        drop_quietly(parcel);
    }
}

fn later(end: impl Future<Output = Handled> + 'static) -> Pin<Box<dyn Step>> {
    Box::pin(Some(async move { end.await.map_err(ListenerError::from) }))
}

impl<T: Sender> HearsAny for Exit<T> {
    fn call(&self, parcel: Rc<dyn Packed>, place: u32, tickets: &mut Tickets<'_>) -> bool {
        if !self.wants(parcel.any()) {
            return tickets.give(Verdict::Skipped);
        }
        let ticket = tickets.take(place);
        if let Some(station) = station_here(&self.hub, self.post.door()) {
            self.begin(parcel, Some(ticket), &station);
        }
        true
    }

    fn queue(&self, parcel: &Rc<dyn Packed>, station: &Station, room: Room) -> Queued {
        if !self.wants(parcel.any()) {
            return Queued::Taken;
        }
        let waiting = self.queue.borrow().len();
        if self.post.is_at_ease(waiting) {
            self.push(parcel.clone(), station);
            return Queued::Taken;
        }
        match self.post.room_for(waiting, room) {
            None => {
                self.push(parcel.clone(), station);
                self.post.mind(waiting + 1);
                Queued::Taken
            }
            Some(Overflow::DropOldest) => {
                let dropped = self.queue.borrow_mut().pop_front();
                self.push(parcel.clone(), station);
                let Some(dropped) = dropped else { return Queued::Taken };
                let queued = self.hub.give_way(&self.post, dropped.shared(), Overflow::DropOldest);
                drop_quietly(dropped);
                queued
            }
            Some(overflow) => self.hub.give_way(&self.post, parcel.shared(), overflow),
        }
    }

    fn declines(&self, parcel: &dyn AnyParcel) -> bool {
        !self.wants(parcel)
    }
}

impl<T: Sender> AnySeat for Exit<T> {
    fn post(&self) -> &Arc<Post> {
        &self.post
    }

    /// It is found by [`whole`](AnySeat::whole).
    fn offer(self: Rc<Self>, _: &mut dyn Any) {}

    fn whole(self: Rc<Self>) -> Option<Rc<dyn HearsAny>> {
        Some(self)
    }

    fn run(&self, station: &Rc<Station>, budget: usize) -> usize {
        let within = Within::nothing();
        for ran in 0..budget {
            let Some(parcel) = self.take() else { return ran };
            within.next(parcel.clone());
            self.begin_next(parcel, station);
        }
        station.list(&self.post);
        budget
    }

    fn ended_one(&self, station: &Station) {
        self.running.set(self.running.get() - 1);
        self.list_if_idle(station);
    }

    fn look(&self, station: &Rc<Station>) {
        let Some(mut sent) = self.sent.borrow_mut().pop_front() else { return };
        // If it has not ended, it is polled again with a waker of its own, which is then the one that counts.
        match Pin::new(&mut sent.end).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => self.end_one(sent, result, station),
            Poll::Pending => self.go_on(sent),
        }
    }

    fn end(&self) {
        self.ended.set(true);
        self.post.end();
        // What was sent is under way, and outlives the seat.
        let sent = std::mem::take(&mut *self.sent.borrow_mut());
        sent.into_iter().for_each(|sent| self.go_on(sent));
        let waiting = std::mem::take(&mut *self.queue.borrow_mut());
        self.post.set_waiting(0);
        self.hub.made_room();
        for parcel in waiting {
            self.hub.dropped(&self.post, parcel.shared(), self.post.ended_by());
            drop_quietly(parcel);
        }
    }

    fn is_idle(&self) -> bool {
        runtime::step();
        self.running.get() == 0 && self.queue.borrow().is_empty()
    }

    fn call_brought(&self, brought: &Brought, place: u32, tickets: &mut Tickets<'_>) -> bool {
        HearsAny::call(self, Rc::new(brought.any().clone()), place, tickets)
    }

    fn queue_brought(&self, brought: &Brought, station: &Station, room: Room) -> Queued {
        let parcel: Rc<dyn Packed> = Rc::new(brought.any().clone());
        HearsAny::queue(self, &parcel, station, room)
    }

    fn call_json(&self, parcel: &Arc<Parcel<JsonEvent>>, place: u32, tickets: &mut Tickets<'_>) -> bool {
        HearsAny::call(self, Rc::new(Waiting(parcel.clone())), place, tickets)
    }

    fn queue_json(&self, parcel: &Rc<Waiting<JsonEvent>>, station: &Station, room: Room) -> Queued {
        let parcel: Rc<dyn Packed> = parcel.clone();
        HearsAny::queue(self, &parcel, station, room)
    }
}
