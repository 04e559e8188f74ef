//! Records that a server is handed once more.

use std::collections::HashSet;

use super::error::{ReplayError, ReplayFault};
use super::progress::Replayed;
use super::replaying::Replaying;
use crate::Envelope;
use crate::codec::{Codec, Wire};
use crate::transport::{ErrorKind, Packet, Publisher, TransportError};

/// How many are handed over at a time.
const BATCH: usize = 100;

impl Replaying {
    /// Hands the records to a server, in their order, as a route hands over events. A record of an entity has the entity's id as
    /// its key, so that a server that keeps the order of a key keeps theirs.
    ///
    /// # Errors
    ///
    /// A [`ReplayError`] that says behind which record it may be taken up again: for a record that cannot be read, and for one that
    /// the server has not taken. What it has taken behind that one is handed over again then.
    pub async fn to_publisher(self, publisher: &impl Publisher) -> Result<Replayed, ReplayError> {
        let mut course = self.begin().await?;
        let takes_in_order = publisher.abilities().takes_in_order;
        let mut ahead = None;
        loop {
            let (mut positions, mut packets, mut keys) = (Vec::new(), Vec::new(), HashSet::new());
            while packets.len() < BATCH {
                let (position, packet) = match ahead.take() {
                    Some(ahead) => ahead,
                    None => match course.next().await? {
                        Some(record) => (record.position(), packet_of(&course.envelope(&record)?)),
                        None => break,
                    },
                };
                // It could be taken although the one before it of its key is not.
                let waits = |key: &String| !keys.insert(key.clone()) && !takes_in_order;
                if packet.key.as_ref().is_some_and(waits) {
                    ahead = Some((position, packet));
                    break;
                }
                positions.push(position);
                packets.push(packet);
            }
            if packets.is_empty() {
                return Ok(course.end());
            }
            let mut results = publisher.publish(&packets).await.into_iter();
            for position in positions {
                let none =
                    || Err(TransportError::new(ErrorKind::Protocol, publisher.name(), "it has no result for a packet"));
                if let Err(error) = results.next().unwrap_or_else(none) {
                    return Err(course.fails(ReplayFault::Transport(error)));
                }
                course.done(position, true);
            }
        }
    }
}

fn packet_of(envelope: &Envelope) -> Packet {
    let mut packet = Wire.write(envelope);
    packet.key = envelope.metadata.entity_id.as_deref().map(str::to_owned);
    packet
}
