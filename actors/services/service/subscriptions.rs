//! What a service hears: declared once, in place for each of its actors.
//!
//! `#[service(on(…), topics(…))] → BaseService::subscribe → Subscriptions → seats that outlive the actor`

use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use actix::Handler;
use tokio::time::Instant;

use super::service::BaseService;
use crate::events::actor::{ActorSeat, seat_of};
use crate::events::bus::{topics, typed};
use crate::events::event::{Event, JsonEvent, Subject};
use crate::events::hub::{Hearing, Hub};
use crate::events::listener::{Heard, Listen, ListenError};
use crate::events::seats::{AnySeat, Options, Subscription};
use crate::events::topics::Patterns;
use crate::services::life::{Oversight, ServiceSeat, Terms};

/// The subscriptions of a service, which [`BaseService::subscribe`] makes.
pub struct Subscriptions<'a, A: BaseService> {
    oversight: &'a Rc<Oversight>,
    terms: &'a Terms,
    seats: Vec<Box<dyn ServiceSeat<A>>>,
}

impl<'a, A: BaseService> Subscriptions<'a, A> {
    /// Registers all that a service declares.
    pub(crate) fn make(
        oversight: &'a Rc<Oversight>,
        terms: &'a Terms,
    ) -> Result<Vec<Box<dyn ServiceSeat<A>>>, ListenError> {
        let mut made = Self { oversight, terms, seats: Vec::new() };
        A::subscribe(&mut made)?;
        Ok(made.seats)
    }

    /// Subscribes the service to events of one type, which it handles as [`Heard<E>`](Heard).
    ///
    /// # Errors
    ///
    /// Returns [`ListenError::Full`] if the bus has as many listeners as it may.
    #[track_caller]
    pub fn on<E: Event>(&mut self) -> Result<(), ListenError>
    where
        A: Handler<Heard<E>>,
        <A as Handler<Heard<E>>>::Result: 'static,
    {
        let (bus, name) = (self.oversight.standing.bus().clone(), self.terms.name.clone());
        let refuse =
            move |why: String| bus.on((move |_: &E| Err::<(), _>(why.clone())).named(name.clone()).skip_retained());
        self.seat::<E>(typed::<E>(), E::CONTAINS_PERSONAL_DATA, Location::caller(), Box::new(refuse))
    }

    /// Subscribes the service to topics, which it handles as `Heard<JsonEvent>`.
    ///
    /// # Errors
    ///
    /// Returns `Pattern`, `NoPattern` or `Full`: see [`ListenError`].
    #[track_caller]
    pub fn topics(&mut self, patterns: impl Patterns) -> Result<(), ListenError>
    where
        A: Handler<Heard<JsonEvent>>,
        <A as Handler<Heard<JsonEvent>>>::Result: 'static,
    {
        let patterns = patterns.patterns()?;
        let (bus, name, refused) = (self.oversight.standing.bus().clone(), self.terms.name.clone(), patterns.clone());
        let refuse = move |why: String| {
            let refuses = (move |_: &JsonEvent| Err::<(), _>(why.clone())).named(name.clone());
            // What is kept was handled before, or became a dead letter then.
            bus.on_topic(refused.clone(), refuses.skip_retained())
        };
        self.seat::<JsonEvent>(topics(patterns)?, false, Location::caller(), Box::new(refuse))
    }

    fn seat<S: Subject>(
        &mut self,
        hearing: Hearing,
        personal: bool,
        place: &'static Location<'static>,
        refuse: Refuse,
    ) -> Result<(), ListenError>
    where
        A: Handler<Heard<S>>,
        <A as Handler<Heard<S>>>::Result: 'static,
    {
        let Terms { name, capacity, overflow, timeout } = self.terms.clone();
        let rest = self.oversight.rest().clone();
        let options = move |options: &mut Options<S>| {
            options.rest = Some(rest);
            options.name = Some(name);
            options.capacity = capacity;
            options.overflow = overflow;
            options.timeout = timeout;
        };
        let bus = self.oversight.standing.bus();
        let (subscription, seat) =
            seat_of::<S, A, _>(bus, hearing, personal, place, options, Some(self.oversight.clone()))?;
        self.seats.push(Box::new(Seated { subscription, seat, refuse }));
        Ok(())
    }
}

impl<A: BaseService> fmt::Debug for Subscriptions<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriptions").field("service", &self.terms.name).field("made", &self.seats.len()).finish()
    }
}

/// Registers who says this of each event, in place of the service.
type Refuse = Box<dyn Fn(String) -> Result<Subscription, ListenError>>;

struct Seated<S: Subject> {
    subscription: Subscription,
    seat: Rc<ActorSeat<S, Oversight>>,
    refuse: Refuse,
}

impl<S: Subject, A> ServiceSeat<A> for Seated<S>
where
    A: BaseService + Handler<Heard<S>>,
    <A as Handler<Heard<S>>>::Result: 'static,
{
    fn attend(&self, ctx: &mut A::Context) {
        self.seat.attend::<A>(ctx);
    }

    fn retire(&self, hub: &Hub) {
        hub.retire(self.subscription.post());
    }

    fn is_at_rest(&self) -> bool {
        !self.seat.is_busy()
    }

    fn waiting(&self) -> usize {
        // Within middleware what waits is in the seat around it, and what is under way is a work: the post has the counts.
        let post = self.subscription.post();
        let inside = self.seat.waiting() + usize::from(self.seat.is_busy());
        inside.max(post.at_work()) + post.waiting_outside(self.seat.waiting())
    }

    fn refuse(&self, why: &str) -> Result<Subscription, ListenError> {
        (self.refuse)(why.to_owned())
    }

    fn has_ended(&self) -> bool {
        !self.subscription.is_active()
    }

    fn expire(&self, limit: Duration, since: Instant) -> Instant {
        self.seat.expire(limit, since)
    }
}

impl<S: Subject> Drop for Seated<S> {
    fn drop(&mut self) {
        // A call of middleware may hold it, and would wait for an actor that does not come.
        self.seat.end();
    }
}
