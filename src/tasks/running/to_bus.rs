//! The bus of this process hears how jobs have ended.
//!
//! `outbox → relay → ToBus → EventBus: its listeners, each awaited → the row is deleted`

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::codec;
use crate::transport::{Abilities, BoxFuture, ErrorKind, Packet, Publisher, TransportError};
use crate::{EnvelopeLimits, EventBus};

/// How long the listeners of events that came together are waited for: less than the relay waits, which would have all of them told
/// again. Those that go on then are not stopped.
const PATIENCE: Duration = Duration::from_secs(50);

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
            let (end, mut results) = (Instant::now() + PATIENCE, Vec::with_capacity(packets.len()));
            for packet in packets {
                results.push(match Instant::now() < end {
                    true => self.tell(packet, end).await,
                    false => {
                        let text = "its listeners are not done with the events before";
                        Err(TransportError::new(ErrorKind::Unreachable, self.name(), text))
                    }
                });
            }
            results
        })
    }
}

impl ToBus {
    async fn tell(&self, packet: &Packet, end: Instant) -> Result<(), TransportError> {
        let refused = |text: String| TransportError::new(ErrorKind::Refused, self.name(), text);
        let envelope = codec::read(packet, EnvelopeLimits::default()).map_err(|error| refused(error.to_string()))?;
        let emitting = self.0.emit_envelope(envelope).map_err(|error| refused(error.to_string()))?;
        if timeout_at(end, emitting).await.is_err() {
            log::warn!(target: "convoke::tasks", "a listener of how a job has ended is not done after {PATIENCE:?}, and is left to itself");
        }
        Ok(())
    }
}
