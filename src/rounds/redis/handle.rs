//! What users hold of a Redis in which rounds are kept.
//!
//! `RedisRounds → Broker::durable → rounds.rs`, `RedisRounds::consumer → a stream, and its dead letters`

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::builder::RedisRoundsBuilder;
use crate::transport::redis::Link;
use crate::transport::{Redis, TransportError};

/// After this time what a process had in hand that was killed goes to another one, as it does with an outbox.
const LEASE: Duration = Duration::from_secs(10);

/// A server lends nothing for longer.
const LONGEST_LEASE: Duration = Duration::from_secs(24 * 60 * 60);

/// A Redis server that keeps [durable rounds](crate::Durable). Returned by [`Redis::rounds`].
///
/// Each clone is another handle over the same connection.
#[derive(Clone)]
pub struct RedisRounds(Arc<Server>);

pub(super) struct Server {
    pub(super) link: Arc<Link>,
    pub(super) address: String,
    pub(super) prefix: String,
    /// Whether the server's settings are taken to be right.
    pub(super) trusts: bool,
}

impl Redis {
    /// Describes the server at this URL as one that keeps [durable rounds](crate::Durable): `redis://user:password@host:port/database`,
    /// `rediss://` with TLS, or `redis+unix:///path`. Awaiting it connects.
    ///
    /// A server keeps rounds if it keeps all that it has confirmed: its `maxmemory-policy` has to be `noeviction`, and
    /// `appendonly` has to be `yes`. Opening a broker on any other one is an error that says what to set.
    pub fn rounds(url: impl Into<String>) -> RedisRoundsBuilder {
        RedisRoundsBuilder::new(url.into())
    }
}

impl RedisRounds {
    pub(super) fn of(server: Server) -> Self {
        Self(Arc::new(server))
    }

    pub(in crate::durable) fn link(&self) -> &Link {
        &self.0.link
    }

    /// Returns the address of the server, without user and password.
    pub fn address(&self) -> &str {
        &self.0.address
    }

    pub(super) fn prefix(&self) -> &str {
        &self.0.prefix
    }

    pub(super) fn trusts(&self) -> bool {
        self.0.trusts
    }

    /// The same over a connection of its own, as another process has it.
    #[cfg(test)]
    pub(in crate::durable) async fn beside(&self) -> Self {
        let builder = Redis::rounds(format!("redis://{}", self.0.address)).prefix(&self.0.prefix);
        builder.trusting_the_server().await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// What the keys of a broker begin with. What is in braces is the same for all brokers: see `mod.rs`.
    pub(in crate::durable) fn base(&self, broker: &str) -> String {
        format!("{{{}:rounds}}:{broker}", self.0.prefix)
    }

    pub(in crate::durable) fn numbers(&self) -> String {
        format!("{{{}:rounds}}", self.0.prefix)
    }

    /// Opens the stream with the rounds that a consumer of a broker is to hear of. Its [dead letters](Redis::dead_letters) are the
    /// rounds that the consumer has failed for good; [`redrive`](crate::transport::redrive) brings them back:
    ///
    /// ```no_run
    /// # async fn again() -> Result<(), convoke::transport::TransportError> {
    /// use convoke::transport::{Redis, redrive};
    ///
    /// let redis = Redis::rounds("redis://localhost").await?;
    /// let sign = redis.consumer("approvals", "sign").await?;
    /// let redriven = redrive(&mut sign.dead_letters(), &sign, 100).await?;
    /// println!("{} rounds are handed to the consumer again", redriven.moved);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - `Unreachable` after the deadline.
    /// - `Denied` for credentials and rights.
    /// - `Missing` if the broker never had such a consumer.
    pub async fn consumer(&self, broker: &str, consumer: &str) -> Result<Redis, TransportError> {
        let (stream, dead) = self.streams(broker, consumer);
        Redis::stream(stream)
            .group(consumer)
            .dead_letter_queue(dead)
            .lease(LEASE)
            .max_bytes(usize::MAX)
            .over(self.0.link.clone(), self.0.address.clone())
            .await
    }

    /// The same for who hears of it, who creates it.
    pub(super) async fn queue(&self, broker: &str, consumer: &str, lease: Duration) -> Result<Redis, TransportError> {
        let (stream, dead) = self.streams(broker, consumer);
        Redis::stream(stream)
            .group(consumer)
            .dead_letter_queue(dead)
            .lease(lease.min(LONGEST_LEASE))
            .max_bytes(usize::MAX)
            .create_if_missing()
            .over(self.0.link.clone(), self.0.address.clone())
            .await
    }

    fn streams(&self, broker: &str, consumer: &str) -> (String, String) {
        let base = self.base(broker);
        // As in lua/common.lua.
        (format!("{base}:to:{consumer}:heard"), format!("{base}:to:{consumer}:dead"))
    }
}

impl fmt::Debug for RedisRounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RedisRounds");
        shown.field("address", &self.0.address).field("prefix", &self.0.prefix).finish_non_exhaustive()
    }
}
