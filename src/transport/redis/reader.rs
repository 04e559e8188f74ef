//! The connection that blocks: how it is made, what it asks for, and how a read that nobody waits for is ended.
//!
//! `Subscriber → Reader::connect → Reader::read (blocks) → Reader::unblock`

use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Value, cmd};
use tokio::time::timeout;

use super::core::{Core, millis};
use super::fault::Fault;
use crate::transport::BoxFuture;

/// How long is waited before a read that did not block yet is unblocked once more.
const AGAIN: Duration = Duration::from_millis(10);

/// What a read brings.
pub(super) type Reading = BoxFuture<'static, Result<Value, Fault>>;

/// A connection for reads alone.
pub(super) struct Reader {
    connection: MultiplexedConnection,
    /// The number by which the server knows it, to unblock it by.
    client: Option<i64>,
    /// Which connection for commands there was when it was made: if that had to be replaced, this one may be dead too.
    pub(super) serial: u64,
}

impl Reader {
    pub(super) async fn connect(core: &Core) -> Result<Self, Fault> {
        let limit = core.link.limit();
        // That knows whether there is a server that can be used.
        let (_, serial) = core.link.connection(limit).await?;
        let mut connection = core.link.connect(limit).await?;
        // Only to be let go sooner when it closes: a user may not be allowed to ask.
        let client = match timeout(core.deadline, connection.send_packed_command(cmd("CLIENT").arg("ID"))).await {
            Ok(Ok(Value::Int(client))) => Some(client),
            Ok(Ok(_)) => None,
            Ok(Err(error)) => return Err(Fault::of_client(&error)),
            Err(_) => return Err(Fault::silent()),
        };
        Ok(Self { connection, client, serial })
    }

    /// Asks for what nobody in the group was lent, and blocks until there is some, or for so long.
    pub(super) fn read(&self, core: &std::sync::Arc<Core>, consumer: &str, most: usize, block: Duration) -> Reading {
        let (mut connection, core) = (self.connection.clone(), core.clone());
        let mut command = cmd("XREADGROUP");
        command.arg("GROUP").arg(&core.group).arg(consumer).arg("COUNT").arg(most);
        command.arg("BLOCK").arg(millis(block)).arg("STREAMS").arg(&core.stream).arg(">");
        Box::pin(async move {
            let limit = block.saturating_add(core.deadline);
            let answer = timeout(limit, connection.send_packed_command(&command)).await;
            if matches!(answer, Ok(Ok(_))) {
                core.link.pulse().beat();
            }
            match answer {
                Ok(Ok(Value::ServerError(error))) => Err(Fault::of_server(&error)),
                Ok(Ok(value)) => Ok(value),
                Ok(Err(error)) => Err(Fault::of_client(&error)),
                Err(_) => Err(Fault::silent()),
            }
        })
    }

    /// Has the server answer a read that blocks, again and again, for the read may not have got there yet. Returns only if
    /// that cannot be done.
    pub(super) async fn unblock(&self, core: &Core) {
        let Some(client) = self.client else { return };
        let mut unblock = cmd("CLIENT");
        unblock.arg("UNBLOCK").arg(client);
        while core.link.command(&unblock).await.is_ok() {
            tokio::time::sleep(AGAIN).await;
        }
    }
}
