//! A queue of whichever server a URL names: for a program that is told at its start, such as an example or a tool.
//!
//! `URL → Sqlite, Postgres, Redis, RabbitMq, Sqs → AnyQueue`

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Abilities, BoxFuture, Delivery, ErrorKind, Packet, Parking, Publisher, Pulse, Source, TransportError};

/// A queue of the server that a URL names, for a program that learns its server when it starts.
///
/// | URL | server | feature |
/// |---|---|---|
/// | `sqlite:orders.db` | a file | `sqlite` |
/// | `postgres://localhost/shop`, `postgresql://…` | PostgreSQL; the tables are made if they are missing | `postgres` |
/// | `redis://localhost`, `rediss://…` | Redis, a stream with the group of its name | `redis` |
/// | `amqp://localhost`, `amqps://…` | RabbitMQ | `rabbitmq` |
/// | `sqs:` | Amazon SQS, found by the standard chain of the AWS SDK | `sqs` |
/// | `http://localhost:4566`, `https://…` | a server at this address that speaks the protocol of SQS | `sqs` |
///
/// Each clone is another subscriber to the same queue.
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
    /// `Unsupported` if no feature of this build knows such a URL, and the errors of the server's own type.
    pub async fn open(url: &str, name: &str) -> Result<Self, TransportError> {
        let scheme = url.split(':').next().unwrap_or_default();
        match scheme {
            #[cfg(feature = "sqlite")]
            "sqlite" => Ok(Self::of(super::Sqlite::queue(name).at(url).await?)),
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => Ok(Self::of(super::Postgres::queue(name).at(url).create_if_missing().await?)),
            #[cfg(feature = "redis")]
            "redis" | "rediss" => Ok(Self::of(super::Redis::stream(name).at(url).create_if_missing().await?)),
            #[cfg(feature = "rabbitmq")]
            "amqp" | "amqps" => Ok(Self::of(super::RabbitMq::queue(name).at(url).create_if_missing().await?)),
            #[cfg(feature = "sqs")]
            "sqs" | "http" | "https" => {
                let queue = |name: &str| {
                    let queue = super::Sqs::queue(name).create_if_missing();
                    if scheme == "sqs" { queue } else { queue.endpoint(url) }
                };
                if name.ends_with(DEAD) {
                    return Ok(Self::of(queue(name).await?));
                }
                let dead = format!("{name}{DEAD}");
                queue(&dead).await?;
                Ok(Self::of(queue(name).dead_letter_queue(dead).await?))
            }
            _ => Err(TransportError::new(ErrorKind::Unsupported, name, unknown(scheme))),
        }
    }

    #[allow(dead_code, reason = "without any feature there is no server")]
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

/// What is said of a URL that leads nowhere. Nothing of it is quoted: it may have a password.
fn unknown(scheme: &str) -> String {
    let of_another = match scheme {
        "sqlite" => Some("sqlite"),
        "postgres" | "postgresql" => Some("postgres"),
        "redis" | "rediss" => Some("redis"),
        "amqp" | "amqps" => Some("rabbitmq"),
        "sqs" | "http" | "https" => Some("sqs"),
        _ => None,
    };
    match of_another {
        Some(feature) => format!("this build cannot reach such a server: enable the feature `{feature}` of convoke"),
        None => {
            "there is no such URL: it begins with `sqlite:`, `postgres://`, `redis://`, `amqp://`, `sqs:` or `http://`"
                .to_owned()
        }
    }
}

/// What stands behind the name of a queue of dead letters.
#[cfg(feature = "sqs")]
const DEAD: &str = "-dead";

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
