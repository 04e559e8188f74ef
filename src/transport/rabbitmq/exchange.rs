//! An exchange of RabbitMQ: what is published goes to every queue that is bound for its topic.
//!
//! `RabbitMq::exchange(…).await → RabbitMqExchange`, `publish → Press → the exchange → queues`

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use lapin::types::ShortString;

use super::builder::{MAX_BYTES, WINDOW, checked};
use super::link::{Insistence, Letter, PATIENCE, Press, RabbitMqServer, Taken};
use super::queue::DEADLINE;
use super::{declare, message, routing_key};
use crate::transport::{Abilities, BoxFuture, ErrorKind, Packet, Publisher, TransportError};

/// An exchange of a RabbitMQ server, as a publisher.
///
/// Every queue that is [`bound_to`](super::RabbitMqBuilder::bound_to) the exchange for the topic of a packet gets the
/// packet. A packet that no queue gets is an error, `Unroutable`.
///
/// The routing key is the topic, with its segments as words: `orders/placed` is `orders.placed`. A `.`, `%`, `#` or `*`
/// within a segment is written as `%2E`, `%25`, `%23` or `%2A`, so that different topics have different keys.
///
/// ```no_run
/// use convoke::transport::{Packet, Publisher, RabbitMq};
///
/// # async fn example() -> Result<(), convoke::transport::TransportError> {
/// let events = RabbitMq::exchange("events").create_if_missing().await?;
/// let _billing = RabbitMq::queue("billing").bound_to("events", "orders/*").create_if_missing().await?;
///
/// let mut placed = Packet::new("1", "{}");
/// placed.topic = "orders/placed".to_owned();
/// for taken in events.publish(&[placed]).await {
///     taken?;
/// }
/// # Ok(())
/// # }
/// ```
///
/// An exchange cannot hold a packet back: only a queue supports a delay. When the server confirms a packet, it is in
/// all of its queues or in none.
#[derive(Clone)]
pub struct RabbitMqExchange {
    at: Arc<str>,
    name: ShortString,
    server: RabbitMqServer,
    press: Arc<Press>,
    patience: Duration,
    window: usize,
    max_bytes: usize,
    priorities: u8,
}

impl RabbitMqExchange {
    fn describe(&self) -> Abilities {
        Abilities {
            fan_out: true,
            priority: self.priorities,
            max_bytes: self.max_bytes,
            max_batch: self.window,
            durable: true,
            ..Abilities::default()
        }
    }

    /// Publishes these; what does not reach the server is tried for as long as a restart takes.
    async fn insist(&self, packets: &[Packet]) -> Vec<Taken> {
        let mut insistence = Insistence::new(packets, self.patience);
        loop {
            let letters = insistence.letters(|packet| self.letter(packet));
            insistence.note(self.press.print(letters).await);
            if !insistence.goes_on(&self.press).await {
                return insistence.end();
            }
        }
    }

    fn letter(&self, packet: &Packet) -> Result<Letter, TransportError> {
        self.describe().check(&self.at, packet)?;
        let Some(key) = routing_key::of_topic(&packet.topic) else {
            let text = "the topic of a packet is too long for a routing key of 255 bytes: take a shorter one";
            return Err(TransportError::new(ErrorKind::TooLarge, self.at.clone(), text));
        };
        let properties = message::write(&self.at, packet, self.priorities > 0)?;
        Ok(Letter { exchange: self.name.clone(), key, properties, body: packet.body.clone() })
    }
}

impl Publisher for RabbitMqExchange {
    fn name(&self) -> &str {
        &self.at
    }

    fn abilities(&self) -> Abilities {
        self.describe()
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        Box::pin(self.insist(packets))
    }
}

impl fmt::Debug for RabbitMqExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitMqExchange").field("name", &self.at).field("server", &self.server).finish_non_exhaustive()
    }
}

/// Describes an exchange of RabbitMQ. Awaiting the builder finds or creates the exchange, and returns a
/// [`RabbitMqExchange`].
#[must_use = "it does nothing until it is awaited"]
pub struct RabbitMqExchangeBuilder {
    name: String,
    server: Option<Result<RabbitMqServer, TransportError>>,
    create: bool,
    deadline: Option<Duration>,
    window: usize,
    max_bytes: usize,
    priorities: u8,
}

impl RabbitMqExchangeBuilder {
    pub(super) fn new(name: String) -> Self {
        Self { name, server: None, create: false, deadline: None, window: WINDOW, max_bytes: MAX_BYTES, priorities: 0 }
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

    /// Creates a durable topic exchange if there is none of this name. An existing exchange is left as it is, whatever
    /// its type.
    pub fn create_if_missing(mut self) -> Self {
        self.create = true;
        self
    }

    /// Sets the priorities of the queues that are bound to the exchange: from 0 to `highest`.
    pub fn priorities(mut self, highest: u8) -> Self {
        self.priorities = highest;
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

    async fn connect(self) -> Result<RabbitMqExchange, TransportError> {
        let at: Arc<str> = format!("rabbitmq:{}", self.name).into();
        let server = self.server.unwrap_or_else(RabbitMqServer::from_env)?;
        let name = checked(&at, &self.name)?;
        let deadline = self.deadline.unwrap_or(DEADLINE);
        declare::exchange(&at, server.publishing(), &name, self.create, deadline).await?;
        let press = Arc::new(Press::new(at.clone(), server.publishing().clone(), self.window, deadline));
        let Self { window, max_bytes, priorities, .. } = self;
        let patience = self.deadline.unwrap_or(PATIENCE);
        Ok(RabbitMqExchange { at, name, server, press, patience, window, max_bytes, priorities })
    }
}

impl IntoFuture for RabbitMqExchangeBuilder {
    type Output = Result<RabbitMqExchange, TransportError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    /// Connects, and finds the exchange or creates it.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.connect())
    }
}

impl fmt::Debug for RabbitMqExchangeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitMqExchangeBuilder")
            .field("name", &self.name)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}
