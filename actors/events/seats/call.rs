//! A call of a listener with what is heard: done at once, a future, or a message to an actor.
//!
//! `seat → Call → Ran (done, or a Step for work.rs)`

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use super::seat::Seat;
use super::station::Station;
use crate::events::event::Subject;
use crate::events::hub::{DeadLetter, Hub, Post};
use crate::events::parcel::{Parcel, Ticket, Waiting, Within};
use crate::events::verdict::{ListenerError, panicked};

/// How a call ended, or that it has not yet.
pub(crate) enum Ran {
    Done(Result<(), ListenerError>),
    Later(Pin<Box<dyn Step>>),
    /// A message was sent to an actor, and what [sends](Call::sends) knows it.
    Sent,
}

/// A call under way.
pub(crate) trait Step {
    fn step(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ListenerError>>;
}

/// The place of a future is used again for the next call, so that a call that is ready at once allocates nothing.
impl<F: Future<Output = Result<(), ListenerError>>> Step for Option<F> {
    fn step(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ListenerError>> {
        match self.as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

/// What a call is about.
#[doc(hidden)]
pub struct Scope<'a, S> {
    pub(crate) parcel: &'a Arc<Parcel<S>>,
    pub(crate) hub: &'a Arc<Hub>,
    pub(crate) post: &'a Arc<Post>,
}

impl<S: Subject> Scope<'_, S> {
    /// The listener itself is called now, whatever stands around it.
    #[inline]
    pub(crate) fn begins(&self) {
        DeadLetter::comes_to(self.post, &*self.parcel.event);
    }
}

impl<S> fmt::Debug for Scope<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

/// Something that can be called with a parcel.
pub(crate) trait Call<S>: 'static {
    fn call(&self, scope: &Scope<'_, S>) -> Ran;

    /// What sends a message to an actor instead of calling.
    fn sends(&self) -> Option<&dyn Sends<S>> {
        None
    }

    /// Calls it with what waits in its seat, so many at the most, and returns how many. It is the only loop that is compiled for
    /// each listener, so that the listener is inlined into it.
    fn run(&self, seat: &Seat<S>, station: &Rc<Station>, budget: usize) -> usize
    where
        S: Subject,
    {
        let within = Within::nothing();
        for ran in 0..budget {
            let Some(parcel) = seat.take(station) else { return ran };
            within.next(parcel.clone());
            match catch_unwind(AssertUnwindSafe(|| self.call(&seat.scope(&parcel)))) {
                Ok(Ran::Done(Ok(()))) => seat.done(),
                Ok(Ran::Done(Err(error))) => seat.failed_queued(&parcel, error),
                Ok(Ran::Later(future)) => seat.begin_queued(&parcel, future),
                Ok(Ran::Sent) => seat.await_queued(parcel, station),
                Err(panic) => seat.failed_queued(&parcel, panicked(panic)),
            }
        }
        seat.goes_on(station);
        budget
    }
}

/// What is known of a message that was sent.
pub(crate) struct Kept<S> {
    pub(crate) parcel: Rc<Waiting<S>>,
    /// Who waits for it; a call from the queue has nobody.
    pub(crate) ticket: Option<Ticket>,
    pub(crate) began: Instant,
}

/// What an answer is when it is looked at.
pub(crate) enum Looked {
    Done(Result<(), ListenerError>),
    /// The actor has not answered yet.
    Later(Pin<Box<dyn Step>>),
}

/// A message that was kept, as a call that goes on.
pub(crate) type Taken<S> = (Kept<S>, Pin<Box<dyn Step>>);

/// Something that sends messages to an actor, and waits for the answers.
pub(crate) trait Sends<S> {
    /// The message that was sent last, as a call that goes on.
    fn take(&self) -> Option<Pin<Box<dyn Step>>>;

    /// Keeps the message that was sent last until its answer is looked at.
    fn keep(&self, kept: Kept<S>);

    /// Looks at the answer to the message that was kept first.
    fn look(&self) -> Option<(Kept<S>, Looked)>;

    /// Hands over the message that was kept first.
    fn take_kept(&self) -> Option<Taken<S>>;
}

/// A sync function.
pub(crate) struct SyncCall<F>(pub(crate) F);

impl<S, F: Fn(&Scope<'_, S>) -> Result<(), ListenerError> + 'static> Call<S> for SyncCall<F> {
    #[inline]
    fn call(&self, scope: &Scope<'_, S>) -> Ran {
        Ran::Done((self.0)(scope))
    }
}

/// An async function, with the place in which its future last was.
pub(crate) struct AsyncCall<M, Fut> {
    make: M,
    place: Cell<Option<Pin<Box<Option<Fut>>>>>,
}

impl<M, Fut> AsyncCall<M, Fut> {
    /// Only to tell the compiler what `make` is: a closure of a scope of any lifetime.
    pub(crate) fn new<S>(make: M) -> Self
    where
        M: Fn(&Scope<'_, S>) -> Result<Fut, ListenerError> + 'static,
    {
        Self { make, place: Cell::new(None) }
    }
}

impl<S, M, Fut> Call<S> for AsyncCall<M, Fut>
where
    M: Fn(&Scope<'_, S>) -> Result<Fut, ListenerError> + 'static,
    Fut: Future<Output = Result<(), ListenerError>> + 'static,
{
    // Into the loop of `run`, where it is called for each event; in a debug build it is compiled once.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn call(&self, scope: &Scope<'_, S>) -> Ran {
        let future = match (self.make)(scope) {
            Ok(future) => future,
            Err(error) => return Ran::Done(Err(error)),
        };
        let mut place = match self.place.take() {
            Some(mut place) => {
                place.set(Some(future));
                place
            }
            None => Box::pin(Some(future)),
        };
        // Most are ready at once. If it is not, it is polled again with a waker of its own, which is then the one that
        // counts.
        match place.as_mut().step(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => {
                place.set(None);
                self.place.set(Some(place));
                Ran::Done(result)
            }
            Poll::Pending => Ran::Later(place),
        }
    }
}
