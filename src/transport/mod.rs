//! The road of an event to other processes and back: the contract that every server is reached by, and the servers.
//!
//! `bus → codec → Packet → Publisher → a server`, `a server → Source → Delivery → worker → bus`
//!
//! A [`Publisher`] hands packets to a server and says of each whether the server has taken it. A [`Source`] lends
//! deliveries, each of which is settled exactly once. What a server can do beyond that stands in its [`Abilities`], and
//! who asks for more is told when it is set up.
//!
//! | feature | type | a queue is |
//! |---|---|---|
//! | (always) | [`Memory`] | a list in this process, for tests |
//! | `sqlite` | `Sqlite` | rows in a file, for one machine without a server |
//! | `redis` | `Redis` | a stream, read by consumer groups |
//! | `rabbitmq` | `RabbitMq` | a queue of RabbitMQ, quorum or classic |
//! | `sqs` | `Sqs` | a queue of Amazon SQS, standard or FIFO |
//! | `sns` | `Sns` | a topic of Amazon SNS, to which queues of SQS subscribe |
//! | any | [`AnyQueue`] | whichever of these a URL names |
//!
//! Delivery is *at least once* with every server: who must not do a thing twice recognizes the event by its id, or has
//! the worker do so.

mod abilities;
mod any;
mod batcher;
mod dead_letter;
mod delivery;
mod error;
mod memory;
mod packet;
mod pulse;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(any(feature = "sns", feature = "sqs"))]
mod aws;
#[cfg(feature = "rabbitmq")]
mod rabbitmq;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sns")]
mod sns;
#[cfg(feature = "sqs")]
mod sqs;

#[cfg(feature = "testing")]
pub mod conformance;

use std::future::Future;
use std::pin::Pin;

pub use abilities::{Abilities, Demand};
pub use any::AnyQueue;
pub use batcher::Batcher;
pub(crate) use batcher::caught;
pub use dead_letter::{DEAD_LETTER, DeadLetterRecord, DeadReason, Redriven, redrive};
pub use delivery::{Delivery, Receipt, Settlement};
pub use error::{ErrorKind, TransportError};
pub use memory::{Memory, MemoryQueue};
pub(crate) use packet::BINDING;
pub use packet::{Attribute, Attributes, Packet};
pub use pulse::Pulse;
#[cfg(feature = "sqlite")]
pub use sqlite::{Sqlite, SqliteBuilder, SqliteInbox, SqliteInboxBuilder};

#[cfg(feature = "rabbitmq")]
pub use rabbitmq::{RabbitMq, RabbitMqBuilder, RabbitMqExchange, RabbitMqExchangeBuilder, RabbitMqServer};
#[cfg(feature = "redis")]
pub use redis::{Redis, RedisBuilder};
#[cfg(feature = "sns")]
pub use sns::{Sns, SnsBuilder};
#[cfg(all(feature = "sns", feature = "sqs"))]
pub use sns::{Subscribe, Subscription};
#[cfg(feature = "sqs")]
pub use sqs::{Sqs, SqsBuilder};

/// A future on the heap, as the contract's methods return it, so that transports can be kept as `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How many lendings beyond its attempts a packet may have had that nobody ended, before it is a dead letter unheard: where a
/// server cannot [remember](Receipt::mark) that it was heard alone, and in the limits that servers keep by themselves.
pub const UNHEARD_ATTEMPTS: u32 = 10;

/// Hands packets to a server: to a queue, a topic, a stream or an exchange, which this stands for.
pub trait Publisher: Send + Sync + 'static {
    /// Returns what it is called in logs, errors and metrics, as in `sqs:orders`: never with a password.
    fn name(&self) -> &str;

    /// Returns what it can do.
    fn abilities(&self) -> Abilities;

    /// Hands these to the server, in this order, in as few requests as that takes, and returns for each whether the
    /// server has it, in the same order. `Ok` means that the server has confirmed it, as durably as it keeps anything.
    ///
    /// One that fails fails alone if the server can take the others. A packet beyond the [`Abilities`] is an error of
    /// its own, before anything is sent of it: [`Abilities::check`] looks for that. It waits for no longer than its own
    /// deadline. Of packets of one key, see [`Abilities::takes_in_order`].
    ///
    /// Dropped before it is ready, any of them may have been taken or not.
    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>>;
}

/// Lends deliveries from a server. Each value is one subscriber: who wants another one, clones what it is made of.
pub trait Source: Send + 'static {
    /// Returns what it is called in logs, errors and metrics, as in `sqs:orders`: never with a password.
    fn name(&self) -> &str;

    /// Returns what it can do.
    fn abilities(&self) -> Abilities;

    /// Says how often a delivery is to be heard at most before it is a dead letter. A worker calls it before
    /// [`open`](Self::open).
    ///
    /// A server that counts by itself how often it has lent a packet, and takes out what it has lent too often, counts more
    /// than was heard: what a process that died had fetched ahead, for one. Its own limit has to be this and
    /// [`UNHEARD_ATTEMPTS`] or higher; a transport whose `open` makes the queue sets it so, and one that finds a lower limit
    /// says so in the log. The default does nothing.
    fn attempts(&mut self, most: u32) {
        let _ = most;
    }

    /// Connects, looks whether what it reads from is there, and says how many deliveries may be lent at once. It is
    /// called before the first [`receive`](Self::receive), and again after an error of which the connection has died.
    ///
    /// # Errors
    ///
    /// `Missing` if there is no such queue, `Unreachable`, `Refused`.
    fn open(&mut self, prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>>;

    /// Waits for deliveries and returns some: at least one, but for none after a wait that the transport chooses and that
    /// is never longer than 20 s; never more than `most`.
    ///
    /// Dropped while it waits it loses nothing: what it had received comes again, at once or after its lease.
    ///
    /// # Errors
    ///
    /// `Unreachable` and others for which the caller waits a while and opens it again.
    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<Delivery>, TransportError>>;

    /// Has the server lend nothing more to this subscriber until the next [`receive`](Self::receive), and gives back what it
    /// has lent and no `receive` has returned: once this is ready, others get it within a second. What `receive` has returned
    /// stays lent and can be settled. A worker calls this when it is paused, and when it begins to drain.
    ///
    /// Who fetches ahead of `receive`, or leaves a request open at the server when a `receive` is dropped, has to do something
    /// here; the default does nothing.
    ///
    /// # Errors
    ///
    /// `Unreachable` and others: what was lent comes again after its lease.
    fn stop_lending(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async { Ok(()) })
    }

    /// Returns what tells when the server last said anything, on any thread and while a `receive` is open; always the same
    /// one. A worker asks for it once, when this is open, and is not healthy while the server is silent for too long.
    ///
    /// By default there is none, and the server counts as having said something whenever a `receive` has brought no error,
    /// which it has to within 30 s.
    fn pulse(&self) -> Option<Pulse> {
        None
    }

    /// Returns how many deliveries wait on the server, if it can tell.
    fn backlog(&mut self) -> BoxFuture<'_, Result<Option<u64>, TransportError>> {
        Box::pin(async { Ok(None) })
    }

    /// Ends the subscriber: the server lends it nothing more, and a [`receive`](Self::receive) is `Closed` or brings nothing
    /// until it is opened again. What is still lent can be settled until this returns. One that does nothing here, as this
    /// default, lends on.
    fn close(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async { Ok(()) })
    }
}

impl<P: Publisher + ?Sized> Publisher for std::sync::Arc<P> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn abilities(&self) -> Abilities {
        (**self).abilities()
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        (**self).publish(packets)
    }
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn abilities(&self) -> Abilities {
        (**self).abilities()
    }

    fn attempts(&mut self, most: u32) {
        (**self).attempts(most);
    }

    fn open(&mut self, prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>> {
        (**self).open(prefetch)
    }

    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<Delivery>, TransportError>> {
        (**self).receive(most)
    }

    fn stop_lending(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        (**self).stop_lending()
    }

    fn pulse(&self) -> Option<Pulse> {
        (**self).pulse()
    }

    fn backlog(&mut self) -> BoxFuture<'_, Result<Option<u64>, TransportError>> {
        (**self).backlog()
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        (**self).close()
    }
}
