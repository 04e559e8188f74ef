//! The relay as users set it up.
//!
//! `outbox.relay(route) → its options → supervised(&bus) | Services::add | Supervisor → service.rs`

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::engine::Options;
use super::health::{RelayProbe, Stats};
use super::service::{Parts, RelayService};
use super::way::{Way, Ways};
use crate::__private::Kept;
use crate::outbox::OutboxError;
use crate::outbox::Rows;
use crate::{
    BaseService, EventBus, IntoChild, Patterns, Route, ServiceHandle, Services, ServicesError, Shutdown,
    ShutdownReport, StartError, Supervised, Uuid,
};

/// How many rows are taken at a time, at the most.
const BATCH: usize = 1_000;

const POLL_EVERY: Duration = Duration::from_millis(200);
/// For how long lanes are lent, unless it is said, and at least.
const LEASE: Duration = Duration::from_secs(10);
const LEAST_LEASE: Duration = Duration::from_secs(1);

const LAG_WITHIN: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// Hands the events of an [`Outbox`](crate::Outbox) to servers, after their transactions have committed, and deletes them
/// once they are confirmed. It is a service: await [`supervised`](Self::supervised), or add it to the
/// [`Services`] of an application or to a [`Supervisor`](crate::Supervisor). By itself it is [started](Self::start) or
/// [run](Self::run_until) as a worker is.
///
/// Of a [`Route`], a relay uses the patterns, the publisher, the codec, the attributes, the key, the priority, the delay
/// and the limits. Of its [`retry`](Route::retry) it uses the waits: a relay tries for as long as a server is away. An
/// event that matches several routes leaves by each of them, and stays in the outbox until all have confirmed it; if one
/// of them refuses it for good, a redrive sends it by all again.
///
/// ```no_run
/// use convoke::prelude::*;
/// use convoke::transport::{Memory, SqliteDatabase};
///
/// # async fn start(db: SqliteDatabase) -> Result<(), Box<dyn std::error::Error>> {
/// let bus = EventBus::default();
/// let outbox = db.outbox("Shop").await?;
/// let mut relay = outbox
///     .relay(Route::new("Shop/OrderPlaced", Memory::queue("orders")))
///     .and(Route::new("Shop/**", Memory::queue("audit")));
/// let probe = relay.probe(); // for a page of yours, on any thread
/// let services = Services::new(&bus).add(relay.supervised(&bus)).await?;
/// println!("{}", probe.health());
/// services.run_until(shutdown_signal()).await;
/// # Ok(())
/// # }
/// ```
///
/// # What becomes of an event
///
/// | event | in the outbox |
/// |---|---|
/// | the server has confirmed it | deleted |
/// | the server is away, busy or panics, or does not let the relay in | stays, is tried again, and holds up what comes behind it |
/// | the server refuses it for good, or it is too large for it | a [dead letter](crate::Outbox::dead_letters) |
/// | no route matches | a dead letter |
/// | the one before it, of its key, is dead | parked, until that is redriven or discarded |
///
/// # Several relays
///
/// Relays of one outbox, in one or in many processes, share its events: each has some of 16 lanes, which it holds by a
/// [lease](Self::lease) of 10 s. All events of a key are in one lane. A relay that stops gives its lanes back, and others look for such once a
/// second. One that is gone without a word is missed when its lease ends. Over SQLite it is missed within a second: its process has a file of no bytes
/// locked, `shop.db-relay-…` beside the database, and the system says that nobody has it any more. All relays of an outbox should have the same routes.
///
/// A relay remembers up to 10,000 keys that have a dead letter. If there are more, it asks the database for each batch.
///
/// A relay has all the routes of its outbox: a server that is away holds up those of the others, so that no event
/// overtakes. Give a server whose outage nobody else is to wait for an outbox of its own.
#[must_use = "nothing leaves before it is started: await `start()` or `supervised(&bus)`, or add it to the services of an application"]
pub struct Relay {
    rows: Arc<dyn Rows>,
    publisher: Arc<str>,
    ways: Result<Vec<Way>, OutboxError>,
    name: Option<String>,
    poll_every: Duration,
    stop_timeout: Duration,
    lag_within: Duration,
    lease: Duration,
    stats: Option<Arc<Stats>>,
}

impl Relay {
    pub(crate) fn new<P: Patterns>(rows: Arc<dyn Rows>, publisher: Arc<str>, route: Route<P>) -> Self {
        let relay = Self {
            rows,
            publisher,
            ways: Ok(Vec::new()),
            name: None,
            poll_every: POLL_EVERY,
            stop_timeout: STOP_TIMEOUT,
            lag_within: LAG_WITHIN,
            lease: LEASE,
            stats: None,
        };
        relay.and(route)
    }

    /// Adds another route.
    pub fn and<P: Patterns>(mut self, route: Route<P>) -> Self {
        if let Ok(ways) = &mut self.ways {
            match route.divide() {
                Ok((outward, terms)) => ways.push(Way { outward, terms }),
                Err(error) => self.ways = Err(error.into()),
            }
        }
        self
    }

    /// Sets the name of the service. The default is `relay of Shop`, with the name of the outbox.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets how often the relay looks for events of other processes. The default is 200 ms, and the least is 1 ms. It
    /// sees events of this process at once, and looks more often while events come.
    pub fn poll_every(mut self, poll: Duration) -> Self {
        self.poll_every = poll.max(Duration::from_millis(1));
        self
    }

    /// Sets for how long the relay has its lanes unless it says that it lives, which it does three times as often, and every 3 s at the
    /// least. So soon another relay goes on with what this one has left if its process is killed, and so long the database may not answer
    /// before it stops. The default is 10 s, and the least is 1 s. Each relay may have another one.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(LEAST_LEASE);
        self
    }

    /// Sets for how long events may wait before the relay counts as [degraded](crate::ServiceState::Degraded). The
    /// default is 60 s. Call it before [`probe`](Self::probe).
    pub fn lag_within(mut self, limit: Duration) -> Self {
        self.lag_within = limit;
        self
    }

    /// Sets how long the relay may take to stop: it finishes what is at a server, deletes what has left, and gives its
    /// lanes back. The default is 20 s.
    pub fn stop_timeout(mut self, limit: Duration) -> Self {
        self.stop_timeout = limit;
        self
    }

    /// Returns what tells on any thread how the relay is, even before it starts.
    pub fn probe(&mut self) -> RelayProbe {
        RelayProbe(self.stats().clone())
    }

    fn stats(&mut self) -> &Arc<Stats> {
        let (name, lag_within) = (self.rows.name(), self.lag_within);
        self.stats.get_or_insert_with(|| Arc::new(Stats::new(name, lag_within)))
    }

    /// Starts the relay by itself. When this returns, it takes what has committed. The handle stops it, and so does its
    /// drop. The state of the relay is in the handle and the [probe](Self::probe) alone; have a bus told of it with
    /// [`supervised`](Self::supervised).
    ///
    /// # Errors
    ///
    /// - `Failed` if a route cannot be opened, for the reasons of [`Route::open`].
    /// - `NoArbiter` outside of an actix arbiter.
    pub async fn start(self) -> Result<ServiceHandle<RelayService>, StartError> {
        self.supervised(&EventBus::default()).await
    }

    /// Runs the relay until this signal, as [`Services::run_until`] does with it alone, and then stops it: it finishes what
    /// is at a server, deletes what has left, and gives its lanes back. That takes at most its
    /// [stop timeout](Self::stop_timeout), and a second signal ends it at once. For a process that does nothing else.
    ///
    /// # Errors
    ///
    /// `ServicesError` if it does not start, for the reasons of [`start`](Self::start). If a database or a server is lost
    /// later, the relay waits for it.
    pub async fn run_until(self, shutdown: impl Shutdown) -> Result<ShutdownReport, ServicesError> {
        let limit = self.stop_timeout;
        Services::new(&EventBus::default()).stop_timeout(limit).add(self).run_until(shutdown).await
    }

    /// Makes a service of the relay that this bus is told of: await it, or give it to others that keep services.
    ///
    /// The service does not start if a route cannot be opened, for the reasons of [`Route::open`]. A relay that panics is
    /// started again.
    pub fn supervised(mut self, bus: &EventBus) -> Supervised<RelayService> {
        let stats = self.stats().clone();
        let name = self.name.unwrap_or_else(|| format!("relay of {}", self.publisher));
        let publisher = self.publisher;
        let parts = Rc::new(Parts {
            // The same after a restart: its lanes are its own still.
            id: Uuid::now_v7(),
            rows: self.rows,
            ways: self.ways.map(|ways| Rc::new(Ways::new(ways, publisher.clone()))),
            publisher,
            stats,
            options: Options { poll_every: self.poll_every, batch: BATCH, lease: self.lease },
        });
        let service = RelayService::supervised(bus, move |_| RelayService::new(&parts));
        service.named(name).stop_timeout(self.stop_timeout)
    }
}

/// Its name is `relay of Shop`, with the name of the outbox, or the one that you [gave](Relay::named) it. Its state is in
/// the statuses and the health of the application; for a bus that is told of each change, add
/// [`supervised(&bus)`](Relay::supervised) instead.
impl IntoChild for Relay {
    fn into_child(self) -> Kept {
        self.supervised(&EventBus::default()).into_child()
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("outbox", self.rows.name())
            .field("poll_every", &self.poll_every)
            .field("lag_within", &self.lag_within)
            .finish_non_exhaustive()
    }
}
