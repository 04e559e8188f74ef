//! A call under way: a listener's future, polled by the executor until it is done or its time is over.
//!
//! `Seat → Work → Ticket (if somebody waits) and Seat (its next event)`

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::call::Step;
use super::station_here;
use crate::base::Shown;
use crate::events::hub::{Hub, Post};
use crate::events::parcel::{AnyParcel, Ticket, Within};
use crate::events::verdict::{ListenerError, panicked};
use crate::runtime::{self, Task, Turn, drop_quietly};

/// A listener's future on the executor of its arbiter.
pub(crate) struct Work {
    hub: Arc<Hub>,
    post: Arc<Post>,
    parcel: Rc<Arc<dyn AnyParcel>>,
    future: Option<Pin<Box<dyn Step>>>,
    began: Instant,
    timeout: Duration,
    /// Who waits for it; a call from the queue has nobody.
    ticket: Option<Ticket>,
    queued: bool,
    /// Its timer has fired.
    overdue: bool,
}

impl Work {
    /// Has the future polled from now on, with this long to live.
    pub(crate) fn begin(
        hub: &Arc<Hub>,
        post: &Arc<Post>,
        parcel: Arc<dyn AnyParcel>,
        future: Pin<Box<dyn Step>>,
        timeout: Duration,
        ticket: Option<Ticket>,
    ) {
        let Some(station) = station_here(hub, post.door()) else { return };
        station.began();
        post.began_work();
        Self::go_on(hub, post, parcel, future, (runtime::now(), timeout), ticket);
    }

    /// The same of a call that is counted already, and began at that time.
    pub(crate) fn go_on(
        hub: &Arc<Hub>,
        post: &Arc<Post>,
        parcel: Arc<dyn AnyParcel>,
        future: Pin<Box<dyn Step>>,
        (began, timeout): (Instant, Duration),
        ticket: Option<Ticket>,
    ) {
        let work = Self {
            hub: hub.clone(),
            post: post.clone(),
            parcel: Rc::new(parcel),
            future: Some(future),
            began,
            timeout,
            queued: ticket.is_none(),
            overdue: false,
            ticket,
        };
        // Its arbiter goes, and the call with it.
        let Some(station) = station_here(hub, post.door()) else { return drop_quietly(work) };
        let deadline = runtime::after(work.began, timeout);
        let executor = station.executor();
        let id = executor.spawn(|_| Box::new(work));
        executor.wake_at(deadline, id);
    }

    fn step(&mut self, turn: &Turn<'_>) -> Poll<Result<(), ListenerError>> {
        self.overdue |= turn.fired;
        let Some(future) = &mut self.future else { return Poll::Ready(Ok(())) };
        let waker = turn.waker();
        let within = Within::call_of(self.parcel.clone());
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().step(&mut Context::from_waker(&waker))));
        drop(within);
        match polled {
            Ok(Poll::Pending) if turn.fired && runtime::now() >= runtime::after(self.began, self.timeout) => {
                Poll::Ready(Err(ListenerError::TimedOut(self.timeout)))
            }
            Ok(polled) => polled,
            Err(panic) => Poll::Ready(Err(panicked(panic))),
        }
    }
}

impl Task for Work {
    fn poll(&mut self, turn: &Turn<'_>) -> Poll<()> {
        let Poll::Ready(result) = self.step(turn) else { return Poll::Pending };
        // Its end may be user code: what it holds is dropped.
        let future = self.future.take();
        let within = Within::call_of(self.parcel.clone());
        drop_quietly(future);
        drop(within);
        let verdict = match result {
            Ok(()) => {
                self.post.counts.done();
                None
            }
            Err(error) => Some(self.hub.failed(&self.post, (*self.parcel).clone(), error)),
        };
        if let Some(ticket) = self.ticket.take() {
            let took = ticket.timed.then(|| runtime::now() - self.began);
            ticket.finish(verdict, took);
        }
        Poll::Ready(())
    }

    fn label(&self) -> String {
        format!("the listener `{}` at work on {}", self.post.name(), Shown::name(&self.parcel.name()))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if self.future.is_some() {
            // Its arbiter goes.
            let _ = self.hub.failed(&self.post, (*self.parcel).clone(), ListenerError::Gone);
        }
        self.tell_station();
    }
}

impl Work {
    /// Lets the seat take its next event.
    fn tell_station(&self) {
        self.post.ended_work();
        if let Some(station) = station_here(&self.hub, self.post.door()) {
            station.executor().forget_timers(usize::from(!self.overdue));
            station.ended(&self.post, self.queued);
        }
    }
}
