//! What all clones of a handle share: where the queue is, its rules, and the batches on their way.
//!
//! `PostgresBuilder → Queue → { Core (the rules), Batcher of parcels, Batcher of settlements }`

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::builder::FOREVER;
use super::insert::{self, Row};
use super::settle::{self, Ask};
use crate::sql::postgres::{Own, PostgresDatabase, late};
use crate::sql::{MAX_PACKETS, Parcels};
use crate::transport::{Abilities, Batcher, ErrorKind, Packet, Pulse, TransportError};

/// How many receipts are served by one batch.
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
    parcels: Parcels<Row>,
    asks: Batcher<Ask, Result<(), TransportError>>,
}

impl Queue {
    pub(super) fn new(core: Core) -> Self {
        let core = Arc::new(core);
        let (inserting, settling) = (core.clone(), core.clone());
        Self {
            core,
            pulse: Pulse::new(SILENCE),
            parcels: Parcels::new(move |parcels| Box::pin(insert::insert_all(inserting.clone(), parcels))),
            asks: Batcher::new(MAX_ASKS, move |asks| Box::pin(settle::settle_all(settling.clone(), asks))),
        }
    }

    /// Publishes those that are within the abilities.
    pub(super) async fn publish(&self, packets: &[Packet], alone: bool) -> Vec<Result<(), TransportError>> {
        let core = &self.core;
        let until = Instant::now() + core.publish_deadline;
        let checked = packets.iter().map(|packet| core.check(packet)).collect();
        let late = || late(&core.at, core.publish_deadline);
        self.parcels.publish(packets, checked, Row::of, (alone, until), late).await
    }

    /// Hands a settlement over; ready when it is committed.
    pub(super) async fn settle(&self, ask: Ask) -> Result<(), TransportError> {
        let (core, answer) = (&self.core, self.asks.push(ask));
        let settled = timeout(core.deadline, answer).await.ok().flatten();
        // Nobody knows what came of it if the deadline has passed, or the runtime in which it was done is gone.
        let settled = settled.unwrap_or_else(|| Err(late(&core.at, core.deadline)));
        if settled.is_ok() {
            self.pulse.beat();
        }
        settled
    }
}
