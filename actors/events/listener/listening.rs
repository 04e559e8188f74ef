//! A listener with its options, and how it takes its seat on an arbiter.
//!
//! `Listen → Listening (options) → Seating (at registration) → Seated (one for events of its type, one for any)`

use std::any::type_name;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::events::container::ContainerError;
use crate::events::event::Subject;
use crate::events::middleware::Middleware;
use crate::events::seats::{Options, Seated, Seating};
use crate::events::verdict::{Found, Naming, Overflow};

/// What seats a listener once its post is known.
type Make<S> = Box<dyn FnOnce(Seating<S>) -> Result<Seated<S>, ContainerError>>;

/// A listener with its options, as in `bus.on((…).named("mail").priority(1))`.
pub struct Listening<S> {
    pub(crate) options: Options<S>,
    pub(crate) make: Make<S>,
    pub(crate) type_name: fn() -> &'static str,
    /// Whether it may look at the event's metadata.
    pub(crate) sees: bool,
    /// Whether what it returns is known.
    pub(crate) heeded: bool,
}

impl<S: Subject> Listening<S> {
    pub(crate) fn new<L>(
        sees: bool,
        make: impl FnOnce(Seating<S>) -> Result<Seated<S>, ContainerError> + 'static,
    ) -> Self {
        let options = Options {
            name: None,
            priority: 0,
            times: u64::MAX,
            when: None,
            concurrency: 1,
            capacity: None,
            overflow: None,
            all_or_none: false,
            timeout: None,
            middleware: Vec::new(),
            skip_retained: false,
            unless_replayed: false,
            rest: None,
        };
        Self { options, make: Box::new(make), type_name: type_name::<L>, sees, heeded: true }
    }

    /// Sets the name that reports, errors and the log show. The default is the name of the function, or the place at
    /// which a closure was registered.
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.options.name = Some(name.into());
        self
    }

    /// Limits the listener to one event. See [`times`](Self::times).
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Limits the listener to this number of events, after which its registration ends. The default is no limit; zero
    /// counts as 1.
    ///
    /// A published event counts when it is queued.
    pub fn times(mut self, times: u64) -> Self {
        self.options.times = times.max(1);
        self
    }

    /// Sets the priority: the listener is called before listeners of a lower priority. Among equals, the listener that
    /// was registered earlier is called first. The default is 0.
    ///
    /// The priority is the order in which calls begin: an asynchronous listener is not awaited before the next call
    /// begins.
    pub fn priority(mut self, priority: i32) -> Self {
        self.options.priority = priority;
        self
    }

    /// Limits the listener to events for which `condition` returns `true`. If you set several conditions, all of them
    /// have to return `true`.
    ///
    /// A condition that panics counts as a failure of the listener.
    ///
    /// An event that the condition declines needs no room: a full listener does not refuse it. The condition is called on
    /// the listener's own arbiter. So `publish` on another arbiter does not say whether the listener has room: if it has
    /// none for an event that it wants, the event becomes a dead letter.
    pub fn when(mut self, condition: impl Fn(&S) -> bool + 'static) -> Self {
        self.options.when = Some(match self.options.when.take() {
            None => Box::new(condition),
            Some(first) => Box::new(move |event| first(event) && condition(event)),
        });
        self
    }

    /// Sets how many published events the listener may handle at the same time. The default is 1, so that the listener
    /// handles them one after the other; zero counts as 1.
    ///
    /// An emitted event does not wait for this limit.
    pub fn concurrency(mut self, events: usize) -> Self {
        self.options.concurrency = events.max(1);
        self
    }

    /// Sets how many published events may wait for the listener. The default is that of the bus, which is 1,024 unless
    /// the builder sets another; zero counts as 1.
    ///
    /// When half of this number wait, the log says so, once for each listener. A capacity below 16 is not logged.
    pub fn capacity(mut self, events: usize) -> Self {
        self.options.capacity = Some(events.max(1));
        self
    }

    /// Sets what happens to a published event for which the listener has no room. The default is that of the bus, which
    /// is to [refuse](Overflow::Refuse) the event unless the builder sets another.
    pub fn overflow(mut self, policy: Overflow) -> Self {
        self.options.overflow = Some(policy);
        self.options.all_or_none = false;
        self
    }

    /// Makes the listener refuse for all: if it has no room, no listener gets the event, and the event does not become
    /// a dead letter.
    ///
    /// An event that the listener's [condition](Self::when) declines needs no room, if it is published on the listener's
    /// arbiter. On another arbiter the condition cannot be asked, so a full listener refuses the event.
    ///
    /// `publish` then returns [`Full`](crate::PublishError::Full), and you can publish the event again. A later
    /// [`overflow`](Self::overflow) undoes this setting.
    pub fn all_or_none(mut self) -> Self {
        self.options.overflow = Some(Overflow::Refuse);
        self.options.all_or_none = true;
        self
    }

    /// Sets how long one call may take, with all middleware around the listener. The default is that of the bus, which
    /// is 30 s unless the builder sets another.
    ///
    /// An asynchronous listener is dropped at the point where it waits. A listener that blocks its thread cannot be
    /// stopped.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.options.timeout = Some(limit);
        self
    }

    /// Adds a middleware around the listener, inside of the middleware of the bus and of the middleware that was added
    /// before.
    pub fn with(mut self, middleware: impl Middleware) -> Self {
        self.options.middleware.push(Arc::new(middleware));
        self
    }

    /// Skips the last event that the bus has kept, if the events that the listener hears are retained. By default the
    /// listener hears that event once it is registered.
    pub fn skip_retained(mut self) -> Self {
        self.options.skip_retained = true;
        self
    }

    /// Skips events that are told once more from a store, so that a mail is not sent twice. A listener that should only know
    /// may ask for [`Replay`](crate::Replay) instead.
    pub fn unless_replayed(mut self) -> Self {
        self.options.unless_replayed = true;
        self
    }

    /// What it is to be called, registered at this place.
    pub(crate) fn naming_at(&self, place: &'static Location<'static>) -> Naming {
        match &self.options.name {
            Some(name) => Naming::Given(name.clone()),
            None => Naming::Found(Found { type_name: self.type_name, place }),
        }
    }
}

impl<S> fmt::Debug for Listening<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").field("type", &(self.type_name)()).finish_non_exhaustive()
    }
}
