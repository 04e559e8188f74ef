//! What all clones of a handle share: where the queue is, its rules, and the batches on their way.
//!
//! `SqliteBuilder → Queue → { Core (the rules), Batcher of parcels, Batcher of settlements }`

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::insert::{self, Row};
use super::settle::{self, Ask};
use crate::sql::sqlite::{FOREVER, Store, late, now};
use crate::sql::{MAX_PACKETS, Parcels};
use crate::transport::{Abilities, Batcher, Packet, Pulse, TransportError};

/// How many receipts are served by one batch.
const MAX_ASKS: usize = 512;

/// How long the file may be silent while a subscriber waits: it is looked into every 100 ms unless told.
const SILENCE: Duration = Duration::from_secs(15);

/// How many attributes a packet may have.
pub(super) const MAX_ATTRIBUTES: usize = 256;

/// The rules of a queue.
#[derive(Debug)]
pub(super) struct Core {
    /// Its name in errors and logs.
    pub(super) at: Arc<str>,
    pub(super) store: Store,
    pub(super) queue: String,
    /// Empty for the one that has no name.
    pub(super) group: String,
    pub(super) dead: String,
    pub(super) lease: Duration,
    pub(super) publish_deadline: Duration,
    pub(super) poll: Duration,
    pub(super) wait: Duration,
    pub(super) deduplicate: Option<Duration>,
    pub(super) max_bytes: usize,
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
}

/// A queue, as one handle and its clones share it.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) core: Arc<Core>,
    /// When the file was last read from or written to.
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
        let (abilities, until, now) = (core.abilities(), Instant::now() + core.publish_deadline, now());
        let checked = packets.iter().map(|packet| abilities.check(&core.at, packet)).collect();
        let late = || late(&core.at, core.publish_deadline);
        self.parcels.publish(packets, checked, |packet| Row::of(packet, now), (alone, until), late).await
    }

    /// Hands a settlement over; ready when it is in the file.
    pub(super) async fn settle(&self, ask: Ask) -> Result<(), TransportError> {
        let (core, answer) = (&self.core, self.asks.push(ask));
        let settled = timeout(core.store.deadline, answer).await.ok().flatten();
        // Nobody knows what came of it if the deadline has passed, or the runtime in which it was done is gone.
        let settled = settled.unwrap_or_else(|| Err(late(&core.at, core.store.deadline)));
        if settled.is_ok() {
            self.pulse.beat();
        }
        settled
    }
}
