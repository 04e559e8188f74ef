//! A listener with its options, and how it takes its seat on an arbiter.
//!
//! `Listen → Listening (options) → Seating (at registration) → Seated (one for events of its type, one for any)`

use std::any::type_name;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;

use super::call::Call;
use crate::events::bus::Hub;
use crate::events::container::{Container, ContainerError};
use crate::events::middleware::{Middleware, Ringed};
use crate::events::parcels::Subject;
use crate::events::seats::{AnySeat, Hearer, Post, Seat};

/// What happens to a published event when as many wait for a listener as may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// The event that has waited longest is dropped for this listener, and becomes a dead letter.
    #[default]
    DropOldest,
    /// The new event is dropped for this listener, and becomes a dead letter.
    DropNewest,
    /// `publish` returns an error, and no listener hears the event.
    Refuse,
}

/// For which events a listener is called.
pub(crate) type Condition<S> = Box<dyn Fn(&S) -> bool>;

/// What was said about a listener.
pub(crate) struct Options<S> {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) priority: i32,
    pub(crate) times: u64,
    pub(crate) when: Option<Condition<S>>,
    pub(crate) concurrency: usize,
    pub(crate) capacity: Option<usize>,
    pub(crate) overflow: Overflow,
    pub(crate) timeout: Option<Duration>,
    pub(crate) middleware: Vec<Arc<dyn Middleware>>,
    pub(crate) skip_retained: bool,
    /// Who is told when a call of it has ended.
    pub(crate) rest: Option<Arc<Notify>>,
}

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

/// A listener in its seat, as it hears events of its own type, and as it hears any.
#[doc(hidden)]
pub struct Seated<S> {
    pub(crate) own: Hearer<S>,
    pub(crate) any: Rc<dyn AnySeat>,
}

impl<S> fmt::Debug for Seated<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seated").finish_non_exhaustive()
    }
}

impl<S: Subject> Seating<S> {
    pub(crate) fn container(&self) -> &Container {
        self.hub.container()
    }

    pub(crate) fn seat(self, call: impl Call<S>) -> Seated<S> {
        self.seat_boxed(Box::new(call))
    }

    fn seat_boxed(mut self, mut call: Box<dyn Call<S>>) -> Seated<S> {
        let mut middleware = self.hub.middleware().to_vec();
        middleware.append(&mut self.options.middleware);
        if !middleware.is_empty() {
            call = Box::new(Ringed::new(middleware, call));
        }
        let seat = Rc::new(Seat::new(self.options, self.hub, self.post, call));
        Seated { own: Hearer::Seat(seat.clone()), any: seat }
    }
}

/// What seats a listener once its post is known.
type Make<S> = Box<dyn FnOnce(Seating<S>) -> Result<Seated<S>, ContainerError>>;

/// A listener with its options: what `bus.on((…).named("mail").priority(1))` takes.
pub struct Listening<S> {
    pub(crate) options: Options<S>,
    pub(crate) make: Make<S>,
    pub(crate) type_name: &'static str,
    /// Whether it may look at the event's metadata.
    pub(crate) sees: bool,
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
            overflow: Overflow::default(),
            timeout: None,
            middleware: Vec::new(),
            skip_retained: false,
            rest: None,
        };
        Self { options, make: Box::new(make), type_name: type_name::<L>(), sees }
    }

    /// Gives it a name, by which reports, errors and the log know it. The default is that of the function, or where a
    /// closure was registered.
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.options.name = Some(name.into());
        self
    }

    /// Lets it hear of one event only.
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Lets it hear of so many events only, after which its registration ends. The default is no limit; zero counts
    /// as 1.
    ///
    /// What is published counts when it is queued.
    pub fn times(mut self, times: u64) -> Self {
        self.options.times = times.max(1);
        self
    }

    /// Calls it before those of a lower priority; among equals the earlier registered comes first. The default is 0.
    ///
    /// It is the order in which calls begin: an asynchronous listener is not waited for.
    pub fn priority(mut self, priority: i32) -> Self {
        self.options.priority = priority;
        self
    }

    /// Lets it hear only of events for which this is true; said again, for which both are.
    ///
    /// A condition that panics counts as a failure of the listener.
    pub fn when(mut self, condition: impl Fn(&S) -> bool + 'static) -> Self {
        self.options.when = Some(match self.options.when.take() {
            None => Box::new(condition),
            Some(first) => Box::new(move |event| first(event) && condition(event)),
        });
        self
    }

    /// Sets how many published events it may be at work on at the same time. The default is 1, so that it takes them
    /// one after the other; zero counts as 1.
    ///
    /// What is emitted does not wait for its turn.
    pub fn concurrency(mut self, events: usize) -> Self {
        self.options.concurrency = events.max(1);
        self
    }

    /// Sets how many published events may wait for it. The default is that of the bus, 1,024 unless it was told; zero
    /// counts as 1.
    pub fn capacity(mut self, events: usize) -> Self {
        self.options.capacity = Some(events.max(1));
        self
    }

    /// Sets what happens when that many wait. The default is to drop the oldest.
    pub fn overflow(mut self, policy: Overflow) -> Self {
        self.options.overflow = policy;
        self
    }

    /// Sets how long one call may take, with all middleware around it. The default is that of the bus, 30 s unless it
    /// was told.
    ///
    /// An asynchronous listener is dropped where it waits; one that blocks its thread cannot be stopped.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.options.timeout = Some(limit);
        self
    }

    /// Puts a middleware around it, inside of those of the bus and of those that were put before.
    pub fn with(mut self, middleware: impl Middleware) -> Self {
        self.options.middleware.push(Arc::new(middleware));
        self
    }

    /// Lets it not hear of the last event that the bus has kept, if events of its type are retained.
    pub fn skip_retained(mut self) -> Self {
        self.options.skip_retained = true;
        self
    }

    /// The name it is to have: as given, that of the function, or the place where it was registered.
    pub(crate) fn name_at(&self, place: &std::panic::Location<'_>) -> Arc<str> {
        if let Some(name) = &self.options.name {
            return name.clone();
        }
        // A closure is named by its place, also in a generic function, whose own arguments hold paths too.
        let closure = self.type_name.ends_with('}');
        let path = self.type_name.split('<').next().filter(|_| !closure).unwrap_or_default();
        match path.rsplit("::").next() {
            // A recipient does not say of whom it is.
            Some(name) if !name.is_empty() && !name.starts_with('{') && name != "Recipient" => name.into(),
            _ => format!("{}:{}", place.file(), place.line()).into(),
        }
    }
}

impl<S> fmt::Debug for Listening<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").field("type", &self.type_name).finish_non_exhaustive()
    }
}
