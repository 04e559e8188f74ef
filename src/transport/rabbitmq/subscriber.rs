//! A consumer on a channel of its own, and what it has been sent.
//!
//! `basic.consume → deliveries, up to the prefetch → lend → Delivery with its receipt`

use std::future::poll_fn;
use std::mem;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt;
use lapin::Consumer;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use tokio::time::timeout;

use super::acks::Acks;
use super::desk::Desk;
use super::fault::interrupted;
use super::headers;
use super::line::{Line, within};
use super::receipt::RabbitMqReceipt;
use super::tags::Verdict;
use crate::transport::{Delivery, ErrorKind, TransportError};

/// How long it waits for a delivery before it says that there is none.
const WAIT: Duration = Duration::from_secs(1);

/// One subscriber to a queue.
pub(super) struct Subscriber {
    desk: Arc<Desk>,
    acks: Arc<Acks>,
    consumer: Consumer,
    /// The server has ended it.
    over: bool,
}

impl Subscriber {
    /// Consumes from the queue of the desk, at most `prefetch` deliveries at a time.
    pub(super) async fn open(desk: Arc<Desk>, line: &Line, prefetch: usize) -> Result<Self, TransportError> {
        let (at, deadline) = (&desk.at, desk.deadline);
        let lane = line.lane(at, deadline).await?;
        // Without a limit the server would send everything.
        let most = prefetch.clamp(1, usize::from(u16::MAX)).try_into().unwrap_or(u16::MAX);
        within(at, "set the prefetch", deadline, lane.channel().basic_qos(most, BasicQosOptions::default())).await?;
        let options = BasicConsumeOptions::default();
        let tag = ShortString::default();
        let consume = lane.channel().basic_consume(desk.queue.clone(), tag, options, FieldTable::default());
        let consumer = within(at, "consume from the queue", deadline, consume).await?;
        let acks = Arc::new(Acks::new(at.clone(), lane, deadline));
        Ok(Self { desk, acks, consumer, over: false })
    }

    pub(super) fn lives(&self) -> bool {
        !self.over && self.acks.are_ours()
    }

    /// Waits for deliveries and lends some, or none after a second.
    pub(super) async fn receive(&mut self, most: usize) -> Result<Vec<Delivery>, TransportError> {
        let Self { desk, acks, consumer, over } = self;
        let mut fault = None;
        let next = poll_fn(|context| {
            let mut deliveries = Vec::new();
            while deliveries.len() < most.max(1) {
                match consumer.poll_next_unpin(context) {
                    // What came before the connection went belongs to nobody: it comes again.
                    Poll::Ready(Some(Ok(_))) if !acks.are_ours() => {}
                    Poll::Ready(Some(Ok(delivery))) => deliveries.push(lend(desk, acks, delivery)),
                    Poll::Ready(Some(Err(error))) => fault = Some(Some(error)),
                    Poll::Ready(None) => {
                        fault.get_or_insert(None);
                        break;
                    }
                    Poll::Pending if deliveries.is_empty() => return Poll::Pending,
                    Poll::Pending => break,
                }
            }
            Poll::Ready(deliveries)
        });
        let deliveries = timeout(WAIT, next).await.unwrap_or_default();
        *over |= fault.is_some();
        match fault {
            _ if !deliveries.is_empty() => Ok(deliveries),
            Some(Some(error)) => Err(interrupted(&desk.at, &error)),
            Some(None) => Err(self.ended()),
            None if self.lives() => Ok(deliveries),
            None => Err(self.ended()),
        }
    }

    /// Has the server lend nothing more, and gives back what was sent and is not lent.
    pub(super) async fn close(mut self) -> Result<(), TransportError> {
        if !self.lives() {
            return Ok(());
        }
        let (at, deadline) = (self.desk.at.clone(), self.desk.deadline);
        let cancel = self.acks.lane().channel().basic_cancel(self.consumer.tag(), BasicCancelOptions::default());
        within(&at, "stop to consume", deadline, cancel).await?;
        let mut unlent = Vec::new();
        let rest = async {
            while let Some(Ok(delivery)) = self.consumer.next().await {
                unlent.push(self.acks.settle(delivery.delivery_tag, Verdict::Requeue));
            }
            for settled in mem::take(&mut unlent) {
                // It comes again in any case.
                let _ = settled.await;
            }
        };
        // The stream ends once the server has agreed.
        let _ = timeout(deadline, rest).await;
        Ok(())
    }

    /// As [`close`](Self::close), where nobody can wait.
    pub(super) fn leave(&mut self) {
        if !self.lives() || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let mut nobody = std::task::Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(Some(Ok(delivery))) = self.consumer.poll_next_unpin(&mut nobody) {
            self.acks.settle_soon(delivery.delivery_tag, Verdict::Requeue);
        }
    }

    fn ended(&self) -> TransportError {
        let text = "the server has ended the consumer: the queue was deleted, or the connection is gone";
        TransportError::new(ErrorKind::Unreachable, self.desk.at.clone(), text)
    }
}

fn lend(desk: &Arc<Desk>, acks: &Arc<Acks>, delivery: lapin::message::Delivery) -> Delivery {
    let body = delivery.data.clone();
    let (packet, attempt) = headers::read(&delivery.properties, delivery.data);
    let receipt = RabbitMqReceipt {
        desk: desk.clone(),
        acks: acks.clone(),
        tag: delivery.delivery_tag,
        attempt,
        properties: delivery.properties,
        body,
    };
    Delivery::new(desk.at.clone(), packet, attempt, receipt)
}
