//! What a stream is used with, and the first connection to its server.
//!
//! `Redis::stream → RedisBuilder → await → Redis`

use std::fmt;
use std::future::IntoFuture;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::redis::{Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion};
use tokio::sync::watch;

use super::Redis;
use super::core::{Core, Names};
use super::link::Link;
use crate::transport::{BoxFuture, ErrorKind, TransportError};

const DEADLINE: Duration = Duration::from_secs(5);
const PUBLISH_DEADLINE: Duration = Duration::from_secs(30);

/// Describes a [`Redis`] stream before it is used. Created by [`Redis::stream`]; awaiting it connects, and checks that
/// the stream is there.
#[derive(Clone)]
#[must_use = "nothing is connected before it is awaited"]
pub struct RedisBuilder {
    stream: String,
    group: Option<String>,
    url: Option<String>,
    dead: Option<String>,
    lease: Duration,
    deadline: Option<Duration>,
    create: bool,
    keep: bool,
    durable: Option<bool>,
    max_bytes: usize,
}

impl RedisBuilder {
    pub(super) fn new(stream: String) -> Self {
        Self {
            stream,
            group: None,
            url: None,
            dead: None,
            lease: Duration::from_secs(30),
            deadline: None,
            create: false,
            keep: false,
            durable: None,
            max_bytes: 16 << 20,
        }
    }

    /// Sets the consumer group. The subscribers of one group share its packets, and each group gets every packet. The
    /// default is a group with the name of the stream.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Sets the URL of the server: `redis://user:password@host:port/database`, `rediss://` with TLS, or
    /// `redis+unix:///path`. The default is the `REDIS_URL` of the environment, or else `redis://127.0.0.1:6379`.
    pub fn at(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Creates the stream and the group if they are missing, and again if they are deleted later. A new group gets the
    /// packets that the stream already has.
    pub fn create_if_missing(mut self) -> Self {
        self.create = true;
        self
    }

    /// Sets the stream that dead letters go to. The default is the name of the stream with `-dead` behind it.
    pub fn dead_letter_queue(mut self, stream: impl Into<String>) -> Self {
        self.dead = Some(stream.into());
        self
    }

    /// Sets how long a delivery is lent, from 100 ms to a day. The default is 30 s. All subscribers of a group need the
    /// same lease.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Sets how long a call tries when the server does not answer or cannot be reached, connecting again included. The
    /// default is 5 s, and 30 s for a publish, so that it outlives a restart of the server.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Keeps entries that every group is done with. By default they are deleted, because the stream would grow forever.
    pub fn keep_history(mut self) -> Self {
        self.keep = true;
        self
    }

    /// Sets whether the server keeps what it has confirmed when it is killed. By default the server is asked: it keeps
    /// it with `appendonly yes` and `appendfsync always`. If the server does not allow the question, the answer is no.
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = Some(durable);
        self
    }

    /// Sets the largest size of a packet in bytes. The default is 16 MiB, and the most is 512 MiB.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes.min(512 << 20);
        self
    }

    async fn connect(self) -> Result<Redis, TransportError> {
        let name = self.name();
        let url = self.url.clone().or_else(|| std::env::var("REDIS_URL").ok());
        let (client, address) = client(url.as_deref().unwrap_or("redis://127.0.0.1:6379"))
            .ok_or_else(|| TransportError::new(ErrorKind::Refused, name.clone(), WRONG_URL))?;
        let (deadline, publish_deadline) =
            (self.deadline.unwrap_or(DEADLINE), self.deadline.unwrap_or(PUBLISH_DEADLINE));
        self.over(Arc::new(Link::new(name, client, deadline, publish_deadline)), address).await
    }

    fn name(&self) -> Arc<str> {
        Names::new(self.stream.clone(), self.group.clone(), None).name
    }

    /// The same over a connection that there is, to the server of this address.
    pub(crate) async fn over(self, link: Arc<Link>, address: String) -> Result<Redis, TransportError> {
        let names = Names::new(self.stream, self.group, self.dead);
        let mut core = Core {
            name: names.name,
            address,
            stream: names.stream,
            group: names.group,
            dead: names.dead,
            due: names.due,
            marks: names.marks,
            delayed: names.delayed,
            lease: self.lease.clamp(Duration::from_millis(100), Duration::from_secs(24 * 60 * 60)),
            deadline: self.deadline.unwrap_or(DEADLINE),
            create: self.create,
            keep: self.keep,
            durable: self.durable.unwrap_or_default(),
            max_bytes: self.max_bytes,
            link,
            woken: watch::Sender::new(()),
        };
        core.check().await?;
        if self.durable.is_none() {
            core.durable = core.says("appendonly", b"yes").await && core.says("appendfsync", b"always").await;
        }
        log::debug!(target: "convoke::transport", "{} at {} is connected", core.name, core.address);
        Ok(Redis { core: Arc::new(core), subscriber: Mutex::default() })
    }
}

pub(crate) const WRONG_URL: &str = "the url cannot be read: write redis://user:password@host:port/database, with what is \
                                    special in it as %40";

/// Reads a url. What it cannot read is not quoted: it may have a password.
pub(crate) fn client(url: &str) -> Option<(Client, String)> {
    let info = url.into_connection_info().ok()?;
    if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
        // The client takes the one that the process has chosen, and panics if there is none. One that is there stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let address = info.addr().to_string();
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
    Some((Client::open(info.set_redis_settings(settings)).ok()?, address))
}

impl IntoFuture for RedisBuilder {
    type Output = Result<Redis, TransportError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    /// Connects to the server.
    ///
    /// # Errors
    ///
    /// - `Unreachable` after the deadline.
    /// - `Denied` for credentials and rights.
    /// - `Refused` for a URL that cannot be read, and if the key of this name is no stream.
    /// - `Missing` if there is no such stream, unless it may be created.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.connect())
    }
}

/// Does not show the URL, because it may contain a password.
impl fmt::Debug for RedisBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBuilder").field("stream", &self.stream).field("group", &self.group).finish_non_exhaustive()
    }
}
