//! A queue of RabbitMQ: what is published goes into it, and each clone that is opened is a subscriber to it.
//!
//! `publish → Desk → Press → the queue → Subscriber → receive → Delivery`

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::builder::RabbitMqBuilder;
use super::desk::Desk;
use super::exchange::RabbitMqExchangeBuilder;
use super::lending::Subscriber;
use super::link::{Insistence, Letter, RabbitMqServer, TARGET, Taken};
use super::recipe::LIMIT;
use super::{buckets, declare, message};
use crate::transport::{
    Abilities, BoxFuture, ErrorKind, Packet, Publisher, Pulse, Source, TransportError, UNHEARD_ATTEMPTS,
};

/// A queue of a RabbitMQ server, over AMQP 0-9-1. It needs RabbitMQ 3.10 or later.
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
/// # The words of the server
///
/// | this crate | RabbitMQ |
/// |---|---|
/// | publish | `basic.publish`, persistent and mandatory, and its confirm |
/// | ack | `basic.ack`, `multiple` where that is exact |
/// | retry after | published with confirm to the delay queue `<queue>.retry.<milliseconds>`, then `basic.ack` |
/// | dead letter | published with confirm to `<queue>-dead`, then `basic.ack` |
/// | release | published with confirm as it was, then `basic.ack`; `basic.nack` with `requeue` if it is not taken |
/// | stop lending | `basic.cancel`; what was sent and not received is released |
/// | redrive | [`redrive`](super::super::redrive) from [`dead_letters`](Self::dead_letters) |
/// | prefetch | `basic.qos`; to change it, `basic.cancel` and `basic.consume` |
///
/// # Guarantees
///
/// - A confirmed packet is kept when the server is killed. A delivery that was acknowledged a moment before may come
///   again, because the server does not confirm acknowledgements. If the server or this process is killed during a
///   retry or a dead letter, the packet may be there twice.
/// - There is no order: a delivery that is retried or released falls behind, and several subscribers share a queue.
/// - A publish that cannot reach the server is tried for 30 s, or for the [`deadline`](RabbitMqBuilder::deadline) that
///   you set.
/// - A server that sends nothing for 3 s is asked whether it is there. If it does not answer within 6 s, the connection
///   is given up.
/// - A delivery is lent for as long as the connection lives. The server takes back a delivery that is not settled for
///   30 minutes (its `consumer_timeout`), with everything that was lent on the channel. Settling such a delivery fails
///   with `Lost`.
/// - Attempts are counted in a header, which a retry sets. A delivery that comes back because the process, the
///   connection or the patience of the server has ended is another attempt. A quorum queue counts these. A classic
///   queue only knows that the delivery came back, so this crate publishes it again with the next attempt, and it is
///   handled after that. A release is no attempt: the delivery is published again, so that the server does not count
///   one. In both cases the delivery loses its place in the queue.
/// - A worker ends a delivery that kills each process that handles it. A delivery that came more often than it has
///   attempts is handled alone, and a note of that is kept in the queue `<queue>.marks` until it is settled. A quorum
///   queue ends such a delivery too, by its `x-delivery-limit`, which is 110 where this crate creates the queue. If the
///   attempts of a worker and ten more exceed that limit, the worker logs it.
/// - A delay is rounded up to 50, 100, 200 or 500 ms, 1, 2, 5, 10, 20 or 30 s or min, 1, 2, 5 or 12 h, 1, 2, 4 or 7
///   days. There is a queue for each of these delays, created when it is first needed.
/// - The delay queues of a quorum queue are quorum queues too. They hand over at least once, and stay, because the
///   server would expire them together with what waits in them.
/// - The delay queues of a classic queue hand over at most once: what waits in them when the server is killed may be
///   lost. They are deleted when they have not been used for an hour.
///
/// # When not to use it
///
/// Do not use it where the order of a key matters, where a delivery takes more than half an hour (unless you raise
/// `consumer_timeout`), or where others have to read again later what was read before: that needs a log, not a queue. A
/// queue without a subscriber fills the memory and the disk of the server.
///
/// # Logs
///
/// The client logs each message that the server returns as unroutable, with its body in numbers, as a warning under
/// `lapin::returned_messages`. At trace level it logs whole frames, including the user and the password. The filter
/// `lapin=error` keeps both out.
pub struct RabbitMq {
    pub(super) desk: Arc<Desk>,
    pub(super) server: RabbitMqServer,
    pub(super) window: usize,
    pub(super) priorities: u8,
    pub(super) subscriber: Option<Subscriber>,
    /// As it was opened with.
    pub(super) prefetch: Option<usize>,
    /// How often a delivery is to be heard.
    pub(super) attempts: Option<u32>,
    /// How often one is that is to be heard the least often, if that is not the same for all.
    pub(super) fewest_attempts: Option<u32>,
    /// Whether the limit of the server was compared with that.
    pub(super) is_checked: bool,
    pub(super) pulse: Pulse,
    pub(super) closed: bool,
}

/// How long the server may say nothing to who asks again and again.
pub(super) const SILENCE: Duration = Duration::from_secs(15);

impl RabbitMq {
    pub(super) fn new(desk: Arc<Desk>, server: RabbitMqServer, window: usize, priorities: u8) -> Self {
        let pulse = Pulse::new(SILENCE);
        Self {
            desk,
            server,
            window,
            priorities,
            subscriber: None,
            prefetch: None,
            attempts: None,
            fewest_attempts: None,
            is_checked: false,
            pulse,
            closed: false,
        }
    }

    /// Describes the queue of this name. Awaiting the builder connects, and finds the queue.
    pub fn queue(name: impl Into<String>) -> RabbitMqBuilder {
        RabbitMqBuilder::new(name.into())
    }

    /// Describes the exchange of this name, to publish to. Awaiting the builder connects, and finds the exchange.
    pub fn exchange(name: impl Into<String>) -> RabbitMqExchangeBuilder {
        RabbitMqExchangeBuilder::new(name.into())
    }

    /// Describes the queue of the dead letters, on the same server. Returns `None` if there is none.
    pub fn dead_letters(&self) -> Option<RabbitMqBuilder> {
        let dead = self.desk.recipe.dead.as_ref()?;
        Some(Self::queue(dead.as_str()).on(&self.server).deadline(self.desk.deadline))
    }

    fn letter(&self, packet: &Packet) -> Result<(Letter, Option<u64>), TransportError> {
        self.describe().check(&self.desk.at, packet)?;
        let properties = message::write(&self.desk.at, packet, self.priorities > 0)?;
        Ok((self.desk.letter(properties, packet.body.clone()), buckets::of(packet.delay)))
    }

    /// Publishes these. What does not reach the server is tried for as long as a restart takes, and what finds no queue once
    /// more if that may be made again.
    async fn insist(&self, packets: &[Packet]) -> Vec<Taken> {
        let mut insistence = Insistence::new(packets, self.desk.patience);
        let mut is_new = false;
        loop {
            let letters = insistence.letters(|packet| self.letter(packet));
            insistence.note(self.desk.send(letters).await);
            if !is_new && insistence.is_unroutable() && self.desk.make_again().await {
                is_new = true;
            } else if !insistence.goes_on(&self.desk.press).await {
                return insistence.end();
            }
        }
    }

    fn describe(&self) -> Abilities {
        Abilities {
            delay: Some(buckets::LONGEST),
            retry_after: Some(buckets::LONGEST),
            priority: self.priorities,
            max_bytes: self.desk.max_bytes,
            max_batch: self.window,
            durable: true,
            dead_letters: self.desk.recipe.dead.is_some(),
            ..Abilities::default()
        }
    }

    async fn reopen(&mut self, prefetch: usize) -> Result<(), TransportError> {
        if let Some(old) = self.subscriber.take() {
            old.leave();
        }
        self.prefetch = Some(prefetch);
        self.closed = false;
        let (line, attempts) = (self.server.consuming(), self.fewest_attempts.or(self.attempts).unwrap_or(u32::MAX));
        let subscriber = Subscriber::open(self.desk.clone(), line, (prefetch, attempts), self.pulse.clone()).await?;
        self.subscriber = Some(subscriber);
        self.check_limit().await;
        Ok(())
    }

    /// Says once if the server ends a delivery before a worker would.
    async fn check_limit(&mut self) {
        let Some(attempts) = self.attempts.filter(|_| !self.is_checked) else { return };
        self.is_checked = true;
        let Desk { at, recipe, deadline, .. } = &*self.desk;
        let least = attempts.saturating_add(UNHEARD_ATTEMPTS);
        if let Some(limit) = recipe.limit_below(least, at, &self.server, *deadline).await {
            log::warn!(
                target: TARGET,
                "{at}: after {limit} lendings that came to nothing the server takes a message for dead, whether it was heard or \
                 not, and {attempts} attempts need {least}: make the queue with `{LIMIT}` {least}, or have fewer attempts"
            );
        }
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
        Box::pin(self.insist(packets))
    }
}

impl Source for RabbitMq {
    fn name(&self) -> &str {
        &self.desk.at
    }

    fn abilities(&self) -> Abilities {
        self.describe()
    }

    fn attempts(&mut self, most: u32) {
        self.attempts = Some(most);
        self.is_checked = false;
    }

    fn fewest_attempts(&mut self, least: u32) {
        self.fewest_attempts = Some(least);
    }

    fn open(&mut self, prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(self.reopen(prefetch))
    }

    fn lend_up_to(&mut self, deliveries: usize) -> BoxFuture<'_, Result<bool, TransportError>> {
        Box::pin(async move {
            self.prefetch = Some(deliveries);
            if let Some(subscriber) = &mut self.subscriber {
                subscriber.lend_up_to(deliveries).await?;
            }
            Ok(true)
        })
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

    fn stop_lending(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async move {
            match &mut self.subscriber {
                Some(subscriber) => subscriber.stop().await,
                None => Ok(()),
            }
        })
    }

    fn pulse(&self) -> Option<Pulse> {
        Some(self.pulse.clone())
    }

    fn backlog(&mut self) -> BoxFuture<'_, Result<Option<u64>, TransportError>> {
        Box::pin(async move {
            let Desk { at, recipe, deadline, .. } = &*self.desk;
            let found = declare::find(at, self.server.consuming(), &recipe.queue, *deadline).await?;
            match found {
                Some(queue) => Ok(Some(queue.message_count().into())),
                None => Err(declare::missing(at, &recipe.queue)),
            }
        })
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async move {
            self.closed = true;
            match self.subscriber.take() {
                Some(mut subscriber) => subscriber.stop().await,
                None => Ok(()),
            }
        })
    }
}

/// The clone is another subscriber to the same queue, over the same connections.
impl Clone for RabbitMq {
    fn clone(&self) -> Self {
        let (desk, server) = (self.desk.clone(), self.server.clone());
        Self::new(desk, server, self.window, self.priorities)
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        if let Some(subscriber) = self.subscriber.take() {
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
