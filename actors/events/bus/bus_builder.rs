//! How a bus is built: what is provided to its listeners, what stands around them, and its limits.

use std::sync::Arc;
use std::time::Duration;

use super::bus::EventBus;
use super::publishing::publish_letter;
use crate::base::Failure;
use crate::events::container::{Container, ContainerBuilder, ContainerError};
use crate::events::hub::{Hub, Limits};
use crate::events::middleware::Middleware;

/// Builds an [`EventBus`].
///
/// What is provided is what a [`Container`] is built of; the methods are the same.
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

    /// Provides a value as what it implements, for `Inject<dyn Trait>`. See [`ContainerBuilder::provide_as`].
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

    /// Provides this instead of what is provided, for a test. See [`ContainerBuilder::replace`].
    #[track_caller]
    pub fn replace<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.container = self.container.replace(value);
        self
    }

    /// Provides this instead of what is provided as what it implements, for a test. See
    /// [`ContainerBuilder::replace_as`].
    #[track_caller]
    pub fn replace_as<T: ?Sized + Send + Sync + 'static>(mut self, value: Arc<T>) -> Self {
        self.container = self.container.replace_as(value);
        self
    }

    /// Changes the container beneath by any of its methods, or puts another in its place.
    pub fn container(mut self, change: impl FnOnce(ContainerBuilder) -> ContainerBuilder) -> Self {
        self.container = change(self.container);
        self
    }

    /// Puts a middleware around every listener, inside of those that were put before.
    pub fn with(mut self, middleware: impl Middleware) -> Self {
        self.middleware.0.push(Arc::new(middleware));
        self
    }

    /// Gives the bus the name by which its events say who published them, as in `UserService`. The default is none.
    pub fn publisher(mut self, name: impl Into<Arc<str>>) -> Self {
        self.publisher = name.into();
        self
    }

    /// Sets how many published events may wait for a listener that does not say it itself. The default is 1,024; zero
    /// counts as 1.
    pub fn capacity(mut self, events: usize) -> Self {
        self.limits.capacity = events.max(1);
        self
    }

    /// Sets how long a call of a listener may take that does not say it itself. The default is 30 s.
    pub fn listener_timeout(mut self, limit: Duration) -> Self {
        self.limits.listener_timeout = limit;
        self
    }

    /// Sets how long `publish_wait` waits for room. The default is 30 s.
    pub fn room_timeout(mut self, limit: Duration) -> Self {
        self.limits.room_timeout = limit;
        self
    }

    /// Sets how deep events may cause each other: one that a listener emits is one deeper than the one it hears. The
    /// default is 64, the least 1 and the most 250: each event keeps those that have caused it, and a listener that awaits
    /// what it emits is called within the one before.
    pub fn max_depth(mut self, events: u32) -> Self {
        self.limits.max_depth = events.clamp(1, DEEPEST);
        self
    }

    /// Sets how many listeners there may be. The default is 100,000.
    pub fn max_listeners(mut self, listeners: usize) -> Self {
        self.limits.max_listeners = listeners;
        self
    }

    /// Sets how many dead letters are kept; beyond them the oldest is forgotten. The default is 1,000.
    pub fn dead_letters(mut self, letters: usize) -> Self {
        self.limits.dead_letters = letters;
        self
    }

    /// Sets of how many topics the last event is kept; beyond them that of the least recently updated is
    /// forgotten. The default is 4,096.
    pub fn retained_topics(mut self, topics: usize) -> Self {
        self.limits.retained = topics;
        self
    }

    /// Builds the bus. What is provided twice or cannot be built is an error where it is first asked for.
    pub fn build(self) -> EventBus {
        let container = self.container.build();
        EventBus::of(&Arc::new(Hub::new(container, self.middleware.0, self.publisher, self.limits, publish_letter)))
    }

    /// Builds the bus and every value that is provided to its listeners.
    ///
    /// # Errors
    ///
    /// The first value that is provided twice or cannot be built.
    pub fn try_build(self) -> Result<EventBus, ContainerError> {
        let container = self.container.try_build()?;
        let hub = Hub::new(container, self.middleware.0, self.publisher, self.limits, publish_letter);
        Ok(EventBus::of(&Arc::new(hub)))
    }
}
