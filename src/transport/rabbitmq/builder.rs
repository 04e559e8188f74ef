//! What a queue is to be like, until it is awaited.
//!
//! `RabbitMq::queue(…) → at, create_if_missing, bound_to, … → .await → looked for or made → RabbitMq`

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use lapin::types::ShortString;

use super::declare::QueueKind;
use super::desk::Desk;
use super::link::{Line, PATIENCE, Press, RabbitMqServer};
use super::queue::{DEADLINE, RabbitMq};
use super::recipe::Recipe;
use super::{declare, routing_key};
use crate::Pattern;
use crate::transport::{BoxFuture, ErrorKind, TransportError};

/// How many packets are on their way to the server at once.
pub(super) const WINDOW: usize = 256;

/// What RabbitMQ 4 takes, unless it is told otherwise.
pub(super) const MAX_BYTES: usize = 16 * 1024 * 1024;

/// What the name of a queue of dead letters ends in, unless it is named. It has none itself.
const DEAD: &str = "-dead";

/// From which release on quorum queues tell priorities apart, and the highest.
const QUORUM_PRIORITIES: (u32, u32) = (4, 3);
const HIGHEST_OF_QUORUM: u8 = 31;

/// The longest name of a queue: AMQP takes 255 bytes, and those of delay queues and dead letters are longer than this.
const MAX_NAME: usize = 230;

/// For how long an unused delay queue of a classic queue stays beyond its delay.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// Describes a queue of RabbitMQ. Awaiting the builder finds or creates the queue, and returns a [`RabbitMq`].
#[must_use = "it does nothing until it is awaited"]
pub struct RabbitMqBuilder {
    name: String,
    server: Option<Result<RabbitMqServer, TransportError>>,
    create: bool,
    kind: QueueKind,
    priorities: u8,
    bindings: Vec<(String, String)>,
    dead: Option<String>,
    deadline: Option<Duration>,
    window: usize,
    max_bytes: usize,
    idle: Duration,
}

impl RabbitMqBuilder {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            server: None,
            create: false,
            kind: QueueKind::Quorum,
            priorities: 0,
            bindings: Vec::new(),
            dead: None,
            deadline: None,
            window: WINDOW,
            max_bytes: MAX_BYTES,
            idle: IDLE,
        }
    }

    /// Sets the URL of the server, as in `amqp://user:password@host:5672/vhost`. The default is the URL in `AMQP_URL`,
    /// or else in `RABBITMQ_URL`, or else the server on this machine.
    pub fn at(mut self, url: &str) -> Self {
        self.server = Some(RabbitMqServer::at(url));
        self
    }

    /// Uses the connections of this server, which other handles may share.
    pub fn on(mut self, server: &RabbitMqServer) -> Self {
        self.server = Some(Ok(server.clone()));
        self
    }

    /// Creates what is missing: the queue, its queue of dead letters, and the topic exchanges that the queue is bound
    /// to. What exists is left as it is. What somebody deletes later is created again when it is needed.
    ///
    /// A quorum queue is created with `x-delivery-limit` 110, so that the server itself ends a delivery that comes back
    /// again and again. A worker ends such a delivery sooner.
    pub fn create_if_missing(mut self) -> Self {
        self.create = true;
        self
    }

    /// Uses a classic queue, which is on one server, instead of a quorum queue, of which several servers have a copy.
    pub fn classic(mut self) -> Self {
        self.kind = QueueKind::Classic;
        self
    }

    /// Delivers higher priorities first, from 0 to `highest`.
    ///
    /// A [`classic`](Self::classic) queue has the priorities that it was created with, as `x-max-priority`; up to 10 is
    /// wise. A quorum queue has priorities from 0 to 31 with RabbitMQ 4.3 or later, and treats a message without a
    /// priority as 4. Before that release, a quorum queue has none.
    pub fn priorities(mut self, highest: u8) -> Self {
        self.priorities = highest;
        self
    }

    /// Binds the queue to an exchange, for the topics that a pattern matches: `*` is one segment, and `**` any number
    /// of them. You may call it several times. No binding is ever removed.
    pub fn bound_to(mut self, exchange: impl Into<String>, pattern: impl Into<String>) -> Self {
        self.bindings.push((exchange.into(), pattern.into()));
        self
    }

    /// Sets the queue of the dead letters. The default is `<name>-dead`, and none for a queue whose own name ends in
    /// `-dead`. The queue has to exist, unless [`create_if_missing`](Self::create_if_missing) creates it.
    pub fn dead_letter_queue(mut self, name: impl Into<String>) -> Self {
        self.dead = Some(name.into());
        self
    }

    /// Sets how long a call waits for an answer of the server, to a window of packets as to anything else, and how long
    /// it tries to publish while the server cannot be reached. The defaults are 5 s and 30 s. A call that waits behind
    /// another one may take twice as long.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets how many packets may be on their way to the server at once. The default is 256.
    pub fn in_flight(mut self, packets: usize) -> Self {
        self.window = packets.max(1);
        self
    }

    /// Sets the largest size of a message in bytes that the server takes: its `max_message_size`. The default is 16
    /// MiB.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets the time after which an unused delay queue of a [`classic`](Self::classic) queue is deleted, beyond its
    /// delay. The default is an hour, and the least is a second. Delay queues of a quorum queue stay.
    pub fn delay_queues_expire_after(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    async fn connect(self) -> Result<RabbitMq, TransportError> {
        let at: Arc<str> = format!("rabbitmq:{}", self.name).into();
        let server = self.server.clone().unwrap_or_else(RabbitMqServer::from_env)?;
        let deadline = self.deadline.unwrap_or(DEADLINE);
        let mut recipe = self.recipe(&at)?;
        if self.priorities > 0 && self.kind == QueueKind::Quorum {
            self.check_quorum_priorities(&at, &server, deadline).await?;
        }
        let line = server.publishing().clone();
        let found = declare::find(&at, &line, &recipe.queue, deadline).await?;
        if found.is_none() && !self.create {
            return Err(declare::missing(&at, &recipe.queue));
        }
        self.dead(&at, &line, &mut recipe, deadline).await?;
        if found.is_none() {
            recipe.queue(&at, &line, deadline).await?;
        } else if self.lacks_priorities(&at, &line, &recipe, deadline).await? {
            let text = "the queue is there, and has not so many priorities: take another name, or do without";
            return Err(TransportError::new(ErrorKind::Unsupported, at, text));
        }
        recipe.bindings(&at, &line, deadline).await?;
        let press = Press::new(at.clone(), line.clone(), self.window, deadline);
        let desk = Desk {
            at,
            recipe,
            max_bytes: self.max_bytes,
            deadline,
            patience: self.deadline.unwrap_or(PATIENCE),
            idle: self.idle,
            line,
            press,
            declared: Default::default(),
        };
        Ok(RabbitMq::new(Arc::new(desk), server, self.window, self.priorities))
    }

    /// How the queue is made, as far as that is known before anything is asked.
    fn recipe(&self, at: &Arc<str>) -> Result<Recipe, TransportError> {
        let dead = match &self.dead {
            None if self.name.ends_with(DEAD) => None,
            None => Some(checked(at, &format!("{}{DEAD}", self.name))?),
            Some(dead) => Some(checked(at, dead)?),
        };
        let mut bindings = Vec::with_capacity(self.bindings.len());
        for (exchange, pattern) in &self.bindings {
            let unsupported = |text| TransportError::new(ErrorKind::Unsupported, at.clone(), text);
            let pattern = Pattern::new(pattern).map_err(|error| unsupported(format!("it cannot be bound: {error}")))?;
            let Some(key) = routing_key::of_pattern(&pattern) else {
                let text = "it cannot be bound: the pattern is too long for a routing key of 255 bytes";
                return Err(unsupported(text.to_owned()));
            };
            bindings.push((checked(at, exchange)?, key));
        }
        let queue = checked(at, &self.name)?;
        let (kind, priorities, may_make) = (self.kind, self.priorities, self.create);
        Ok(Recipe { queue, kind, priorities, dead, bindings, may_make })
    }

    /// Quorum queues have priorities, all of them the same, from one release on.
    async fn check_quorum_priorities(
        &self,
        at: &Arc<str>,
        server: &RabbitMqServer,
        deadline: Duration,
    ) -> Result<(), TransportError> {
        let text = if self.priorities > HIGHEST_OF_QUORUM {
            format!(
                "a quorum queue has priorities from 0 to {HIGHEST_OF_QUORUM}: ask for no more, or say `classic` as well"
            )
        } else if server.release(deadline).await.is_some_and(|release| release >= QUORUM_PRIORITIES) {
            return Ok(());
        } else {
            "a quorum queue has no priorities before RabbitMQ 4.3: say `classic` as well".to_owned()
        };
        Err(TransportError::new(ErrorKind::Unsupported, at.clone(), text))
    }

    /// Looks for the queue of dead letters, and makes it if it may. One that was named has to be there.
    async fn dead(
        &self,
        at: &Arc<str>,
        line: &Line,
        recipe: &mut Recipe,
        deadline: Duration,
    ) -> Result<(), TransportError> {
        if self.create {
            return recipe.dead(at, line, deadline).await;
        }
        let Some(name) = &recipe.dead else { return Ok(()) };
        if declare::find(at, line, name, deadline).await?.is_none() {
            if self.dead.is_some() {
                return Err(declare::missing(at, name));
            }
            recipe.dead = None;
        }
        Ok(())
    }

    /// Whether a queue that is there was made otherwise. There is no asking for that: it is declared once more, and the server
    /// says what is not the same.
    async fn lacks_priorities(
        &self,
        at: &Arc<str>,
        line: &Line,
        recipe: &Recipe,
        deadline: Duration,
    ) -> Result<bool, TransportError> {
        // The server names the first that differs, and only a quorum queue has the last of these. Where it names another one,
        // as of where dead letters go, somebody else has made the queue, and may well have given it priorities.
        const TELL: [&str; 3] = ["'x-max-priority'", "'x-queue-type'", "'x-dead-letter-strategy'"];
        if self.priorities == 0 || self.kind == QueueKind::Quorum {
            return Ok(false);
        }
        match recipe.queue(at, line, deadline).await {
            Err(error) if error.is_temporary() && error.kind() != ErrorKind::Denied => Err(error),
            Err(error) => Ok(TELL.iter().any(|argument| error.to_string().contains(argument))),
            Ok(()) => Ok(false),
        }
    }
}

/// Makes sure that a name is one.
pub(crate) fn checked(at: &Arc<str>, name: &str) -> Result<ShortString, TransportError> {
    match ShortString::try_new(name) {
        Ok(short) if !name.is_empty() && name.len() <= MAX_NAME => Ok(short),
        _ => {
            let text = format!("the name of a queue or an exchange has 1 to {MAX_NAME} bytes, and not {}", name.len());
            Err(TransportError::new(ErrorKind::Refused, at.clone(), text))
        }
    }
}

impl IntoFuture for RabbitMqBuilder {
    type Output = Result<RabbitMq, TransportError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    /// Connects, and finds the queue or creates it.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.connect())
    }
}

impl fmt::Debug for RabbitMqBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitMqBuilder")
            .field("name", &self.name)
            .field("server", &self.server)
            .field("kind", &self.kind)
            .field("bindings", &self.bindings)
            .finish_non_exhaustive()
    }
}
