//! The worker as users set it up.
//!
//! `Worker::new(source, bus) → its options → start: is the server able? → engine.rs`

use std::fmt;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::select;

use super::account::{WorkerError, WorkerReport};
use super::actor::{WorkerHandle, start};
use super::engine::Engine;
use super::handles::Handles;
use super::options::{OnUnknown, Options};
use super::reading;
use crate::codec::Upcasts;
use crate::transport::{Demand, ErrorKind, Packet, Publisher, Source, TransportError};
use crate::{Envelope, EnvelopeLimits, EventBus, Inbox, Retry, Shutdown};

/// Takes deliveries from a server and calls the listeners of a bus with them, at least once for each delivery.
///
/// A delivery is acknowledged when every listener is done with it. If a listener fails, the whole delivery comes again
/// after a wait. When its attempts are used up, it becomes a dead letter. It becomes a dead letter at once for an error
/// that is [`Permanent`](crate::Permanent), for bytes that are no event, and for an event without a listener. The
/// server keeps the wait, the count of attempts and the dead letters, so that nothing is lost when this process ends.
///
/// | delivery | what the worker tells the server |
/// |---|---|
/// | every listener is done | ack |
/// | the event was [handled before](Self::deduplicate) | ack |
/// | a listener failed, panicked or timed out, and attempts are left | retry after a wait, by [`Retry`] |
/// | the same, and no attempts are left; or every failed listener failed [permanently](crate::Permanent), or could not read the payload | dead letter |
/// | the event has no listener | dead letter, or as [`on_unknown`](Self::on_unknown) says |
/// | the packet is no event, or exceeds the [limits](Self::limits) | dead letter |
/// | the payload does not fit its schema, if the worker [validates](crate::guide::schema) | dead letter |
/// | the delivery waits in the worker when it is paused or drains | release |
///
/// # When the server refuses a verdict
///
/// A server may refuse an ack or a dead letter, for instance because its queue of dead letters is gone. The verdict
/// stands: no listener is called again for it. The worker holds the delivery and tries again until the server takes the
/// verdict, or it gives the delivery back and remembers the verdict for when the delivery comes again. A worker
/// remembers 1,000 verdicts, until its own end.
///
/// # Leases
///
/// While the worker has a delivery, it extends its lease, so that listeners may take longer than the lease.
///
/// # A delivery that kills the process
///
/// An attempt counts when listeners were called. A delivery may have been lent more often than it has attempts, without
/// any of these lendings being settled. Then a process died while it had this delivery, from this one or from another.
///
/// Such a delivery is handled once more, *alone*: the worker gives back all deliveries that wait, finishes those whose
/// listeners are running, and has the server note the delivery before its listeners are called. If the process dies
/// again, the delivery is a dead letter, and the deliveries that were fetched with it are handled as usual. If a server
/// has no place for that note, the worker handles the delivery alone for 10 lendings more
/// ([`UNHEARD_ATTEMPTS`](crate::transport::UNHEARD_ATTEMPTS)).
///
/// # Examples
///
/// ```no_run
/// use convoke::prelude::*;
/// use convoke::transport::Memory;
/// use convoke::{Retry, Worker};
/// use std::time::Duration;
///
/// #[actix::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let bus = EventBus::default(); // and its listeners
///     let report = Worker::new(Memory::queue("orders"), &bus)
///         .concurrency(16)
///         .retry(Retry::exponential(Duration::from_millis(200)).attempts(5))
///         .dead_letter(Memory::queue("orders-dead"))
///         .run_until(shutdown_signal())
///         .await?;
///     println!("{report}");
///     Ok(())
/// }
/// ```
#[must_use = "it works when it is started: `run_until(…).await`, `start()`, or with the services to which it was added"]
pub struct Worker<S> {
    pub(super) source: S,
    pub(super) bus: EventBus,
    pub(super) options: Options,
}

impl<S: Source> Worker<S> {
    /// Creates a worker that calls the listeners of this bus with what this source lends.
    pub fn new(source: S, bus: &EventBus) -> Self {
        let options = Options {
            name: None,
            concurrency: 16,
            prefetch: None,
            retry: Retry::default(),
            timeout: None,
            drain_timeout: Duration::from_secs(20),
            progress_within: Duration::from_secs(60),
            on_unknown: OnUnknown::default(),
            limits: EnvelopeLimits::default(),
            codec: reading::any(),
            check: None,
            upcasts: Upcasts::default(),
            wrong: None,
            max_bytes_here: 64 * 1024 * 1024,
            key: None,
            parks: false,
            rate: None,
            dead_letters: None,
            inbox: None,
            handles: None,
        };
        Self { source, bus: bus.clone(), options }
    }

    /// Has this handle deliveries instead of the listeners of the bus.
    pub(crate) fn handled_by(mut self, handles: Rc<dyn Handles>) -> Self {
        self.options.handles = Some(handles);
        self
    }

    /// Sets the name of the worker among the [`Services`](crate::Services) of an application. The default is the name
    /// of its source.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.options.name = Some(name.into());
        self
    }

    /// Sets how many deliveries are handled at the same time. The default is 16; zero counts as 1.
    pub fn concurrency(mut self, deliveries: usize) -> Self {
        self.options.concurrency = deliveries.max(1);
        self
    }

    /// Sets how many more deliveries are fetched ahead, so that no listener waits for the server. Choose zero if a
    /// delivery takes long and other workers are free.
    ///
    /// The default is as many as [`concurrency`](Self::concurrency), and over SQLite, PostgreSQL, Redis and RabbitMQ
    /// more while deliveries are quick: as many as began within the last 100 ms, up to 16 times the concurrency and up
    /// to 256. What is
    /// fetched ahead is lent to this worker as all else is: its lease is extended, and it is given back by a pause and
    /// a drain. If what is here does not begin for a second or two, because a delivery takes long, the worker gives
    /// back all that waits, and fetches no more than its concurrency ahead for a minute. So another worker waits no
    /// longer than that for what it could begin itself. To be given back costs a delivery no attempt; over RabbitMQ it
    /// costs its place in the queue.
    pub fn prefetch(mut self, deliveries: usize) -> Self {
        self.options.prefetch = Some(deliveries);
        self
    }

    /// Sets how many attempts a delivery has, and how long it waits between them. The default is [`Retry::default`]: 15
    /// attempts, with waits of up to an hour.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.options.retry = retry;
        self
    }

    /// Sets where dead letters go. The default is the source's own queue for dead letters, if it has one. A publisher
    /// with the name of the source is refused when the worker starts.
    pub fn dead_letter(mut self, publisher: impl Publisher) -> Self {
        self.options.dead_letters = Some(Arc::new(publisher));
        self
    }

    /// Sets what happens to an event without a listener. The default is [`OnUnknown::DeadLetter`].
    pub fn on_unknown(mut self, policy: OnUnknown) -> Self {
        self.options.on_unknown = policy;
        self
    }

    /// Acknowledges an event that was handled before, without calling its listeners. The inbox recognizes the event by
    /// its id, for as long as it remembers it. By default every delivery is handled.
    ///
    /// The worker marks an event after its listeners are done and before it acknowledges the delivery. A crash between
    /// the two has the event handled again. A listener that marks the event in the same transaction as its work closes
    /// that gap.
    pub fn deduplicate(mut self, inbox: impl Inbox) -> Self {
        self.options.inbox = Some(Arc::new(inbox));
        self
    }

    /// Handles deliveries of the same key one after the other, in the order in which the server lends them. Deliveries
    /// of other keys go on meanwhile. You make the key from the event; an event without a key (`None`) has no order.
    ///
    /// The server has to keep this order too, because an event that is to be tried again holds back the later events of
    /// its key. If the server cannot, [`start`](Self::start) fails. The server keeps the order of the keys that events
    /// were published with ([`Route::ordered_by`](crate::Route::ordered_by)): publish by the same key as here, or by a
    /// coarser one. If a packet has no key, or packets of one key here have several keys there, their order is not
    /// kept, and a warning names the event once.
    pub fn ordered_by(mut self, key: impl Fn(&Envelope) -> Option<String> + 'static) -> Self {
        self.options.key = Some(Arc::new(move |envelope| {
            crate::__private::catch(|| key(envelope)).unwrap_or_else(|why| {
                crate::__private::note_panic("ordered_by", &envelope.metadata.event, &why);
                let event = crate::__private::Shown::name(&envelope.metadata.event);
                log::warn!(target: "convoke::worker", "`ordered_by` panicked: {event} has no order");
                None
            })
        }));
        self
    }

    /// Parks what follows a dead letter with the same key: such a delivery is not lent to anybody and not overtaken, until
    /// you [redrive or discard](crate::transport::Parking) the dead letter. Then what was parked comes in its order.
    /// Deliveries of other keys go on meanwhile. By default a dead letter holds up nobody.
    ///
    /// The dead letter stays in its place in the queue, whoever is the reason that it died: it is listed by
    /// [`parking`](crate::transport::Parking) of the queue, and not in the queue of dead letters. There go only
    /// deliveries without a key, as [`ordered_by`](Self::ordered_by) and the server see it. A packet that is no event
    /// has the key that it was published with. A key is parked for all workers of the queue and group, also for those that
    /// do not park.
    ///
    /// Memory, SQLite and PostgreSQL can do this. [`start`](Self::start) fails for any other server, and without
    /// [`ordered_by`](Self::ordered_by).
    ///
    /// ```
    /// # use convoke::prelude::*;
    /// # use convoke::transport::Memory;
    /// # use convoke::Worker;
    /// # let bus = EventBus::default();
    /// let orders = Memory::queue("orders");
    /// let worker = Worker::new(orders, &bus)
    ///     .ordered_by(|envelope| envelope.payload["customer"].as_str().map(str::to_owned))
    ///     .park();
    /// ```
    pub fn park(mut self) -> Self {
        self.options.parks = true;
        self
    }

    /// Sets how long all listeners together may take for one delivery. The default is no limit beyond that of each
    /// [listener](crate::Listening::timeout).
    ///
    /// Work that a listener has begun goes on after the timeout: a second attempt may overlap with the first.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.options.timeout = Some(limit);
        self
    }

    /// Limits how many deliveries begin: at most `deliveries` within each time span `within`, evenly spaced. The
    /// default is no limit.
    pub fn rate_limit(mut self, deliveries: u32, within: Duration) -> Self {
        self.options.rate = Some((deliveries.max(1), within));
        self
    }

    /// Sets how large and how deep a body may be. The default is [`EnvelopeLimits::default`]: 1 MiB.
    pub fn limits(mut self, limits: EnvelopeLimits) -> Self {
        self.options.limits = limits;
        self
    }

    /// Reads packets with this function instead of [`codec::read`](crate::codec::read), for a form that this crate does
    /// not know.
    ///
    /// The error of the function becomes the text of the dead letter, so it should quote nothing that may be personal.
    /// The function never gets a packet that exceeds the bytes of the [limits](Self::limits). The other limits are up
    /// to the function.
    ///
    /// ```no_run
    /// # use convoke::prelude::*;
    /// # use convoke::transport::{Memory, Packet};
    /// # use convoke::{Envelope, Worker, codec};
    /// # let bus = EventBus::default();
    /// let worker = Worker::new(Memory::queue("orders"), &bus).codec(|packet, limits| {
    ///     // Somebody writes an XML comment above the JSON.
    ///     let from = packet.body.iter().position(|byte| *byte == b'{').unwrap_or_default();
    ///     Envelope::from_slice_within(&packet.body[from..], limits)
    /// });
    /// ```
    pub fn codec<E: fmt::Display>(
        mut self,
        read: impl Fn(&Packet, EnvelopeLimits) -> Result<Envelope, E> + 'static,
    ) -> Self {
        self.options.codec = reading::of(read);
        self
    }

    /// Validates the payload of each event before its listeners are called, by the schemas of a
    /// [registry](crate::schema::Registry) or a [document](crate::schema::Document). By default a payload has only to be
    /// what its listeners can read.
    ///
    /// An event that does not fit becomes a dead letter at once. Its text names the fields and the rules that they break,
    /// at most 8, and quotes no value. [`Validator`](crate::schema::Validator) says which events are validated: those that
    /// the registry knows by their topic or name. Of these it has to know the version, too.
    ///
    /// ```no_run
    /// # use convoke::prelude::*;
    /// # use convoke::transport::Memory;
    /// # use convoke::{Worker, schema::Registry};
    /// # use schemars::JsonSchema;
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Event, JsonSchema, Serialize, Deserialize)]
    /// # struct OrderPlaced { id: u64 }
    /// # let bus = EventBus::default();
    /// let registry = Registry::new().with::<OrderPlaced>()?;
    /// let worker = Worker::new(Memory::queue("orders"), &bus).validate(&registry)?;
    /// # Ok::<(), convoke::schema::SchemaError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns `NoSchema` for a schema that cannot be used; see [`Validator::new`](crate::schema::Validator::new).
    #[cfg(feature = "schema")]
    pub fn validate(
        mut self,
        registry: impl AsRef<crate::schema::Registry>,
    ) -> Result<Self, crate::schema::SchemaError> {
        let validator = crate::schema::Validator::new(registry)?;
        self.options.check =
            Some(Arc::new(move |envelope| validator.validate(envelope).map_err(|misfit| misfit.to_string())));
        Ok(self)
    }

    /// Turns the payload of an event of an old version into one of the next version, before its listeners are called. Upcasters follow
    /// each other, so that each need only know the next version; a store has the same.
    ///
    /// The event is said by its name, or by its topic if that has a `/`. It is validated as it has come, by the schema of its old
    /// version. An upcaster that panics makes it a dead letter at once. Without an upcaster, listeners hear an event of another version
    /// as if it were theirs, if its fields fit.
    ///
    /// ```no_run
    /// # use convoke::Worker;
    /// # use convoke::prelude::*;
    /// # use convoke::transport::Memory;
    /// # let bus = EventBus::default();
    /// let worker = Worker::new(Memory::queue("orders"), &bus).upcast("OrderPlaced", 1, |mut payload| {
    ///     payload["currency"] = "EUR".into(); // version 2 has one
    ///     payload
    /// });
    /// ```
    ///
    /// Two for the same event and version, and one from version 0, are an error when the worker starts.
    pub fn upcast(
        mut self,
        event: impl Into<String>,
        from: u32,
        upcast: impl Fn(Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        if let Err(wrong) = self.options.upcasts.add(event.into(), from, upcast) {
            self.options.wrong = Some(wrong);
        }
        self
    }

    /// Sets how many bytes of packets the worker may hold, and as many again for the events that are made of the
    /// packets being handled: JSON may take a hundred times as much in memory. The default is 64 MiB each.
    ///
    /// Beyond the limit, the worker asks the server for nothing, or handles fewer deliveries at the same time. One
    /// delivery always passes, however large. An answer of the server may exceed the limit if its packets are larger
    /// than those that came before.
    pub fn max_bytes_here(mut self, bytes: usize) -> Self {
        self.options.max_bytes_here = bytes;
        self
    }

    /// Sets how long a shutdown may take in all. The default is 20 s, well under the 30 s after which Kubernetes kills.
    ///
    /// Listeners that are running may go on until a fifth of this time is left, which is at most 5 s. In that rest, the
    /// worker gives back the deliveries that have not ended and closes the connection.
    pub fn drain_timeout(mut self, limit: Duration) -> Self {
        self.options.drain_timeout = limit;
        self
    }

    /// Sets how long the worker may make no progress before it counts as unhealthy. The default is 60 s. Choose more
    /// than the slowest listener may take, and more than the 20 s for which a server may let a receive wait.
    pub fn progress_within(mut self, limit: Duration) -> Self {
        self.options.progress_within = limit;
        self
    }

    /// Starts the worker as an actor on this arbiter. When this returns, the worker is connected and takes deliveries.
    ///
    /// # Errors
    ///
    /// - `NoArbiter` outside of an actix arbiter.
    /// - `NoDeadLetters` if dead letters have no queue.
    /// - `Transport` if the server cannot do what the worker asks for, or cannot be reached.
    pub async fn start(mut self) -> Result<WorkerHandle, WorkerError> {
        self.open().await?;
        Ok(start(self.into_engine()))
    }

    /// Connects.
    pub(crate) async fn open(&mut self) -> Result<(), WorkerError> {
        self.check()?;
        self.source.attempts(self.options.retry.max_attempts());
        if let Some(handles) = &self.options.handles {
            self.source.fewest_attempts(handles.fewest_attempts());
        }
        self.source.open(self.options.total()).await?;
        log::debug!(target: "convoke::worker", "{}: a worker starts", self.source.name());
        Ok(())
    }

    /// What runs, once it has connected.
    pub(crate) fn into_engine(self) -> Engine<S> {
        Engine::new(self.source, self.bus, self.options)
    }

    /// Runs the worker until this signal, and then drains it: the worker takes nothing new, gives back the deliveries
    /// that wait, so that others get them at once, and finishes those whose listeners are running. A drain takes at
    /// most the [drain timeout](Self::drain_timeout), and a second signal ends it at once. A signal that comes while
    /// the worker starts ends it at once.
    ///
    /// # Errors
    ///
    /// The same as [`start`](Self::start). If the server is lost later, the worker waits for it.
    pub async fn run_until(self, shutdown: impl Shutdown) -> Result<WorkerReport, WorkerError> {
        let (signal, hurry) = shutdown.into_signals();
        let mut signal = pin!(signal);
        let nothing = WorkerReport::of_nothing(self.source.name());
        let handle = select! {
            biased;
            () = &mut signal => {
                log::debug!(target: "convoke::worker", "{}: it was to end before it had started", nothing.source);
                return Ok(nothing);
            }
            started = self.start() => started?,
        };
        handle.run(signal, hurry).await
    }

    /// Whether the server can do what is asked of it.
    fn check(&self) -> Result<(), WorkerError> {
        if !crate::__private::is_arbiter() {
            return Err(WorkerError::NoArbiter);
        }
        let (name, abilities) = (self.source.name(), self.source.abilities());
        if let Some(wrong) = &self.options.wrong {
            return Err(TransportError::new(ErrorKind::Unsupported, name, wrong.clone()).into());
        }
        if let Some(handles) = &self.options.handles {
            handles.check(name, &abilities)?;
        }
        if self.options.parks {
            let unable = |text| TransportError::new(ErrorKind::Unsupported, name, text);
            // First: where nothing can park, a key would not help.
            abilities.demand(name, Demand::Park)?;
            if self.options.key.is_none() {
                return Err(unable("`park` needs to know what has the same key: give `ordered_by` too").into());
            }
            if self.source.parking().is_none() {
                let text = "it says that it parks, and has no `parking`: nobody could redrive what is parked";
                return Err(unable(text).into());
            }
        }
        if self.options.key.is_some() {
            abilities.demand(name, Demand::Order)?;
        }
        abilities.demand(name, Demand::RetryAfter(self.options.retry.longest_wait()))?;
        // Each letter would come again, and die again, without end.
        if self.options.dead_letters.as_ref().is_some_and(|dead| dead.name() == name) {
            let text = "a queue cannot be its own queue of dead letters: give `dead_letter` another";
            return Err(WorkerError::Transport(TransportError::new(ErrorKind::Unsupported, name, text)));
        }
        if self.options.dead_letters.is_none() && !abilities.dead_letters {
            return Err(WorkerError::NoDeadLetters { source: name.to_owned() });
        }
        if self.options.timeout.is_some_and(|limit| limit.is_zero()) {
            let text = "a timeout of zero lets no listener end: take a longer one";
            return Err(TransportError::new(ErrorKind::Unsupported, name, text).into());
        }
        Ok(())
    }
}

impl<S: Source> fmt::Debug for Worker<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("source", &self.source.name())
            .field("concurrency", &self.options.concurrency)
            .field("retry", &self.options.retry)
            .finish_non_exhaustive()
    }
}
