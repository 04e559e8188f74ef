//! A queue of whichever server a URL or an address names: for a program that is told at its start, such as an example or a tool.
//!
//! `Address → Memory, Sqlite, Postgres, Redis, RabbitMq, Sqs → AnyQueue`

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(feature = "postgres")]
use super::postgres;
#[cfg(feature = "sqlite")]
use super::sqlite;
use super::{
    Abilities, Address, BoxFuture, Delivery, ErrorKind, Packet, Parking, Publisher, Pulse, ServerKind, Source,
    TransportError, is_secret,
};
use crate::sql::memory::MemoryDatabase;

/// A queue of the server that a URL names, for a program that learns its server when it starts.
///
/// | URL | server | feature |
/// |---|---|---|
/// | `sqlite:orders.db` | a file | `sqlite` |
/// | `postgres://localhost/shop`, `postgresql://…` | PostgreSQL; the tables are made if they are missing | `postgres` |
/// | `redis://localhost`, `rediss://…` | Redis, a stream with the group of its name | `redis` |
/// | `amqp://localhost`, `amqps://…` | RabbitMQ | `rabbitmq` |
/// | `sqs:` | Amazon SQS, found by the standard chain of the AWS SDK | `sqs` |
/// | `sqs://key:secret@region` | Amazon SQS with this key, in this region | `sqs` |
/// | `http://localhost:4566`, `https://…` | a server at this address that speaks the protocol of SQS | `sqs` |
/// | `memory:shop` | [`Memory::database_named`](super::Memory::database_named), for tests | |
///
/// With the name of the queue behind `#`, it is an [`Address`]. Each clone is another subscriber to the same queue.
pub struct AnyQueue {
    publisher: Arc<dyn Publisher>,
    subscribe: Arc<dyn Fn() -> Box<dyn Source> + Send + Sync>,
    /// A source need not be `Sync`, as a publisher has to be: only who has all of this gets at it.
    source: Mutex<Box<dyn Source>>,
}

impl AnyQueue {
    /// Opens a queue and creates it if it is missing, together with a queue for its dead letters. That queue has the
    /// name with `-dead` behind it, and you can open it by that name.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a URL that is not valid, or if no feature of this build knows such a server, and the errors of the server's own
    /// type.
    pub async fn open(url: &str, name: &str) -> Result<Self, TransportError> {
        let address = Address::of_url(url, name);
        Self::opened(&address.map_err(|error| unsupported(name, error.to_string()))?, true).await
    }

    /// Opens the queue that an address names, as [`open`](Self::open) does. A group of subscribers stands behind the queue, as in
    /// `sqlite:shop.db#orders/billing`; RabbitMQ and SQS have none.
    ///
    /// # Errors
    ///
    /// `Unsupported` if the address names no queue, or if no feature of this build knows such a server, and the errors of the server's
    /// own type.
    pub async fn at(address: &Address) -> Result<Self, TransportError> {
        Self::opened(address, true).await
    }

    /// Opens the queue that an address names, and creates and migrates nothing. A queue of a database or of Redis is there once somebody
    /// has published to it, or received from it.
    ///
    /// # Errors
    ///
    /// `Missing` if there is no such queue or group, file or database, or no tables in it; otherwise those of [`at`](Self::at).
    pub async fn existing(address: &Address) -> Result<Self, TransportError> {
        Self::opened(address, false).await
    }

    async fn opened(address: &Address, creates: bool) -> Result<Self, TransportError> {
        let Some(name) = address.name() else {
            let text = "it names no queue: write it behind `#`, as in `sqlite:shop.db#orders`";
            return Err(unsupported(&address.to_string(), text));
        };
        if is_secret(name) {
            let text = "a name is no URL with a user: write the URL before `#`, and the name alone behind it";
            return Err(unsupported(&address.to_string(), text));
        }
        match address.server() {
            ServerKind::Memory => Self::in_memory(address, name, creates),
            #[cfg(feature = "sqlite")]
            ServerKind::Sqlite => {
                let (queue, group) = in_group(name);
                let queue = super::Sqlite::queue(queue).group(group.unwrap_or_default());
                if creates {
                    return Ok(Self::of(queue.at(address.path()).await?));
                }
                // A group that is not there would be made.
                let database = super::Sqlite::open(address.path()).existing().await?;
                sqlite::look_for(&database, name, in_group(name)).await?;
                Ok(Self::of(queue.on(&database).await?))
            }
            #[cfg(feature = "postgres")]
            ServerKind::Postgres => {
                let (queue, group) = in_group(name);
                let queue = super::Postgres::queue(queue).group(group.unwrap_or_default());
                if creates && address.schema().is_none() {
                    return Ok(Self::of(queue.at(address.url()).create_if_missing().await?));
                }
                let mut database = super::Postgres::connect(address.url());
                if let Some(schema) = address.schema() {
                    database = database.schema(schema);
                }
                let database = database.await?;
                if creates {
                    database.migrate().await?;
                    return Ok(Self::of(queue.on(&database).await?));
                }
                postgres::look_for(&database, name, in_group(name)).await?;
                Ok(Self::of(queue.on(&database).await?))
            }
            #[cfg(feature = "redis")]
            ServerKind::Redis => {
                let (stream, group) = in_group(name);
                let mut stream = super::Redis::stream(stream).at(address.url());
                let has_group = group.is_some();
                if let Some(group) = group {
                    stream = stream.group(group);
                }
                if creates {
                    return Ok(Self::of(stream.create_if_missing().await?));
                }
                let mut stream = stream.await?;
                // That of nobody's name is there once somebody has received from it, and who publishes needs none.
                if has_group {
                    stream.open(1).await?;
                    stream.close().await?;
                }
                Ok(Self::of(stream))
            }
            #[cfg(feature = "rabbitmq")]
            ServerKind::RabbitMq => {
                let queue = super::RabbitMq::queue(name).at(address.url());
                Ok(Self::of(if creates { queue.create_if_missing().await? } else { queue.await? }))
            }
            #[cfg(feature = "sqs")]
            ServerKind::Sqs => {
                let queue = |name: &str| super::Sqs::queue(name).at(address);
                if !creates {
                    return Ok(Self::of(queue(name).await?));
                }
                let queue = |name: &str| queue(name).create_if_missing();
                let Some(dead) = super::sqs::dead_of(name) else { return Ok(Self::of(queue(name).await?)) };
                queue(&dead).await?;
                Ok(Self::of(queue(name).dead_letter_queue(dead).await?))
            }
            ServerKind::Sns => {
                let text =
                    "a topic is published to, and has no queue: name the queue that subscribes to it, or take `Sns`";
                Err(unsupported(&address.to_string(), text))
            }
            #[allow(unreachable_patterns, reason = "with all features there is none")]
            server => Err(unsupported(name, not_built(server))),
        }
    }

    fn in_memory(address: &Address, name: &str, creates: bool) -> Result<Self, TransportError> {
        let missing = || {
            let text = "there is no such database or queue in this process: make it by `Memory::database_named`";
            TransportError::new(ErrorKind::Missing, address.to_string(), text)
        };
        let database = match creates {
            true => MemoryDatabase::named(address.path()),
            false => MemoryDatabase::find(address.path()).ok_or_else(missing)?,
        };
        let queue = match (creates, in_group(name)) {
            (false, _) => database.queue_named(name).ok_or_else(missing)?,
            (true, (queue, None)) => database.queue(queue),
            (true, (queue, Some(group))) => database.queue(queue).group(group),
        };
        let opened = Self::of(queue);
        // The database is there for as long as the queue is.
        let subscribe = opened.subscribe;
        let kept = move || {
            let _ = &database;
            subscribe()
        };
        Ok(Self { subscribe: Arc::new(kept), ..opened })
    }

    fn of<Q: Publisher + Source + Clone + Sync>(queue: Q) -> Self {
        let publisher = Arc::new(queue.clone());
        let another = queue.clone();
        let subscribe = move || Box::new(another.clone()) as Box<dyn Source>;
        Self { publisher, subscribe: Arc::new(subscribe), source: Mutex::new(Box::new(queue)) }
    }

    fn source(&mut self) -> &mut Box<dyn Source> {
        self.source.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the name of the queue in logs, errors and metrics.
    pub fn name(&self) -> &str {
        self.publisher.name()
    }

    /// Returns what the server can do.
    pub fn abilities(&self) -> Abilities {
        self.publisher.abilities()
    }
}

fn unsupported(at: &str, text: impl Into<String>) -> TransportError {
    TransportError::new(ErrorKind::Unsupported, at, text)
}

/// A queue, and the group behind it if it names one.
fn in_group(name: &str) -> (&str, Option<&str>) {
    name.rsplit_once('/').map_or((name, None), |(queue, group)| (queue, Some(group)))
}

/// What is said of a server that this build does not reach.
pub(crate) fn not_built(server: ServerKind) -> String {
    match server.feature() {
        Some(feature) => format!("this build cannot reach such a server: enable the feature `{feature}` of convoke"),
        None => format!("{server} has none of this"),
    }
}

impl Clone for AnyQueue {
    fn clone(&self) -> Self {
        let (publisher, subscribe) = (self.publisher.clone(), self.subscribe.clone());
        Self { publisher, source: Mutex::new(subscribe()), subscribe }
    }
}

impl Publisher for AnyQueue {
    fn name(&self) -> &str {
        self.publisher.name()
    }

    fn abilities(&self) -> Abilities {
        self.publisher.abilities()
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        self.publisher.publish(packets)
    }

    fn publish_in_hand<'a>(&'a self, packets: &'a mut [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        self.publisher.publish_in_hand(packets)
    }
}

impl Source for AnyQueue {
    fn name(&self) -> &str {
        self.publisher.name()
    }

    fn abilities(&self) -> Abilities {
        self.publisher.abilities()
    }

    fn attempts(&mut self, most: u32) {
        self.source().attempts(most);
    }

    fn fewest_attempts(&mut self, least: u32) {
        self.source().fewest_attempts(least);
    }

    fn open(&mut self, prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>> {
        self.source().open(prefetch)
    }

    fn lend_up_to(&mut self, deliveries: usize) -> BoxFuture<'_, Result<bool, TransportError>> {
        self.source().lend_up_to(deliveries)
    }

    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<Delivery>, TransportError>> {
        self.source().receive(most)
    }

    fn pulse(&self) -> Option<Pulse> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).pulse()
    }

    fn backlog(&mut self) -> BoxFuture<'_, Result<Option<u64>, TransportError>> {
        self.source().backlog()
    }

    fn parking(&self) -> Option<Parking> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).parking()
    }

    fn stop_lending(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        self.source().stop_lending()
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        self.source().close()
    }
}

impl fmt::Debug for AnyQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyQueue").field(&self.publisher.name()).finish()
    }
}
