//! What reaches a consumer, and how: by the inbox of our own, or as a message to any actor; and its place at a broker.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::WeakRecipient;

use super::to_broker::ToBroker;
use crate::base::Payload;
use crate::rounds::outcome::{Cancelled, Delivery, Outcome, Resolved};
use crate::runtime::Inbox;

/// A round on its way to a consumer.
pub(crate) struct ToConsumer<P> {
    pub(crate) delivery: Delivery<P>,
    pub(crate) limit: Duration,
}

/// How a consumer is told of a round.
pub(crate) enum Route<P: Payload> {
    /// Our own consumer, by its inbox.
    Own(Arc<Inbox<ToConsumer<P>>>),
    /// Any actor, by what it handles.
    Resolved(WeakRecipient<Resolved<P>>),
    Cancelled(WeakRecipient<Cancelled<P>>),
    All(WeakRecipient<Outcome<P>>),
}

/// Whatever keeps an actor alive while it is held.
pub(crate) type Keeper = Box<dyn Any + Send>;

/// A consumer's place at a broker; dropping it gives the place up.
pub(crate) struct ConsumerSeat<P: 'static> {
    door: Arc<Inbox<ToBroker<P>>>,
    name: Arc<str>,
    ticket: u64,
    armed: bool,
}

impl<P: 'static> ConsumerSeat<P> {
    pub(crate) fn new(door: Arc<Inbox<ToBroker<P>>>, name: Arc<str>, ticket: u64) -> Self {
        Self { door, name, ticket, armed: true }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Lets go of the guard without giving up the place.
    pub(crate) fn disarm(&mut self) {
        self.armed = false;
    }
}

impl<P: 'static> fmt::Debug for ConsumerSeat<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerSeat").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<P: 'static> Drop for ConsumerSeat<P> {
    fn drop(&mut self) {
        if self.armed {
            // One farewell for each member, and the number of members is bounded.
            self.door.push_always(ToBroker::ConsumerLeft { ticket: self.ticket });
        }
    }
}
