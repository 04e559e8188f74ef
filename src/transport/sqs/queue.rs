//! What a handle and its clones share of a queue.
//!
//! `builder.rs → Queue → publish.rs, source.rs, receipt.rs`

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;

use super::dead::Dead;
use super::finder::Attributes;
use super::redrive::Redrive;
use super::requests::{Clients, Lanes};
use super::unseen::Unseen;
use crate::transport::aws::{Fresh, MAX_ATTRIBUTES, MAX_BATCH, MAX_BYTES, Rules, failure};
use crate::transport::{Abilities, TransportError};

/// The longest that SQS holds a packet back.
const MAX_DELAY: Duration = Duration::from_secs(900);

/// The longest that SQS lends a delivery, from its receipt, with all that it is extended.
pub(super) const MAX_LEASE: Duration = Duration::from_secs(12 * 60 * 60);

/// What a handle and its clones share.
pub(super) struct Queue {
    /// What it is called in logs and errors.
    pub(super) name: Arc<str>,
    /// What it is called at AWS.
    pub(super) label: String,
    pub(super) url: String,
    pub(super) fifo: bool,
    pub(super) group: Option<String>,
    pub(super) lease: Duration,
    pub(super) wait: Duration,
    /// How much longer than its wait the server may take.
    pub(super) delay: Duration,
    /// How long a publish may take, if that was told.
    pub(super) deadline: Option<Duration>,
    pub(super) durable: bool,
    pub(super) clients: Arc<Fresh<Clients>>,
    pub(super) dead: Option<Dead>,
    /// The redrive policy that we make it with.
    pub(super) redrive: Option<Redrive>,
    /// That one of somebody else's is too low was said.
    pub(super) warned: AtomicBool,
    /// With what it is created again.
    pub(super) create: Option<Attributes>,
    pub(super) arn: Mutex<Option<String>>,
    pub(super) deletes: Lanes<String>,
    pub(super) changes: Lanes<(String, i32)>,
    pub(super) unseen: Unseen,
}

impl Queue {
    pub(super) fn abilities(&self) -> Abilities {
        Abilities {
            // FIFO queues know no delay of a single message.
            delay: (!self.fifo).then_some(MAX_DELAY),
            retry_after: Some(MAX_LEASE),
            order: self.fifo,
            max_bytes: MAX_BYTES,
            max_attributes: MAX_ATTRIBUTES,
            max_batch: MAX_BATCH,
            durable: self.durable,
            deduplicates: self.fifo,
            lease: Some(self.lease),
            dead_letters: self.dead.is_some(),
            ..Abilities::default()
        }
    }

    pub(super) fn rules(&self) -> Rules<'_> {
        Rules { name: &self.name, abilities: self.abilities(), fifo: self.fifo, group: self.group.as_deref() }
    }

    pub(super) async fn attributes(&self, names: &[QueueAttributeName]) -> Result<Attributes, TransportError> {
        let asked = self.clients.ask(|clients| {
            let request = clients.plain.get_queue_attributes().queue_url(&self.url);
            request.set_attribute_names(Some(names.to_vec())).send()
        });
        let answer = asked.await.map_err(|error| failure(&self.name, "ask about the queue", &error))?;
        Ok(answer.attributes.unwrap_or_default())
    }
}
