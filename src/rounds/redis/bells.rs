//! How this process is told that another one has written: it need not look before its time then.
//!
//! `lua/write.lua: PUBLISH → a connection that listens → Bell → a look`

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::select;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::handle::RedisRounds;
use crate::sql::Bell;
use crate::transport::redis::Fault;

/// How long it is waited before a server is listened to again that was away.
const AGAIN: Duration = Duration::from_secs(1);

/// Listens until it is dropped.
pub(super) struct Listener {
    _until: oneshot::Sender<()>,
}

impl Listener {
    pub(super) fn start(server: RedisRounds, channel: String, bell: Arc<Bell>) -> Self {
        let (until, over) = oneshot::channel();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                select! {
                    _ = over => {}
                    () = listen(&server, &channel, &bell) => {}
                }
            });
        }
        Self { _until: until }
    }
}

/// Returns if nobody may listen: what others write is seen when it is looked for.
async fn listen(server: &RedisRounds, channel: &str, bell: &Bell) {
    loop {
        match hear(server, channel, bell).await {
            Ok(()) => {}
            Err(fault) if fault.is_temporary() => {}
            Err(fault) => {
                log::debug!(target: "convoke::rounds", "{channel}: not told of what others write: {}", fault.text());
                return;
            }
        }
        sleep(AGAIN).await;
    }
}

async fn hear(server: &RedisRounds, channel: &str, bell: &Bell) -> Result<(), Fault> {
    let mut connection = server.link().listener().await?;
    connection.subscribe(channel).await.map_err(|error| Fault::of_client(&error))?;
    // Something may have been written before.
    bell.ring();
    let mut messages = connection.on_message();
    while messages.next().await.is_some() {
        bell.ring();
    }
    Ok(())
}
