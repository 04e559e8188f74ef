//! What a server has lent us: a packet that still owes an answer, and gets exactly one.
//!
//! `Source → Delivery → worker → ack | retry_after | dead_letter | release → Receipt → the server`

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tokio::time::Instant;

use super::dead_letter::{DeadLetterRecord, DeadReason};
use super::error::TransportError;
use super::packet::Packet;
use super::publisher::BoxFuture;

/// How a delivery ends.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Settlement {
    /// It is done: the server forgets it.
    Ack,
    /// It comes again after this time, as another attempt; at once if the server cannot hold it back.
    RetryAfter(Duration),
    /// It goes to the dead-letter queue, with this record, and does not come again.
    DeadLetter(DeadLetterRecord),
    /// It is given back untouched: it comes again soon, to whoever asks. Where the server lets us, this is no attempt.
    Release,
}

/// How a transport settles what it has lent. It is the transport's side of a [`Delivery`], and is called at most once.
///
/// One that is dropped without a call gives the delivery back, at the latest when its lease ends.
pub trait Receipt: Send + 'static {
    /// Tells the server how the delivery ended; ready when the server has confirmed it. Where its
    /// [`Abilities`](super::Abilities) name no dead letters, a worker never tells it of one: it publishes the letter elsewhere,
    /// and acknowledges.
    ///
    /// # Errors
    ///
    /// `Lost` if it is no longer ours: it comes again, or has.
    fn settle(self: Box<Self>, how: Settlement) -> BoxFuture<'static, Result<(), TransportError>>;

    /// Settles it as [`settle`](Self::settle) does, with the packet that is in hand: for a transport whose server may have
    /// lost what it lent. A delivery ends by this; the default lets the packet go.
    ///
    /// # Errors
    ///
    /// `Lost` if it is no longer ours: it comes again, or has; or, as the text then says, if it is gone.
    fn settle_in_hand(
        self: Box<Self>,
        how: Settlement,
        packet: Packet,
    ) -> BoxFuture<'static, Result<(), TransportError>> {
        drop(packet);
        self.settle(how)
    }

    /// Has the lease last so long from now. A transport without leases has nothing to do.
    ///
    /// # Errors
    ///
    /// `Lost` if it is no longer ours.
    fn extend(&mut self, by: Duration) -> BoxFuture<'_, Result<(), TransportError>> {
        let _ = by;
        Box::pin(async { Ok(()) })
    }

    /// Has the server remember that listeners are about to be called with this delivery, and with nothing else: a later
    /// lending of the same packet then says so ([`Delivery::is_marked`]). `false` if the server cannot keep that.
    ///
    /// A worker asks for it before it hears a delivery that has come more often than it may and whose attempts nobody has
    /// ended, because a process died meanwhile: so that it knows the next time which of all that were there it died of.
    ///
    /// # Errors
    ///
    /// `Lost` if it is no longer ours; `Unreachable`.
    fn mark(&mut self) -> BoxFuture<'_, Result<bool, TransportError>> {
        Box::pin(async { Ok(false) })
    }
}

/// A packet that a server has lent us. It is settled once, by a method that takes it; dropped, it is released.
#[must_use = "a delivery that is not settled comes again"]
pub struct Delivery {
    packet: Packet,
    attempt: u32,
    source: std::sync::Arc<str>,
    received: Instant,
    lease: Option<Duration>,
    marked: bool,
    receipt: Option<Box<dyn Receipt>>,
}

impl Delivery {
    /// Makes a delivery of the source of this name, received now; `attempt` counts from 1, by the server or in the
    /// packet, so that no restart of ours sets it back.
    pub fn new(source: impl Into<std::sync::Arc<str>>, packet: Packet, attempt: u32, receipt: impl Receipt) -> Self {
        let receipt: Option<Box<dyn Receipt>> = Some(Box::new(receipt));
        Self {
            packet,
            attempt: attempt.max(1),
            source: source.into(),
            received: Instant::now(),
            lease: None,
            marked: false,
            receipt,
        }
    }

    /// Says for how long it is lent, from now.
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Says whether an earlier lending of it was [marked](Receipt::mark), which nobody has ended.
    pub fn with_mark(mut self, marked: bool) -> Self {
        self.marked = marked;
        self
    }

    /// Returns the packet.
    pub fn packet(&self) -> &Packet {
        &self.packet
    }

    /// Returns which attempt this is; the first is 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns the name of the source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns for how long it was lent when it came; `None` if for as long as the connection lives.
    pub fn lease(&self) -> Option<Duration> {
        self.lease
    }

    /// Returns how long ago it came.
    pub fn age(&self) -> Duration {
        self.received.elapsed()
    }

    /// Whether it was heard before, alone, and nobody has said how that ended: the process died meanwhile.
    pub fn is_marked(&self) -> bool {
        self.marked
    }

    /// Has the server remember that this is about to be heard alone; `false` if it cannot.
    ///
    /// # Errors
    ///
    /// `Lost` if it is no longer ours; `Unreachable`.
    pub async fn mark(&mut self) -> Result<bool, TransportError> {
        match &mut self.receipt {
            Some(receipt) => receipt.mark().await,
            None => Ok(false),
        }
    }

    /// Has its lease last so long from now.
    ///
    /// # Errors
    ///
    /// `Lost` if it is no longer ours; `Unreachable`.
    pub async fn extend(&mut self, by: Duration) -> Result<(), TransportError> {
        match &mut self.receipt {
            Some(receipt) => receipt.extend(by).await,
            None => Ok(()),
        }
    }

    /// Says that it is done.
    ///
    /// # Errors
    ///
    /// `Lost` if it was no longer ours, `Unreachable` if nobody knows: in both cases it may come again.
    pub async fn ack(self) -> Result<(), TransportError> {
        self.settle(Settlement::Ack).await
    }

    /// Has it come again after this time, as another attempt.
    ///
    /// # Errors
    ///
    /// Those of [`ack`](Self::ack).
    pub async fn retry_after(self, delay: Duration) -> Result<(), TransportError> {
        self.settle(Settlement::RetryAfter(delay)).await
    }

    /// Puts it into the dead-letter queue, with the reason and its errors, the outermost first.
    ///
    /// # Errors
    ///
    /// Those of [`ack`](Self::ack). It is not lost: it comes again.
    pub async fn dead_letter(self, reason: DeadReason, errors: Vec<String>) -> Result<(), TransportError> {
        let record = self.record(reason, errors);
        self.settle(Settlement::DeadLetter(record)).await
    }

    /// Gives it back untouched.
    ///
    /// # Errors
    ///
    /// Those of [`ack`](Self::ack).
    pub async fn release(self) -> Result<(), TransportError> {
        self.settle(Settlement::Release).await
    }

    /// Makes the record of its death, for who puts it into a queue of dead letters.
    pub fn record(&self, reason: DeadReason, errors: Vec<String>) -> DeadLetterRecord {
        DeadLetterRecord::new(&self.source, &self.packet, self.attempt, reason, errors)
    }

    /// Ends it so.
    ///
    /// # Errors
    ///
    /// Those of [`ack`](Self::ack).
    pub async fn settle(mut self, how: Settlement) -> Result<(), TransportError> {
        match self.receipt.take() {
            Some(receipt) => receipt.settle_in_hand(how, std::mem::take(&mut self.packet)).await,
            None => Ok(()),
        }
    }
}

/// Who drops a delivery, by a panic too, gives it back; without a runtime at hand it comes again after its lease.
impl Drop for Delivery {
    fn drop(&mut self) {
        let Some(receipt) = self.receipt.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let packet = std::mem::take(&mut self.packet);
            // A receipt may be anybody's. If this is a panic that unwinds, another one would end the process.
            let settle = AssertUnwindSafe(|| receipt.settle_in_hand(Settlement::Release, packet));
            match catch_unwind(settle) {
                Ok(settling) => drop(runtime.spawn(settling)),
                Err(panic) => {
                    // What it panicked with might panic when it is dropped.
                    std::mem::forget(panic);
                    let source = &self.source;
                    log::warn!(target: "convoke::transport", "{source}: to give back a delivery panicked: it comes again after its lease");
                }
            }
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("source", &self.source)
            .field("attempt", &self.attempt)
            .field("packet", &self.packet)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}
