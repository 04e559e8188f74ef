//! A call by a message to an actor, whose answer is looked at once the actor has had its turn.
//!
//! `Seat → SentCall (sends) → Kept → Station (after the actors' turn) → done, or a Work`
//!
//! To wait for each answer by a task of its own, with a waker and a timer, costs several times what the message does; and
//! most actors have answered when they had their turn.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use super::call::{Call, Ran, Scope, Step};
use crate::events::parcel::{Ticket, Waiting};
use crate::events::verdict::ListenerError;

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
type Taken<S> = (Kept<S>, Pin<Box<dyn Step>>);

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

/// The place of an answer.
type Place<Fut> = Pin<Box<Option<Fut>>>;

/// A call that sends a message to an actor: `make` sends it, and its future is the answer.
pub(crate) struct SentCall<S, M, Fut> {
    make: M,
    /// In which the last answer was.
    place: Cell<Option<Place<Fut>>>,
    last: Cell<Option<Place<Fut>>>,
    kept: RefCell<VecDeque<(Kept<S>, Place<Fut>)>>,
}

impl<S, M, Fut> SentCall<S, M, Fut>
where
    M: Fn(&Scope<'_, S>) -> Fut + 'static,
{
    pub(crate) fn new(make: M) -> Self {
        Self { make, place: Cell::new(None), last: Cell::new(None), kept: RefCell::default() }
    }
}

impl<S: 'static, M, Fut> Call<S> for SentCall<S, M, Fut>
where
    M: Fn(&Scope<'_, S>) -> Fut + 'static,
    Fut: Future<Output = Result<(), ListenerError>> + 'static,
{
    fn call(&self, scope: &Scope<'_, S>) -> Ran {
        let answer = (self.make)(scope);
        let place = match self.place.take() {
            Some(mut place) => {
                place.set(Some(answer));
                place
            }
            None => Box::pin(Some(answer)),
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
    Fut: Future<Output = Result<(), ListenerError>> + 'static,
{
    fn take(&self) -> Option<Pin<Box<dyn Step>>> {
        Some(self.last.take()?)
    }

    fn keep(&self, kept: Kept<S>) {
        if let Some(place) = self.last.take() {
            self.kept.borrow_mut().push_back((kept, place));
        }
    }

    fn look(&self) -> Option<(Kept<S>, Looked)> {
        let (kept, mut place) = self.kept.borrow_mut().pop_front()?;
        // If it is not there, it is polled again with a waker of its own, which is then the one that counts.
        let looked = match place.as_mut().step(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => {
                place.set(None);
                self.place.set(Some(place));
                Looked::Done(result)
            }
            Poll::Pending => Looked::Later(place),
        };
        Some((kept, looked))
    }

    fn take_kept(&self) -> Option<Taken<S>> {
        let (kept, place) = self.kept.borrow_mut().pop_front()?;
        Some((kept, place))
    }
}
