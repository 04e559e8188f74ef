//! How a topic is found, or made.
//!
//! `Sns::topic(name) → SnsBuilder → .await: ListTopics (CreateTopic) or GetTopicAttributes → Sns`

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sns::Client;

use super::topic::{Sns, Topic};
use crate::transport::aws::{Connection, Fresh, Timeouts, failure};
use crate::transport::{BoxFuture, ErrorKind, TransportError};

/// The environment variable that names the endpoint of SNS alone.
const ENDPOINT: &str = "AWS_ENDPOINT_URL_SNS";

const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

/// How many hundreds of topics are looked through for a name: an account has at most 1,000 of them.
const MAX_PAGES: usize = 1_001;

/// Describes a [topic](Sns::topic) of SNS. Awaiting the builder finds or creates the topic, and returns an [`Sns`].
///
/// # Errors
///
/// When you await it:
///
/// - `Missing` if there is no such topic, unless you call [`create_if_missing`](Self::create_if_missing).
/// - `Denied` without credentials or rights.
/// - `Unreachable` if the server cannot be reached.
/// - `Unsupported` for settings that contradict each other.
#[must_use = "nothing happens before it is awaited"]
#[derive(Clone)]
pub struct SnsBuilder {
    topic: String,
    connection: Connection,
    create: bool,
    fifo: bool,
    group: Option<String>,
    deadline: Option<Duration>,
    durable: bool,
}

impl SnsBuilder {
    pub(super) fn new(topic: String) -> Self {
        Self {
            topic,
            connection: Connection::default(),
            create: false,
            fifo: false,
            group: None,
            deadline: None,
            durable: true,
        }
    }

    /// Creates the topic if it is missing. An existing topic stays as it is.
    pub fn create_if_missing(mut self) -> Self {
        self.create = true;
        self
    }

    /// Uses a FIFO topic: adds `.fifo` to the name, unless it ends in it.
    pub fn fifo(mut self) -> Self {
        self.fifo = true;
        self
    }

    /// Puts all packets into this group of the FIFO topic, so that all of them are in one order. By default, the group
    /// is the key of the packet, and a packet without a key is a group of its own.
    pub fn group_id(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Sets how long a request may take, repetitions included. The default is 10 s, and 30 s for a publish while the
    /// server refuses connections, as it does during a restart.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets the endpoint, instead of AWS or the one in `AWS_ENDPOINT_URL`.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.connection.endpoint = Some(url.into());
        self
    }

    /// Sets the region, instead of the one in the environment or the profile.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.connection.region = Some(region.into());
        self
    }

    /// Sets the profile in `~/.aws`, instead of the one in `AWS_PROFILE`.
    pub fn profile(mut self, profile: impl Into<String>) -> Self {
        self.connection.profile = Some(profile.into());
        self
    }

    /// Uses this configuration of the SDK instead of loading one, so that several queues and topics share it, or for
    /// credentials from elsewhere. Timeouts and retries of the configuration are replaced by those of this crate.
    pub fn config(mut self, config: &SdkConfig) -> Self {
        self.connection.config = Some(config.clone());
        self
    }

    /// Sets whether the server keeps what it has confirmed. SNS does; a server that stands in for it in tests does not.
    #[doc(hidden)]
    pub fn assume_durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    async fn connect(self) -> Result<Sns, TransportError> {
        let fifo = self.fifo || self.topic.ends_with(".fifo");
        let mut topic = self.topic;
        if fifo && !topic.ends_with(".fifo") {
            topic.push_str(".fifo");
        }
        let is_arn = topic.starts_with("arn:");
        let label = if is_arn { topic.rsplit(':').next().unwrap_or_default() } else { &topic };
        let name: Arc<str> = format!("sns:{label}").into();
        if self.group.is_some() && !fifo {
            let text = "only a FIFO topic has groups: leave the group id out, or say `.fifo()`";
            return Err(TransportError::new(ErrorKind::Unsupported, name, text));
        }
        let deadline = self.deadline.unwrap_or(DEFAULT_DEADLINE);
        let config = self.connection.load(&name, ENDPOINT, deadline).await?;
        let client =
            Fresh::new(move |generation| Client::new(&Timeouts::of_request(deadline).apply(&config, generation)));
        let arn = if is_arn {
            look(&client, &name, &topic).await?;
            topic
        } else if self.create {
            create(&client, &name, &topic, fifo).await?
        } else {
            find(&client, &name, &topic).await?
        };
        let (group, durable) = (self.group, self.durable);
        let topic = Topic { name, arn, fifo, group, durable, deadline: self.deadline, client };
        Ok(Sns { topic: Arc::new(topic) })
    }
}

/// Looks whether a topic is there. Who only publishes need not have the right to ask.
async fn look(client: &Fresh<Client>, name: &str, arn: &str) -> Result<(), TransportError> {
    match client.ask(|client| client.get_topic_attributes().topic_arn(arn).send()).await {
        Ok(_) => Ok(()),
        Err(error) => match failure(name, "find the topic", &error) {
            error if error.kind() == ErrorKind::Denied && error.to_string().contains("AuthorizationError") => {
                log::debug!(target: "convoke::transport", "{error}");
                Ok(())
            }
            error => Err(error),
        },
    }
}

async fn find(client: &Fresh<Client>, name: &str, topic: &str) -> Result<String, TransportError> {
    let mut next = None;
    for _ in 0..MAX_PAGES {
        let page = client.ask(|client| client.list_topics().set_next_token(next).send()).await;
        let page = page
            .map_err(|error| failure(name, "list the topics to find it: name it by its ARN, or list them", &error))?;
        let mut arns = page.topics().iter().filter_map(|topic| topic.topic_arn());
        if let Some(found) = arns.find(|arn| arn.rsplit(':').next() == Some(topic)) {
            return Ok(found.to_owned());
        }
        next = page.next_token;
        if next.is_none() {
            break;
        }
    }
    let text = format!("there is no topic {topic}: create it, or say `.create_if_missing()`");
    Err(TransportError::new(ErrorKind::Missing, name, text))
}

/// Creates a topic; of one that is there it only returns the ARN.
async fn create(client: &Fresh<Client>, name: &str, topic: &str, fifo: bool) -> Result<String, TransportError> {
    let what = format!("create the topic {topic}");
    let answer = client.ask(|client| {
        let request = client.create_topic().name(topic);
        if fifo { request.attributes("FifoTopic", "true") } else { request }.send()
    });
    let answer = answer.await.map_err(|error| failure(name, &what, &error))?;
    answer.topic_arn.ok_or_else(|| {
        TransportError::new(ErrorKind::Protocol, name, format!("could not {what}: the server tells no ARN of it"))
    })
}

impl IntoFuture for SnsBuilder {
    type Output = Result<Sns, TransportError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.connect())
    }
}

impl fmt::Debug for SnsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnsBuilder")
            .field("topic", &self.topic)
            .field("connection", &self.connection)
            .field("create_if_missing", &self.create)
            .finish_non_exhaustive()
    }
}
