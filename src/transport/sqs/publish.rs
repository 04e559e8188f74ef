//! The queue as a publisher.
//!
//! `packets → aws/ → SendMessageBatch → a result for each`, `dead letter → SendMessageBatch to its queue`

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};

use super::finder::create;
use super::queue::Queue;
use super::sqs::Sqs;
use crate::transport::aws::{
    Entry, MAX_ATTRIBUTES, MAX_BYTES, Patience, Rules, failure, needs_base64, publish, refusal, room, spread,
};
use crate::transport::{Abilities, BoxFuture, DeadLetterRecord, ErrorKind, Packet, Publisher, TransportError};

type Answer = Result<(), TransportError>;

impl Publisher for Sqs {
    fn name(&self) -> &str {
        &self.queue.name
    }

    fn abilities(&self) -> Abilities {
        self.queue.abilities()
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Answer>> {
        let queue = &*self.queue;
        Box::pin(async move {
            let outlet = Outlet {
                queue,
                url: &queue.url,
                what: "publish",
                delayed: !queue.fifo,
                patience: Patience::of(queue.deadline),
            };
            publish(packets, queue.rules(), move |entries| outlet.send(entries)).await
        })
    }
}

/// By what packets go out.
#[derive(Clone, Copy)]
struct Outlet<'a> {
    queue: &'a Queue,
    url: &'a str,
    what: &'static str,
    delayed: bool,
    patience: Patience,
}

impl Outlet<'_> {
    /// Sends what fits into one request.
    async fn send(self, entries: Vec<Entry>) -> Vec<Answer> {
        let (count, name, what) = (entries.len(), &*self.queue.name, self.what);
        let built = entries.into_iter().enumerate().map(|(at, entry)| build(at, entry, self.delayed));
        let Ok(built) = built.collect::<Result<Vec<_>, _>>() else {
            let text = format!("could not {what}: a request lacks a part: report it as a fault of this crate");
            return vec![Err(TransportError::new(ErrorKind::Protocol, name, text)); count];
        };
        let request = || {
            self.queue.clients.ask(|clients| {
                let request = clients.plain.send_message_batch().queue_url(self.url);
                request.set_entries(Some(built.clone())).send()
            })
        };
        match self.patience.ask(request).await {
            Ok(answer) => {
                let taken = answer.successful.iter().map(|done| done.id.as_str());
                let refused = answer
                    .failed
                    .iter()
                    .map(|failed| (failed.id.as_str(), refusal(name, what, &failed.code, failed.message.as_deref())));
                spread(name, what, count, taken, refused)
            }
            Err(error) => vec![Err(failure(name, what, &error)); count],
        }
    }
}

fn build(at: usize, entry: Entry, delayed: bool) -> Result<SendMessageBatchRequestEntry, BuildError> {
    let mut attributes = HashMap::with_capacity(entry.attributes.len());
    for (name, kind, text) in entry.attributes {
        let value = MessageAttributeValue::builder().data_type(kind).string_value(text).build()?;
        attributes.insert(name, value);
    }
    let (group, id) = entry.fifo.unzip();
    SendMessageBatchRequestEntry::builder()
        .id(at.to_string())
        .message_body(entry.body)
        .set_message_attributes(Some(attributes).filter(|attributes| !attributes.is_empty()))
        // Without one, the delay of the queue holds.
        .set_delay_seconds(Some(entry.delay).filter(|delay| delayed && *delay > 0))
        .set_message_group_id(group)
        .set_message_deduplication_id(id)
        .build()
}

/// Sends a dead letter to its queue. A FIFO queue recognizes it by the message that died: not by the id of the event, which
/// may die again within five minutes.
pub(super) async fn send_letter(
    queue: &Arc<Queue>,
    message: &str,
    mut letter: Packet,
    record: DeadLetterRecord,
) -> Result<(), TransportError> {
    let Some(dead) = &queue.dead else { return Ok(()) };
    let max_attributes = if needs_base64(&letter.body) { MAX_ATTRIBUTES - 1 } else { MAX_ATTRIBUTES };
    let max_bytes = room(&letter.body, MAX_BYTES);
    if !message.is_empty() {
        message.clone_into(&mut letter.id);
    }
    let letter = record.bury(letter, max_attributes, max_bytes);
    // What came in fits: nothing here says that it is too large.
    let abilities = Abilities { max_attributes: MAX_ATTRIBUTES, ..Abilities::default() };
    let rules = Rules { name: &queue.name, abilities, fifo: dead.fifo, group: None };
    // Whoever settles it tries again by itself.
    let patience = Patience::none();
    let outlet = Outlet { queue, url: &dead.url, what: "send a dead letter", delayed: false, patience };
    let letters = [letter];
    let send = async || publish(&letters, rules, |entries| outlet.send(entries)).await.pop().unwrap_or(Ok(()));
    match (send().await, &dead.create) {
        (Err(error), Some(attributes)) if error.kind() == ErrorKind::Missing => {
            create(&queue.clients, &queue.name, &dead.label, attributes).await?;
            send().await
        }
        (sent, _) => sent,
    }
}
