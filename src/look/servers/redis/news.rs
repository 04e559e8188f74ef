//! What comes into a stream: read over a connection of its own, for that blocks.

use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Value, cmd};
use tokio::time::timeout;

use super::reply::news;
use crate::look::Hears;
use crate::transport::redis::{Fault, Link};
use crate::transport::{BoxFuture, Packet, TransportError};

/// How long the server waits for something, how long it may take to say that there is nothing, and how much is read at once.
const WAIT: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);
const MOST: usize = 1_000;

pub(super) struct News {
    at: Arc<str>,
    link: Arc<Link>,
    stream: String,
    /// The last that was heard.
    last: String,
    connection: Option<MultiplexedConnection>,
}

impl News {
    pub(super) fn new(at: Arc<str>, link: Arc<Link>, stream: String, last: String) -> Self {
        Self { at, link, stream, last, connection: None }
    }

    async fn read(&mut self) -> Result<Value, Fault> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.link.another().await?),
        };
        let mut read = cmd("XREAD");
        let wait = u64::try_from(WAIT.as_millis()).unwrap_or(u64::MAX);
        read.arg("COUNT").arg(MOST).arg("BLOCK").arg(wait).arg("STREAMS").arg(&self.stream).arg(&self.last);
        match timeout(WAIT + PATIENCE, connection.send_packed_command(&read)).await {
            Ok(Ok(Value::ServerError(error))) => Err(Fault::of_server(&error)),
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Fault::of_client(&error)),
            Err(_) => Err(Fault::silent()),
        }
    }
}

impl Hears for News {
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Packet>, TransportError>> {
        Box::pin(async {
            let read = self.read().await.map_err(|fault| {
                // The next one begins with another.
                self.connection = None;
                fault.at(&self.at)
            });
            let heard = news(read?);
            if let Some((last, _)) = heard.last() {
                self.last.clone_from(last);
            }
            Ok(heard.into_iter().map(|(_, packet)| packet).collect())
        })
    }
}
