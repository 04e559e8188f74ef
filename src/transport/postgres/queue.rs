//! What all clones of a handle share: where the queue is, its rules, and the batches on their way.
//!
//! `PostgresBuilder → Queue → { Core (the rules), Batcher of parcels, Batcher of settlements }`

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::builder::FOREVER;
use super::insert::{self, MAX_BYTES, MAX_PACKETS, Parcel, Row};
use super::settle::{self, Ask};
use crate::sql::postgres::{Own, PostgresDatabase, late};
use crate::transport::{Abilities, Batcher, ErrorKind, Packet, Pulse, TransportError};

/// How many publishers, or receipts, are served by one batch.
const MAX_PARCELS: usize = 64;
const MAX_ASKS: usize = 512;

/// How long the server may be silent while a subscriber waits: it is asked several times a second unless told.
const SILENCE: Duration = Duration::from_secs(15);

/// How many attributes a packet may have.
pub(super) const MAX_ATTRIBUTES: usize = 256;

/// The rules of a queue.
#[derive(Debug)]
pub(super) struct Core {
    /// Its name in errors and logs.
    pub(super) at: Arc<str>,
    pub(super) database: PostgresDatabase,
    pub(super) queue: String,
    /// Empty for the one that has no name.
    pub(super) group: String,
    pub(super) dead: String,
    pub(super) lease: Duration,
    pub(super) deadline: Duration,
    pub(super) publish_deadline: Duration,
    pub(super) poll: Duration,
    pub(super) wait: Duration,
    pub(super) deduplicate: Option<Duration>,
    pub(super) max_bytes: usize,
    /// By which it publishes while there is much to publish.
    pub(super) own: Own,
}

impl Core {
    pub(super) fn abilities(&self) -> Abilities {
        Abilities {
            delay: Some(FOREVER),
            retry_after: Some(FOREVER),
            order: true,
            takes_in_order: true,
            fan_out: true,
            priority: u8::MAX,
            max_bytes: self.max_bytes,
            max_attributes: MAX_ATTRIBUTES,
            max_batch: MAX_PACKETS,
            durable: true,
            deduplicates: self.deduplicate.is_some(),
            lease: Some(self.lease),
            dead_letters: true,
            park: true,
        }
    }

    /// Whether the server takes such a packet.
    fn check(&self, packet: &Packet) -> Result<(), TransportError> {
        self.abilities().check(&self.at, packet)?;
        let texts = [packet.id.as_str(), packet.topic.as_str(), packet.key.as_deref().unwrap_or_default()];
        if texts.iter().any(|text| text.contains('\0')) {
            let text = "PostgreSQL keeps no text with a character of the code 0: leave it out of id, topic and key";
            return Err(TransportError::new(ErrorKind::Refused, self.at.clone(), text));
        }
        Ok(())
    }
}

/// A queue, as one handle and its clones share it.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) core: Arc<Core>,
    /// When the server last answered.
    pub(super) pulse: Pulse,
    parcels: Batcher<Parcel, Result<(), TransportError>>,
    asks: Batcher<Ask, Result<(), TransportError>>,
}

impl Queue {
    pub(super) fn new(core: Core) -> Self {
        let core = Arc::new(core);
        let (inserting, settling) = (core.clone(), core.clone());
        Self {
            core,
            pulse: Pulse::new(SILENCE),
            parcels: Batcher::new(MAX_PARCELS, move |parcels| Box::pin(insert::insert_all(inserting.clone(), parcels))),
            asks: Batcher::new(MAX_ASKS, move |asks| Box::pin(settle::settle_all(settling.clone(), asks))),
        }
    }

    /// Publishes those that are within the abilities.
    pub(super) async fn publish(&self, packets: &[Packet], alone: bool) -> Vec<Result<(), TransportError>> {
        let core = &self.core;
        let until = Instant::now() + core.publish_deadline;
        let mut results: Vec<_> = packets.iter().map(|packet| core.check(packet)).collect();
        let (mut parcels, mut rows, mut bytes) = (Vec::new(), Vec::new(), 0);
        for packet in packets.iter().zip(&results).filter(|(_, checked)| checked.is_ok()).map(|(packet, _)| packet) {
            let size = packet.bytes();
            if rows.len() == MAX_PACKETS || (bytes + size > MAX_BYTES && !rows.is_empty()) {
                parcels.push((std::mem::take(&mut rows), std::mem::take(&mut bytes)));
            }
            rows.push(Row::of(packet));
            bytes += size;
        }
        if !rows.is_empty() {
            parcels.push((rows, bytes));
        }
        // Each is taken whole or not at all: of a key nothing follows before what came first is taken.
        let in_order = parcels.len() > 1 && packets.iter().any(|packet| packet.key.is_some());
        let mut sent = results.iter_mut().filter(|checked| checked.is_ok());
        let mut on_their_way = Vec::with_capacity(parcels.len());
        let mut taken = Ok(());
        for (rows, bytes) in parcels {
            let count = rows.len();
            if !in_order {
                on_their_way.push(self.send(rows, bytes, alone, until));
                continue;
            }
            if taken.is_ok() {
                taken = self.send(rows, bytes, alone, until).1.await;
            }
            sent.by_ref().take(count).for_each(|result| result.clone_from(&taken));
        }
        for (count, answer) in on_their_way {
            let answer = answer.await;
            sent.by_ref().take(count).for_each(|result| result.clone_from(&answer));
        }
        results
    }

    fn send(
        &self,
        rows: Vec<Row>,
        bytes: usize,
        alone: bool,
        until: Instant,
    ) -> (usize, impl Future<Output = Result<(), TransportError>> + Send + use<>) {
        let (count, core) = (rows.len(), self.core.clone());
        let answer = self.parcels.push(Parcel { rows, bytes, alone, until });
        (count, async move { answered(tokio::time::timeout_at(until, answer).await, &core, core.publish_deadline) })
    }

    /// Hands a settlement over; ready when it is committed.
    pub(super) async fn settle(&self, ask: Ask) -> Result<(), TransportError> {
        let (core, answer) = (&self.core, self.asks.push(ask));
        let settled = answered(tokio::time::timeout(core.deadline, answer).await, core, core.deadline);
        if settled.is_ok() {
            self.pulse.beat();
        }
        settled
    }
}

/// What came of it; nobody knows if the deadline has passed, or the runtime in which it was done is gone.
fn answered(
    answer: Result<Option<Result<(), TransportError>>, tokio::time::error::Elapsed>,
    core: &Core,
    deadline: Duration,
) -> Result<(), TransportError> {
    answer.ok().flatten().unwrap_or_else(|| Err(late(&core.at, deadline)))
}
