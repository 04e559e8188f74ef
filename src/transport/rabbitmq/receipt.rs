//! How a delivery from RabbitMQ is settled.
//!
//! `ack → acks.rs`, `retry, dead letter → desk.rs, and once that is confirmed → acks.rs`, `release → acks.rs: requeue`

use std::sync::Arc;
use std::time::Duration;

use lapin::BasicProperties;

use super::acks::{Acks, lost};
use super::desk::Desk;
use super::headers;
use super::press::Taken;
use super::tags::Verdict;
use crate::transport::{BoxFuture, Receipt, Settlement, TransportError};

/// What could not be put elsewhere comes again at once: not faster than this.
const PAUSE: Duration = Duration::from_secs(1);

/// The other side of a delivery. It keeps the message, to publish it once more.
pub(super) struct RabbitMqReceipt {
    pub(super) desk: Arc<Desk>,
    pub(super) acks: Arc<Acks>,
    pub(super) tag: u64,
    pub(super) attempt: u32,
    pub(super) properties: BasicProperties,
    pub(super) body: Vec<u8>,
}

impl Receipt for RabbitMqReceipt {
    fn settle(self: Box<Self>, how: Settlement) -> BoxFuture<'static, Result<(), TransportError>> {
        Box::pin(async move {
            if !self.acks.are_ours() {
                return Err(lost(&self.desk.at));
            }
            let Self { desk, acks, tag, attempt, properties, body } = *self;
            let moved: Taken = match how {
                Settlement::Ack => Ok(()),
                Settlement::Release => return acks.settle(tag, Verdict::Requeue).await,
                Settlement::RetryAfter(delay) => {
                    let properties = headers::again(&properties, attempt.saturating_add(1));
                    desk.again(desk.letter(properties, body), delay).await
                }
                Settlement::DeadLetter(record) => {
                    let (packet, _) = headers::read(&properties, body);
                    desk.bury(record, packet).await
                }
            };
            match moved {
                Ok(()) => acks.settle(tag, Verdict::Ack).await,
                Err(error) => {
                    tokio::time::sleep(PAUSE).await;
                    // It comes again in any case, at the latest when the connection ends.
                    let _ = acks.settle(tag, Verdict::Requeue).await;
                    Err(error)
                }
            }
        })
    }
}
