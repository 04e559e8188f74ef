//! How a queue hears a topic: a subscription, what it lets through, and a policy by which the topic may send to it.
//!
//! `topic.subscribe(&queue) → Subscribe → .await: SetQueueAttributes (policy) → Subscribe or SetSubscriptionAttributes`

use std::fmt;
use std::future::IntoFuture;

use serde_json::{Map, Value};

use super::topic::Sns;
use crate::transport::aws::failure;
use crate::transport::{BoxFuture, ErrorKind, Sqs, TransportError};

/// How many hundreds of subscriptions of a topic are looked through.
const MAX_PAGES: usize = 1_000;

/// Describes how a queue [subscribes](Sns::subscribe) to a topic. Awaiting it makes the subscription and returns a
/// [`Subscription`]. If the queue is subscribed already, awaiting it changes that subscription to these settings, and
/// makes no second one.
#[must_use = "nothing happens before it is awaited"]
#[derive(Clone)]
pub struct Subscribe {
    topic: Sns,
    queue: Sqs,
    /// As it was told; else as it is, or raw if there is none yet.
    raw: Option<bool>,
    filter: Map<String, Value>,
}

/// A queue that is subscribed to a topic. Dropping this does not end the subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    arn: String,
}

impl Subscription {
    /// Returns the ARN of the subscription.
    pub fn arn(&self) -> &str {
        &self.arn
    }
}

impl Sns {
    /// Subscribes a queue to this topic and allows the topic to send to the queue. Nothing happens before you await the
    /// returned builder. Without a filter the queue gets every packet.
    ///
    /// You need the rights to list, create and change subscriptions, and to read and write the policy of the queue. A
    /// FIFO topic needs a FIFO queue to keep the order.
    pub fn subscribe(&self, queue: &Sqs) -> Subscribe {
        Subscribe { topic: self.clone(), queue: queue.clone(), raw: None, filter: Map::new() }
    }
}

impl Subscribe {
    /// Sets whether the queue gets packets as they were published (raw), or wrapped in the JSON of SNS. The default is
    /// raw, which is smaller and needs no second parse. An existing subscription keeps its form unless you call this.
    ///
    /// This crate reads both forms. Other readers of the queue may know only one of them.
    pub fn raw(mut self, raw: bool) -> Self {
        self.raw = Some(raw);
        self
    }

    /// Lets through only packets whose attribute `attribute` has one of these values. If you filter by several
    /// attributes, all of them have to match.
    pub fn filter<V: Into<Value>>(mut self, attribute: impl Into<String>, values: impl IntoIterator<Item = V>) -> Self {
        let there = self.filter.entry(attribute).or_insert_with(|| Value::Array(Vec::new()));
        match there {
            Value::Array(there) => there.extend(values.into_iter().map(Into::into)),
            other => *other = values.into_iter().map(Into::into).collect(),
        }
        self
    }

    /// Sets the whole filter policy on attributes, in the language of SNS, as in
    /// `{"price": [{"numeric": [">=", 100]}]}`.
    ///
    /// # Errors
    ///
    /// `Unsupported` if the policy is no JSON object.
    pub fn filter_policy(mut self, policy: &str) -> Result<Self, TransportError> {
        self.filter = serde_json::from_str(policy).map_err(|_| {
            let text = "a filter policy is a JSON object of attributes and lists of what they may be: write it so";
            TransportError::new(ErrorKind::Unsupported, self.topic.topic.name.clone(), text)
        })?;
        Ok(self)
    }

    async fn make(self) -> Result<Subscription, TransportError> {
        let topic = &*self.topic.topic;
        let (name, client) = (&topic.name, &topic.client);
        let queue = self.queue.arn().await?;
        self.queue.allow(&topic.arn).await?;
        let filter = Value::Object(self.filter.clone()).to_string();
        if let Some(arn) = self.find(&queue).await? {
            let raw = self.raw.map(|raw| ("RawMessageDelivery", raw.to_string()));
            // An empty policy takes away the one that was there.
            let filter = [("FilterPolicyScope", "MessageAttributes".to_owned()), ("FilterPolicy", filter)];
            for (attribute, value) in raw.into_iter().chain(filter) {
                let change = client.ask(|client| {
                    let change = client.set_subscription_attributes().subscription_arn(&arn);
                    change.attribute_name(attribute).attribute_value(value).send()
                });
                change.await.map_err(|error| failure(name, "change the subscription", &error))?;
            }
            return Ok(Subscription { arn });
        }
        let made = client.ask(|client| {
            let mut request = client.subscribe().topic_arn(&topic.arn).protocol("sqs").endpoint(&queue);
            request = request.attributes("RawMessageDelivery", self.raw.unwrap_or(true).to_string());
            if !self.filter.is_empty() {
                request = request.attributes("FilterPolicyScope", "MessageAttributes");
                request = request.attributes("FilterPolicy", filter);
            }
            request.return_subscription_arn(true).send()
        });
        let made = made.await.map_err(|error| failure(name, "subscribe the queue", &error))?;
        match made.subscription_arn.filter(|arn| arn.starts_with("arn:")) {
            Some(arn) => Ok(Subscription { arn }),
            None => {
                let text = "the subscription waits to be confirmed by the account of the queue: subscribe from there";
                Err(TransportError::new(ErrorKind::Refused, name.clone(), text))
            }
        }
    }

    /// Finds the subscription that is there.
    async fn find(&self, queue: &str) -> Result<Option<String>, TransportError> {
        let topic = &*self.topic.topic;
        let mut next = None;
        for _ in 0..MAX_PAGES {
            let page = topic
                .client
                .ask(|client| client.list_subscriptions_by_topic().topic_arn(&topic.arn).set_next_token(next).send());
            let page = page.await.map_err(|error| failure(&topic.name, "list the subscriptions", &error))?;
            let mut there = page.subscriptions().iter();
            let found = there.find(|there| there.endpoint() == Some(queue) && there.protocol() == Some("sqs"));
            if let Some(arn) = found.and_then(|found| found.subscription_arn()).filter(|arn| arn.starts_with("arn:")) {
                return Ok(Some(arn.to_owned()));
            }
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        Ok(None)
    }
}

impl IntoFuture for Subscribe {
    type Output = Result<Subscription, TransportError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}

impl fmt::Debug for Subscribe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribe")
            .field("topic", &self.topic)
            .field("queue", &self.queue)
            .field("raw", &self.raw)
            .finish_non_exhaustive()
    }
}
