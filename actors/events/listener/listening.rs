//! A listener with its options, and how it takes its seat on an arbiter.
//!
//! `Listen → Listening (options) → Seating (at registration) → Seated (one for events of its type, one for any)`

use std::any::type_name;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::events::container::ContainerError;
use crate::events::event::Subject;
use crate::events::middleware::Middleware;
use crate::events::seats::{Options, Seated, Seating};
use crate::events::verdict::Overflow;

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
