//! The bus of this process hears how jobs have ended.
//!
//! `outbox → relay → ToBus → EventBus: its listeners, each awaited → the row is deleted`

use std::time::Duration;

use tokio::time::timeout;

use crate::codec;
use crate::transport::{Abilities, BoxFuture, ErrorKind, Packet, Publisher, TransportError};
use crate::{EnvelopeLimits, EventBus};

/// How long the listeners of an event are waited for. Those that go on then are not stopped.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a relay ends if nobody else takes the events of tasks.
pub(in crate::tasks) struct ToBus(pub(in crate::tasks) EventBus);

impl Publisher for ToBus {
    fn name(&self) -> &str {
        "the bus of this process"
    }

    fn abilities(&self) -> Abilities {
        Abilities::default()
    }

    /// What a listener does not do is a dead letter of the bus.
    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        Box::pin(async move {
            let mut results = Vec::with_capacity(packets.len());
            for packet in packets {
                results.push(self.tell(packet).await);
            }
            results
        })
    }
}

impl ToBus {
    async fn tell(&self, packet: &Packet) -> Result<(), TransportError> {
        let refused = |text: String| TransportError::new(ErrorKind::Refused, self.name(), text);
        let envelope = codec::read(packet, EnvelopeLimits::default()).map_err(|error| refused(error.to_string()))?;
        let emitting = self.0.emit_envelope(envelope).map_err(|error| refused(error.to_string()))?;
        if timeout(PATIENCE, emitting).await.is_err() {
            log::warn!(target: "convoke::tasks", "a listener of how a job has ended is not done after {PATIENCE:?}, and is left to itself");
        }
        Ok(())
    }
}
