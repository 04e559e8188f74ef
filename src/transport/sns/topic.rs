//! A topic as a publisher.
//!
//! `Packet → Sns → PublishBatch → the topic`

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sns::Client;
use aws_sdk_sns::error::BuildError;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};

use super::builder::SnsBuilder;
use crate::transport::aws::{
    Entry, Fresh, MAX_ATTRIBUTES, MAX_BATCH, MAX_BYTES, Patience, Rules, failure, publish, refusal, spread,
};
use crate::transport::{Abilities, BoxFuture, ErrorKind, Packet, Publisher, TransportError};

type Answer = Result<(), TransportError>;

/// A topic of Amazon SNS, as a publisher. The packets are read from the [queues](crate::transport::Sqs) that subscribe
/// to the topic.
///
/// ```no_run
/// # #[cfg(feature = "sqs")]
/// # mod example {
/// use convoke::codec::{Codec, Wire};
/// use convoke::transport::{Publisher, Sns, Sqs};
/// use convoke::Envelope;
///
/// # async fn example(envelope: Envelope) -> Result<(), Box<dyn std::error::Error>> {
/// let events = Sns::topic("events").create_if_missing().await?;
/// let mails = Sqs::queue("mails").create_if_missing().await?;
/// events.subscribe(&mails).filter("eventName", ["UserRegistered"]).await?;
///
/// for taken in events.publish(&[Wire.write(&envelope)]).await {
///     taken?;
/// }
/// # Ok(())
/// # }
/// # }
/// ```
///
/// Region, credentials, profile and endpoint come from the standard chain, as with [`Sqs`](crate::transport::Sqs). The
/// page of `Sqs` also says how to keep the logs of the SDK out of your log.
///
/// # Guarantees
///
/// SNS keeps a packet that it has confirmed until each subscribed queue has it. It delivers at least once, and in no
/// order. From a FIFO topic to FIFO queues, the packets of a key stay in order, and a packet with the id of another one
/// of the last five minutes is dropped. A FIFO queue de-duplicates by the same id.
///
/// A packet is lost if no queue subscribes to the topic, or if no filter policy lets its attributes through. SNS does
/// not report that, and neither does this publisher. A queue gets nothing if its policy does not let the topic send to
/// it; `subscribe` writes that policy.
///
/// Filter policies see the attributes as `String`, `Number` and `String.Array`. An attribute that is empty or has
/// control characters travels as JSON, and filters see it with the type `String.Json`.
///
/// # When not to use it
///
/// Do not use it with a single subscriber: publish to its queue. Do not use it for packets that have to wait, because
/// SNS knows no delay, or for packets over 256 KiB.
#[derive(Clone)]
pub struct Sns {
    pub(super) topic: Arc<Topic>,
}

/// What a handle and its clones share.
pub(super) struct Topic {
    /// What it is called in logs and errors.
    pub(super) name: Arc<str>,
    pub(super) arn: String,
    pub(super) fifo: bool,
    pub(super) group: Option<String>,
    pub(super) durable: bool,
    /// How long a publish may take, if that was told.
    pub(super) deadline: Option<Duration>,
    pub(super) client: Fresh<Client>,
}

impl Sns {
    /// Describes the topic of this name or ARN. Nothing happens before you await the builder. A name that ends in
    /// `.fifo` is that of a FIFO topic.
    ///
    /// SNS cannot look up a name: all topics of the account are listed to find it. An ARN is quicker, and needs no
    /// right to list topics.
    pub fn topic(name: impl Into<String>) -> SnsBuilder {
        SnsBuilder::new(name.into())
    }

    /// Returns the ARN of the topic.
    pub fn arn(&self) -> &str {
        &self.topic.arn
    }
}

impl Topic {
    fn rules(&self) -> Rules<'_> {
        Rules { name: &self.name, abilities: self.abilities(), fifo: self.fifo, group: self.group.as_deref() }
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            order: self.fifo,
            fan_out: true,
            max_bytes: MAX_BYTES,
            max_attributes: MAX_ATTRIBUTES,
            max_batch: MAX_BATCH,
            durable: self.durable,
            deduplicates: self.fifo,
            ..Abilities::default()
        }
    }

    /// Sends what fits into one request.
    async fn send(&self, entries: Vec<Entry>, patience: Patience) -> Vec<Answer> {
        let (count, name) = (entries.len(), &self.name);
        let built = entries.into_iter().enumerate().map(|(at, entry)| build(at, entry));
        let Ok(built) = built.collect::<Result<Vec<_>, _>>() else {
            let text = "could not publish: a request lacks a part: report it as a fault of this crate";
            return vec![Err(TransportError::new(ErrorKind::Protocol, name.clone(), text)); count];
        };
        let request = || {
            self.client.ask(|client| {
                let request = client.publish_batch().topic_arn(&self.arn);
                request.set_publish_batch_request_entries(Some(built.clone())).send()
            })
        };
        match patience.ask(request).await {
            Ok(answer) => {
                let taken = answer.successful().iter().filter_map(|done| done.id.as_deref());
                let refused = answer.failed().iter().map(|failed| {
                    (failed.id.as_str(), refusal(name, "publish", &failed.code, failed.message.as_deref()))
                });
                spread(name, "publish", count, taken, refused)
            }
            Err(error) => vec![Err(failure(name, "publish", &error)); count],
        }
    }
}

fn build(at: usize, entry: Entry) -> Result<PublishBatchRequestEntry, BuildError> {
    let mut attributes = HashMap::with_capacity(entry.attributes.len());
    for (name, kind, text) in entry.attributes {
        let value = MessageAttributeValue::builder().data_type(kind).string_value(text).build()?;
        attributes.insert(name, value);
    }
    let (group, id) = entry.fifo.unzip();
    PublishBatchRequestEntry::builder()
        .id(at.to_string())
        .message(entry.body)
        .set_message_attributes(Some(attributes).filter(|attributes| !attributes.is_empty()))
        .set_message_group_id(group)
        .set_message_deduplication_id(id)
        .build()
}

impl Publisher for Sns {
    fn name(&self) -> &str {
        &self.topic.name
    }

    fn abilities(&self) -> Abilities {
        self.topic.abilities()
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Answer>> {
        let topic = &*self.topic;
        Box::pin(async move {
            let patience = Patience::of(topic.deadline);
            publish(packets, topic.rules(), move |entries| topic.send(entries, patience)).await
        })
    }
}

impl fmt::Debug for Sns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sns").field("topic", &self.topic.arn).field("fifo", &self.topic.fifo).finish_non_exhaustive()
    }
}
