//! How a listener takes its seat on an arbiter.
//!
//! `Listening → Seating (at registration) → Ringed (if there is middleware) → Seat`

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use super::call::{Call, Scope};
use super::exit::{Exit, Sender};
use super::hearer::Seated;
use super::options::Options;
use super::ringed::Ringed;
use super::seat::Seat;
use super::sent::SentCall;
use super::unheeded::{Mailbox, Straight, UnheededCall};
use crate::events::container::Container;
use crate::events::event::{JsonEvent, Subject};
use crate::events::hub::{Hub, Post};

/// A listener that is on its way to its seat.
#[doc(hidden)]
pub struct Seating<S> {
    pub(crate) options: Options<S>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) post: Arc<Post>,
}

impl<S> fmt::Debug for Seating<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seating").field("post", &self.post).finish_non_exhaustive()
    }
}

impl<S: Subject> Seating<S> {
    pub(crate) fn container(&self) -> &Container {
        self.hub.container()
    }

    pub(crate) fn seat(self, call: impl Call<S>) -> Seated<S> {
        self.seat_boxed(Box::new(call))
    }

    /// Seats one that is not heeded, and so need not wait for a turn.
    pub(crate) fn seat_unheeded(self, call: impl Mailbox<S>) -> Seated<S> {
        let ringed = !self.options.middleware.is_empty() || !self.hub.middleware().is_empty();
        let call = Rc::new(UnheededCall::new(call));
        if ringed {
            return self.seat(call);
        }
        let seat = Seat::new(self.options, self.hub, self.post, Box::new(call.clone()));
        Seated::new(Rc::new(Straight { seat, call }))
    }

    fn seat_boxed(mut self, mut call: Box<dyn Call<S>>) -> Seated<S> {
        let mut middleware = self.hub.middleware().to_vec();
        middleware.append(&mut self.options.middleware);
        if !middleware.is_empty() {
            call = Box::new(Ringed::new(middleware, call));
        }
        Seated::new(Rc::new(Seat::new(self.options, self.hub, self.post, call)))
    }
}

impl Seating<JsonEvent> {
    /// Seats one that sends on whatever does not come from outside. What stands around it sees all of that as JSON.
    pub(crate) fn seat_exit(self, sender: impl Sender) -> Seated<JsonEvent> {
        let ringed = !self.options.middleware.is_empty() || !self.hub.middleware().is_empty();
        if ringed {
            return self.seat(SentCall::new(move |scope: &Scope<'_, JsonEvent>| {
                scope.begins();
                sender.send(scope.parcel.event.payload(), scope.parcel.metadata())
            }));
        }
        Seated::new(Rc::new(Exit::new(self.hub, self.post, sender, self.options.concurrency)))
    }
}
