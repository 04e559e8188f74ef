//! What users hold of a queue: another subscriber with each clone.
//!
//! `Sqs::queue(name) → builder.rs → Sqs → publish.rs, source.rs`

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;

use super::builder::SqsBuilder;
use super::dead::Dead;
use super::queue::Queue;
use super::requests::{Lanes, changes, deletes};
use super::source::Subscriber;
use super::unseen::Unseen;
use crate::transport::{ErrorKind, Pulse, TransportError};

/// How much longer than it may take to answer a receive the server may be silent.
const SILENCE: Duration = Duration::from_secs(5);

/// A queue of Amazon SQS, as a publisher and as a source.
///
/// ```no_run
/// use std::time::Duration;
/// use convoke::codec::{Codec, Wire};
/// use convoke::transport::{Publisher, Source, Sqs};
/// use convoke::Envelope;
///
/// # async fn example(envelope: Envelope) -> Result<(), Box<dyn std::error::Error>> {
/// let orders = Sqs::queue("orders")
///     .dead_letter_queue("orders-dead")
///     .lease(Duration::from_secs(60))
///     .create_if_missing() // without it, a queue that is not there is an error
///     .await?;
/// for taken in orders.publish(&[Wire.write(&envelope)]).await {
///     taken?;
/// }
///
/// let mut source = orders.clone();
/// source.open(10).await?;
/// for delivery in source.receive(10).await? {
///     println!("attempt {} of {:?}", delivery.attempt(), delivery.packet());
///     delivery.ack().await?;
/// }
/// source.close().await?;
/// # Ok(())
/// # }
/// ```
///
/// Region, credentials, profile and endpoint come from the standard chain: the environment, `~/.aws`, or the role of
/// the machine, the container or the function. The [builder](SqsBuilder) can set each of them instead.
///
/// # The words of SQS
///
/// | this crate | SQS |
/// |---|---|
/// | lease, extend | visibility timeout, `ChangeMessageVisibility` |
/// | attempt | `ApproximateReceiveCount` |
/// | ack | `DeleteMessageBatch` |
/// | retry after | `ChangeMessageVisibilityBatch` to that time, rounded up to a second; at most 12 h in all after the receipt |
/// | dead letter | `SendMessage` to the dead-letter queue, then `DeleteMessageBatch` |
/// | release | visibility 0 |
/// | key | message group id, with FIFO |
/// | id | message de-duplication id, with FIFO |
///
/// # Guarantees
///
/// SQS keeps packets that it has confirmed. It delivers at least once, and in no order. A FIFO queue delivers the
/// packets of a key in the order in which they were published, and drops a packet with the id of another one of the
/// last five minutes. Packets without a key have no order: [`group_id`](SqsBuilder::group_id) puts all packets into
/// one. A delivery that ends in anything but an ack holds up the rest of its key.
///
/// SQS counts each receipt of a packet. A released delivery counts as a receipt too. This handle and its clones do not
/// count it as an attempt, but another process does, and so does the redrive policy. A worker therefore raises a
/// redrive policy of this crate to its attempts and ten more.
///
/// A dead letter goes to the dead-letter queue before it is deleted. If that is interrupted, it is in both queues.
///
/// Bodies and attributes arrive as they were sent. What SQS does not take is written in another form, which other
/// readers see: a body that is empty or no text becomes Base64, with an attribute `convokeBody`; an attribute that is
/// empty or has control characters becomes JSON, with the type `String.Json`. Messages from SNS are read both raw and
/// in their wrapping. Their signature is not checked, because the policy of the queue says who may send to it.
///
/// # When not to use it
///
/// Do not use it if nothing of yours runs at AWS, for packets over 256 KiB, for a lease of over 12 h, or for a delay of
/// over 15 minutes.
///
/// # Logs
///
/// The SDK logs whole requests at the level `trace`, under the targets `aws_*`. Keep these targets at `info` or above,
/// as in `RUST_LOG=trace,aws_smithy_runtime=info,aws_sdk_sqs=info,aws_runtime=info,hyper=info`.
pub struct Sqs {
    pub(super) queue: Arc<Queue>,
    /// There while it is open.
    pub(super) subscriber: Option<Subscriber>,
    /// When the server last said anything to this handle.
    pub(super) pulse: Pulse,
    /// How often a delivery is heard at most, if somebody has said so.
    pub(super) attempts: Option<u32>,
}

impl Sqs {
    pub(super) fn of(queue: Arc<Queue>) -> Self {
        let pulse = Pulse::new(queue.wait + queue.delay + SILENCE);
        Self { queue, subscriber: None, pulse, attempts: None }
    }

    /// Describes the queue of this name or URL. Nothing happens before you await the builder. A name that ends in
    /// `.fifo` is that of a FIFO queue.
    pub fn queue(name: impl Into<String>) -> SqsBuilder {
        SqsBuilder::new(name.into())
    }

    /// Returns the ARN of the queue, by which topics and policies name it.
    ///
    /// # Errors
    ///
    /// `Denied` without the right to `sqs:GetQueueAttributes`; `Missing` or `Unreachable`.
    pub async fn arn(&self) -> Result<String, TransportError> {
        let known = self.queue.arn.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(arn) = known {
            return Ok(arn);
        }
        let mut there = self.queue.attributes(&[QueueAttributeName::QueueArn]).await?;
        let Some(arn) = there.remove(&QueueAttributeName::QueueArn) else {
            let text = "the server does not tell the ARN of the queue: look whether the endpoint is one of SQS";
            return Err(TransportError::new(ErrorKind::Protocol, self.queue.name.clone(), text));
        };
        *self.queue.arn.lock().unwrap_or_else(PoisonError::into_inner) = Some(arn.clone());
        Ok(arn)
    }

    /// Returns all attributes of the queue, by the names that AWS gives them.
    pub(crate) async fn settings(&self) -> Result<HashMap<String, String>, TransportError> {
        let there = self.queue.attributes(&[QueueAttributeName::All]).await?;
        Ok(there.into_iter().map(|(name, value)| (name.as_str().to_owned(), value)).collect())
    }

    /// Returns the queue of the dead letters, with the settings of this queue. If there is none, calls on the returned
    /// queue fail with `Missing`.
    pub fn dead_letters(&self) -> Self {
        let queue = &self.queue;
        let none = || Dead::beside(&queue.label, &queue.url, queue.create.is_some());
        let dead = &queue.dead.clone().unwrap_or_else(none);
        let (name, url): (Arc<str>, _) = (format!("sqs:{}", dead.label).into(), &dead.url);
        let letters = Queue {
            deletes: Lanes::new(deletes(queue.clients.clone(), url.clone(), name.clone())),
            changes: Lanes::new(changes(queue.clients.clone(), url.clone(), name.clone())),
            name,
            label: dead.label.clone(),
            url: url.clone(),
            fifo: dead.fifo,
            group: queue.group.clone().filter(|_| dead.fifo),
            lease: queue.lease,
            wait: queue.wait,
            delay: queue.delay,
            deadline: queue.deadline,
            durable: queue.durable,
            clients: queue.clients.clone(),
            dead: None,
            redrive: None,
            warned: AtomicBool::default(),
            create: dead.create.clone(),
            arn: Mutex::default(),
            unseen: Unseen::default(),
        };
        Self::of(Arc::new(letters))
    }
}

/// The clone is another subscriber to the same queue, which is not open yet.
impl Clone for Sqs {
    fn clone(&self) -> Self {
        Self::of(self.queue.clone())
    }
}

/// Shows neither the URL, which may contain a password, nor any credentials.
impl fmt::Debug for Sqs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqs")
            .field("queue", &self.queue.label)
            .field("fifo", &self.queue.fifo)
            .field("lease", &self.queue.lease)
            .field("open", &self.subscriber.is_some())
            .finish_non_exhaustive()
    }
}
