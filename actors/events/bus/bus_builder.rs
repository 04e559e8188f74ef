//! How a bus is built: what is provided to its listeners, what stands around them, and its limits.

use std::sync::Arc;
use std::time::Duration;

use super::bus::EventBus;
use super::publishing::publish_letter;
use crate::base::Failure;
use crate::events::container::{Container, ContainerBuilder, ContainerError};
use crate::events::hub::{Hub, Limits};
use crate::events::middleware::Middleware;
use crate::events::verdict::Overflow;

/// Builds an [`EventBus`].
///
/// The methods that provide values are those of a [`ContainerBuilder`].
#[derive(Debug)]
#[must_use = "nothing is built before `build()`"]
pub struct EventBusBuilder {
    container: ContainerBuilder,
    middleware: Around,
    publisher: Arc<str>,
    limits: Limits,
}

/// How deep events may be told to cause each other: awaited emissions stand on the stack one in another, and 1,000 of them
/// overflow the 2 MiB of a thread.
const DEEPEST: u32 = 250;

#[derive(Default)]
struct Around(Vec<Arc<dyn Middleware>>);

impl std::fmt::Debug for Around {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} middleware", self.0.len())
    }
}

impl Default for EventBusBuilder {
    fn default() -> Self {
        Self {
            container: Container::builder(),
            middleware: Around::default(),
            publisher: "".into(),
            limits: Limits {
                capacity: 1024,
                overflow: Overflow::default(),
                listener_timeout: Duration::from_secs(30),
                room_timeout: Duration::from_secs(30),
                max_depth: 64,
                max_listeners: 100_000,
                dead_letters: 1000,
                retained: 4096,
            },
        }
    }
}

impl EventBusBuilder {
    /// Provides a value, for `Inject<T>`. See [`ContainerBuilder::provide`].
    #[track_caller]
    pub fn provide<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.container = self.container.provide(value);
        self
    }

    /// Provides a value for `Inject<dyn Trait>`. See [`ContainerBuilder::provide_as`].
    #[track_caller]
    pub fn provide_as<T: ?Sized + Send + Sync + 'static>(mut self, value: Arc<T>) -> Self {
        self.container = self.container.provide_as(value);
        self
    }

    /// Provides a value that is built once, when it is first needed. See [`ContainerBuilder::provide_with`].
    #[track_caller]
    pub fn provide_with<T: Send + Sync + 'static>(
        mut self,
        make: impl Fn(&Container) -> Result<T, Failure> + Send + Sync + 'static,
    ) -> Self {
        self.container = self.container.provide_with(make);
        self
    }

    /// Provides a value that is built anew for each call. See [`ContainerBuilder::factory`].
    #[track_caller]
    pub fn factory<T: Send + Sync + 'static>(
        mut self,
        make: impl Fn(&Container) -> Result<T, Failure> + Send + Sync + 'static,
    ) -> Self {
        self.container = self.container.factory(make);
        self
    }

    /// Replaces a value that is provided, for a test. See [`ContainerBuilder::replace`].
    #[track_caller]
    pub fn replace<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.container = self.container.replace(value);
        self
    }

    /// Replaces a value that is provided for `Inject<dyn Trait>`, for a test. See [`ContainerBuilder::replace_as`].
    #[track_caller]
    pub fn replace_as<T: ?Sized + Send + Sync + 'static>(mut self, value: Arc<T>) -> Self {
        self.container = self.container.replace_as(value);
        self
    }

    /// Changes the container's builder by any of its methods, or replaces it by another one.
    pub fn container(mut self, change: impl FnOnce(ContainerBuilder) -> ContainerBuilder) -> Self {
        self.container = change(self.container);
        self
    }

    /// Adds a middleware around every listener, inside of the middleware that was added before.
    pub fn with(mut self, middleware: impl Middleware) -> Self {
        self.middleware.0.push(Arc::new(middleware));
        self
    }

    /// Sets the publisher of the events of this bus: a name, as in `UserService`. The default is none.
    pub fn publisher(mut self, name: impl Into<Arc<str>>) -> Self {
        self.publisher = name.into();
        self
    }

    /// Sets how many published events may wait for a listener, unless the listener sets its own capacity. The default
    /// is 1,024; zero counts as 1.
    pub fn capacity(mut self, events: usize) -> Self {
        self.limits.capacity = events.max(1);
        self
    }

    /// Sets what happens to a published event for which a listener or a service has no room, unless the listener or
    /// service sets its own policy. The default is to [refuse](Overflow::Refuse) the event, for that listener or
    /// service alone.
    pub fn overflow(mut self, policy: Overflow) -> Self {
        self.limits.overflow = policy;
        self
    }

    /// Sets how long a call of a listener may take, unless the listener sets its own timeout. The default is 30 s.
    pub fn listener_timeout(mut self, limit: Duration) -> Self {
        self.limits.listener_timeout = limit;
        self
    }

    /// Sets how long [`publish_wait`](EventBus::publish_wait) waits for room. The default is 30 s.
    pub fn room_timeout(mut self, limit: Duration) -> Self {
        self.limits.room_timeout = limit;
        self
    }

    /// Sets how deeply events may cause each other. An event that a listener emits is one deeper than the event that
    /// the listener hears. The default is 64, the minimum 1 and the maximum 250.
    ///
    /// The depth is bounded because each event keeps the events that caused it, and because a listener that awaits an
    /// emission nests the calls of that emission in its own.
    pub fn max_depth(mut self, events: u32) -> Self {
        self.limits.max_depth = events.clamp(1, DEEPEST);
        self
    }

    /// Sets the maximum number of listeners. The default is 100,000.
    pub fn max_listeners(mut self, listeners: usize) -> Self {
        self.limits.max_listeners = listeners;
        self
    }

    /// Sets how many dead letters are kept. Beyond that number the oldest dead letter is forgotten, and
    /// [counted](crate::DeadLetters::forgotten). The default is 1,000.
    pub fn dead_letters(mut self, letters: usize) -> Self {
        self.limits.dead_letters = letters;
        self
    }

    /// Sets for how many topics the last event is kept. Beyond that number the event of the least recently updated
    /// topic is forgotten. The default is 4,096.
    pub fn retained_topics(mut self, topics: usize) -> Self {
        self.limits.retained = topics;
        self
    }

    /// Builds the bus. A value that is provided twice or cannot be built is an error when a listener first asks for it.
    pub fn build(self) -> EventBus {
        let container = self.container.build();
        EventBus::of(&Arc::new(Hub::new(container, self.middleware.0, self.publisher, self.limits, publish_letter)))
    }

    /// Builds another bus, with what this one provides, what stands around its listeners and its limits, but no listener.
    pub(crate) fn beside(bus: &EventBus) -> EventBus {
        let hub = bus.hub();
        let (middleware, publisher) = (hub.middleware().to_vec(), bus.publisher().into());
        let beside = Hub::new(hub.container().clone(), middleware, publisher, *hub.limits(), publish_letter);
        EventBus::of(&Arc::new(beside))
    }

    /// Builds the bus and every value that is provided to its listeners.
    ///
    /// # Errors
    ///
    /// Returns the error of the first value that is provided twice or cannot be built.
    pub fn try_build(self) -> Result<EventBus, ContainerError> {
        let container = self.container.try_build()?;
        let hub = Hub::new(container, self.middleware.0, self.publisher, self.limits, publish_letter);
        Ok(EventBus::of(&Arc::new(hub)))
    }
}
