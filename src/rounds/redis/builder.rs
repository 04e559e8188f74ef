//! How a Redis in which rounds are kept is described, and the first connection to it.
//!
//! `Redis::rounds → RedisRoundsBuilder → await → RedisRounds`

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use ::redis::cmd;

use super::handle::{RedisRounds, Server};
use crate::transport::redis::{Link, WRONG_URL, client};
use crate::transport::{BoxFuture, ErrorKind, TransportError};

const DEADLINE: Duration = Duration::from_secs(5);
const PREFIX: &str = "convoke";

/// Describes a Redis server that keeps [durable rounds](crate::Durable) before it is reached. Created by
/// [`Redis::rounds`](crate::transport::Redis::rounds); awaiting it connects.
#[derive(Clone)]
#[must_use = "nothing is connected before it is awaited"]
pub struct RedisRoundsBuilder {
    url: String,
    prefix: String,
    deadline: Duration,
    trusts: bool,
}

impl RedisRoundsBuilder {
    pub(super) fn new(url: String) -> Self {
        Self { url, prefix: PREFIX.to_owned(), deadline: DEADLINE, trusts: false }
    }

    /// Sets what the keys begin with: `{convoke:rounds}` by default, with `convoke` as the prefix. Applications that share a server
    /// take different ones. The braces are the hash tag of a cluster, so a prefix has none.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets how long a call tries when the server does not answer or cannot be reached. The default is 5 s.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// States that the server has `maxmemory-policy noeviction` and `appendonly yes`, so that it is not asked. For a managed server
    /// that answers neither `CONFIG GET` nor `INFO`. A server for which that does not hold loses rounds without a word.
    pub fn trusting_the_server(mut self) -> Self {
        self.trusts = true;
        self
    }

    async fn connect(self) -> Result<RedisRounds, TransportError> {
        let at: Arc<str> = "redis rounds".into();
        if self.prefix.contains(['{', '}', '\0']) {
            let text = "the prefix of keys has no braces and no character of the code 0: take another one";
            return Err(TransportError::new(ErrorKind::Refused, at, text));
        }
        let (client, address) =
            client(&self.url).ok_or_else(|| TransportError::new(ErrorKind::Refused, at.clone(), WRONG_URL))?;
        let link = Link::new(at.clone(), client, self.deadline, self.deadline);
        link.command(&cmd("PING")).await.map_err(|fault| fault.at(&at))?;
        log::debug!(target: "convoke::transport", "{at} at {address} is connected");
        Ok(RedisRounds::of(Server { link: Arc::new(link), address, prefix: self.prefix, trusts: self.trusts }))
    }
}

impl IntoFuture for RedisRoundsBuilder {
    type Output = Result<RedisRounds, TransportError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    /// Connects to the server.
    ///
    /// # Errors
    ///
    /// - `Unreachable` after the deadline.
    /// - `Denied` for credentials and rights.
    /// - `Refused` for a URL that cannot be read, and a prefix with braces.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.connect())
    }
}

/// Does not show the URL, because it may contain a password.
impl fmt::Debug for RedisRoundsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisRoundsBuilder").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
