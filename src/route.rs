//! How an event leaves the process: a route is a listener that hands what it hears to a publisher.
//!
//! `bus.rs → Route (does publisher/event match?) → codec.rs → Batcher → Publisher → a server`

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::codec::{Codec, Wire, fit};
use crate::retry::Retry;
use crate::transport::{
    Abilities, Attribute, Batcher, BoxFuture, Demand, ErrorKind, Packet, Publisher, TransportError,
};
use crate::{
    Envelope, EnvelopeLimits, EventBus, Failure, Handled, JsonEvent, Listen, ListenError, Metadata, Overflow, Pattern,
    Patterns, Permanent, Subscription, TopicError,
};

/// How many packets go to a publisher at a time, at the most.
const MAX_BATCH: usize = 256;

type AttributeOf = Box<dyn Fn(&Envelope) -> Option<Attribute>>;
type KeyOf = Box<dyn Fn(&Envelope) -> Option<String>>;
type PriorityOf = Box<dyn Fn(&Envelope) -> u8>;

/// Has events of a bus leave the process, those whose `publisher/event` matches a pattern.
///
/// The publisher is the name that the bus was [built](crate::EventBusBuilder::publisher) with, and the event its name, as
/// in `UserService/UserRegistered`; an event that was emitted as JSON has its topic for a name. The patterns are those of
/// [topics](Pattern): `UserService/*`, `*/OrderPlaced`, `**`. An event that matches several routes leaves by each of them.
/// What has come from outside does not leave again, nor does what is local.
///
/// A route is a listener. Who emits waits until the server has the event, and finds in the report if it does not; what is
/// published waits in the route's queue, which is bounded, and goes in batches. While the server is away a route tries
/// again, and what it has to give up becomes a [dead letter](EventBus::dead_letters) of the bus.
///
/// ```
/// use convoke::Route;
/// use convoke::prelude::*;
/// use convoke::transport::Memory;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Event, Serialize, Deserialize)]
/// struct UserRegistered {
///     id: u64,
/// }
///
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bus = EventBus::builder().publisher("UserService").build();
/// let queue = Memory::queue("users"); // in an application `Sns::topic("users").await?`, for instance
/// let _out = Route::new("UserService/*", queue.clone()).open(&bus)?;
///
/// bus.emit(UserRegistered { id: 7 }).await.ok()?; // the server has it
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing leaves before it is opened"]
pub struct Route<P> {
    patterns: P,
    publisher: Arc<dyn Publisher>,
    codec: Arc<dyn Codec>,
    limits: EnvelopeLimits,
    attributes: Vec<(String, AttributeOf)>,
    key: Option<KeyOf>,
    priority: Option<(u8, PriorityOf)>,
    delay: Duration,
    retry: Retry,
    timeout: Duration,
    capacity: Option<usize>,
    overflow: Overflow,
}

impl<P: Patterns> Route<P> {
    /// Makes a route for what matches one of these patterns, to this publisher.
    pub fn new(patterns: P, publisher: impl Publisher) -> Self {
        Self {
            patterns,
            publisher: Arc::new(publisher),
            codec: Arc::new(Wire),
            limits: EnvelopeLimits::default(),
            attributes: Vec::new(),
            key: None,
            priority: None,
            delay: Duration::ZERO,
            retry: Retry::exponential(Duration::from_millis(100)).longest(Duration::from_secs(5)).attempts(5),
            timeout: Duration::from_secs(60),
            capacity: None,
            overflow: Overflow::Refuse,
        }
    }

    /// Sets the form in which events leave. The default is [`Wire`](struct@Wire).
    pub fn codec(mut self, codec: impl Codec) -> Self {
        self.codec = Arc::new(codec);
        self
    }

    /// Sets how large and how deep an event may be that leaves, with how many attributes: that of the
    /// [workers](crate::Worker::limits) which are to read it, who would make a dead letter of what is beyond. The default is
    /// theirs, [`EnvelopeLimits::default`]: 1 MiB. What is beyond fails at once, for who emits it.
    pub fn limits(mut self, limits: EnvelopeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Adds a routing key: an attribute beside the names of the event, which servers can filter by. `None` leaves it out of
    /// that event. Of all attributes there may be ten with SNS and SQS, three of which are names.
    pub fn attribute<A: Into<Attribute>>(
        mut self,
        name: impl Into<String>,
        value: impl Fn(&Envelope) -> Option<A> + 'static,
    ) -> Self {
        self.attributes.push((name.into(), Box::new(move |envelope| value(envelope).map(Into::into))));
        self
    }

    /// Has the server deliver events of one key in the order in which they left. The server has to be able to.
    pub fn ordered_by(mut self, key: impl Fn(&Envelope) -> Option<String> + 'static) -> Self {
        self.key = Some(Box::new(key));
        self
    }

    /// Gives each event a priority, up to `highest`: the higher, the sooner. The server has to be able to.
    pub fn priority(mut self, highest: u8, priority: impl Fn(&Envelope) -> u8 + 'static) -> Self {
        self.priority = Some((highest, Box::new(priority)));
        self
    }

    /// Has the server hold each event back for so long. The server has to be able to.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sets how often a server that cannot be reached is tried, and after which waits. The default is 5 attempts, with
    /// waits of up to 100 ms, 200 ms and so on. What comes meanwhile waits behind, so that nothing is overtaken.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Sets how long it may take until the server has an event, with all attempts. The default is 60 s.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Sets how many published events may wait here. The default is that of the bus, 1,024 unless it was told.
    pub fn capacity(mut self, events: usize) -> Self {
        self.capacity = Some(events);
        self
    }

    /// Sets what happens when that many wait. The default is to refuse more, so that whoever publishes is told.
    pub fn overflow(mut self, policy: Overflow) -> Self {
        self.overflow = policy;
        self
    }

    /// Opens it: from now on every event that matches leaves, until the guard is dropped.
    ///
    /// # Errors
    ///
    /// `Pattern`; `NoPublisher` if the bus has no name; `NothingMatches` if no event of this bus can match; `Transport` if
    /// the server cannot do what was asked of it; `Listen` as for every listener.
    #[track_caller]
    pub fn open(self, bus: &EventBus) -> Result<Subscription, RouteError> {
        let patterns = self.patterns.patterns()?;
        let name = self.publisher.name().to_owned();
        if bus.publisher().is_empty() {
            return Err(RouteError::NoPublisher);
        }
        let Some(first) = patterns.first() else { return Err(ListenError::NoPattern.into()) };
        // Some may be for other services, where all share one list.
        if !patterns.iter().any(|pattern| may_match(pattern, bus.publisher())) {
            return Err(RouteError::NothingMatches { pattern: first.clone(), publisher: bus.publisher().to_owned() });
        }
        let abilities = self.publisher.abilities();
        abilities.demand(&name, Demand::Delay(self.delay))?;
        abilities.demand(&name, Demand::Priority(self.priority.as_ref().map_or(0, |(highest, _)| *highest)))?;
        if self.key.is_some() {
            abilities.demand(&name, Demand::Order)?;
        }
        let there = self.codec.max_attributes() + self.attributes.len();
        let limit = abilities.max_attributes.min(self.limits.max_keys());
        if there > limit {
            let or = if limit < abilities.max_attributes {
                ", or raise `keys` of the limits here and of the workers"
            } else {
                ""
            };
            let text = format!(
                "events would have {there} attributes, and {limit} are allowed: take fewer routing keys, or another codec{or}"
            );
            return Err(TransportError::new(ErrorKind::Unsupported, name, text).into());
        }
        let outward = Outward {
            name: name.clone(),
            codec: self.codec,
            limits: self.limits,
            attributes: self.attributes,
            key: self.key,
            priority: self.priority,
            delay: self.delay,
            batcher: batcher(self.publisher, abilities, self.retry),
        };
        let outward = std::rc::Rc::new(outward);
        let leave = async move |event: Arc<JsonEvent>, metadata: Metadata| -> Handled {
            let packet = outward.pack(Envelope::new(metadata, event.payload().clone()));
            fit::check(&outward.name, &packet, event.payload(), outward.limits).map_err(Permanent::new)?;
            let packet = Arc::new(Waiting::new(packet));
            let _waits = Waits(packet.clone());
            // It takes its place before anything is awaited, so that events leave in their order.
            match outward.batcher.push(packet).await {
                Some(Ok(())) => Ok(()),
                Some(Err(error)) if error.is_temporary() => Err(error.into()),
                Some(Err(error)) => Err(Permanent::new(error).into()),
                None => Err(Failure::new("its runtime is gone")),
            }
        };
        let mut listening = leave
            .when(|event: &JsonEvent| !event.is_foreign())
            .named(format!("route to {name}"))
            .concurrency(MAX_BATCH)
            .timeout(self.timeout)
            .overflow(self.overflow);
        if let Some(capacity) = self.capacity {
            listening = listening.capacity(capacity);
        }
        Ok(crate::__private::on_names(bus, patterns, listening)?)
    }
}

/// Whether an event of this publisher can have a name that a pattern matches.
fn may_match(pattern: &Pattern, publisher: &str) -> bool {
    let mut wanted = pattern.as_str().split('/');
    for segment in publisher.split('/') {
        match wanted.next() {
            Some("**") => return true,
            Some("*") => {}
            Some(other) if other == segment => {}
            _ => return false,
        }
    }
    // The event's name is still to come.
    wanted.next().is_some()
}

/// What a route does with an event.
struct Outward {
    /// That of the publisher.
    name: String,
    codec: Arc<dyn Codec>,
    limits: EnvelopeLimits,
    attributes: Vec<(String, AttributeOf)>,
    key: Option<KeyOf>,
    priority: Option<(u8, PriorityOf)>,
    delay: Duration,
    batcher: Leaving,
}

/// What leaves next, many at a time.
type Leaving = Batcher<Arc<Waiting>, Result<(), TransportError>>;

/// A packet that waits to leave, until somebody takes it.
struct Waiting(Mutex<Option<Packet>>);

impl Waiting {
    fn new(packet: Packet) -> Self {
        Self(Mutex::new(Some(packet)))
    }

    fn take(&self) -> Option<Packet> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Whoever waits for a packet to leave. When that takes too long, it does not leave any more: the emitter has been told so,
/// and what nobody waits for would pile up for as long as the server is away.
struct Waits(Arc<Waiting>);

impl Drop for Waits {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

impl Outward {
    fn pack(&self, envelope: Envelope) -> Packet {
        let mut packet = self.codec.write(&envelope);
        for (name, value) in &self.attributes {
            if let Some(value) = value(&envelope) {
                packet.attributes.insert(name.clone(), value);
            }
        }
        packet.key = self.key.as_ref().and_then(|key| key(&envelope));
        packet.priority = self.priority.as_ref().map_or(0, |(highest, priority)| priority(&envelope).min(*highest));
        packet.delay = self.delay;
        packet
    }
}

fn batcher(publisher: Arc<dyn Publisher>, abilities: Abilities, retry: Retry) -> Leaving {
    Batcher::new(MAX_BATCH.min(abilities.max_batch.saturating_mul(16)), move |waiting: Vec<Arc<Waiting>>| {
        let publisher = publisher.clone();
        let all: BoxFuture<'static, _> = Box::pin(async move {
            let taken: Vec<_> = waiting.iter().map(|waiting| waiting.take()).collect();
            let is_there: Vec<_> = taken.iter().map(Option::is_some).collect();
            let packets: Vec<_> = taken.into_iter().flatten().collect();
            let results = if packets.is_empty() { Vec::new() } else { publish(&*publisher, packets, retry).await };
            let mut results = results.into_iter();
            let gone = || Err(TransportError::new(ErrorKind::Closed, publisher.name(), "nobody waits for it any more"));
            let result = |is_there| if is_there { results.next() } else { Some(gone()) };
            // One that the publisher says nothing of has no result.
            is_there.into_iter().map_while(result).collect()
        });
        all
    })
}

/// Publishes these; those that could not be reached the server with again, in their order.
async fn publish(publisher: &dyn Publisher, packets: Vec<Packet>, retry: Retry) -> Vec<Result<(), TransportError>> {
    let mut results = publisher.publish(&packets).await;
    for attempt in 1..retry.max_attempts() {
        let is_left = |result: &Result<(), TransportError>| result.as_ref().is_err_and(TransportError::is_temporary);
        let left: Vec<usize> = (0..results.len()).filter(|place| is_left(&results[*place])).collect();
        let Some(Err(error)) = left.first().and_then(|place| results.get(*place)) else { break };
        let wait = retry.wait(attempt, crate::__private::random());
        log::warn!(
            target: "convoke::route",
            "{error}; {} of {} events are tried again after {wait:?}", left.len(), packets.len()
        );
        tokio::time::sleep(wait).await;
        let again: Vec<_> = left.iter().filter_map(|place| packets.get(*place).cloned()).collect();
        for (place, result) in left.into_iter().zip(publisher.publish(&again).await) {
            results[place] = result;
        }
    }
    results
}

impl<P: fmt::Debug> fmt::Debug for Route<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("patterns", &self.patterns)
            .field("publisher", &self.publisher.name())
            .finish_non_exhaustive()
    }
}

/// A route was not opened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RouteError {
    /// One of its patterns is none.
    Pattern(TopicError),
    /// The bus does not say who publishes.
    NoPublisher,
    /// No event of this bus has a name that one of the patterns matches.
    NothingMatches {
        /// The first of them.
        pattern: Pattern,
        /// Who publishes on this bus.
        publisher: String,
    },
    /// The server cannot do what was asked of it.
    Transport(TransportError),
    /// Its listener could not be registered.
    Listen(ListenError),
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern(error) => error.fmt(f),
            Self::NoPublisher => f.write_str(
                "the bus does not say who publishes: build it with `EventBus::builder().publisher(\"UserService\")`",
            ),
            Self::NothingMatches { pattern, publisher } => write!(
                f,
                "nothing would leave by `{pattern}`: events of this bus are called `{publisher}/<event>`, as in \
                 `{publisher}/OrderPlaced`, or `{publisher}/*` for all of them"
            ),
            Self::Transport(error) => error.fmt(f),
            Self::Listen(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RouteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Pattern(error) => Some(error),
            Self::NoPublisher | Self::NothingMatches { .. } => None,
            Self::Transport(error) => Some(error),
            Self::Listen(error) => Some(error),
        }
    }
}

impl From<TopicError> for RouteError {
    fn from(error: TopicError) -> Self {
        Self::Pattern(error)
    }
}

impl From<TransportError> for RouteError {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}

impl From<ListenError> for RouteError {
    fn from(error: ListenError) -> Self {
        Self::Listen(error)
    }
}
