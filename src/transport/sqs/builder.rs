//! How a queue is found, or made.
//!
//! `Sqs::queue(name) → SqsBuilder → .await: GetQueueUrl (CreateQueue) → GetQueueAttributes → Sqs`

use std::fmt;
use std::future::IntoFuture;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;

use super::finder::{Attributes, Finder, is_url, label_of};
use super::queue::{MAX_LEASE, Queue};
use super::redrive::{MAX_RECEIVES, Redrive};
use super::requests::{Clients, Lanes, changes, deletes};
use super::sqs::Sqs;
use super::unseen::Unseen;
use crate::transport::aws::{Connection, Fresh, Timeouts};
use crate::transport::{Address, Aws, BoxFuture, ErrorKind, TransportError};

/// The environment variable that names the endpoint of SQS alone.
const ENDPOINT: &str = "AWS_ENDPOINT_URL_SQS";

const DEFAULT_LEASE: Duration = Duration::from_secs(30);

/// With what the server owes beyond it, a source whose connection was forgotten hears again within 15 s.
const DEFAULT_WAIT: Duration = Duration::from_secs(9);
const LONGEST_WAIT: Duration = Duration::from_secs(20);

const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

/// How long the server may take beyond its wait.
const DEFAULT_DELAY: Duration = Duration::from_secs(5);

/// Describes a [queue](Sqs::queue) of SQS. Awaiting the builder finds or creates the queue, and returns an [`Sqs`].
///
/// # Errors
///
/// When you await it:
///
/// - `Missing` if there is no such queue, unless you call [`create_if_missing`](Self::create_if_missing).
/// - `Denied` without credentials or rights.
/// - `Unreachable` if the server cannot be reached.
/// - `Unsupported` for settings that contradict each other.
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
    deadline: Option<Duration>,
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
            deadline: None,
            durable: true,
        }
    }

    /// Creates the queue if it is missing. Its dead-letter queue is created too: the one that you
    /// [named](Self::dead_letter_queue), or `<queue>-dead` if the queue has no redrive policy that names one. An
    /// existing queue stays as it is.
    pub fn create_if_missing(mut self) -> Self {
        self.create = true;
        self
    }

    /// Uses a FIFO queue: adds `.fifo` to the names of the queue and of its dead-letter queue, unless they end in it.
    pub fn fifo(mut self) -> Self {
        self.fifo = true;
        self
    }

    /// Puts all packets into this group of the FIFO queue, so that all of them are in one order. By default, the group
    /// is the key of the packet, and a packet without a key is a group of its own.
    pub fn group_id(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Sets the name or URL of the queue that dead letters go to. The default is the queue in the redrive policy, or
    /// else `<queue>-dead` if it exists or may be [created](Self::create_if_missing), with `.fifo` behind it where the
    /// queue has it. A queue named `…-dead` has no dead-letter queue.
    pub fn dead_letter_queue(mut self, name: impl Into<String>) -> Self {
        self.dead = Some(name.into());
        self
    }

    /// Sets a redrive policy: SQS itself moves a packet to the dead-letter queue after it was received `max_receives`
    /// times and not deleted. This helps when workers die before they can say so. The policy is set only when the queue
    /// is created. The default is no policy.
    ///
    /// SQS counts receipts, not attempts. If a policy that was set by this method is lower than the attempts of a
    /// worker and ten more, the worker raises it to that. It warns of any other policy that is lower.
    pub fn redrive_policy(mut self, max_receives: u32) -> Self {
        self.max_receives = Some(max_receives);
        self
    }

    /// Sets how long a delivery is lent, in whole seconds from 1 s to 12 h. The default is 30 s.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Sets how long a receive waits on the server, in whole seconds up to 20 s. The default is 9 s.
    ///
    /// A longer wait takes fewer requests where nothing comes. It also takes longer to notice a dead connection and to
    /// [close](crate::transport::Source::close), because the open receive has to end first.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Sets how long a request may take, repetitions included; for a receive, the time beyond its wait. The default is
    /// 10 s. It is 5 s for a receive, and 30 s for a publish while the server refuses connections, as it does during a
    /// restart.
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

    /// Signs with this key instead of one that the standard chain finds.
    pub fn key(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.connection.key = Some((id.into(), secret.into()));
        self
    }

    /// Sets the session token that belongs to the [key](Self::key), as for a role for a while. It has no effect without one.
    pub fn session_token(mut self, token: impl Into<String>) -> Self {
        self.connection.token = Some(token.into());
        self
    }

    /// The account, region and endpoint of an address.
    pub(crate) fn at(mut self, address: &Address) -> Self {
        let Aws { key, token, region, endpoint } = address.aws();
        self.connection = Connection { endpoint, region, key, token, ..Connection::default() };
        self
    }

    /// Uses this configuration of the SDK instead of loading one, so that several queues and topics share it, or for
    /// credentials from elsewhere. Timeouts and retries of the configuration are replaced by those of this crate.
    pub fn config(mut self, config: &SdkConfig) -> Self {
        self.connection.config = Some(config.clone());
        self
    }

    /// Sets whether the server keeps what it has confirmed. SQS does; a server that stands in for it in tests does not.
    #[doc(hidden)]
    pub fn assume_durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Reads the configuration, so that several queues share it.
    pub(crate) async fn sdk_config(&self, at: &str) -> Result<SdkConfig, TransportError> {
        self.connection.load(at, ENDPOINT, self.deadline.unwrap_or(DEFAULT_DEADLINE)).await
    }

    async fn connect(self) -> Result<Sqs, TransportError> {
        let fifo = self.fifo || self.queue.ends_with(".fifo");
        let queue = named(self.queue.clone(), fifo);
        let label = label_of(&queue).to_owned();
        let name: Arc<str> = format!("sqs:{label}").into();
        self.check(&name, fifo)?;

        let deadline = self.deadline.unwrap_or(DEFAULT_DEADLINE);
        let config = self.connection.load(&name, ENDPOINT, deadline).await?;
        let (wait, delay) = (self.wait, self.deadline.unwrap_or(DEFAULT_DELAY));
        let clients = Arc::new(Fresh::new(move |generation| Clients {
            plain: Client::new(&Timeouts::of_request(deadline).apply(&config, generation)),
            polling: Client::new(&Timeouts::of_poll(wait, delay).apply(&config, generation)),
        }));
        let finder = Finder { clients: &clients, name: &name, create: self.create };

        let mut wanted = Attributes::from([(QueueAttributeName::VisibilityTimeout, self.lease.as_secs().to_string())]);
        if fifo {
            wanted.insert(QueueAttributeName::FifoQueue, "true".to_owned());
        }
        let (mut dead, mut redrive) = (None, None);
        if let Some(letters) = self.dead.clone() {
            // SQS wants both queues of one kind only for its own redrive policy; who names a FIFO queue gets one.
            let letters = finder.dead(&named(letters, self.fifo || (fifo && self.create))).await?;
            if let Some(receives) = self.max_receives.filter(|_| self.create) {
                let policy = Redrive::new(finder.arn(&letters.url).await?, receives);
                wanted.insert(QueueAttributeName::RedrivePolicy, policy.written());
                redrive = Some(policy);
            }
            dead = Some(letters);
        }
        let url = finder.find(&queue, &wanted).await?;
        let (arn, policy) = finder.look(&url).await?;
        if dead.is_none() {
            dead = match policy {
                Some(policy) => finder.dead_of(&policy).await,
                None => finder.dead_by_name(&queue).await?,
            };
        }
        let queue = Queue {
            deletes: Lanes::new(deletes(clients.clone(), url.clone(), name.clone())),
            changes: Lanes::new(changes(clients.clone(), url.clone(), name.clone())),
            name,
            label,
            url,
            fifo,
            group: self.group,
            lease: self.lease,
            wait: self.wait,
            delay,
            deadline: self.deadline,
            durable: self.durable,
            clients,
            dead,
            redrive,
            warned: AtomicBool::default(),
            create: self.create.then_some(wanted),
            arn: Mutex::new(arn),
            unseen: Unseen::default(),
        };
        Ok(Sqs::of(Arc::new(queue)))
    }

    fn check(&self, name: &str, fifo: bool) -> Result<(), TransportError> {
        let error = |text: &str| Err(TransportError::new(ErrorKind::Unsupported, name, text));
        let whole = |time: Duration| time.subsec_nanos() == 0;
        if !whole(self.lease) || self.lease.is_zero() || self.lease > MAX_LEASE {
            return error("a lease is of whole seconds, from one up to 12 h: set another one");
        }
        if !whole(self.wait) || self.wait > LONGEST_WAIT {
            return error("a receive waits for whole seconds, up to 20: set another wait");
        }
        if self.group.is_some() && !fifo {
            return error("only a FIFO queue has groups: leave the group id out, or say `.fifo()`");
        }
        if self.max_receives.is_some() && self.dead.is_none() {
            return error("a redrive policy needs a queue for dead letters: say `.dead_letter_queue(..)`");
        }
        if self.max_receives.is_some_and(|receives| !(1..=MAX_RECEIVES).contains(&receives)) {
            return error("a redrive policy allows from 1 to 1000 receives: set another number");
        }
        Ok(())
    }
}

/// Adds the end that says what kind of queue it is.
fn named(mut queue: String, fifo: bool) -> String {
    if fifo && !queue.ends_with(".fifo") && !is_url(&queue) {
        queue.push_str(".fifo");
    }
    queue
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
