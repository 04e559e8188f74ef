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
use super::publishing::{pack, send, send_when_room};
use crate::events::container::Container;
use crate::events::event::{Event, JsonEvent, Secret, Subject, TraceContext};
use crate::events::hub::{Hub, Reserved, SubscriptionInfo};
use crate::events::parcel::Given;
use crate::events::seats;
use crate::events::topics::{TopicError, check_topic};
use crate::events::verdict::SubscriptionId;

/// One bus for typed events and for topics of JSON. It is cheap to clone, every clone is the same bus, and any thread
/// may emit and publish.
///
/// A listener lives on the arbiter that registered it, and need not be `Send`. The bus closes with its last handle: what
/// is queued is still delivered, and then its listeners are dropped. A listener that asks for the bus as an argument
/// does not hold it; one that has captured it does.
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
    /// Starts to build a bus.
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

    /// Calls every listener to this event, concurrently, each on its own arbiter, and is ready with a report when all
    /// are done. An error, a panic or a timeout of one is in the report and stops no other.
    ///
    /// Listeners that are ready at once are called where this is awaited. A listener may emit, even its own event.
    ///
    /// For one on another arbiter it is waited as long as its [timeout](crate::Listening::timeout), counted from here and by the
    /// real clock, and a quarter of a second more once it is called: an arbiter that stands still holds up nobody else. If
    /// the event has not come to the listener by then, it is a dead letter and does not come any more; a call that has begun
    /// goes on, and nobody waits for its answer.
    pub fn emit<E: Event>(&self, event: E) -> Emitting<E> {
        Emitting::new(self.line.clone(), event)
    }

    /// Calls every listener to this topic with JSON, as [`emit`](Self::emit) does; those of typed events too, if it has
    /// the form of their event.
    ///
    /// # Errors
    ///
    /// If it is not a topic. A payload that does not have the form is in the report.
    pub fn emit_json(&self, topic: &str, payload: Value) -> Result<Emitting<JsonEvent>, TopicError> {
        Ok(Emitting::new(self.line.clone(), self.json(topic, payload)?))
    }

    /// Queues this event for every listener, and returns at once. Each listener takes its events in the order in which
    /// one publisher published them, one at a time unless its [concurrency](crate::Listening::concurrency) is higher.
    ///
    /// # Errors
    ///
    /// `Full` if a listener has no room and [refuses](crate::Overflow::Refuse) more; nobody hears the event then.
    /// `TooDeep`.
    pub fn publish<E: Event>(&self, event: E) -> Result<(), PublishError> {
        self.queue(event)
    }

    fn queue<S: Subject>(&self, event: S) -> Result<(), PublishError> {
        let reserved = Reserved::Refusing;
        if let Some(packed) = pack(&self.line.hub, &self.line.given, event, reserved)? {
            send(&self.line.hub, packed, reserved);
        }
        Ok(())
    }

    /// Queues JSON for every listener to this topic, as [`publish`](Self::publish) does. A payload that does not have the
    /// form of a listener's event is a dead letter.
    ///
    /// # Errors
    ///
    /// `Topic`, and those of [`publish`](Self::publish).
    pub fn publish_json(&self, topic: &str, payload: Value) -> Result<(), PublishError> {
        self.queue(self.json(topic, payload)?)
    }

    /// Keeps JSON as the last of its topic for those who subscribe to it later, and queues it for those who have.
    ///
    /// # Errors
    ///
    /// Those of [`publish_json`](Self::publish_json).
    pub fn publish_retained(&self, topic: &str, payload: Value) -> Result<(), PublishError> {
        self.queue(self.json(topic, payload)?.retained())
    }

    /// Forgets the last event that is kept of this topic; says whether there was one.
    pub fn forget_retained(&self, topic: &str) -> bool {
        let forgotten = self.line.hub.retained().forget(topic);
        forgotten.is_some()
    }

    /// Queues this event as soon as every listener has room for it, whatever its policy, so that none is dropped.
    ///
    /// # Errors
    ///
    /// `NoRoom` after the bus's room timeout, 30 s unless it was told; `TooDeep`.
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

    /// Returns when nothing is queued, and no call is under way, at any listener of this bus on any arbiter.
    ///
    /// It waits for as long as that takes; a listener that never ends is ended by its timeout. An arbiter that takes in nothing
    /// for the bus's listener timeout, by the real clock, is left out, and the log says so.
    pub fn drain(&self) -> impl Future<Output = ()> + Send + use<> {
        draining::drain(self.line.hub.clone())
    }

    /// How many events wait for a listener, or are under way.
    pub(crate) fn count_left(&self) -> usize {
        self.line.hub.posts().iter().map(|post| post.info().waiting + post.at_work()).sum()
    }

    /// Returns what is registered, in the order in which it came.
    pub fn subscriptions(&self) -> Vec<SubscriptionInfo> {
        self.line.hub.posts().iter().map(|post| post.info()).collect()
    }

    /// Ends a registration, without its guard; says whether there was one. What was said of
    /// [dropping the guard](crate::Subscription) holds for this.
    pub fn unregister(&self, id: SubscriptionId) -> bool {
        let post = self.line.hub.posts().into_iter().find(|post| post.id == id.0);
        post.inspect(|post| seats::end(&self.line.hub, post, None)).is_some()
    }

    /// Ends all registrations; returns how many there were.
    pub fn clear(&self) -> usize {
        let posts = self.line.hub.posts();
        posts.iter().for_each(|post| seats::end(&self.line.hub, post, None));
        posts.len()
    }

    /// Returns the dead letters.
    pub fn dead_letters(&self) -> DeadLetters {
        DeadLetters::of(&self.line.hub)
    }

    /// Returns what is provided to listeners.
    pub fn container(&self) -> &Container {
        self.line.hub.container()
    }

    /// Returns the name under which its events are published, as the builder was told; empty if it was not.
    pub fn publisher(&self) -> &str {
        &self.line.hub.given.publisher
    }

    /// Returns how many events nobody listened to.
    pub fn unheard(&self) -> u64 {
        self.line.hub.count_unheard()
    }

    /// Returns a handle whose events continue this trace.
    pub fn with_trace(&self, trace: TraceContext) -> Self {
        self.given_with(|given| given.trace = Some(trace))
    }

    /// Returns a handle whose events belong together under this id.
    pub fn with_correlation(&self, id: Uuid) -> Self {
        self.given_with(|given| given.correlation = Some(id))
    }

    /// Returns a handle whose events were caused by the event of this id, unless a listener emits them: then it is the
    /// one that it hears.
    pub fn with_causation(&self, id: Uuid) -> Self {
        self.given_with(|given| given.causation = Some(id))
    }

    /// Returns a handle whose events carry this authorization, which no log and no `Debug` of ours shows.
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
