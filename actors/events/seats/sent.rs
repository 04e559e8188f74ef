//! A call by a message to an actor, or to who sends an event on: its answer is looked at once others have had their turn.
//!
//! `Seat → SentCall (sends) → Kept → Station (after the actors' turn) → done, or a Work`
//!
//! To wait for each answer by a task of its own, with a waker and a timer, costs several times what the message does; and
//! most actors have answered when they had their turn.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use actix::MailboxError;

use super::call::{Call, Kept, Looked, Ran, Scope, Sends, Step, Taken};
use crate::base::Handled;
use crate::events::verdict::ListenerError;

/// How many places are kept for later answers, beside the one.
const PLACES: usize = 15;

/// The place of an answer, which is used again for the next.
type Place<Fut> = Pin<Box<Option<Fut>>>;

/// An answer, as it came through the mailbox of an actor or from who has sent the event on.
pub(crate) trait Answered {
    fn into_result(self) -> Result<(), ListenerError>;
}

impl Answered for Result<Handled, MailboxError> {
    fn into_result(self) -> Result<(), ListenerError> {
        self.map_err(|_| ListenerError::Gone)?.map_err(ListenerError::from)
    }
}

impl Answered for Handled {
    fn into_result(self) -> Result<(), ListenerError> {
        self.map_err(ListenerError::from)
    }
}

/// A call that sends a message: `make` sends it, and its future is the answer.
///
/// Most have one message under way, for which there is a place here: among many actors, each list beside it would be one more
/// place in memory that nobody has touched since the last event.
pub(crate) struct SentCall<S, M, Fut> {
    make: M,
    /// In which the last answer was, and those before it.
    place: Cell<Option<Place<Fut>>>,
    places: RefCell<Vec<Place<Fut>>>,
    last: Cell<Option<Place<Fut>>>,
    /// The message whose answer is looked at next, and those behind it.
    first: RefCell<Option<(Kept<S>, Place<Fut>)>>,
    kept: RefCell<VecDeque<(Kept<S>, Place<Fut>)>>,
}

impl<S, M, Fut> SentCall<S, M, Fut>
where
    M: Fn(&Scope<'_, S>) -> Fut + 'static,
{
    pub(crate) fn new(make: M) -> Self {
        Self {
            make,
            place: Cell::new(None),
            places: RefCell::default(),
            last: Cell::new(None),
            first: RefCell::default(),
            kept: RefCell::default(),
        }
    }
}

impl<S, M, Fut> SentCall<S, M, Fut> {
    fn free_place(&self) -> Option<Place<Fut>> {
        self.place.take().or_else(|| self.places.borrow_mut().pop())
    }

    fn give_back(&self, mut place: Place<Fut>) {
        place.set(None);
        if let Some(other) = self.place.replace(Some(place)) {
            let mut places = self.places.borrow_mut();
            if places.len() < PLACES {
                places.push(other);
            }
        }
    }

    fn take_first(&self) -> Option<(Kept<S>, Place<Fut>)> {
        self.first.take().or_else(|| self.kept.borrow_mut().pop_front())
    }

    fn put_last(&self, kept: Kept<S>, place: Place<Fut>) {
        let (mut first, mut behind) = (self.first.borrow_mut(), self.kept.borrow_mut());
        if first.is_none() && behind.is_empty() {
            *first = Some((kept, place));
        } else {
            behind.push_back((kept, place));
        }
    }
}

fn poll_answer<Fut: Future<Output: Answered>>(
    place: &mut Place<Fut>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), ListenerError>> {
    let Some(answer) = place.as_mut().as_pin_mut() else { return Poll::Ready(Ok(())) };
    answer.poll(cx).map(Answered::into_result)
}

/// An answer that is awaited.
struct Awaited<Fut>(Place<Fut>);

impl<Fut: Future<Output: Answered>> Step for Awaited<Fut> {
    fn step(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ListenerError>> {
        poll_answer(&mut self.get_mut().0, cx)
    }
}

impl<S: 'static, M, Fut> Call<S> for SentCall<S, M, Fut>
where
    M: Fn(&Scope<'_, S>) -> Fut + 'static,
    Fut: Future<Output: Answered> + 'static,
{
    fn call(&self, scope: &Scope<'_, S>) -> Ran {
        let place = match self.free_place() {
            Some(mut place) => {
                place.set(Some((self.make)(scope)));
                place
            }
            None => Box::pin(Some((self.make)(scope))),
        };
        self.last.set(Some(place));
        Ran::Sent
    }

    fn sends(&self) -> Option<&dyn Sends<S>> {
        Some(self)
    }
}

impl<S: 'static, M, Fut> Sends<S> for SentCall<S, M, Fut>
where
    M: Fn(&Scope<'_, S>) -> Fut + 'static,
    Fut: Future<Output: Answered> + 'static,
{
    fn take(&self) -> Option<Pin<Box<dyn Step>>> {
        Some(Box::pin(Awaited(self.last.take()?)))
    }

    fn keep(&self, kept: Kept<S>) {
        if let Some(place) = self.last.take() {
            self.put_last(kept, place);
        }
    }

    fn look(&self) -> Option<(Kept<S>, Looked)> {
        let (kept, mut place) = self.take_first()?;
        // If it is not there, it is polled again with a waker of its own, which is then the one that counts. tokio would say of
        // all but the first 128 that they are not, to have this task give way: those of a turn are bounded as it is.
        let polled = {
            let answer = poll_fn(|cx| poll_answer(&mut place, cx));
            pin!(tokio::task::unconstrained(answer)).poll(&mut Context::from_waker(Waker::noop()))
        };
        let looked = match polled {
            Poll::Ready(result) => {
                self.give_back(place);
                Looked::Done(result)
            }
            Poll::Pending => Looked::Later(Box::pin(Awaited(place))),
        };
        Some((kept, looked))
    }

    fn take_kept(&self) -> Option<Taken<S>> {
        let (kept, place) = self.take_first()?;
        Some((kept, Box::pin(Awaited(place))))
    }
}
