//! How a delivery from RabbitMQ is settled.
//!
//! `ack → acks.rs`, `retry, dead letter, release → desk.rs, and once that is confirmed → acks.rs`

use std::sync::Arc;
use std::time::Duration;

use lapin::BasicProperties;

use super::super::link::Taken;
use super::super::{Desk, message};
use super::acks::Acks;
use super::marks;
use super::tags::Verdict;
use crate::transport::{BoxFuture, Packet, Receipt, Settlement, TransportError};

/// What could not be put elsewhere comes again at once: not faster than this.
const PAUSE: Duration = Duration::from_secs(1);

/// The other side of a delivery. It keeps the properties of the message, to publish it once more with the body of the packet
/// that is in hand.
pub(crate) struct RabbitMqReceipt {
    pub(crate) desk: Arc<Desk>,
    pub(crate) acks: Arc<Acks>,
    pub(crate) tag: u64,
    pub(crate) attempt: u32,
    pub(crate) properties: BasicProperties,
    /// Whether it is written down that this is heard alone.
    pub(crate) marked: bool,
}

impl RabbitMqReceipt {
    /// Puts it back to be lent as this attempt, which from then on the message itself says.
    pub(crate) async fn count(self, body: Vec<u8>) {
        let Self { desk, acks, tag, attempt, properties, .. } = self;
        let letter = desk.letter(message::again(&properties, attempt), body);
        let moved = desk.again(letter, Duration::ZERO, || acks.are_ours()).await;
        // It comes again in any case, at the latest when the connection ends.
        let _ = moved_away(&acks, tag, moved).await;
    }

    /// Gives it back, so that it does not count as an attempt. The server counts what is given back as it counts what came back
    /// because somebody died, or took too long; so it is published once more, and costs its place.
    async fn release(self, body: Vec<u8>) -> Taken {
        let Self { desk, acks, tag, attempt, properties, .. } = self;
        let letter = desk.letter(message::again(&properties, attempt), body);
        let verdict = match desk.send(vec![(letter, None)]).await.pop() {
            Some(Ok(())) => Verdict::Ack,
            // It is given back all the same.
            _ => Verdict::Requeue,
        };
        acks.settle(tag, verdict).await
    }
}

impl Receipt for RabbitMqReceipt {
    /// Without the message there is no more to say of it than that it is done, or comes again.
    fn settle(self: Box<Self>, how: Settlement) -> BoxFuture<'static, Result<(), TransportError>> {
        Box::pin(async move {
            if !self.acks.are_ours() {
                return Err(self.acks.lost().await);
            }
            let verdict = if how == Settlement::Ack { Verdict::Ack } else { Verdict::Requeue };
            self.acks.settle(self.tag, verdict).await
        })
    }

    fn settle_in_hand(
        self: Box<Self>,
        how: Settlement,
        packet: Packet,
    ) -> BoxFuture<'static, Result<(), TransportError>> {
        if how == Settlement::Ack && !self.marked {
            // Most end so. Whether they are ours is looked at there, once for all that are settled together.
            return Box::pin(async move { self.acks.settle(self.tag, Verdict::Ack).await });
        }
        Box::pin(async move {
            if !self.acks.are_ours() {
                return Err(self.acks.lost().await);
            }
            if self.marked {
                // Before it is settled: one that comes again after this is heard once more, and not dead unheard.
                marks::remove(&self.desk, &marks::note(&self.properties, &packet.body)).await;
            }
            let Self { desk, acks, tag, attempt, properties, .. } = &*self;
            let moved: Taken = match how {
                Settlement::Ack => Ok(()),
                Settlement::Release => return self.release(packet.body).await,
                Settlement::RetryAfter(delay) => {
                    let properties = message::again(properties, attempt.saturating_add(1));
                    desk.again(desk.letter(properties, packet.body), delay, || acks.are_ours()).await
                }
                Settlement::DeadLetter(record) => desk.bury(record, packet, || acks.are_ours()).await,
            };
            moved_away(acks, *tag, moved).await
        })
    }

    fn mark_in_hand<'a>(&'a mut self, packet: &'a Packet) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(async move {
            if !self.acks.are_ours() {
                return Err(self.acks.lost().await);
            }
            self.marked = true;
            marks::add(&self.desk, &marks::note(&self.properties, &packet.body)).await?;
            Ok(true)
        })
    }
}

/// What has been put elsewhere is done with here.
async fn moved_away(acks: &Acks, tag: u64, moved: Taken) -> Taken {
    match moved {
        Ok(()) => acks.settle(tag, Verdict::Ack).await,
        Err(error) => {
            tokio::time::sleep(PAUSE).await;
            // It comes again in any case, at the latest when the connection ends.
            let _ = acks.settle(tag, Verdict::Requeue).await;
            Err(error)
        }
    }
}
