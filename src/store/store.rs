//! What users hold of a store.
//!
//! `append → Stamp → Envelope → Entry → append.rs`, `read → reading.rs → Recorded`

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::append::Append;
use super::error::StoreError;
use super::position::Position;
use super::reading::{Lens, Read};
use super::records::StoreDatabase;
use super::records::sealed::{KeepingRecords, Records};
use super::replaying::Replaying;
use super::row::Entry;
use crate::__private::{Stamp, check_topic};
use crate::codec::Leaves;
use crate::route::check_kept;
use crate::transport::Packet;
use crate::{Envelope, EnvelopeLimits, JsonEvent, Metadata, Patterns, Secret, TraceContext, Uuid};

/// Keeps events for ever, in the order in which they were appended, and reads them again.
///
/// ```
/// use convoke::prelude::*;
/// use convoke::transport::Memory;
/// use convoke::{Position, nothing_since};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(topic = "orders/placed", entity = "Order", entity_id = id)]
/// struct OrderPlaced {
///     id: u64,
/// }
///
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let db = Memory::database(); // in an application `Sqlite::open("shop.db").await?`, or `Postgres::connect(…)`
/// let orders = db.store("orders").await?;
///
/// let first = orders.append(OrderPlaced { id: 7 }).await?;
/// assert_eq!(first.number(), 1);
///
/// // Only if nothing has happened to this order meanwhile.
/// orders.append(OrderPlaced { id: 7 }).when(nothing_since(first).about("Order", 7)).await?;
///
/// let mut reading = orders.read("orders/*").after(Position::START).start();
/// while let Some(record) = reading.next().await? {
///     println!("{}: order {}", record.position(), record.event::<OrderPlaced>()?.id);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # What is kept
///
/// - **Positions have no gap**, and are drawn one at a time: whoever has read one will never be shown an earlier one later.
///   So one appends to a store at a time, from its `append` to the end of its transaction. Readers wait for nobody.
/// - **A condition** may say what must not have happened since a position. It is checked where nobody else appends.
/// - **Damage is named.** Each record has a checksum over its position, its time, its topic and its event. A record that was
///   changed, or is missing before another one, is an error that says where.
/// - **Nothing is changed or deleted** by this library. What has an `authorization` is stored without.
/// - **At least once**, where a route appends: a record whose confirmation was lost is appended again. Its event has the
///   same [id](Metadata::id).
///
/// Clones share the store. A clone with a trace, correlation or causation of its own has the same records.
pub struct Store<D: StoreDatabase> {
    records: Arc<dyn KeepingRecords<D::Connection>>,
    name: Arc<str>,
    stamp: Stamp,
    lens: Arc<Lens>,
}

impl<D: StoreDatabase> Store<D> {
    pub(super) fn new(
        records: Arc<dyn KeepingRecords<D::Connection>>,
        name: Arc<str>,
        publisher: &str,
        lens: Arc<Lens>,
    ) -> Self {
        Self { records, name, stamp: Stamp::of(publisher), lens }
    }

    /// Appends an event. Awaiting the result returns the position of the event; before that it may get a
    /// [condition](Append::when), or [stand in a transaction](Append::within) of the application.
    ///
    /// # Errors
    ///
    /// - [`StoreError::Conflict`], [`StoreError::Elsewhere`], [`StoreError::Ahead`], [`StoreError::NotAbout`] and
    ///   [`StoreError::NotOf`] by its condition.
    /// - [`StoreError::Local`], [`StoreError::Foreign`] and [`StoreError::NotJson`] for an event that cannot be stored.
    /// - [`StoreError::Transport`], with `TooLarge` if the event exceeds the limits, `Missing` if there are no tables,
    ///   `Unreachable` if the database is away, or another transaction appends for longer than the deadline. After
    ///   `Unreachable` the event may have been appended.
    pub fn append(&self, event: impl Leaves) -> Append<D> {
        Append::new(self, self.entry(event).map(|entry| vec![entry]))
    }

    /// Appends several events, all of them or none, in their order and at positions one after the other. Awaiting the result
    /// returns the position of the last one. Events of different types are each an [`Outgoing`](crate::Outgoing).
    ///
    /// # Errors
    ///
    /// Those of [`append`](Self::append).
    pub fn append_all(&self, events: impl IntoIterator<Item: Leaves>) -> Append<D> {
        Append::new(self, events.into_iter().map(|event| self.entry(event)).collect())
    }

    /// Appends an event as JSON, with this topic, which is its name too.
    ///
    /// # Errors
    ///
    /// Those of [`append`](Self::append), and [`StoreError::Topic`] for a topic that is not valid.
    pub fn append_json(&self, topic: &str, payload: Value) -> Append<D> {
        self.append(JsonEvent::new(topic, payload))
    }

    /// Appends an event as it is, with its own metadata: one that came from another process or another store.
    ///
    /// # Errors
    ///
    /// Those of [`append`](Self::append).
    pub fn append_envelope(&self, envelope: Envelope) -> Append<D> {
        Append::new(self, self.envelope_entry(envelope).map(|entry| vec![entry]))
    }

    /// Reads events whose topic matches one of these patterns; `**` stands for all of them. See [`Read`].
    pub fn read(&self, topics: impl Patterns) -> Read {
        let records: Arc<dyn Records> = self.records.clone();
        Read::new(records, self.name.clone(), self.lens.clone(), topics)
    }

    /// Tells events once more whose topic matches one of these patterns: to a bus, to a listener, or to a server. See [`Replaying`].
    pub fn replay(&self, topics: impl Patterns) -> Replaying {
        self.read(topics).replay()
    }

    /// Returns the position of the last record; [`Position::START`] if there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Transport`].
    pub async fn head(&self) -> Result<Position, StoreError> {
        Ok(Position::new(self.records.tag(), self.records.head().await?))
    }

    /// Reads all records, and checks that each is there and what was written. Returns the position of the last one.
    ///
    /// Reading by topics or of an entity checks what it returns, and what it passes over only for gaps: of an entity, what was
    /// deleted behind its last record is only seen by this.
    ///
    /// # Errors
    ///
    /// [`StoreError::Gone`] or [`StoreError::Damaged`] for the first that is not; [`StoreError::Transport`].
    pub async fn verify(&self) -> Result<Position, StoreError> {
        let mut reading = self.read("**").start();
        let mut last = Position::START;
        while let Some(record) = reading.next().await? {
            last = record.position();
        }
        Ok(last)
    }

    /// Returns the name of the store.
    pub fn name(&self) -> &str {
        &self.name
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

    /// Returns a handle whose events have the event of this id as their cause.
    pub fn with_causation(&self, id: Uuid) -> Self {
        self.stamped(self.stamp.with_causation(id))
    }

    fn stamped(&self, stamp: Stamp) -> Self {
        Self { stamp, ..self.clone() }
    }

    pub(super) fn limits(&self) -> EnvelopeLimits {
        self.lens.limits
    }

    pub(super) fn records(&self) -> &Arc<dyn KeepingRecords<D::Connection>> {
        &self.records
    }

    fn entry(&self, event: impl Leaves) -> Result<Entry, StoreError> {
        let envelope = event.press(&self.stamp)?;
        self.envelope_entry(envelope)
    }

    pub(super) fn envelope_entry(&self, envelope: Envelope) -> Result<Entry, StoreError> {
        entry(self.records.name(), self.records.tag(), &self.lens, envelope)
    }
}

/// An event as it is kept.
pub(super) fn entry(at: &Arc<str>, tag: u32, lens: &Lens, mut envelope: Envelope) -> Result<Entry, StoreError> {
    check_topic(&envelope.metadata.topic)?;
    // Whoever reads a store in a year has no business with it.
    envelope.metadata.authorization = Secret::default();
    let topic = envelope.metadata.topic.as_str().to_owned();
    let packet = Packet::new(String::new(), envelope.to_vec());
    check_kept(at, &packet, &envelope.payload, lens.limits, "of the store")?;
    Ok(Entry::new(tag, &envelope.metadata, topic, packet.body))
}

impl<D: StoreDatabase> Clone for Store<D> {
    fn clone(&self) -> Self {
        let Self { records, name, stamp, lens } = self;
        Self { records: records.clone(), name: name.clone(), stamp: stamp.clone(), lens: lens.clone() }
    }
}

impl<D: StoreDatabase> fmt::Debug for Store<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("at", self.records.name()).field("lens", &self.lens).finish_non_exhaustive()
    }
}
