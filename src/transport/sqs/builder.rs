//! How a queue is found, or made.
//!
//! `Sqs::queue(name) → SqsBuilder → .await: GetQueueUrl (CreateQueue) → GetQueueAttributes → Sqs`

use std::collections::HashMap;
use std::fmt;
use std::future::IntoFuture;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use super::lanes::{Lanes, changes, deletes};
use super::unseen::Unseen;
use super::{Dead, MAX_LEASE, Queue, Sqs};
use crate::transport::aws::{Connection, Timeouts, failure};
use crate::transport::{BoxFuture, ErrorKind, TransportError};

/// The environment variable that names the endpoint of SQS alone.
const ENDPOINT: &str = "AWS_ENDPOINT_URL_SQS";

/// For how long AWS keeps what is in a dead-letter queue that we make: as long as it can, 14 days.
const DEAD_RETENTION: &str = "1209600";

const DEFAULT_LEASE: Duration = Duration::from_secs(30);
const DEFAULT_WAIT: Duration = Duration::from_secs(20);
const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

/// How a [queue](Sqs::queue) is found, or made; awaited it is an [`Sqs`].
///
/// # Errors
///
/// Awaited: `Missing` if there is no such queue and nothing was said of creating it, `Refused` without credentials or
/// rights, `Unreachable`, `Unsupported` for settings that contradict each other.
#[must_use = "nothing happens before it is awaited"]
#[derive(Clone)]
pub struct SqsBuilder {
    queue: String,
    connection: Connection,
    create: bool,
    fifo: bool,
    group: Option<String>,
    dead: Option<String>,
    max_receives: Option<u32>,
    lease: Duration,
    wait: Duration,
    deadline: Duration,
    durable: bool,
}

impl SqsBuilder {
    pub(super) fn new(queue: String) -> Self {
        Self {
            queue,
            connection: Connection::default(),
            create: false,
            fifo: false,
            group: None,
            dead: None,
            max_receives: None,
            lease: DEFAULT_LEASE,
            wait: DEFAULT_WAIT,
            deadline: DEFAULT_DEADLINE,
            durable: true,
        }
    }

    /// Creates the queue if there is none, and its dead-letter queue. A queue that is there stays as it is.
    pub fn create_if_missing(mut self) -> Self {
        self.create = true;
        self
    }

    /// Takes a FIFO queue: adds `.fifo` to the name, and to that of the dead-letter queue, unless it is there.
    pub fn fifo(mut self) -> Self {
        self.fifo = true;
        self
    }

    /// Puts all packets into this group of the FIFO queue, so that all are in one order. The default is the key of each
    /// packet, and for one without a key a group of its own.
    pub fn group_id(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Sends dead letters to the queue of this name or URL. The default is the one in the queue's redrive policy.
    pub fn dead_letter_queue(mut self, name: impl Into<String>) -> Self {
        self.dead = Some(name.into());
        self
    }

    /// Has SQS itself move to the dead-letter queue what was received so often and not deleted, for workers that die before
    /// they can say so: more than the attempts of the worker. It is only said when the queue is created; the default is no
    /// such policy.
    pub fn redrive_policy(mut self, max_receives: u32) -> Self {
        self.max_receives = Some(max_receives);
        self
    }

    /// Sets for how long a delivery is lent, in whole seconds from one up to 12 h. The default is 30 s.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Sets for how long a receive waits on the server, in whole seconds up to 20. The default is 20 s.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Sets how long a request may take, with its repetitions; for a receive beyond its wait. The default is 10 s.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets the endpoint, instead of that of AWS or of `AWS_ENDPOINT_URL`.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.connection.endpoint = Some(url.into());
        self
    }

    /// Sets the region, instead of that of the environment or the profile.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.connection.region = Some(region.into());
        self
    }

    /// Sets the profile in `~/.aws`, instead of that of `AWS_PROFILE`.
    pub fn profile(mut self, profile: impl Into<String>) -> Self {
        self.connection.profile = Some(profile.into());
        self
    }

    /// Takes this configuration of the SDK, instead of loading one: for several queues and topics that share it, or for
    /// credentials from elsewhere. Its timeouts and its retries are ours.
    pub fn config(mut self, config: &SdkConfig) -> Self {
        self.connection.config = Some(config.clone());
        self
    }

    /// Says whether the server keeps what it has confirmed: SQS does, what stands in for it in tests does not.
    #[doc(hidden)]
    pub fn assume_durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    async fn connect(self) -> Result<Sqs, TransportError> {
        let fifo = self.fifo || self.queue.ends_with(".fifo");
        let queue = named(self.queue.clone(), fifo);
        let label = label_of(&queue).to_owned();
        let name: Arc<str> = format!("sqs:{label}").into();
        self.check(&name, fifo)?;

        let config = self.connection.load(&name, ENDPOINT, self.deadline).await?;
        let timeouts = Timeouts { deadline: self.deadline, wait: Duration::ZERO };
        let client = Client::new(&timeouts.apply(&config));
        let polling = Client::new(&Timeouts { wait: self.wait, ..timeouts }.apply(&config));
        let finder = Finder { client: &client, name: &name, create: self.create };

        let mut wanted = HashMap::from([(QueueAttributeName::VisibilityTimeout, self.lease.as_secs().to_string())]);
        if fifo {
            wanted.insert(QueueAttributeName::FifoQueue, "true".to_owned());
        }
        let mut dead = None;
        if let Some(letters) = self.dead.clone() {
            // SQS wants both queues of one kind only for its own redrive policy; who names a FIFO queue gets one.
            let letters = named(letters, self.fifo || (fifo && self.create));
            let fifo = letters.ends_with(".fifo");
            let mut attributes =
                HashMap::from([(QueueAttributeName::MessageRetentionPeriod, DEAD_RETENTION.to_owned())]);
            if fifo {
                attributes.insert(QueueAttributeName::FifoQueue, "true".to_owned());
            }
            let url = finder.find(&letters, &attributes).await?;
            if let Some(receives) = self.max_receives.filter(|_| self.create) {
                let arn = finder.arn(&url).await?;
                let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": receives });
                wanted.insert(QueueAttributeName::RedrivePolicy, policy.to_string());
            }
            dead = Some(Dead { url, fifo });
        }
        let url = finder.find(&queue, &wanted).await?;
        let (arn, policy) = finder.look(&url).await?;
        if let (None, Some(policy)) = (&dead, policy) {
            dead = finder.dead_of(&policy).await;
        }
        Ok(Sqs {
            subscriber: None,
            queue: Arc::new(Queue {
                deletes: Lanes::new(deletes(client.clone(), url.clone(), name.clone())),
                changes: Lanes::new(changes(client.clone(), url.clone(), name.clone())),
                name,
                label,
                url,
                fifo,
                group: self.group,
                lease: self.lease,
                wait: self.wait,
                durable: self.durable,
                client,
                polling,
                dead,
                create: self.create.then_some(wanted),
                arn: Mutex::new(arn),
                unseen: Unseen::default(),
            }),
        })
    }

    fn check(&self, name: &str, fifo: bool) -> Result<(), TransportError> {
        let error = |text: &str| Err(TransportError::new(ErrorKind::Unsupported, name, text));
        let whole = |time: Duration| time.subsec_nanos() == 0;
        if !whole(self.lease) || self.lease.is_zero() || self.lease > MAX_LEASE {
            return error("a lease is of whole seconds, from one up to 12 h: set another one");
        }
        if !whole(self.wait) || self.wait > DEFAULT_WAIT {
            return error("a receive waits for whole seconds, up to 20: set another wait");
        }
        if self.group.is_some() && !fifo {
            return error("only a FIFO queue has groups: leave the group id out, or say `.fifo()`");
        }
        if self.max_receives.is_some() && self.dead.is_none() {
            return error("a redrive policy needs a queue for dead letters: say `.dead_letter_queue(..)`");
        }
        if self.max_receives.is_some_and(|receives| !(1..=1000).contains(&receives)) {
            return error("a redrive policy allows from 1 to 1000 receives: set another number");
        }
        Ok(())
    }
}

/// Looks for queues, and makes them if that was said.
struct Finder<'a> {
    client: &'a Client,
    name: &'a str,
    create: bool,
}

impl Finder<'_> {
    async fn find(
        &self,
        queue: &str,
        attributes: &HashMap<QueueAttributeName, String>,
    ) -> Result<String, TransportError> {
        if is_url(queue) {
            return Ok(queue.to_owned());
        }
        let what = format!("find the queue {queue}");
        let found = match self.client.get_queue_url().queue_name(queue).send().await {
            Ok(answer) => answer.queue_url,
            Err(error) => match failure(self.name, &what, &error) {
                missing if missing.kind() == ErrorKind::Missing && self.create => None,
                error => return Err(error),
            },
        };
        match found {
            Some(url) => Ok(url),
            None => create(self.client, self.name, queue, attributes).await,
        }
    }

    async fn arn(&self, url: &str) -> Result<String, TransportError> {
        let (arn, _) = self.look(url).await?;
        arn.ok_or_else(|| {
            let text = "the server does not tell the ARN of the dead-letter queue: leave the redrive policy out";
            TransportError::new(ErrorKind::Protocol, self.name, text)
        })
    }

    /// Returns ARN and redrive policy. Who only publishes need not have the right to ask.
    async fn look(&self, url: &str) -> Result<(Option<String>, Option<String>), TransportError> {
        use QueueAttributeName::{QueueArn, RedrivePolicy};
        let request = self.client.get_queue_attributes().queue_url(url);
        match request.attribute_names(QueueArn).attribute_names(RedrivePolicy).send().await {
            Ok(answer) => {
                let mut there = answer.attributes.unwrap_or_default();
                Ok((there.remove(&QueueArn), there.remove(&RedrivePolicy)))
            }
            Err(error) => match failure(self.name, "ask about the queue", &error) {
                error if error.kind() == ErrorKind::Refused && error.to_string().contains("AccessDenied") => {
                    log::debug!(target: "convoke::transport", "{error}");
                    Ok((None, None))
                }
                error => Err(error),
            },
        }
    }

    /// Finds the queue that a redrive policy names, if it is ours to use.
    async fn dead_of(&self, policy: &str) -> Option<Dead> {
        let policy: Value = serde_json::from_str(policy).ok()?;
        let mut arn = policy.get("deadLetterTargetArn")?.as_str()?.split(':').skip(4);
        let (account, queue) = (arn.next()?, arn.next()?);
        let request = self.client.get_queue_url().queue_name(queue).queue_owner_aws_account_id(account);
        match request.send().await {
            Ok(answer) => Some(Dead { url: answer.queue_url?, fifo: queue.ends_with(".fifo") }),
            Err(error) => {
                let error = failure(self.name, "find the dead-letter queue of its redrive policy", &error);
                log::warn!(target: "convoke::transport", "{error}");
                None
            }
        }
    }
}

/// Creates a queue, and returns its URL.
pub(super) async fn create(
    client: &Client,
    name: &str,
    queue: &str,
    attributes: &HashMap<QueueAttributeName, String>,
) -> Result<String, TransportError> {
    let request = client.create_queue().queue_name(queue).set_attributes(Some(attributes.clone()));
    let what = format!("create the queue {queue}");
    let answer = request.send().await.map_err(|error| failure(name, &what, &error))?;
    log::info!(target: "convoke::transport", "{name}: created the queue {queue}");
    answer.queue_url.ok_or_else(|| {
        TransportError::new(ErrorKind::Protocol, name, format!("could not {what}: the server tells no address of it"))
    })
}

fn is_url(queue: &str) -> bool {
    queue.starts_with("http://") || queue.starts_with("https://")
}

/// Adds the end that says what kind of queue it is.
fn named(mut queue: String, fifo: bool) -> String {
    if fifo && !queue.ends_with(".fifo") && !is_url(&queue) {
        queue.push_str(".fifo");
    }
    queue
}

/// Returns the name in a URL, without what stands before it: that may be a password.
fn label_of(queue: &str) -> &str {
    if is_url(queue) { queue.rsplit('/').next().unwrap_or_default() } else { queue }
}

impl IntoFuture for SqsBuilder {
    type Output = Result<Sqs, TransportError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.connect())
    }
}

impl fmt::Debug for SqsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqsBuilder")
            .field("queue", &label_of(&self.queue))
            .field("connection", &self.connection)
            .field("create_if_missing", &self.create)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}
