//! How a delivery of SQS is settled.
//!
//! `ack → DeleteMessageBatch`, `retry, release, extend → ChangeMessageVisibilityBatch`, `dead letter → SendMessage, then ack`

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::groups::Turn;
use super::publish::send_letter;
use super::queue::{MAX_LEASE, Queue};
use crate::transport::aws::seconds;
use crate::transport::{BoxFuture, DeadLetterRecord, ErrorKind, Packet, Pulse, Receipt, Settlement, TransportError};

/// What of the 12 h is left to the way to the server.
const MARGIN: Duration = Duration::from_secs(2);

pub(super) struct SqsReceipt {
    pub(super) queue: Arc<Queue>,
    pub(super) pulse: Pulse,
    pub(super) handle: String,
    pub(super) message: String,
    pub(super) received: Instant,
    /// When its lease ends. SQS may take an old handle for that of whoever has it by then.
    pub(super) until: Instant,
    /// In a FIFO queue.
    pub(super) turn: Option<Turn>,
}

impl SqsReceipt {
    /// Looks whether the lease still runs: who is late changes nothing for whoever has it now.
    fn check(&self) -> Result<(), TransportError> {
        if Instant::now() < self.until {
            return Ok(());
        }
        let text = "its lease has run out, and somebody else may have it: extend it in time, or set a longer one";
        Err(TransportError::new(ErrorKind::Lost, self.queue.name.clone(), text))
    }

    /// Has it come again after this time, or as late as SQS allows.
    async fn hold_back(&self, time: Duration) -> Result<(), TransportError> {
        let left = MAX_LEASE.saturating_sub(self.received.elapsed() + MARGIN);
        let changed = self.queue.changes.push(&self.queue.name, (self.handle.clone(), seconds(time.min(left)))).await;
        self.heard(changed)
    }

    async fn acknowledge(&self) -> Result<(), TransportError> {
        let deleted = self.queue.deletes.push(&self.queue.name, self.handle.clone()).await;
        self.heard(deleted)
    }

    /// Notes that the server has said something, if it has.
    fn heard(&self, answer: Result<(), TransportError>) -> Result<(), TransportError> {
        if answer.is_ok() {
            self.pulse.beat();
        }
        answer
    }

    async fn end(mut self: Box<Self>, how: Settlement, packet: Option<Packet>) -> Result<(), TransportError> {
        self.check()?;
        let (settled, for_good) = match how {
            Settlement::Ack => (self.acknowledge().await, true),
            Settlement::RetryAfter(time) => (self.hold_back(time).await, false),
            Settlement::DeadLetter(record) => (self.bury(record, packet).await, true),
            Settlement::Release => {
                let released = self.hold_back(Duration::ZERO).await;
                if released.is_ok() {
                    self.queue.unseen.note(&self.message);
                }
                (released, false)
            }
        };
        // Dropped without a word, it has those who wait for it go back too.
        if let Some(turn) = self.turn.take()
            && for_good
            && settled.is_ok()
        {
            turn.pass();
        }
        settled
    }

    async fn bury(&self, record: DeadLetterRecord, letter: Option<Packet>) -> Result<(), TransportError> {
        let Some(letter) = letter.filter(|_| self.queue.dead.is_some()) else {
            let text = "there is no queue for dead letters: say `.dead_letter_queue(..)`, or give the worker one";
            return Err(TransportError::new(ErrorKind::Unsupported, self.queue.name.clone(), text));
        };
        send_letter(&self.queue, &self.message, letter, record).await?;
        self.acknowledge().await
    }
}

impl Receipt for SqsReceipt {
    /// Without the packet there is no dead letter.
    fn settle(self: Box<Self>, how: Settlement) -> BoxFuture<'static, Result<(), TransportError>> {
        Box::pin(self.end(how, None))
    }

    fn settle_in_hand(
        self: Box<Self>,
        how: Settlement,
        packet: Packet,
    ) -> BoxFuture<'static, Result<(), TransportError>> {
        Box::pin(self.end(how, Some(packet)))
    }

    fn extend(&mut self, by: Duration) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async move {
            self.check()?;
            let left = MAX_LEASE.saturating_sub(self.received.elapsed() + MARGIN);
            let time = seconds(by.min(left).max(Duration::from_secs(1)));
            if left.is_zero() {
                let text = "a delivery is lent for 12 h at most: it comes again";
                return Err(TransportError::new(ErrorKind::Lost, self.queue.name.clone(), text));
            }
            let (queue, until) = (&self.queue, Instant::now() + by.min(left));
            let own = queue.changes.push(&queue.name, (self.handle.clone(), time));
            let Some(turn) = &self.turn else {
                let own = own.await;
                self.heard(own)?;
                self.until = until;
                return Ok(());
            };
            // Those who wait for it must not be lent to others in the meantime: each time would be an attempt.
            let line = turn.waiting();
            let ask = |handle: &String| queue.changes.push(&queue.name, (handle.clone(), time));
            let asked: Vec<_> = line.iter().map(ask).collect();
            let (own, asked) = tokio::join!(own, join_all(asked));
            let extended = line.into_iter().zip(asked).filter_map(|(handle, done)| done.is_ok().then_some(handle));
            turn.extended(&extended.collect::<Vec<_>>(), until);
            self.heard(own)?;
            self.until = until;
            Ok(())
        })
    }
}
