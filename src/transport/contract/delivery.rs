//! What a server has lent us: a packet that still owes an answer, and gets exactly one.
//!
//! `Source → Delivery → worker → ack | retry_after | dead_letter | release → Receipt → the server`

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::abilities::Demand;
use super::dead_letter::{DeadLetterRecord, DeadReason};
use super::error::{ErrorKind, TransportError};
use super::packet::Packet;
use super::publisher::BoxFuture;

/// How a delivery ends.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Settlement {
    /// The delivery is done: the server forgets it.
    Ack,
    /// The delivery comes again after this time, as another attempt. It comes again at once if the server cannot hold
    /// it back.
    RetryAfter(Duration),
    /// The delivery goes to the dead-letter queue with this record, and does not come again.
    DeadLetter(DeadLetterRecord),
    /// The delivery is given back untouched, and soon goes to any subscriber that asks. Where the server allows it,
    /// this does not count as an attempt.
    Release,
}

/// The transport's side of a [`Delivery`], which settles it at the server. A receipt settles at most once.
///
/// A receipt that is dropped without being settled gives the delivery back, at the latest when its lease ends.
pub trait Receipt: Send + 'static {
    /// Tells the server how the delivery ended. The future is ready when the server has confirmed it.
    ///
    /// If the [`Abilities`](super::Abilities) of the transport have no dead letters, a worker never settles with
    /// [`Settlement::DeadLetter`]: it publishes the letter elsewhere and acknowledges the delivery.
    ///
    /// # Errors
    ///
    /// `Lost` if the delivery is no longer lent to this receipt: it comes again, or has already.
    fn settle(self: Box<Self>, how: Settlement) -> BoxFuture<'static, Result<(), TransportError>>;

    /// Settles the delivery as [`settle`](Self::settle) does, and gets the packet too, for a transport whose server may
    /// have lost what it lent. A [`Delivery`] always ends by this method. The default drops the packet and calls
    /// `settle`.
    ///
    /// # Errors
    ///
    /// `Lost` if the delivery is no longer lent to this receipt: it comes again, or has already. It is also `Lost` if
    /// the packet is gone, and the text then says so.
    fn settle_in_hand(
        self: Box<Self>,
        how: Settlement,
        packet: Packet,
    ) -> BoxFuture<'static, Result<(), TransportError>> {
        drop(packet);
        self.settle(how)
    }

    /// Settles the delivery as a dead letter that stays in its place: what follows it with the same key is not lent until
    /// somebody [redrives or discards](super::Parking) the letter. Returns how many packets are behind it by now. The
    /// packet has a key; without one, a [`Delivery`] is a dead letter as any other.
    ///
    /// Implement it if the [`Abilities`](super::Abilities) of your transport have `park`, and say where each delivery
    /// [stands](Delivery::with_place). The default settles nothing.
    ///
    /// # Errors
    ///
    /// `Lost` if the delivery is no longer lent to this receipt; `Unsupported` if the server cannot do it.
    fn park(
        self: Box<Self>,
        record: DeadLetterRecord,
        packet: Packet,
    ) -> BoxFuture<'static, Result<u64, TransportError>> {
        drop(packet);
        let text = format!("it cannot {}", Demand::Park);
        let error = TransportError::new(ErrorKind::Unsupported, record.source, text);
        Box::pin(async { Err(error) })
    }

    /// Extends the lease to end after this time, counted from now. A transport without leases does nothing.
    ///
    /// # Errors
    ///
    /// `Lost` if the delivery is no longer lent to this receipt.
    fn extend(&mut self, by: Duration) -> BoxFuture<'_, Result<(), TransportError>> {
        let _ = by;
        Box::pin(async { Ok(()) })
    }

    /// Marks the delivery at the server as about to be handled alone: no other delivery is handled at the same time. A
    /// later lending of the same packet then [is marked](Delivery::is_marked). Returns `false` if the server cannot
    /// remember a mark.
    ///
    /// A worker marks a delivery that was lent more often than it has attempts, because a process died before those
    /// attempts ended. If the process dies again, the worker knows which of its deliveries it died of.
    ///
    /// # Errors
    ///
    /// `Lost` if the delivery is no longer lent to this receipt; `Unreachable`.
    fn mark(&mut self) -> BoxFuture<'_, Result<bool, TransportError>> {
        Box::pin(async { Ok(false) })
    }

    /// Marks the delivery as [`mark`](Self::mark) does, and gets the packet too, for a transport whose server knows a
    /// packet by what it holds. A [`Delivery`] is always marked by this method. The default calls `mark`.
    ///
    /// # Errors
    ///
    /// `Lost` if the delivery is no longer lent to this receipt; `Unreachable`.
    fn mark_in_hand<'a>(&'a mut self, packet: &'a Packet) -> BoxFuture<'a, Result<bool, TransportError>> {
        let _ = packet;
        self.mark()
    }
}

/// What was lent.
enum InHand {
    Own(Packet),
    /// Whoever lends it has it still, in this process.
    Shared(Arc<Packet>),
}

impl InHand {
    fn packet(&self) -> &Packet {
        match self {
            Self::Own(packet) => packet,
            Self::Shared(packet) => packet,
        }
    }

    /// Settles it; whoever has the packet still is not given it once more.
    fn settle(self, receipt: Box<dyn Receipt>, how: Settlement) -> BoxFuture<'static, Result<(), TransportError>> {
        match self {
            Self::Own(packet) => receipt.settle_in_hand(how, packet),
            Self::Shared(_) => receipt.settle(how),
        }
    }

    fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Own(Packet::default()))
    }

    fn into_packet(self) -> Packet {
        match self {
            Self::Own(packet) => packet,
            Self::Shared(packet) => Arc::unwrap_or_clone(packet),
        }
    }
}

/// A packet that a server has lent to this process. You settle it once, by a method that consumes it. A delivery that
/// is dropped is released.
#[must_use = "a delivery that is not settled comes again"]
pub struct Delivery {
    packet: InHand,
    attempt: u32,
    source: Arc<str>,
    received: Instant,
    lease: Option<Duration>,
    marked: bool,
    place: Option<Place>,
    receipt: Option<Box<dyn Receipt>>,
}

/// The position of a delivery in its queue, and how often it was redriven there: what is redriven anywhere else stands elsewhere.
pub(crate) type Place = (u64, u64);

impl Delivery {
    /// Creates a delivery of the source of this name, received now. `attempt` counts from 1. It has to be counted by
    /// the server or in the packet, so that a restart of the process does not reset it.
    pub fn new(source: impl Into<Arc<str>>, packet: Packet, attempt: u32, receipt: impl Receipt) -> Self {
        Self::of(source.into(), InHand::Own(packet), attempt, receipt)
    }

    /// The same of a packet that whoever lends it keeps meanwhile: its receipt is told how it ended, and not given it.
    pub(crate) fn shared(source: Arc<str>, packet: Arc<Packet>, attempt: u32, receipt: impl Receipt) -> Self {
        Self::of(source, InHand::Shared(packet), attempt, receipt)
    }

    fn of(source: Arc<str>, packet: InHand, attempt: u32, receipt: impl Receipt) -> Self {
        let receipt: Option<Box<dyn Receipt>> = Some(Box::new(receipt));
        let (received, attempt) = (Instant::now(), attempt.max(1));
        Self { packet, attempt, source, received, lease: None, marked: false, place: None, receipt }
    }

    /// Sets how long the delivery is lent, from now on.
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Sets whether an earlier lending of the packet was [marked](Receipt::mark) and never settled.
    pub fn with_mark(mut self, marked: bool) -> Self {
        self.marked = marked;
        self
    }

    /// Sets where the delivery stands in its queue, as [`Parking`](super::Parking) knows it, and how often it was redriven
    /// there. No other delivery of the queue ever stands at this position, whatever its packet.
    ///
    /// Set it if your transport can tell. A worker that could not store how a delivery ended does so when the delivery
    /// comes again, and has nobody hear it a second time. By its place, it does not take one for it that was redriven
    /// meanwhile. Without a place, it tells the two apart by their attempts, as long as the redriven one had fewer.
    pub fn with_place(mut self, position: u64, redriven: u64) -> Self {
        self.place = Some((position, redriven));
        self
    }

    /// Returns the position of the delivery in its queue, and how often it was redriven there, if its transport [tells
    /// that](Self::with_place).
    pub fn place(&self) -> Option<(u64, u64)> {
        self.place
    }

    /// Returns the packet.
    pub fn packet(&self) -> &Packet {
        self.packet.packet()
    }

    /// Returns the number of this attempt; the first is 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns the name of the source.
    pub fn source(&self) -> &str {
        &self.source
    }

    pub(crate) fn source_in_common(&self) -> Arc<str> {
        self.source.clone()
    }

    /// Returns how long the delivery was lent when it came; `None` if it is lent for as long as the connection lives.
    pub fn lease(&self) -> Option<Duration> {
        self.lease
    }

    /// Returns how long ago the delivery came.
    pub fn age(&self) -> Duration {
        self.received.elapsed()
    }

    /// Returns whether the packet was [marked](Self::mark) at an earlier lending and never settled since: the process
    /// died meanwhile.
    pub fn is_marked(&self) -> bool {
        self.marked
    }

    /// Marks the delivery at the server as about to be handled alone: no other delivery is handled at the same time.
    /// Returns `false` if the server cannot remember a mark.
    ///
    /// # Errors
    ///
    /// `Lost` if the delivery is no longer lent to this process; `Unreachable`.
    pub async fn mark(&mut self) -> Result<bool, TransportError> {
        match &mut self.receipt {
            Some(receipt) => receipt.mark_in_hand(self.packet.packet()).await,
            None => Ok(false),
        }
    }

    /// Extends the lease to end after this time, counted from now.
    ///
    /// # Errors
    ///
    /// `Lost` if the delivery is no longer lent to this process; `Unreachable`.
    pub async fn extend(&mut self, by: Duration) -> Result<(), TransportError> {
        match &mut self.receipt {
            Some(receipt) => receipt.extend(by).await,
            None => Ok(()),
        }
    }

    /// Acknowledges the delivery: the server forgets it.
    ///
    /// # Errors
    ///
    /// `Lost` if the delivery was no longer lent to this process, `Unreachable` if the server has not confirmed it. In
    /// both cases it may come again.
    pub async fn ack(self) -> Result<(), TransportError> {
        self.settle(Settlement::Ack).await
    }

    /// Gives the delivery back, to come again after this time as another attempt.
    ///
    /// # Errors
    ///
    /// The same as [`ack`](Self::ack).
    pub async fn retry_after(self, delay: Duration) -> Result<(), TransportError> {
        self.settle(Settlement::RetryAfter(delay)).await
    }

    /// Moves the delivery to the dead-letter queue, with this reason and these errors, the outermost first.
    ///
    /// # Errors
    ///
    /// The same as [`ack`](Self::ack). The delivery is not lost: it comes again.
    pub async fn dead_letter(self, reason: DeadReason, errors: Vec<String>) -> Result<(), TransportError> {
        let record = self.record(reason, errors);
        self.settle(Settlement::DeadLetter(record)).await
    }

    /// Makes the delivery a dead letter that stays in its place, with this reason and these errors, the outermost first.
    /// What follows it with the same key is parked until the letter is [redriven or discarded](super::Parking). Returns
    /// how many packets that are by now, counted up to 10,000. A delivery without a key goes to the dead-letter queue.
    ///
    /// # Errors
    ///
    /// The same as [`ack`](Self::ack), and `Unsupported` if the server cannot park. The delivery is not lost: it comes
    /// again.
    pub async fn park(self, reason: DeadReason, errors: Vec<String>) -> Result<u64, TransportError> {
        let record = self.record(reason, errors);
        self.park_with(record).await
    }

    /// The same with a record that was made before.
    pub(crate) async fn park_with(mut self, record: DeadLetterRecord) -> Result<u64, TransportError> {
        if self.packet().key.is_none() {
            return self.settle(Settlement::DeadLetter(record)).await.map(|()| 0);
        }
        match self.receipt.take() {
            Some(receipt) => receipt.park(record, self.packet.take().into_packet()).await,
            None => Ok(0),
        }
    }

    /// Gives the delivery back untouched.
    ///
    /// # Errors
    ///
    /// The same as [`ack`](Self::ack).
    pub async fn release(self) -> Result<(), TransportError> {
        self.settle(Settlement::Release).await
    }

    /// Creates the record of this delivery as a dead letter, for code that puts the letter into a queue itself.
    pub fn record(&self, reason: DeadReason, errors: Vec<String>) -> DeadLetterRecord {
        DeadLetterRecord::new(&self.source, self.packet(), self.attempt, reason, errors)
    }

    /// Settles the delivery in this way.
    ///
    /// # Errors
    ///
    /// The same as [`ack`](Self::ack).
    pub async fn settle(mut self, how: Settlement) -> Result<(), TransportError> {
        match self.receipt.take() {
            Some(receipt) => self.packet.take().settle(receipt, how).await,
            None => Ok(()),
        }
    }
}

/// Gives the delivery back, also after a panic. Without a runtime, the delivery comes again after its lease.
impl Drop for Delivery {
    fn drop(&mut self) {
        let Some(receipt) = self.receipt.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let packet = self.packet.take();
            // A receipt may be anybody's. If this is a panic that unwinds, another one would end the process.
            let settle = AssertUnwindSafe(|| packet.settle(receipt, Settlement::Release));
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
            .field("packet", self.packet())
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}
