//! What whoever looks at a queue sees of it, and how its letters are read under a lease.
//!
//! `look → Sqs → GetQueueAttributes | ReceiveMessage → a letter → DeleteMessage | visible again`

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::finder::label_of;
use super::poll::poll;
use super::sqs::Sqs;
use crate::transport::aws::{MAX_BATCH, Timeouts, failure};
use crate::transport::{Packet, TransportError};

/// How long a request may take, repetitions included.
const DEADLINE: Duration = Duration::from_secs(10);

/// How many names one answer has.
const NAMES: i32 = 1_000;

/// How full a queue is, about.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SqsFigures {
    pub(crate) waiting: Option<u64>,
    pub(crate) delayed: Option<u64>,
    pub(crate) in_flight: Option<u64>,
}

impl SqsFigures {
    pub(crate) fn all(self) -> Option<u64> {
        Some(self.waiting? + self.delayed? + self.in_flight?)
    }
}

/// A letter that was received.
pub(crate) struct SqsLetter {
    pub(crate) message: String,
    pub(crate) handle: String,
    pub(crate) packet: Packet,
    pub(crate) until: Instant,
}

/// Returns the names of the queues of an account, up to `most` of them.
pub(crate) async fn queue_names(config: &SdkConfig, at: &Arc<str>, most: usize) -> Result<Vec<String>, TransportError> {
    let client = Client::new(&Timeouts::of_request(DEADLINE).apply(config, 0));
    let (mut names, mut next) = (Vec::new(), None);
    loop {
        let asked = client.list_queues().max_results(NAMES).set_next_token(next).send().await;
        let answer = asked.map_err(|error| failure(at, "list the queues", &error))?;
        names.extend(answer.queue_urls.unwrap_or_default().iter().map(|url| label_of(url).to_owned()));
        next = answer.next_token.filter(|token| !token.is_empty());
        if next.is_none() || names.len() >= most {
            names.truncate(most);
            return Ok(names);
        }
    }
}

impl Sqs {
    /// What it is called at AWS.
    pub(crate) fn label(&self) -> &str {
        &self.queue.label
    }

    /// The queue of its dead letters, if it has one.
    pub(crate) fn letters(&self) -> Option<Self> {
        self.queue.dead.is_some().then(|| self.dead_letters())
    }

    pub(crate) async fn figures(&self) -> Result<SqsFigures, TransportError> {
        let names = [
            Attribute::ApproximateNumberOfMessages,
            Attribute::ApproximateNumberOfMessagesDelayed,
            Attribute::ApproximateNumberOfMessagesNotVisible,
        ];
        let there = self.queue.attributes(&names).await?;
        let [waiting, delayed, in_flight] = names.map(|name| there.get(&name).and_then(|count| count.parse().ok()));
        Ok(SqsFigures { waiting, delayed, in_flight })
    }

    /// Receives up to `most`, ten at most; none if none comes.
    pub(crate) async fn peek(&self, most: usize) -> Result<Vec<SqsLetter>, TransportError> {
        let lent = poll(&self.queue, &self.pulse, most.clamp(1, MAX_BATCH)).await?;
        let letters = lent.into_iter().map(|lent| SqsLetter {
            message: lent.message,
            handle: lent.handle,
            packet: lent.packet,
            until: lent.until,
        });
        Ok(letters.collect())
    }

    pub(crate) async fn delete(&self, handle: String) -> Result<(), TransportError> {
        self.queue.deletes.push(&self.queue.name, handle).await
    }

    /// Gives these back; what is not is visible again once its lease has ended.
    pub(crate) async fn give_back(&self, handles: Vec<String>) {
        let asked: Vec<_> =
            handles.into_iter().map(|handle| self.queue.changes.push(&self.queue.name, (handle, 0))).collect();
        for given in join_all(asked).await {
            if let Err(error) = given {
                log::debug!(target: "convoke::transport", "{error}");
            }
        }
    }
}
