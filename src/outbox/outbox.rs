//! What users hold of an outbox.
//!
//! `Outbox::publish(&mut tx, event) → Stamp → Envelope → Wire → is it within the limits? → rows.rs`

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::error::OutboxError;
use super::relay::Relay;
use super::rows::sealed::{Keeping, Rows};
use super::rows::{OutboxDatabase, OutboxFigures};
use super::statement::Statement;
use crate::__private::{Shown, Stamp, catch, check_topic};
use crate::codec::{Codec, Leaves, Wire};
use crate::route::check_kept;
use crate::transport::{Packet, TransportError};
use crate::{Envelope, EnvelopeLimits, JsonEvent, Metadata, Patterns, Route, Secret, TraceContext, Uuid};

/// Whose limits those of an event are.
const WHOSE: &str = "of the outbox, of its routes and of their workers";

/// Beyond so many rows of a kind nobody counts.
const COUNTED: u64 = 10_000;

/// Publishes events in the transactions of the application: an event and the rows of its transaction are both there, or
/// neither. A [relay](Self::relay) hands events to a server after their commit.
///
/// ```
/// use convoke::prelude::*;
/// use convoke::transport::{Memory, Sqlite};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(topic = "orders/placed")]
/// struct OrderPlaced {
///     id: i64,
/// }
///
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("convoke-outbox-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let file = folder.join("shop.db");
/// let db = Sqlite::open(&file).await?;
/// # sqlx::query("CREATE TABLE IF NOT EXISTS orders (id INTEGER)").execute(db.pool()).await?;
/// let outbox = db.outbox("Shop").await?;
/// let bus = EventBus::default();
/// let queue = Memory::queue("orders"); // in an application `Redis::stream("orders").await?`, for instance
/// let _relay = outbox.relay(Route::new("Shop/*", queue)).supervised(&bus).await?;
///
/// let mut tx = db.begin().await?;
/// sqlx::query("INSERT INTO orders (id) VALUES (7)").execute(&mut *tx).await?;
/// outbox.publish(&mut tx, OrderPlaced { id: 7 }).await?;
/// tx.commit().await?; // the order is there, and the event will leave; or neither
/// # drop(db);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
///
/// The name of an outbox is the name of the publisher: it stands in the metadata of its events, and the patterns of
/// routes match `Shop/OrderPlaced` by it.
///
/// # What is kept
///
/// - **An event leaves if its transaction has committed**, whatever is killed when, and never if it was rolled back.
/// - **At least once.** An event whose confirmation did not come back is handed over again. Readers recognize it by its
///   [id](crate::Metadata::id).
/// - **Order.** With [`ordered_by`](super::OutboxBuilder::ordered_by), events of the same key leave in the order of their
///   commits, one after the other is confirmed. Events without a key have no order.
/// - **Dead letters.** What a server refuses for good, and what no route matches, stays in the outbox as a
///   [dead letter](Self::dead_letters). Who is not let in by a server has its events wait, until somebody has mended that. Later events of the same key are parked behind it.
///
/// Clones share the outbox. A clone with a trace, correlation, causation or authorization of its own has the same rows.
pub struct Outbox<D: OutboxDatabase> {
    rows: Arc<dyn Keeping<D::Connection>>,
    /// For errors.
    at: Arc<str>,
    stamp: Stamp,
    limits: EnvelopeLimits,
}

impl<D: OutboxDatabase> Outbox<D> {
    pub(super) fn new(rows: Arc<dyn Keeping<D::Connection>>, name: &str, limits: EnvelopeLimits) -> Self {
        Self { at: rows.name().clone(), rows, stamp: Stamp::of(name), limits }
    }

    /// Publishes an event with this transaction: the event leaves after the commit, and never if the transaction is
    /// rolled back. Returns the id of the event.
    ///
    /// The transaction has to be one of the same database: a `Transaction` of sqlx, or a connection that is in one. sqlx
    /// has to know of it: one that a text such as `BEGIN` has begun is for a [statement](Self::statement). One that a text
    /// such as `ROLLBACK` has ended is none. If a statement
    /// of your own fails in the transaction, roll it back before you publish: SQLite ends a transaction by itself when
    /// the disk is full.
    /// With SQLite, begin it with `SqliteDatabase::begin`: what `pool.begin()`
    /// begins is deferred, and after it has read, it may find that it cannot write any more.
    ///
    /// Where transactions commit in any order, as on PostgreSQL, an event with a key waits for open transactions that
    /// have published an event with that key: the lock of the key is held until their end. Two transactions that publish
    /// several keys, each in another order, may deadlock: use [`publish_all`](Self::publish_all), which sorts them.
    ///
    /// # Errors
    ///
    /// - [`OutboxError::Local`], [`OutboxError::Foreign`] and [`OutboxError::NotJson`] for an event that cannot leave.
    /// - [`OutboxError::Transport`], with `TooLarge` if the event exceeds the limits; `Missing` if the transaction is of
    ///   another database, or there are no tables; `Refused` if there is no transaction, or it has ended; `Denied`
    ///   if the user may not write to the outbox; `Unreachable` if the database is away or stays locked.
    pub async fn publish(&self, transaction: &mut D::Connection, event: impl Leaves) -> Result<Uuid, OutboxError> {
        let (id, packet) = self.pack(event)?;
        self.rows.insert(vec![packet], transaction).await?;
        Ok(id)
    }

    /// Publishes an event as JSON, with this topic, which is its name too: `Shop/orders/placed` is what a route matches.
    ///
    /// # Errors
    ///
    /// The same as [`publish`](Self::publish), and [`OutboxError::Topic`] for a topic that is not valid.
    pub async fn publish_json(
        &self,
        transaction: &mut D::Connection,
        topic: &str,
        payload: Value,
    ) -> Result<Uuid, OutboxError> {
        self.publish(transaction, JsonEvent::new(topic, payload)).await
    }

    /// Publishes several events with this transaction, in their order, in as few statements as that takes. Returns their
    /// ids. Events of different types are each an [`Outgoing`](crate::Outgoing).
    ///
    /// Keys are locked in one order, whatever the order of the events: two transactions that publish all their events by
    /// one call each do not deadlock.
    ///
    /// # Errors
    ///
    /// The same as [`publish`](Self::publish). Nothing is written if one of the events cannot leave.
    pub async fn publish_all(
        &self,
        transaction: &mut D::Connection,
        events: impl IntoIterator<Item: Leaves>,
    ) -> Result<Vec<Uuid>, OutboxError> {
        let packed: Result<Vec<_>, _> = events.into_iter().map(|event| self.pack(event)).collect();
        let (ids, packets): (Vec<_>, Vec<_>) = packed?.into_iter().unzip();
        if !packets.is_empty() {
            self.rows.insert(packets, transaction).await?;
        }
        Ok(ids)
    }

    /// Returns the statement that publishes an event, for a transaction of a client other than sqlx: run it once, in a
    /// transaction of the same database. An event whose statement is not run does not leave.
    ///
    /// # Errors
    ///
    /// Those of [`publish`](Self::publish) that come before anything is written.
    pub fn statement(&self, event: impl Leaves) -> Result<Statement, OutboxError> {
        let (_, packet) = self.pack(event)?;
        Ok(self.rows.statement(packet))
    }

    /// Describes a relay that hands the events of this outbox to a server. See [`Relay`].
    pub fn relay<P: Patterns>(&self, route: Route<P>) -> Relay {
        let rows: Arc<dyn Rows> = self.rows.clone();
        Relay::new(rows, self.stamp.publisher().clone(), route)
    }

    /// Returns how many events wait, are dead and are parked. Beyond 10,000 of a kind nobody counts.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline.
    pub async fn figures(&self) -> Result<OutboxFigures, TransportError> {
        let figures = self.rows.figures(COUNTED).await;
        self.rows.look();
        figures
    }

    /// Returns the name of the outbox, under which its events are published.
    pub fn name(&self) -> &str {
        self.stamp.publisher()
    }

    /// Returns a handle whose events are caused by the event of this metadata: they continue its trace, share its
    /// correlation, and have it as their cause. Within a call of a listener that is so without this.
    pub fn caused_by(&self, cause: &Metadata) -> Self {
        let stamp = self.stamp.with_trace(cause.trace.clone()).with_correlation(cause.correlation);
        self.stamped(stamp.with_causation(cause.id))
    }

    /// Returns a handle whose events continue this trace.
    pub fn with_trace(&self, trace: TraceContext) -> Self {
        self.stamped(self.stamp.with_trace(trace))
    }

    /// Returns a handle whose events share this correlation id.
    pub fn with_correlation(&self, id: Uuid) -> Self {
        self.stamped(self.stamp.with_correlation(id))
    }

    /// Returns a handle whose events have the event of this id as their cause. An event that a listener publishes has the
    /// event that the listener hears as its cause instead.
    pub fn with_causation(&self, id: Uuid) -> Self {
        self.stamped(self.stamp.with_causation(id))
    }

    /// Returns a handle whose events carry this authorization. No log and no `Debug` of this library shows it.
    pub fn with_authorization(&self, token: impl Into<Secret>) -> Self {
        self.stamped(self.stamp.with_authorization(token.into()))
    }

    fn stamped(&self, stamp: Stamp) -> Self {
        Self { stamp, ..self.clone() }
    }

    pub(super) fn rows(&self) -> &Arc<dyn Keeping<D::Connection>> {
        &self.rows
    }

    /// For who inserts what [`packet`](Self::packet) has made, in a transaction of his own.
    pub(crate) fn keeping(&self) -> &dyn Keeping<D::Connection> {
        &*self.rows
    }

    /// Makes of an event what stands in a row.
    ///
    /// # Errors
    ///
    /// Those of [`publish`](Self::publish) that come before anything is written.
    pub(crate) fn packet(&self, event: impl Leaves) -> Result<Packet, OutboxError> {
        self.pack(event).map(|(_, packet)| packet)
    }

    /// The same of an event that has this id.
    ///
    /// # Errors
    ///
    /// The same.
    pub(crate) fn packet_as(&self, id: Uuid, event: impl Leaves) -> Result<Packet, OutboxError> {
        let mut envelope = event.press(&self.stamp)?;
        envelope.metadata.id = id;
        self.write(&envelope)
    }

    fn pack(&self, event: impl Leaves) -> Result<(Uuid, Packet), OutboxError> {
        let envelope = event.press(&self.stamp)?;
        Ok((envelope.metadata.id, self.write(&envelope)?))
    }

    fn write(&self, envelope: &Envelope) -> Result<Packet, OutboxError> {
        check_topic(&envelope.metadata.topic)?;
        let mut packet = Wire.write(envelope);
        check_kept(&self.at, &packet, &envelope.payload, self.limits, WHOSE)?;
        if let Some(rule) = self.rows.rules().get() {
            packet.key = catch(|| rule.key(envelope)).map_err(|why| OutboxError::NotJson {
                event: envelope.metadata.event.to_string(),
                reason: format!("`ordered_by` panicked: {}", Shown::text(&why)),
            })?;
        }
        Ok(packet)
    }
}

impl<D: OutboxDatabase> Clone for Outbox<D> {
    fn clone(&self) -> Self {
        let Self { rows, at, stamp, limits } = self;
        Self { rows: rows.clone(), at: at.clone(), stamp: stamp.clone(), limits: *limits }
    }
}

impl<D: OutboxDatabase> fmt::Debug for Outbox<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("at", &self.at).field("limits", &self.limits).finish_non_exhaustive()
    }
}
