//! One long poll: a task of its own, so that nothing is lost when nobody waits for it any more.
//!
//! `start → ReceiveMessage → Lent, for the source; if that is gone, or its door is shut → give_back`

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::receive_message::builders::ReceiveMessageFluentBuilder;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName as System};
use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::queue::Queue;
use super::requests::Clients;
use crate::transport::aws::{Received, failure, identifier_text};
use crate::transport::{ErrorKind, Packet, Pulse, TransportError};

/// What a poll has brought.
pub(super) type Polled = Result<Vec<Lent>, TransportError>;

/// A message that is lent to us, and to nobody of ours yet.
pub(super) struct Lent {
    pub(super) message: String,
    pub(super) handle: String,
    pub(super) packet: Packet,
    /// How often it was received, by the server's count.
    pub(super) receipts: u32,
    /// In a FIFO queue.
    pub(super) group: Option<String>,
    /// Which line of its group it stands in.
    pub(super) line: u64,
    pub(super) received: Instant,
    pub(super) until: Instant,
}

impl Lent {
    pub(super) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// Whether what a poll brings is wanted. SQS lends it to a request that is open, and a request that is given up would strand
/// it: so it stays open, and while the door is shut, what it brings goes back as it comes.
#[derive(Default)]
pub(super) struct Door(Mutex<bool>);

impl Door {
    /// From here on nothing comes in any more: what has come in before can be taken out.
    pub(super) fn shut(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// Lets in again what comes; returns whether it was shut.
    pub(super) fn unlock(&self) -> bool {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hands over what a poll has brought, or returns what is not wanted, and who is to be told when that has gone back.
    fn pass(
        &self,
        polled: Polled,
        to: oneshot::Sender<Polled>,
    ) -> Option<(Vec<Lent>, Option<oneshot::Sender<Polled>>)> {
        let shut = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match polled {
            Ok(lent) if *shut => Some((lent, Some(to))),
            polled => to.send(polled).err()?.ok().map(|lent| (lent, None)),
        }
    }
}

/// Asks for up to `most` messages, which are ten at most.
pub(super) fn start(queue: Arc<Queue>, pulse: Pulse, door: Arc<Door>, most: usize) -> oneshot::Receiver<Polled> {
    let (send, receive) = oneshot::channel();
    tokio::spawn(async move {
        let polled = poll(&queue, &pulse, most).await;
        let Some((unwanted, waits)) = door.pass(polled, send) else { return };
        // It is told there.
        let _ = give_back(&queue, unwanted).await;
        if let Some(waits) = waits {
            // Whoever waited may be gone.
            let _ = waits.send(Ok(Vec::new()));
        }
    });
    receive
}

pub(super) async fn poll(queue: &Queue, pulse: &Pulse, most: usize) -> Polled {
    let asked = queue.clients.ask(|clients| request(queue, &clients, most).send());
    let answer = asked.await;
    if matches!(answer, Ok(_) | Err(SdkError::ServiceError(_))) {
        pulse.beat();
    }
    let answer = answer.map_err(|error| failure(&queue.name, "receive", &error))?;
    let received = Instant::now();
    let lent = answer.messages.unwrap_or_default().into_iter();
    Ok(lent.filter_map(|message| read(message, received, received + queue.lease)).collect())
}

fn request(queue: &Queue, clients: &Clients, most: usize) -> ReceiveMessageFluentBuilder {
    let request = clients.polling.receive_message().queue_url(&queue.url);
    let request = request
        .max_number_of_messages(most.try_into().unwrap_or(i32::MAX))
        .visibility_timeout(seconds(queue.lease))
        .wait_time_seconds(seconds(queue.wait))
        .message_attribute_names("All")
        .message_system_attribute_names(System::ApproximateReceiveCount);
    if queue.fifo {
        request
            .message_system_attribute_names(System::MessageGroupId)
            .message_system_attribute_names(System::MessageDeduplicationId)
            .message_system_attribute_names(System::DeadLetterQueueSourceArn)
    } else {
        request
    }
}

fn seconds(time: Duration) -> i32 {
    time.as_secs().try_into().unwrap_or(i32::MAX)
}

/// Reads a message; one without a receipt handle is not lent.
fn read(message: Message, received: Instant, until: Instant) -> Option<Lent> {
    let mut system = message.attributes.unwrap_or_default();
    let receipts = system.get(&System::ApproximateReceiveCount).and_then(|count| count.parse().ok()).unwrap_or(1);
    let id = message.message_id.unwrap_or_default();
    let group = system.remove(&System::MessageGroupId);
    let duplicate = system.remove(&System::MessageDeduplicationId);
    // Sent again within five minutes by the id that it had, what SQS has moved here would vanish.
    let duplicate = duplicate.filter(|_| !system.contains_key(&System::DeadLetterQueueSourceArn));
    // What has no key is a group of its own.
    let key = group.as_ref().filter(|group| Some(*group) != duplicate.as_ref()).map(|group| identifier_text(group));
    let attributes = message.message_attributes.unwrap_or_default().into_iter().map(|(name, value)| {
        let text = match (value.string_value, value.binary_value) {
            (Some(text), _) => text,
            (None, Some(bytes)) => aws_smithy_types::base64::encode(bytes),
            (None, None) => String::new(),
        };
        (name, value.data_type, text)
    });
    let received_as = Received {
        // Without de-duplication there is no place for the id of an event: that of the message is another one.
        id: duplicate.map(|id| identifier_text(&id)).unwrap_or_default(),
        body: message.body.unwrap_or_default(),
        attributes: attributes.collect(),
        key,
    };
    let packet = received_as.packet();
    Some(Lent { message: id, handle: message.receipt_handle?, packet, receipts, group, line: 0, received, until })
}

/// Gives back what nobody has seen, all at once.
///
/// # Errors
///
/// The first of those of the server; what it is about comes again after its lease.
pub(super) async fn give_back(queue: &Arc<Queue>, lent: Vec<Lent>) -> Result<(), TransportError> {
    let asked: Vec<_> = lent.iter().map(|lent| queue.changes.push(&queue.name, (lent.handle.clone(), 0))).collect();
    let mut all = Ok(());
    for (lent, given) in lent.iter().zip(join_all(asked).await) {
        match given {
            Ok(()) => queue.unseen.note(&lent.message),
            // Others have it already.
            Err(error) if error.kind() == ErrorKind::Lost => {}
            Err(error) => {
                log::debug!(target: "convoke::transport", "{error}");
                all = all.and(Err(error));
            }
        }
    }
    all
}

/// Gives back what nobody has seen, by a task of its own; without a runtime it comes again after its lease.
pub(super) fn give_back_soon(queue: &Arc<Queue>, lent: Vec<Lent>) {
    if lent.is_empty() {
        return;
    }
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        let queue = queue.clone();
        runtime.spawn(async move {
            // It is told there.
            let _ = give_back(&queue, lent).await;
        });
    }
}
