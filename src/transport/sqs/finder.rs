//! Looks for queues, and makes them if that was said.
//!
//! `a name → GetQueueUrl (CreateQueue) → its URL → GetQueueAttributes → ARN, redrive policy`

use std::collections::HashMap;

use aws_sdk_sqs::types::QueueAttributeName;

use super::dead::Dead;
use super::redrive::Redrive;
use super::requests::Clients;
use crate::transport::aws::{Fresh, failure};
use crate::transport::{ErrorKind, TransportError};

/// What a queue is created with.
pub(super) type Attributes = HashMap<QueueAttributeName, String>;

pub(super) struct Finder<'a> {
    pub(super) clients: &'a Fresh<Clients>,
    /// What asks, as errors name it.
    pub(super) name: &'a str,
    pub(super) create: bool,
}

impl Finder<'_> {
    /// Finds a queue, or creates it if that was said.
    pub(super) async fn find(&self, queue: &str, attributes: &Attributes) -> Result<String, TransportError> {
        match self.look_for(queue).await {
            Ok(url) => Ok(url),
            Err(error) if error.kind() == ErrorKind::Missing && self.create => {
                create(self.clients, self.name, queue, attributes).await
            }
            Err(error) => Err(error),
        }
    }

    /// Finds a queue.
    pub(super) async fn look_for(&self, queue: &str) -> Result<String, TransportError> {
        if is_url(queue) {
            return Ok(queue.to_owned());
        }
        let what = format!("find the queue {queue}");
        let found = self.clients.ask(|clients| clients.plain.get_queue_url().queue_name(queue).send()).await;
        let found = found.map_err(|error| failure(self.name, &what, &error))?.queue_url;
        found.ok_or_else(|| {
            let text = format!("could not {what}: the server tells no address of it");
            TransportError::new(ErrorKind::Protocol, self.name, text)
        })
    }

    pub(super) async fn arn(&self, url: &str) -> Result<String, TransportError> {
        let (arn, _) = self.look(url).await?;
        arn.ok_or_else(|| {
            let text = "the server does not tell the ARN of the dead-letter queue: leave the redrive policy out";
            TransportError::new(ErrorKind::Protocol, self.name, text)
        })
    }

    /// Returns ARN and redrive policy. Who only publishes need not have the right to ask.
    pub(super) async fn look(&self, url: &str) -> Result<(Option<String>, Option<Redrive>), TransportError> {
        use QueueAttributeName::{QueueArn, RedrivePolicy};
        let asked = self.clients.ask(|clients| {
            let request = clients.plain.get_queue_attributes().queue_url(url);
            request.attribute_names(QueueArn).attribute_names(RedrivePolicy).send()
        });
        match asked.await {
            Ok(answer) => {
                let mut there = answer.attributes.unwrap_or_default();
                Ok((there.remove(&QueueArn), there.remove(&RedrivePolicy).and_then(|policy| Redrive::read(&policy))))
            }
            Err(error) => match failure(self.name, "ask about the queue", &error) {
                error if error.kind() == ErrorKind::Denied && error.to_string().contains("AccessDenied") => {
                    log::debug!(target: "convoke::transport", "{error}");
                    Ok((None, None))
                }
                error => Err(error),
            },
        }
    }

    /// Finds the queue that a redrive policy names, if it is ours to use.
    pub(super) async fn dead_of(&self, policy: &Redrive) -> Option<Dead> {
        let (account, queue) = policy.target()?;
        let asked = self
            .clients
            .ask(|clients| clients.plain.get_queue_url().queue_name(queue).queue_owner_aws_account_id(account).send());
        match asked.await {
            Ok(answer) => Some(Dead::new(queue, answer.queue_url?, None)),
            Err(error) => {
                let error = failure(self.name, "find the dead-letter queue of its redrive policy", &error);
                log::warn!(target: "convoke::transport", "{error}");
                None
            }
        }
    }

    /// Finds the queue of dead letters of this name, or creates it if that was said.
    pub(super) async fn dead(&self, queue: &str) -> Result<Dead, TransportError> {
        let attributes = Dead::attributes(queue);
        let url = self.find(queue, &attributes).await?;
        Ok(Dead::new(label_of(queue), url, self.create.then_some(attributes)))
    }

    /// Finds the queue of dead letters that nobody has named: the one that is called like its queue.
    pub(super) async fn dead_by_name(&self, queue: &str) -> Result<Option<Dead>, TransportError> {
        let Some(dead) = Dead::name_for(queue) else { return Ok(None) };
        match self.dead(&dead).await {
            Ok(dead) => Ok(Some(dead)),
            // Who did not ask for it need not have the right to look.
            Err(error)
                if !self.create
                    && matches!(error.kind(), ErrorKind::Missing | ErrorKind::Refused | ErrorKind::Denied) =>
            {
                log::debug!(target: "convoke::transport", "{error}");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Creates a queue, and returns its URL.
pub(super) async fn create(
    clients: &Fresh<Clients>,
    name: &str,
    queue: &str,
    attributes: &Attributes,
) -> Result<String, TransportError> {
    let what = format!("create the queue {queue}");
    let asked = clients
        .ask(|clients| clients.plain.create_queue().queue_name(queue).set_attributes(Some(attributes.clone())).send());
    let answer = asked.await.map_err(|error| failure(name, &what, &error))?;
    log::info!(target: "convoke::transport", "{name}: created the queue {queue}");
    answer.queue_url.ok_or_else(|| {
        TransportError::new(ErrorKind::Protocol, name, format!("could not {what}: the server tells no address of it"))
    })
}

pub(super) fn is_url(queue: &str) -> bool {
    queue.starts_with("http://") || queue.starts_with("https://")
}

/// Returns the name in a URL, without what stands before it: that may be a password.
pub(super) fn label_of(queue: &str) -> &str {
    if is_url(queue) { queue.rsplit('/').next().unwrap_or_default() } else { queue }
}
