//! The worker as users set it up.
//!
//! `Worker::new(source, bus) → its options → start: is the server able? → engine.rs`

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::select;

use super::account::{WorkerError, WorkerReport};
use super::actor::{WorkerHandle, start};
use super::engine::Engine;
use super::options::{OnUnknown, Options};
use super::reader;
use crate::transport::{Demand, ErrorKind, Packet, Publisher, Source, TransportError};
use crate::{Envelope, EnvelopeLimits, EventBus, Inbox, Retry, Shutdown};

/// Takes deliveries from a server and has the listeners of a bus hear them: at least once each.
///
/// A delivery is acknowledged when every listener is done with it. If one fails, all of it comes again after a wait, and
/// once its attempts are used up it goes to the dead letters, as it does at once for an error that is
/// [`Permanent`](crate::Permanent), for bytes that are no event, and for an event that nobody listens to. The wait, the
/// count of attempts and the dead letters are kept by the server, so that nothing is lost with this process.
///
/// | delivery | what the server is told |
/// |---|---|
/// | every listener is done | ack |
/// | it was [done before](Self::deduplicate) | ack |
/// | a listener failed, panicked or hung, and attempts are left | retry after a wait, by [`Retry`] |
/// | and no attempts are left; or all that failed are [`Permanent`](crate::Permanent), or cannot read the payload | dead letter |
/// | nobody listens to it | dead letter, or as [`on_unknown`](Self::on_unknown) says |
/// | it is no event, or beyond the [limits](Self::limits) | dead letter |
/// | it waits here when the worker is paused or drains | release |
///
/// A verdict that the server does not take, for its queue of dead letters is gone or it refuses, stands: the delivery is held
/// here and that is tried again until it is taken, or it is given back and the verdict is remembered for when it comes again.
/// Nobody here hears it for that. A worker remembers 1,000, until its own end.
///
/// While a delivery is here, its lease is extended, so that listeners may take longer than it lasts.
///
/// An attempt is what was heard. A delivery that was lent more often than it has attempts, and of which nobody has said how
/// that ended, was here when a process died: of it, or of another one. It is heard once more, *alone*: all that waits here is
/// given back first, what is being heard is finished, and the server notes it before the listeners are called. If the process
/// dies of it again, it is a dead letter, and those that were fetched with it are done. Where a server has no place for
/// that note, a delivery is heard alone for 10 lendings more
/// ([`UNHEARD_ATTEMPTS`](crate::transport::UNHEARD_ATTEMPTS)).
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
    /// Makes a worker that hands what this source lends to the listeners of this bus.
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
            codec: reader::any(),
            max_bytes_here: 64 * 1024 * 1024,
            key: None,
            rate: None,
            dead_letters: None,
            inbox: None,
        };
        Self { source, bus: bus.clone(), options }
    }

    /// Names it, where it is one of the [`Services`](crate::Services) of an application. The default is the name of its source.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.options.name = Some(name.into());
        self
    }

    /// Sets how many deliveries are heard at the same time. The default is 16; zero counts as 1.
    pub fn concurrency(mut self, deliveries: usize) -> Self {
        self.options.concurrency = deliveries.max(1);
        self
    }

    /// Sets how many more are fetched ahead, so that nobody waits for the server. The default is as many as are heard at
    /// the same time. Zero is right where one takes long, and other workers are free.
    pub fn prefetch(mut self, deliveries: usize) -> Self {
        self.options.prefetch = Some(deliveries);
        self
    }

    /// Sets how often a delivery is tried, and after which waits. The default is [`Retry::default`]: 15 attempts, waits of
    /// up to an hour.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.options.retry = retry;
        self
    }

    /// Sets where dead letters go. The default is the source's own queue for them, if it has one.
    pub fn dead_letter(mut self, publisher: impl Publisher) -> Self {
        self.options.dead_letters = Some(Arc::new(publisher));
        self
    }

    /// Sets what becomes of an event that nobody listens to. The default is that it is a dead letter.
    pub fn on_unknown(mut self, policy: OnUnknown) -> Self {
        self.options.on_unknown = policy;
        self
    }

    /// Has an event that was done before, and comes once more, acknowledged without being heard: by its id, for as long as
    /// the inbox remembers. The default is to hear whatever comes.
    ///
    /// The worker marks an event after its listeners are done, and before it is acknowledged. A listener that marks it in
    /// the same transaction as its work leaves no moment between the two.
    pub fn deduplicate(mut self, inbox: impl Inbox) -> Self {
        self.options.inbox = Some(Arc::new(inbox));
        self
    }

    /// Has deliveries of one key heard one after the other, in the order in which the server lends them, while those of
    /// other keys go on. The key is made of the event; `None` is an event without order.
    ///
    /// The server has to keep that order too, or this fails at the start: an event that is to be tried again holds back
    /// those of its key. It keeps the order of *its* keys, those by which the event was published
    /// ([`Route::ordered_by`](crate::Route::ordered_by)): publish by the same key, or by a coarser one. Of an event whose
    /// packet has none, or has others, the order is nobody's, and a warning names it once.
    pub fn ordered_by(mut self, key: impl Fn(&Envelope) -> Option<String> + 'static) -> Self {
        self.options.key = Some(Arc::new(move |envelope| {
            catch_unwind(AssertUnwindSafe(|| key(envelope))).unwrap_or_else(|_| {
                let event = crate::__private::Shown::name(&envelope.metadata.event);
                log::warn!(target: "convoke::worker", "`ordered_by` panicked: {event} has no order");
                None
            })
        }));
        self
    }

    /// Sets how long all listeners together may take for one delivery. The default is no limit but that of each
    /// [listener](crate::Listening::timeout).
    ///
    /// What they have begun goes on: a second attempt may overlap with the first.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.options.timeout = Some(limit);
        self
    }

    /// Lets so many deliveries begin within so much time at the most, evenly spaced. The default is no limit.
    pub fn rate_limit(mut self, deliveries: u32, within: Duration) -> Self {
        self.options.rate = Some((deliveries.max(1), within));
        self
    }

    /// Sets how large and how deep a body may be. The default is [`EnvelopeLimits::default`]: 1 MiB.
    pub fn limits(mut self, limits: EnvelopeLimits) -> Self {
        self.options.limits = limits;
        self
    }

    /// Has packets read by this, and not by [`codec::read`](crate::codec::read): for a form that is none of ours. Its error is
    /// what the dead letter says, so it should quote nothing that may be personal. What is beyond the bytes of the
    /// [limits](Self::limits) it does not see; what else they bound is up to it.
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
        self.options.codec = reader::of(read);
        self
    }

    /// Sets how many bytes may be here: of packets as they came, and as much again of what is made of those that are heard,
    /// which in JSON may be a hundred times as large. The default is 64 MiB each.
    ///
    /// Beyond it the worker asks the server for nothing, or has less heard at the same time than it may. One delivery always
    /// passes, however large. What one request to the server brings may go beyond it, if it is larger than what came before.
    pub fn max_bytes_here(mut self, bytes: usize) -> Self {
        self.options.max_bytes_here = bytes;
        self
    }

    /// Sets how long a shutdown may take in all. The default is 20 s, well under the 30 s after which Kubernetes kills.
    ///
    /// What is being heard may go on until a fifth of it is left, 5 s at most: in that, what has not ended is given back, and
    /// the connection closed.
    pub fn drain_timeout(mut self, limit: Duration) -> Self {
        self.options.drain_timeout = limit;
        self
    }

    /// Sets after which time without any progress it counts as unhealthy. The default is 60 s; it should be longer than the
    /// slowest listener may take, and than the 20 s for which a server may let a receive wait.
    pub fn progress_within(mut self, limit: Duration) -> Self {
        self.options.progress_within = limit;
        self
    }

    /// Starts it as an actor on this arbiter: once this returns, it is connected and takes deliveries.
    ///
    /// # Errors
    ///
    /// `NoArbiter`; `NoDeadLetters` if they have no queue; `Transport` if the server cannot do what was asked of it, or
    /// cannot be reached.
    pub async fn start(self) -> Result<WorkerHandle, WorkerError> {
        Ok(start(self.into_engine().await?))
    }

    /// Connects, and is ready to run.
    pub(crate) async fn into_engine(mut self) -> Result<Engine<S>, WorkerError> {
        self.check()?;
        self.options.prefetch.get_or_insert(self.options.concurrency);
        self.source.attempts(self.options.retry.max_attempts());
        self.source.open(self.options.total()).await?;
        log::debug!(target: "convoke::worker", "{}: a worker starts", self.source.name());
        Ok(Engine::new(self.source, self.bus, self.options))
    }

    /// Works until this signal. Then it takes nothing new, gives back what waits here, so that others get it at once, and
    /// finishes what is being heard, for as long as its [drain timeout](Self::drain_timeout); a second signal ends that at
    /// once. A signal that comes while it starts ends that at once.
    ///
    /// # Errors
    ///
    /// Those of [`start`](Self::start). A server that is lost later is waited for.
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
        if self.options.key.is_some() {
            abilities.demand(name, Demand::Order)?;
        }
        abilities.demand(name, Demand::RetryAfter(self.options.retry.longest_wait()))?;
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
