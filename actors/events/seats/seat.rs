//! A listener on its own arbiter: what waits for it, what it is at work on, and how it is called.
//!
//! `emit → call`, `publish → queue → run (in its turn) → call`

use std::any::Any;
use std::cell::{Cell, RefCell, RefMut};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;

use super::arrival::Brought;
use super::call::{Call, Kept, Looked, Ran, Scope, Step};
use super::desk::station_here;
use super::hearer::{AnySeat, Hearer, Hears, Tickets};
use super::options::{Condition, Options};
use super::station::Station;
use super::work::Work;
use crate::events::event::{JsonEvent, Replay, Subject};
use crate::events::hub::{Hub, Post};
use crate::events::parcel::{Parcel, Ticket, Waiting, Within};
use crate::events::verdict::{ListenerError, Overflow, Queued, Room, Verdict, panicked};
use crate::runtime::{self, drop_quietly};

/// A function, struct or recipient in its seat. Which one it is only its call knows, so that all of this is compiled for each
/// type of event, and not for each listener.
pub(crate) struct Seat<S> {
    hub: Arc<Hub>,
    post: Arc<Post>,
    /// Neither a condition nor a number of times, and what is told once more too.
    plain: Cell<bool>,
    /// Absent for those that hear whatever comes, for as long as they are registered, as most do.
    limits: Option<Box<Limits<S>>>,
    ended: Cell<bool>,
    concurrency: usize,
    running: Cell<usize>,
    /// It is in its station's list of those that have something to do.
    listed: Cell<bool>,
    queue: RefCell<VecDeque<Rc<Waiting<S>>>>,
    call: Box<dyn Call<S>>,
}

/// Which events a listener wants, and how many.
struct Limits<S> {
    when: Option<Condition<S>>,
    /// None that is told once more.
    unless_replayed: bool,
    left: Cell<u64>,
}

impl<S: Subject> Seat<S> {
    pub(crate) fn new(options: Options<S>, hub: Arc<Hub>, post: Arc<Post>, call: Box<dyn Call<S>>) -> Self {
        let limited = options.when.is_some() || options.times != u64::MAX || options.unless_replayed;
        let unless_replayed = options.unless_replayed;
        let limits = Limits { when: options.when, unless_replayed, left: Cell::new(options.times) };
        let limits = limited.then(|| Box::new(limits));
        Self {
            plain: Cell::new(limits.is_none()),
            limits,
            ended: Cell::new(false),
            concurrency: options.concurrency,
            running: Cell::new(0),
            listed: Cell::new(false),
            queue: RefCell::new(VecDeque::new()),
            hub,
            post,
            call,
        }
    }

    #[inline]
    pub(crate) fn scope<'a>(&'a self, parcel: &'a Arc<Parcel<S>>) -> Scope<'a, S> {
        Scope { parcel, hub: &self.hub, post: &self.post }
    }

    /// Whether the listener wants this event.
    fn wants(&self, parcel: &Arc<Parcel<S>>) -> Result<bool, ListenerError> {
        if self.is_spent() {
            return Ok(false);
        }
        let unless_replayed = self.limits.as_ref().is_some_and(|limits| limits.unless_replayed);
        if unless_replayed && parcel.replay().is_some_and(Replay::is_replay) {
            return Ok(false);
        }
        if let Some(when) = self.limits.as_ref().and_then(|limits| limits.when.as_ref()) {
            let wants = catch_unwind(AssertUnwindSafe(|| when(&parcel.event)));
            if !wants.map_err(panicked)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// It has heard as many as it may.
    #[inline]
    fn is_spent(&self) -> bool {
        self.limits.as_ref().is_some_and(|limits| limits.left.get() == 0)
    }

    /// It hears one more; the last that it wants ends its registration.
    #[inline]
    fn count_one(&self) {
        let Some(limits) = self.limits.as_ref().filter(|limits| limits.left.get() != u64::MAX) else { return };
        limits.left.set(limits.left.get() - 1);
        if self.is_spent() {
            self.post.spend();
            self.hub.strike(&self.post);
        }
    }

    /// Its last event is through.
    fn end_if_spent(&self, station: &Station) {
        if self.is_spent() && self.queue.borrow().is_empty() {
            station.end(&self.post);
        }
    }

    /// Takes the next event that waits, if there is one and the listener may be called with it.
    // Into the loop of `Call::run`; in a debug build it is compiled once for each type of event.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn take(&self, station: &Rc<Station>) -> Option<Rc<Waiting<S>>> {
        if self.running.get() >= self.concurrency {
            self.listed.set(false);
            return None;
        }
        let next = {
            let mut queue = self.queue.borrow_mut();
            let next = queue.pop_front();
            self.post.set_waiting(queue.len());
            next
        };
        if next.is_none() {
            self.listed.set(false);
            self.end_if_spent(station);
        } else {
            self.hub.made_room();
        }
        next
    }

    #[inline]
    pub(crate) fn done(&self) {
        self.post.counts.done();
    }

    /// It has a turn, unless it is at work on as many as it may.
    #[inline]
    fn list_if_idle(&self, station: &Station) {
        if !self.listed.get() && self.running.get() < self.concurrency {
            self.listed.set(true);
            station.list(&self.post);
        }
    }

    fn enter(&self, mut queue: RefMut<'_, VecDeque<Rc<Waiting<S>>>>, parcel: &Rc<Waiting<S>>, station: &Station) {
        queue.push_back(parcel.clone());
        let waiting = queue.len();
        self.post.set_waiting(waiting);
        drop(queue);
        self.post.mind(waiting);
        self.list_if_idle(station);
    }

    /// It may not want the event, have no room for it, or be half full with it.
    #[cold]
    #[inline(never)]
    fn queue_slowly(&self, parcel: &Rc<Waiting<S>>, station: &Station, room: Room) -> Queued {
        if self.ended.get() {
            return Queued::Taken;
        }
        match self.wants(parcel) {
            // Its condition may have ended it.
            Ok(true) if !self.ended.get() => {}
            Ok(_) => return Queued::Taken,
            Err(error) => return self.hub.unfit(&self.post, (**parcel).clone(), error),
        }
        let overflow = self.post.room_for(self.queue.borrow().len(), room);
        if overflow == Some(Overflow::Refuse) {
            // It is none of those that it hears.
            return self.hub.give_way(&self.post, (**parcel).clone(), Overflow::Refuse);
        }
        self.count_one();
        // To be told that it has heard its last may have ended it.
        if self.ended.get() {
            return Queued::Taken;
        }
        match overflow {
            None => {
                self.enter(self.queue.borrow_mut(), parcel, station);
                Queued::Taken
            }
            Some(Overflow::DropOldest) => {
                let mut queue = self.queue.borrow_mut();
                let dropped = queue.pop_front();
                self.enter(queue, parcel, station);
                let Some(dropped) = dropped else { return Queued::Taken };
                let queued = self.hub.give_way(&self.post, (*dropped).clone(), Overflow::DropOldest);
                drop_quietly(dropped);
                queued
            }
            Some(newest) => self.hub.give_way(&self.post, (**parcel).clone(), newest),
        }
    }

    /// More may wait: it has another turn.
    pub(crate) fn goes_on(&self, station: &Station) {
        station.list(&self.post);
    }

    #[cold]
    #[inline(never)]
    fn call_slowly(&self, parcel: &Arc<Parcel<S>>, place: u32, tickets: &mut Tickets<'_>) -> bool {
        if self.ended.get() {
            return tickets.give(Verdict::Skipped);
        }
        let wants = self.wants(parcel);
        tickets.time_has_passed();
        match wants {
            // Its condition may have ended it.
            Ok(true) if !self.ended.get() => self.count_one(),
            Ok(_) => return tickets.give(Verdict::Skipped),
            Err(error) => return tickets.give(self.hub.failed(&self.post, parcel.clone(), error)),
        }
        let done = self.call_now(parcel, place, tickets);
        if self.is_spent()
            && let Some(station) = station_here(&self.hub, self.post.door())
        {
            self.end_if_spent(&station);
        }
        done
    }

    #[inline]
    fn call_now(&self, parcel: &Arc<Parcel<S>>, place: u32, tickets: &mut Tickets<'_>) -> bool {
        match self.call.call(&self.scope(parcel)) {
            Ran::Done(Ok(())) => {
                self.post.counts.done();
                true
            }
            ran => self.otherwise(ran, parcel, place, tickets),
        }
    }

    /// Whether nothing is asked of the listener before it is called.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.plain.get()
    }

    /// Whether what is published may be called with at once: nothing waits, and nothing is asked of the listener first.
    #[inline]
    pub(crate) fn is_at_rest(&self) -> bool {
        self.plain.get() && self.running.get() == 0 && self.queue.borrow().is_empty()
    }

    /// Calls with what was published, and would be the first in the queue.
    #[inline]
    pub(crate) fn call_queued(&self, parcel: &Rc<Waiting<S>>) {
        match self.call.call(&self.scope(parcel)) {
            Ran::Done(Ok(())) => self.done(),
            Ran::Done(Err(error)) => self.failed_queued(parcel, error),
            Ran::Later(future) => self.begin_queued(parcel, future),
            Ran::Sent => {}
        }
    }

    /// The call of one that had waited has failed.
    #[cold]
    #[inline(never)]
    pub(crate) fn failed_queued(&self, parcel: &Arc<Parcel<S>>, error: ListenerError) {
        drop(self.hub.failed(&self.post, parcel.clone(), error));
    }

    /// The call of one that had waited goes on by itself.
    #[cold]
    #[inline(never)]
    pub(crate) fn begin_queued(&self, parcel: &Arc<Parcel<S>>, future: Pin<Box<dyn Step>>) {
        self.running.set(self.running.get() + 1);
        Work::begin(&self.hub, &self.post, parcel.clone(), future, self.post.timeout(), None);
    }

    /// One that had waited was sent to an actor.
    pub(crate) fn await_queued(&self, parcel: Rc<Waiting<S>>, station: &Rc<Station>) {
        self.running.set(self.running.get() + 1);
        // What is published is called with in a turn of the station, which knows the time.
        self.await_answer(parcel, None, station.now(), station);
    }

    /// Has the answer looked at to what was just sent to an actor.
    fn await_answer(&self, parcel: Rc<Waiting<S>>, ticket: Option<Ticket>, began: Instant, station: &Rc<Station>) {
        let Some(sends) = self.call.sends() else { return };
        // The seed chooses when it is answered, and a time that is measured ends with the answer.
        if station.door().is_seeded() || ticket.as_ref().is_some_and(|ticket| ticket.timed) {
            if let Some(future) = sends.take() {
                Work::begin(&self.hub, &self.post, (*parcel).clone(), future, self.post.timeout(), ticket);
            }
            return;
        }
        station.began();
        self.post.began_work();
        sends.keep(Kept { parcel, ticket, began });
        station.list_answer(&self.post);
    }

    /// An actor has answered.
    fn answered(&self, kept: Kept<S>, result: Result<(), ListenerError>, station: &Rc<Station>) {
        let Kept { parcel, ticket, .. } = kept;
        let queued = ticket.is_none();
        let verdict = match result {
            Ok(()) => {
                self.post.counts.done();
                None
            }
            Err(error) => Some(self.hub.failed(&self.post, (*parcel).clone(), error)),
        };
        if let Some(ticket) = ticket {
            ticket.finish(verdict, None);
        }
        if Rc::strong_count(&parcel) == 1 {
            drop_quietly(parcel);
        }
        self.post.ended_work();
        if queued {
            self.send_next(station);
        }
        station.ended_answer();
    }

    /// Sends what waits behind one that was answered.
    fn send_next(&self, station: &Rc<Station>) {
        self.running.set(self.running.get() - 1);
        if self.listed.get() || self.ended.get() {
            return self.end_if_spent(station);
        }
        let Some(parcel) = self.take(station) else { return };
        let _within = Within::call_of(parcel.clone());
        match catch_unwind(AssertUnwindSafe(|| self.call.call(&self.scope(&parcel)))) {
            Ok(Ran::Sent) => return self.await_queued(parcel, station),
            Ok(Ran::Done(Ok(()))) => self.done(),
            Ok(Ran::Done(Err(error))) => self.failed_queued(&parcel, error),
            Ok(Ran::Later(future)) => self.begin_queued(&parcel, future),
            Err(panic) => self.failed_queued(&parcel, panicked(panic)),
        }
        // More may wait, and no answer brings it on.
        self.list_if_idle(station);
    }

    /// What was sent to an actor goes on by itself.
    #[cold]
    #[inline(never)]
    fn go_on(&self, kept: Kept<S>, future: Pin<Box<dyn Step>>) {
        let Kept { parcel, ticket, began } = kept;
        Work::go_on(&self.hub, &self.post, (*parcel).clone(), future, (began, self.post.timeout()), ticket);
        drop_quietly(parcel);
    }

    #[cold]
    #[inline(never)]
    fn otherwise(&self, ran: Ran, parcel: &Arc<Parcel<S>>, place: u32, tickets: &mut Tickets<'_>) -> bool {
        match ran {
            Ran::Done(Ok(())) => true,
            Ran::Done(Err(error)) => tickets.give(self.hub.failed(&self.post, parcel.clone(), error)),
            Ran::Later(future) => {
                Work::begin(
                    &self.hub,
                    &self.post,
                    parcel.clone(),
                    future,
                    self.post.timeout(),
                    Some(tickets.take(place)),
                );
                true
            }
            Ran::Sent => {
                let (ticket, parcel) = (tickets.take(place), tickets.waiting(parcel));
                let began = tickets.sent_at(place);
                self.await_answer(parcel, Some(ticket), began, tickets.station);
                true
            }
        }
    }
}

impl<S: Subject> Hears<S> for Seat<S> {
    #[inline]
    fn call(&self, parcel: &Arc<Parcel<S>>, place: u32, tickets: &mut Tickets<'_>) -> bool {
        if !self.plain.get() {
            return self.call_slowly(parcel, place, tickets);
        }
        self.call_now(parcel, place, tickets)
    }

    fn queue(&self, parcel: &Rc<Waiting<S>>, station: &Station, room: Room) -> Queued {
        if self.plain.get() {
            let mut queue = self.queue.borrow_mut();
            if self.post.is_at_ease(queue.len()) {
                queue.push_back(parcel.clone());
                self.post.set_waiting(queue.len());
                drop(queue);
                self.list_if_idle(station);
                return Queued::Taken;
            }
        }
        self.queue_slowly(parcel, station, room)
    }

    fn declines(&self, parcel: &Arc<Parcel<S>>) -> bool {
        matches!(self.wants(parcel), Ok(false))
    }
}

impl<S: Subject> AnySeat for Seat<S> {
    fn post(&self) -> &Arc<Post> {
        &self.post
    }

    fn offer(self: Rc<Self>, slot: &mut dyn Any) {
        Hearer::Seat(self).put(slot);
    }

    fn run(&self, station: &Rc<Station>, budget: usize) -> usize {
        self.call.run(self, station, budget)
    }

    fn ended_one(&self, station: &Station) {
        self.running.set(self.running.get() - 1);
        self.end_if_spent(station);
        if !self.listed.get() && !self.queue.borrow().is_empty() {
            self.listed.set(true);
            station.list(&self.post);
        }
    }

    fn look(&self, station: &Rc<Station>) {
        match self.call.sends().and_then(|sends| sends.look()) {
            Some((kept, Looked::Done(result))) => self.answered(kept, result, station),
            Some((kept, Looked::Later(future))) => self.go_on(kept, future),
            None => {}
        }
    }

    fn end(&self) {
        self.ended.set(true);
        self.plain.set(false);
        self.post.end();
        // What was sent is under way, and outlives the seat.
        while let Some((kept, future)) = self.call.sends().and_then(|sends| sends.take_kept()) {
            self.go_on(kept, future);
        }
        let waiting = std::mem::take(&mut *self.queue.borrow_mut());
        self.post.set_waiting(0);
        self.hub.made_room();
        for parcel in waiting {
            self.hub.dropped(&self.post, (*parcel).clone(), self.post.ended_by());
            drop_quietly(parcel);
        }
    }

    fn is_idle(&self) -> bool {
        runtime::step();
        self.running.get() == 0 && self.queue.borrow().is_empty()
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

    fn declines_json(&self, parcel: &Arc<Parcel<JsonEvent>>) -> bool {
        parcel.form().is_ok_and(|event| self.declines(&event))
    }
}
