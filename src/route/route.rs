//! How an event leaves the process: a route is a listener that hands what it hears to a publisher.
//!
//! `the bus → Route (does publisher/event match?) → a codec → fit.rs → leaving.rs → Publisher → a server`

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::leaving::{Leaving, MAX_BATCH, Pushed};
use super::outward::{AttributeOf, KeyOf, Outward, PriorityOf};
use crate::__private::{Sender, Sending, debug_is_display};
use crate::codec::Codec;
use crate::transport::{Attribute, Packet, Publisher, TransportError};
use crate::{
    Envelope, EnvelopeLimits, EventBus, Listen, ListenError, Metadata, Overflow, Pattern, Patterns, Retry,
    Subscription, TopicError,
};

/// How much longer than its time a call may take, so that it ends with what the server said, and not without a reason.
const GRACE: Duration = Duration::from_secs(1);

/// Sends events of a bus to a server: those whose `publisher/event` matches a pattern.
///
/// The publisher is the name that the bus was [built](crate::EventBusBuilder::publisher) with, and the event is the
/// event's name, as in `UserService/UserRegistered`. An event that was emitted as JSON has its topic as its name. The
/// patterns are those of [topics](Pattern): `UserService/*`, `*/OrderPlaced`, `**`. An event that matches several
/// routes leaves by each of them. Events that came from outside do not leave again, and local events never leave.
///
/// A route is a listener. An `emit` waits until the server has the event, and its report names the error if the server
/// does not take it. A published event waits in the queue of the route, which is bounded and [refuses
/// more](Self::overflow); events leave the queue in batches.
///
/// While the server is away, the route tries again: each event for the [`timeout`](Self::timeout), counted from when
/// its turn has come. So a route outlives a restart of its server. An event that the route has to give up becomes a
/// [dead letter](EventBus::dead_letters) of the bus. The report of a shutdown counts the events that a route still
/// holds when the application has to end.
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
    codec: Option<Arc<dyn Codec>>,
    limits: EnvelopeLimits,
    attributes: Vec<(String, AttributeOf)>,
    key: Option<KeyOf>,
    priority: Option<(u8, PriorityOf)>,
    delay: Duration,
    terms: Terms,
}

/// How what it has made leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) retry: Retry,
    pub(crate) timeout: Duration,
    capacity: Option<usize>,
    overflow: Overflow,
    all_or_none: bool,
}

impl<P: Patterns> Route<P> {
    /// Creates a route that sends the events that match one of these patterns to this publisher.
    pub fn new(patterns: P, publisher: impl Publisher) -> Self {
        Self {
            patterns,
            publisher: Arc::new(publisher),
            codec: None,
            limits: EnvelopeLimits::default(),
            attributes: Vec::new(),
            key: None,
            priority: None,
            delay: Duration::ZERO,
            terms: Terms {
                retry: Retry::exponential(Duration::from_millis(100))
                    .max_delay(Duration::from_secs(2))
                    .attempts(u32::MAX),
                timeout: Duration::from_secs(30),
                capacity: None,
                overflow: Overflow::Refuse,
                all_or_none: false,
            },
        }
    }

    /// Sets the codec that writes the events. The default is [`Wire`](struct@crate::codec::Wire).
    pub fn codec(mut self, codec: impl Codec) -> Self {
        self.codec = Some(Arc::new(codec));
        self
    }

    /// Sets how large and how deep an event may be, and how many attributes it may have. The default is
    /// [`EnvelopeLimits::default`], 1 MiB, which is also the default of the [workers](crate::Worker::limits).
    ///
    /// Use the limits of the workers that are to read the event: a worker makes a dead letter of an event that exceeds
    /// its own. An event that exceeds the limits here fails at once, and its `emit` reports the error.
    pub fn limits(mut self, limits: EnvelopeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Adds an attribute that servers can filter by, a routing key, beside the names of the event. If the function
    /// returns `None`, the event has no such attribute. SNS and SQS take ten attributes in all, and three of them are
    /// names.
    pub fn attribute<A: Into<Attribute>>(
        mut self,
        name: impl Into<String>,
        value: impl Fn(&Envelope) -> Option<A> + 'static,
    ) -> Self {
        self.attributes.push((name.into(), Box::new(move |envelope| value(envelope).map(Into::into))));
        self
    }

    /// Keeps the order of events with the same key: the server delivers them in the order in which they left. The
    /// server needs the ability [`order`](crate::transport::Abilities::order).
    pub fn ordered_by(mut self, key: impl Fn(&Envelope) -> Option<String> + 'static) -> Self {
        self.key = Some(Box::new(key));
        self
    }

    /// Gives each event a priority from 0 to `highest`: the server delivers higher priorities first. The server needs
    /// the ability [`priority`](crate::transport::Abilities::priority).
    pub fn priority(mut self, highest: u8, priority: impl Fn(&Envelope) -> u8 + 'static) -> Self {
        self.priority = Some((highest, Box::new(priority)));
        self
    }

    /// Delays each event: the server holds it back for this time. The server needs the ability
    /// [`delay`](crate::transport::Abilities::delay).
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sets how often the route tries a server that it cannot reach, and how long it waits between attempts. The
    /// default is to try until the [`timeout`](Self::timeout), with waits of up to 100 ms, 200 ms and so on to 2 s.
    /// Later events wait behind an event that is tried again, so that none overtakes another.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.terms.retry = retry;
        self
    }

    /// Sets how long it may take until the server has an event, all attempts included. The default is 30 s.
    ///
    /// The time of an event starts when its turn has come. 256 events may have their turn at the same time. Published
    /// events wait behind them without a limit of their own.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.terms.timeout = limit;
        self
    }

    /// Sets how many published events may wait in the queue of this route. The default is the capacity of the bus,
    /// which is 1,024 unless you set it.
    pub fn capacity(mut self, events: usize) -> Self {
        self.terms.capacity = Some(events);
        self
    }

    /// Sets what happens to a published event when the queue is full. The default is to refuse it, whatever the bus
    /// does by default: the listeners in this process get the event, the route makes a dead letter of it, and `publish`
    /// returns [`Refused`](crate::PublishError::Refused).
    pub fn overflow(mut self, policy: Overflow) -> Self {
        self.terms.overflow = policy;
        self.terms.all_or_none = false;
        self
    }

    /// Refuses an event for all listeners if the route has no room for it: then no listener in this process has the
    /// event either, it is no dead letter, and you can publish it again. See
    /// [`Listening::all_or_none`](crate::Listening::all_or_none).
    pub fn all_or_none(mut self) -> Self {
        self.terms.overflow = Overflow::Refuse;
        self.terms.all_or_none = true;
        self
    }

    /// Opens the route: every event that matches leaves from now on. Dropping the returned guard closes the route.
    ///
    /// # Errors
    ///
    /// - `Pattern` if a pattern is not valid.
    /// - `NoPublisher` if the bus has no publisher name.
    /// - `NothingMatches` if no event of this bus can match.
    /// - `Transport` if the server cannot do what the route asks for.
    /// - `Listen` for the same reasons as with every listener.
    #[track_caller]
    pub fn open(self, bus: &EventBus) -> Result<Subscription, RouteError> {
        if bus.publisher().is_empty() {
            // What else is wrong is said first where it can be.
            self.patterns.patterns()?;
            return Err(RouteError::NoPublisher);
        }
        let (outward, terms) = self.divide()?;
        outward.check(bus.publisher())?;
        let (name, patterns) = (outward.publisher.name().to_owned(), outward.patterns.clone());
        let leaving = Leaving::by(outward.publisher.clone(), terms.timeout, terms.retry);
        let way = leaving.way();
        // Zero is refused as for every listener.
        let limit = if terms.timeout.is_zero() { terms.timeout } else { terms.timeout.saturating_add(GRACE) };
        let mut listening = Sending(Out { outward, leaving })
            .named(format!("route to {name}"))
            .concurrency(MAX_BATCH)
            .timeout(limit)
            .overflow(terms.overflow);
        if terms.all_or_none {
            listening = listening.all_or_none();
        }
        if let Some(capacity) = terms.capacity {
            listening = listening.capacity(capacity);
        }
        let route = crate::__private::on_names(bus, patterns, listening)?;
        way.is_route(&route);
        Ok(route)
    }

    /// What it makes of an event, and how that leaves.
    pub(crate) fn divide(self) -> Result<(Outward, Terms), RouteError> {
        let outward = Outward {
            patterns: self.patterns.patterns()?,
            publisher: self.publisher,
            codec: self.codec,
            limits: self.limits,
            attributes: self.attributes,
            key: self.key,
            priority: self.priority,
            delay: self.delay,
        };
        Ok((outward, self.terms))
    }
}

/// What leaves by a route.
struct Out {
    outward: Outward,
    leaving: Leaving,
}

impl Out {
    /// It takes its place before anything is awaited, so that events leave in their order.
    fn push(&self, packet: Result<Packet, TransportError>) -> Pushed {
        match packet {
            Ok(packet) => self.leaving.push(packet),
            Err(error) => self.leaving.refuse(error),
        }
    }
}

impl Sender for Out {
    type Sent = Pushed;

    fn send(&self, payload: &Value, metadata: &Metadata) -> Pushed {
        self.push(self.outward.pack_shared(metadata, payload))
    }

    fn takes_written(&self) -> bool {
        self.outward.passes_on()
    }

    fn send_written(&self, payload: &[u8], metadata: &Metadata) -> Pushed {
        self.push(self.outward.pack_written(metadata, payload))
    }
}

impl<P: fmt::Debug> fmt::Debug for Route<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("patterns", &self.patterns)
            .field("publisher", &self.publisher.name())
            .finish_non_exhaustive()
    }
}

/// The reason why a route was not opened.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum RouteError {
    /// One of the patterns is not valid.
    Pattern(TopicError),
    /// The bus has no publisher name.
    NoPublisher,
    /// No event of this bus can match this pattern.
    NothingMatches {
        /// The first such pattern.
        pattern: Pattern,
        /// The publisher name of the bus.
        publisher: String,
    },
    /// The server cannot do what the route asks for.
    Transport(TransportError),
    /// The listener of the route could not be registered.
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

debug_is_display!(RouteError);

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
