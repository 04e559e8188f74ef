//! A queue of RabbitMQ: what is published goes into it, and each clone that is opened is a subscriber to it.
//!
//! `publish → Desk → Press → the queue → Subscriber → receive → Delivery`

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::builder::RabbitMqBuilder;
use super::desk::Desk;
use super::exchange::RabbitMqExchangeBuilder;
use super::press::Letter;
use super::server::RabbitMqServer;
use super::subscriber::Subscriber;
use super::{buckets, declare, headers};
use crate::transport::{Abilities, BoxFuture, ErrorKind, Packet, Publisher, Source, TransportError};

/// A queue of a RabbitMQ server, over AMQP 0-9-1, from 3.10 on.
///
/// ```no_run
/// use std::time::Duration;
/// use convoke::transport::{Packet, Publisher, RabbitMq, Source};
///
/// # async fn example() -> Result<(), convoke::transport::TransportError> {
/// let mut orders = RabbitMq::queue("orders")
///     .at("amqp://shop:secret@rabbit.internal/shop")
///     .create_if_missing()
///     .await?;
///
/// for taken in orders.publish(&[Packet::new("1", "{}")]).await {
///     taken?; // the server has it on disk, and on most of its members
/// }
///
/// orders.open(64).await?;
/// for delivery in orders.receive(64).await? {
///     match delivery.packet().body.is_empty() {
///         false => delivery.ack().await?,
///         true => delivery.retry_after(Duration::from_secs(10)).await?,
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// # In the words of the server
///
/// | here | RabbitMQ |
/// |---|---|
/// | publish | `basic.publish`, persistent and mandatory, and its confirm |
/// | ack | `basic.ack`, `multiple` where that is exact |
/// | retry after | published with confirm to the delay queue `<queue>.retry.<milliseconds>`, then `basic.ack` |
/// | dead letter | published with confirm to `<queue>-dead`, then `basic.ack` |
/// | release | `basic.nack` with `requeue` |
/// | redrive | [`redrive`](super::super::redrive) from [`dead_letters`](Self::dead_letters) |
/// | prefetch | `basic.qos` |
///
/// # Guarantees
///
/// - What was confirmed is kept when the server is killed. What was acknowledged a moment before may come again, because
///   the server does not confirm an acknowledgement. A retry or a dead letter that the server is killed at, or this
///   process, may be there twice.
/// - There is no order: what is retried or released falls behind, and several subscribers share a queue.
/// - A delivery is lent for as long as the connection lives. The server ends a channel on which one is not settled for
///   30 minutes (its `consumer_timeout`): all that was lent on it comes again.
/// - Attempts are counted in a header by who retries. A delivery that comes back because the process died, or was
///   released, is the same attempt: the server counts these in `x-delivery-count`, together with what was sent ahead and
///   came back unseen. A packet that kills each process that works on it is ended by the server's `x-delivery-limit`, which
///   is 20 from RabbitMQ 4.0 on and can be set by a policy before: it then goes to the queue of dead letters.
/// - A delay is rounded up to 50, 100, 200 or 500 ms, 1, 2, 5, 10, 20 or 30 s or min, 1, 2, 5 or 12 h, 1, 2, 4 or 7 days,
///   for each of which there is a queue, made when it is needed first. Those of a quorum queue are quorum queues that hand
///   over at least once, and stay: the server would expire them with what waits in them. Those of a classic queue are
///   deleted when they have not been used for an hour, and hand over at most once: what waits in them when the server is
///   killed may be gone.
///
/// # When not to use it
///
/// Where order per key matters, where a delivery is worked on for more than half an hour, or where what was read should be
/// read again by others later: that is a log, not a queue. A queue that nobody reads fills memory and disk of the server.
///
/// # Logs
///
/// The client logs each message that the server returns as unroutable, with its body in numbers, as a warning under
/// `lapin::returned_messages`; at trace level it logs whole frames, the user and the password too. `lapin=error` as a
/// filter keeps both out.
pub struct RabbitMq {
    pub(super) desk: Arc<Desk>,
    pub(super) server: RabbitMqServer,
    pub(super) window: usize,
    pub(super) priorities: u8,
    pub(super) subscriber: Option<Subscriber>,
    /// As it was opened with.
    pub(super) prefetch: Option<usize>,
    pub(super) closed: bool,
}

impl RabbitMq {
    /// Begins with a queue of this name; awaited, it connects and looks whether it is there.
    pub fn queue(name: impl Into<String>) -> RabbitMqBuilder {
        RabbitMqBuilder::new(name.into())
    }

    /// Begins with an exchange of this name, to publish to; awaited, it connects and looks whether it is there.
    pub fn exchange(name: impl Into<String>) -> RabbitMqExchangeBuilder {
        RabbitMqExchangeBuilder::new(name.into())
    }

    /// Begins with the queue of dead letters, on the same server; `None` if there is none.
    pub fn dead_letters(&self) -> Option<RabbitMqBuilder> {
        let dead = self.desk.dead.as_ref()?;
        Some(Self::queue(dead.as_str()).on(&self.server).deadline(self.desk.deadline))
    }

    fn letter(&self, packet: &Packet) -> Result<(Letter, Option<u64>), TransportError> {
        self.describe().check(&self.desk.at, packet)?;
        let properties = headers::write(&self.desk.at, packet, self.desk.priorities)?;
        Ok((self.desk.letter(properties, packet.body.clone()), buckets::of(packet.delay)))
    }

    fn describe(&self) -> Abilities {
        Abilities {
            delay: Some(buckets::LONGEST),
            retry_after: Some(buckets::LONGEST),
            priority: self.priorities,
            max_bytes: self.desk.max_bytes,
            max_batch: self.window,
            durable: true,
            dead_letters: self.desk.dead.is_some(),
            ..Abilities::default()
        }
    }

    async fn reopen(&mut self, prefetch: usize) -> Result<(), TransportError> {
        if let Some(mut old) = self.subscriber.take() {
            old.leave();
        }
        self.prefetch = Some(prefetch);
        self.closed = false;
        let subscriber = Subscriber::open(self.desk.clone(), self.server.consuming(), prefetch).await?;
        self.subscriber = Some(subscriber);
        Ok(())
    }
}

impl Publisher for RabbitMq {
    fn name(&self) -> &str {
        &self.desk.at
    }

    fn abilities(&self) -> Abilities {
        self.describe()
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        let mut refused = Vec::with_capacity(packets.len());
        let mut letters = Vec::with_capacity(packets.len());
        for packet in packets {
            match self.letter(packet) {
                Ok(letter) => {
                    refused.push(None);
                    letters.push(letter);
                }
                Err(error) => refused.push(Some(error)),
            }
        }
        Box::pin(async move {
            let mut taken = self.desk.send(letters).await.into_iter();
            refused.into_iter().map(|error| error.map_or_else(|| taken.next().unwrap_or(Ok(())), Err)).collect()
        })
    }
}

impl Source for RabbitMq {
    fn name(&self) -> &str {
        &self.desk.at
    }

    fn abilities(&self) -> Abilities {
        self.describe()
    }

    fn open(&mut self, prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(self.reopen(prefetch))
    }

    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<crate::transport::Delivery>, TransportError>> {
        Box::pin(async move {
            if self.closed {
                let text = "it was closed: open it before you receive";
                return Err(TransportError::new(ErrorKind::Closed, self.desk.at.clone(), text));
            }
            if !self.subscriber.as_ref().is_some_and(Subscriber::lives) {
                self.reopen(self.prefetch.unwrap_or(most)).await?;
            }
            let Some(subscriber) = &mut self.subscriber else { return Ok(Vec::new()) };
            let received = subscriber.receive(most).await;
            if received.is_err() {
                self.subscriber = None;
            }
            received
        })
    }

    fn backlog(&mut self) -> BoxFuture<'_, Result<Option<u64>, TransportError>> {
        Box::pin(async move {
            let Desk { at, queue, deadline, .. } = &*self.desk;
            let found = declare::find(at, self.server.consuming(), queue, *deadline).await?;
            match found {
                Some(queue) => Ok(Some(queue.message_count().into())),
                None => Err(declare::missing(at, queue)),
            }
        })
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async move {
            self.closed = true;
            match self.subscriber.take() {
                Some(subscriber) => subscriber.close().await,
                None => Ok(()),
            }
        })
    }
}

/// Another subscriber to the same queue, over the same connections.
impl Clone for RabbitMq {
    fn clone(&self) -> Self {
        let Self { desk, server, window, priorities, .. } = self;
        let (desk, server) = (desk.clone(), server.clone());
        Self { desk, server, window: *window, priorities: *priorities, subscriber: None, prefetch: None, closed: false }
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        if let Some(subscriber) = &mut self.subscriber {
            subscriber.leave();
        }
    }
}

impl fmt::Debug for RabbitMq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitMq")
            .field("name", &self.desk.at)
            .field("server", &self.server)
            .field("open", &self.subscriber.is_some())
            .finish_non_exhaustive()
    }
}

/// How long a wait for the server takes at most, unless the application says otherwise.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);
