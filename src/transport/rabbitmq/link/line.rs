//! One connection to the server under supervision: made when it is needed, and made anew when it is gone.
//!
//! `who wants a channel → Line → the connection that lives, or a new one → Channel`

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::faults::{fault, late};
use crate::transport::{ErrorKind, TransportError, sockets};

/// The log target of all transports.
pub(crate) const TARGET: &str = "convoke::transport";

/// After how many seconds without a sign of life from the server the connection is given up, unless the URL says otherwise:
/// twice as many, as AMQP wants it.
const HEARTBEAT: u16 = 5;

/// A connection, or the way to one. There are two to a server: one that publishes and one that consumes, because a server
/// that runs out of memory stops to read from who publishes, and acknowledgements have to go through.
pub(crate) struct Line {
    uri: AMQPUri,
    purpose: &'static str,
    link: Mutex<Option<Arc<Link>>>,
}

/// A connection, and whether the runtime lives that it was made in: the client does not tell when that has ended.
struct Link {
    connection: Connection,
    runtime: AbortHandle,
}

impl Link {
    fn new(connection: Connection) -> Self {
        let task = tokio::spawn(std::future::pending::<()>());
        Self { connection, runtime: task.abort_handle() }
    }

    fn lives(&self) -> bool {
        !self.runtime.is_finished() && self.connection.status().connected()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.runtime.abort();
    }
}

/// A channel, and the connection it is on.
#[derive(Clone)]
pub(crate) struct Lane {
    channel: Channel,
    link: Arc<Link>,
}

impl Lane {
    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Whether it can be used, and what was lent on it is ours.
    pub(crate) fn lives(&self) -> bool {
        self.channel.status().connected() && self.link.lives()
    }

    /// Whether the server does not read from its connection, because it has no memory or disk left.
    pub(crate) fn is_blocked(&self) -> bool {
        self.link.connection.status().blocked()
    }
}

impl Line {
    pub(crate) fn new(mut uri: AMQPUri, purpose: &'static str) -> Self {
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        Self { uri, purpose, link: Mutex::default() }
    }

    /// Opens a channel, on a new connection if there is none that lives.
    pub(crate) async fn lane(&self, at: &Arc<str>, deadline: Duration) -> Result<Lane, TransportError> {
        let link = self.link(at, deadline).await?;
        if link.connection.status().blocked() {
            return Err(blocked(at));
        }
        match within(at, "open a channel", deadline, link.connection.create_channel()).await {
            Ok(channel) => Ok(Lane { channel, link }),
            Err(error) => {
                self.doubt(&link).await;
                Err(error)
            }
        }
    }

    async fn link(&self, at: &Arc<str>, deadline: Duration) -> Result<Arc<Link>, TransportError> {
        let tried = "connect";
        sockets(at)?;
        let connect = async {
            let mut current = self.link.lock().await;
            if let Some(link) = &*current {
                if link.lives() {
                    return Ok(link.clone());
                }
                log::warn!(target: TARGET, "{at}: the connection that {} is gone, making a new one", self.purpose);
            }
            *current = None;
            let name = format!("convoke {} {at}", self.purpose);
            let properties = ConnectionProperties::default().with_connection_name(name.into());
            let connection = Connection::connect_uri(self.uri.clone(), properties).await;
            let link = Arc::new(Link::new(connection.map_err(|error| fault(at, tried, &error))?));
            log::debug!(target: TARGET, "{at}: there is a connection that {}", self.purpose);
            *current = Some(link.clone());
            Ok(link)
        };
        timeout(deadline, connect).await.unwrap_or_else(|_| Err(late(at, tried, deadline)))
    }

    /// Has the next lane be on another connection than this one, on which something was not answered. One that the server has
    /// blocked is not at fault.
    pub(crate) async fn give_up(&self, lane: &Lane) {
        self.doubt(&lane.link).await;
    }

    async fn doubt(&self, link: &Arc<Link>) {
        let mut current = self.link.lock().await;
        if !link.connection.status().blocked() && current.as_ref().is_some_and(|current| Arc::ptr_eq(current, link)) {
            *current = None;
        }
    }
}

/// The server takes nothing for now.
pub(crate) fn blocked(at: &Arc<str>) -> TransportError {
    let text = "the server takes nothing, for it has no memory or disk left: make room, and try again later";
    TransportError::new(ErrorKind::Unreachable, at.clone(), text)
}

/// Waits for an answer of the server, for so long.
pub(crate) async fn within<T>(
    at: &Arc<str>,
    tried: &str,
    deadline: Duration,
    answer: impl Future<Output = lapin::Result<T>>,
) -> Result<T, TransportError> {
    match timeout(deadline, answer).await {
        Ok(answer) => answer.map_err(|error| fault(at, tried, &error)),
        Err(_) => Err(late(at, tried, deadline)),
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("purpose", &self.purpose).finish_non_exhaustive()
    }
}
