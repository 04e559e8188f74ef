//! The event bus: who registers, who emits, and what each of them gets.
//!
//! `bus.on → seat and post`, `bus.emit, bus.publish → seats`

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::bus_builder::EventBusBuilder;
use super::dead_letters::DeadLetters;
use super::draining;
use super::emitting::Emitting;
use super::line::Line;
use super::publish_error::PublishError;
use super::published::Published;
use super::publishing::{pack, send, send_when_room};
use crate::events::container::Container;
use crate::events::event::{Event, JsonEvent, Secret, Subject, TraceContext};
use crate::events::hub::{Hub, Reserved, SubscriptionInfo};
use crate::events::parcel::Given;
use crate::events::seats;
use crate::events::topics::{TopicError, check_topic};
use crate::events::verdict::SubscriptionId;

/// A bus for typed events and for topics of JSON.
///
/// It is cheap to clone, every clone is the same bus, and any thread may emit and publish.
///
/// A listener lives on the arbiter that registered it, and need not be `Send`. The bus closes with its last handle:
/// queued events are still delivered, and then the listeners are dropped. A listener that takes the bus as an argument
/// does not keep the bus open. A listener that has captured a handle does.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::prelude::*;
/// use serde::{Deserialize, Serialize};
/// use std::sync::Arc;
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(topic = "orders/placed")]
/// struct OrderPlaced {
///     id: u64,
/// }
///
/// struct Mailer;
///
/// async fn send_receipt(order: Arc<OrderPlaced>, mailer: Inject<Mailer>) -> std::io::Result<()> {
///     mailer.send(&format!("thank you for order {}", order.id)).await
/// }
/// # impl Mailer {
/// #     async fn send(&self, _: &str) -> std::io::Result<()> { Ok(()) }
/// # }
///
/// # actix::System::new().block_on(async {
/// let bus = EventBus::builder().provide(Mailer).build();
/// let _receipts = bus.on(send_receipt)?; // a missing dependency fails here, by name
/// let _log = bus.on_topic("orders/*", |event: &JsonEvent| println!("{}: {}", event.topic(), event["id"]))?;
///
/// let report = bus.emit(OrderPlaced { id: 7 }).await; // all listeners, concurrently; none can stop another
/// assert!(report.is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct EventBus {
    line: Arc<Line>,
}

impl Default for EventBus {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl EventBus {
    /// Creates a bus with the default limits that provides nothing to its listeners. To set more, use
    /// [`builder`](Self::builder).
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a builder for a bus.
    pub fn builder() -> EventBusBuilder {
        EventBusBuilder::default()
    }

    pub(crate) fn of(hub: &Arc<Hub>) -> Self {
        Self { line: Arc::new(Line { open: hub.open(), given: hub.given.clone(), hub: hub.clone() }) }
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.line.hub
    }

    pub(crate) fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// Calls every listener to this event, concurrently, each on its own arbiter, and resolves to a report when all
    /// calls are done. An error, a panic or a timeout of one listener is in the report and stops no other listener.
    ///
    /// No listener is called before the returned [`Emitting`] is awaited. Listeners on the same arbiter that are ready
    /// at once run within that poll. A listener may emit, even its own event.
    ///
    /// For a listener on another arbiter, the emission waits for the listener's [timeout](crate::Listening::timeout),
    /// counted from the first poll and by the real clock, and a quarter of a second more once the listener is called.
    /// So an arbiter that stands still delays no other listener for longer. An event that has not reached the listener
    /// by then becomes a dead letter and no longer reaches the listener. A call that has begun continues, and its
    /// result is ignored.
    pub fn emit<E: Event>(&self, event: E) -> Emitting<E> {
        Emitting::new(self.line.clone(), event)
    }

    /// Calls every listener to this topic with a JSON payload, as [`emit`](Self::emit) does. Listeners to typed events
    /// are called too, if the payload has the form of their event.
    ///
    /// # Errors
    ///
    /// Returns a [`TopicError`] if `topic` is not a valid topic. A payload that does not have the form of a listener's
    /// event is an error in the report.
    pub fn emit_json(&self, topic: &str, payload: Value) -> Result<Emitting<JsonEvent>, TopicError> {
        Ok(Emitting::new(self.line.clone(), self.json(topic, payload)?))
    }

    /// Queues this event for every listener, and returns at once.
    ///
    /// Each listener handles its events in the order in which one publisher published them, one at a time unless its
    /// [`concurrency`](crate::Listening::concurrency) is higher. At most [`capacity`](crate::Listening::capacity)
    /// events may wait for a listener, 1,024 by default. Beyond that the listener's
    /// [`overflow`](crate::Listening::overflow) decides. The returned value counts the events that were dropped by such
    /// a policy.
    ///
    /// The queue of a listener that awaits a round, or takes seconds for an event, fills up. Give such a listener a
    /// higher concurrency, or use [`emit`](Self::emit) if you can wait. The log tells once for each listener that its
    /// queue is half full.
    ///
    /// # Errors
    ///
    /// Returns [`PublishError::Refused`] with the names of the listeners that had no room. For them the event is a dead
    /// letter, which you can [redrive](DeadLetters::redrive). All other listeners have the event, so do not publish it
    /// again. A listener on another arbiter that has a [condition](crate::Listening::when) is not among them: what it
    /// refuses is only a dead letter.
    ///
    /// Returns [`PublishError::Full`] if a listener without room refuses
    /// [for all](crate::Listening::all_or_none): no listener has the event. Returns [`PublishError::TooDeep`] if events
    /// cause each other more deeply than the bus allows.
    pub fn publish<E: Event>(&self, event: E) -> Result<Published, PublishError> {
        self.queue(event, Reserved::Refusing)
    }

    /// The same, but that who has no room loses the oldest for it, whatever its policy.
    pub(crate) fn publish_pushing<E: Event>(&self, event: E) -> Result<Published, PublishError> {
        self.queue(event, Reserved::Pushing)
    }

    fn queue<S: Subject>(&self, event: S, reserved: Reserved) -> Result<Published, PublishError> {
        match pack(&self.line.hub, &self.line.given, event, reserved).map_err(|stopped| stopped.error)? {
            Some(packed) => send(&self.line.hub, packed, reserved).into_result(),
            None => Ok(Published::default()),
        }
    }

    /// Queues a JSON payload for every listener to this topic, as [`publish`](Self::publish) does. A payload that does
    /// not have the form of a listener's event becomes a dead letter.
    ///
    /// # Errors
    ///
    /// Returns [`PublishError::Topic`] if `topic` is not a valid topic, and the errors of [`publish`](Self::publish).
    pub fn publish_json(&self, topic: &str, payload: Value) -> Result<Published, PublishError> {
        self.queue(self.json(topic, payload)?, Reserved::Refusing)
    }

    /// Keeps a JSON payload as the last event of its topic for later subscribers, and queues it for the current
    /// listeners.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`publish_json`](Self::publish_json).
    pub fn publish_retained(&self, topic: &str, payload: Value) -> Result<Published, PublishError> {
        self.queue(self.json(topic, payload)?.retained(), Reserved::Refusing)
    }

    /// Forgets the last event that is kept for this topic, and returns whether there was one.
    pub fn forget_retained(&self, topic: &str) -> bool {
        let forgotten = self.line.hub.retained().forget(topic);
        forgotten.is_some()
    }

    /// Queues this event as soon as every listener has room for it, whatever the listeners' policies, so that no event
    /// is dropped.
    ///
    /// # Errors
    ///
    /// Resolves to [`PublishError::NoRoom`] after the [room timeout](EventBusBuilder::room_timeout) of the bus, 30 s by
    /// default: no listener has the event. Resolves to [`PublishError::Refused`] if 65,536 events are on their way to
    /// an arbiter, which is the maximum, and to [`PublishError::TooDeep`] if events cause each other more deeply than
    /// the bus allows.
    pub fn publish_wait<E: Event>(&self, event: E) -> impl Future<Output = Result<(), PublishError>> + Send + use<E> {
        send_when_room(self.line.hub.clone(), &self.line.given, event)
    }

    fn json(&self, topic: &str, payload: Value) -> Result<JsonEvent, TopicError> {
        check_topic(topic)?;
        let mut event = JsonEvent::new(topic, payload);
        // What is known to be personal as a typed event is so as JSON.
        if self.line.hub.registry.is_personal(topic) {
            event.set_personal();
        }
        Ok(event)
    }

    /// Waits until no event is queued and no call is under way, for any listener of this bus on any arbiter.
    ///
    /// It waits as long as that takes. A listener that never ends is ended by its timeout. An arbiter that takes in
    /// nothing for the bus's listener timeout, by the real clock, is left out, and the log says so.
    pub fn drain(&self) -> impl Future<Output = ()> + Send + use<> {
        draining::drain(self.line.hub.clone())
    }

    /// How many events wait for a listener, or are under way.
    pub(crate) fn count_left(&self) -> usize {
        self.line.hub.posts().iter().map(|post| post.queued() + post.at_work()).sum()
    }

    /// Returns all registrations, in the order in which they were made.
    pub fn subscriptions(&self) -> Vec<SubscriptionInfo> {
        self.line.hub.posts().iter().map(|post| post.info()).collect()
    }

    /// Ends the registration with this id, and returns whether there was one. The effect is that of dropping the
    /// registration's [guard](crate::Subscription).
    pub fn unregister(&self, id: SubscriptionId) -> bool {
        let post = self.line.hub.registry.find(id.0);
        post.inspect(|post| seats::end(&self.line.hub, post, None)).is_some()
    }

    /// Ends all registrations, and returns how many there were.
    pub fn clear(&self) -> usize {
        let posts = self.line.hub.posts();
        posts.iter().for_each(|post| seats::end(&self.line.hub, post, None));
        posts.len()
    }

    /// Returns a handle to the dead letters of this bus.
    pub fn dead_letters(&self) -> DeadLetters {
        DeadLetters::of(&self.line.hub)
    }

    /// Returns the container with the values that are provided to listeners.
    pub fn container(&self) -> &Container {
        self.line.hub.container()
    }

    /// Returns the name under which the events of this bus are published; empty unless the builder sets one.
    pub fn publisher(&self) -> &str {
        &self.line.hub.given.publisher
    }

    /// Returns how many events had no listener.
    pub fn unheard(&self) -> u64 {
        self.line.hub.count_unheard()
    }

    /// Returns a handle whose events continue this trace.
    pub fn with_trace(&self, trace: TraceContext) -> Self {
        self.given_with(|given| given.trace = Some(trace))
    }

    /// Returns a handle whose events share this correlation id.
    pub fn with_correlation(&self, id: Uuid) -> Self {
        self.given_with(|given| given.correlation = Some(id))
    }

    /// Returns a handle whose events have the event of this id as their cause. An event that a listener emits has the
    /// event that the listener hears as its cause instead.
    pub fn with_causation(&self, id: Uuid) -> Self {
        self.given_with(|given| given.causation = Some(id))
    }

    /// Returns a handle whose events carry this authorization. No log and no `Debug` of this library shows it.
    pub fn with_authorization(&self, token: impl Into<Secret>) -> Self {
        self.given_with(|given| given.authorization = token.into())
    }

    fn given_with(&self, change: impl FnOnce(&mut Given)) -> Self {
        let Line { hub, given, open } = &*self.line;
        let mut given = (**given).clone();
        change(&mut given);
        Self { line: Arc::new(Line { hub: hub.clone(), given: Arc::new(given), open: open.clone() }) }
    }
}

impl fmt::Debug for EventBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBus").field("listeners", &self.line.hub.posts().len()).finish_non_exhaustive()
    }
}

/// The buses that this thread knows.
#[cfg(feature = "testing")]
pub(crate) fn buses_here() -> Vec<EventBus> {
    seats::hubs_here().iter().map(EventBus::of).collect()
}
