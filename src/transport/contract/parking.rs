//! Dead letters that stay in their places, and what is parked behind them: nothing of a key overtakes one that is dead.
//!
//! `Delivery::park → the row stays, dead → Parking: letters → redrive | discard → those behind it come in their order`

use std::fmt;
use std::sync::Arc;

use super::dead_letter::DeadLetterRecord;
use super::error::TransportError;
use super::packet::Packet;
use super::publisher::BoxFuture;

/// How far is counted what is parked: beyond it, to count would cost more than it says.
pub(crate) const MOST_COUNTED: u64 = 10_000;

/// A dead letter that stays in its place in the queue, and what is parked behind it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LetterInPlace {
    /// Its place in the queue, by which it is redriven and discarded. A later packet has a higher one.
    pub position: u64,
    /// The packet, as it was published.
    pub packet: Packet,
    /// Why it died, when and where.
    pub record: DeadLetterRecord,
    /// How many packets of its key are parked behind it; 10,000 stands for that many or more.
    pub parked: u64,
}

impl LetterInPlace {
    /// Creates the description of a dead letter, for the author of a transport.
    pub fn new(position: u64, packet: Packet, record: DeadLetterRecord, parked: u64) -> Self {
        Self { position, packet, record, parked }
    }

    /// The same of what a row has; one whose record cannot be read says so.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn of_row(source: &str, position: i64, packet: Packet, record: Option<&str>, parked: i64) -> Self {
        let record = DeadLetterRecord::read(record).unwrap_or_else(|| DeadLetterRecord::unread(source, &packet));
        let (position, parked) = (position.try_into().unwrap_or_default(), parked.try_into().unwrap_or_default());
        Self { position, packet, record, parked }
    }
}

/// How many dead letters are in their places, and how many packets are parked behind them. Each is counted up to 10,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParkingFigures {
    /// The number of dead letters, and so of keys that are held back.
    pub dead: u64,
    /// The number of packets that are parked behind them.
    pub parked: u64,
}

impl ParkingFigures {
    /// Creates figures, for the author of a transport.
    pub fn new(dead: u64, parked: u64) -> Self {
        Self { dead, parked }
    }
}

/// The dead letters of one group of a queue that stay in their places, because a worker [parks](crate::Worker::park).
///
/// What follows such a dead letter with the same key is *parked*: it is not lent to anybody, and it is kept. Redrive the
/// letter, and it comes again with what follows it, in their order. Discard it, and what follows it comes without it.
///
/// ```
/// # use std::error::Error;
/// use convoke::transport::{DeadReason, Memory, Packet, Publisher, Source};
///
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn Error>> {
/// let orders = Memory::queue("orders");
/// let mut packets = ["1", "2"].map(|id| Packet::new(id, "a book"));
/// packets.iter_mut().for_each(|packet| packet.key = Some("ann".to_owned()));
/// for taken in orders.publish(&packets).await {
///     taken?;
/// }
/// let mut worker = orders.clone();
/// worker.open(10).await?;
/// for delivery in worker.receive(10).await? {
///     assert_eq!(delivery.park(DeadReason::Permanent, vec!["no such book".to_owned()]).await?, 1);
/// }
///
/// let parking = orders.parking();
/// for letter in parking.dead_letters(10).await? {
///     println!("{:?}: {}, {} behind it", letter.packet.key, letter.record.reason, letter.parked);
///     parking.redrive(letter.position).await?; // 1 comes again, and then 2
/// }
/// # assert_eq!(parking.figures().await?.dead, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Parking {
    parks: Arc<dyn Parks>,
}

impl Parking {
    /// Creates the handle of a transport that parks.
    pub fn new(parks: impl Parks) -> Self {
        Self { parks: Arc::new(parks) }
    }

    /// Returns the name of the queue in logs and errors.
    pub fn name(&self) -> &str {
        self.parks.name()
    }

    /// Returns up to `most` dead letters, those of the lowest positions first.
    ///
    /// # Errors
    ///
    /// `Unreachable` and others of the queue.
    pub async fn dead_letters(&self, most: usize) -> Result<Vec<LetterInPlace>, TransportError> {
        self.dead_letters_after(0, most).await
    }

    /// Returns up to `most` dead letters behind this position, to read them page by page.
    ///
    /// # Errors
    ///
    /// The same as [`dead_letters`](Self::dead_letters).
    pub async fn dead_letters_after(&self, position: u64, most: usize) -> Result<Vec<LetterInPlace>, TransportError> {
        self.parks.dead_letters(position, most).await
    }

    /// Returns how many there are.
    ///
    /// # Errors
    ///
    /// The same as [`dead_letters`](Self::dead_letters).
    pub async fn figures(&self) -> Result<ParkingFigures, TransportError> {
        self.parks.figures().await
    }

    /// Gives one dead letter another chance, in its place: its attempts count from 1, and what is parked behind it comes
    /// after it. Returns `false` if there is no dead letter at this position.
    ///
    /// # Errors
    ///
    /// The same as [`dead_letters`](Self::dead_letters).
    pub async fn redrive(&self, position: u64) -> Result<bool, TransportError> {
        self.parks.redrive(position).await
    }

    /// Gives all dead letters that are there now another chance, and returns how many these were. One that dies again
    /// meanwhile stays.
    ///
    /// # Errors
    ///
    /// The same as [`dead_letters`](Self::dead_letters). Letters that were redriven before the error stay so.
    pub async fn redrive_all(&self) -> Result<u64, TransportError> {
        self.parks.redrive_all().await
    }

    /// Deletes one dead letter, so that what is parked behind it comes. Returns `false` if there is no dead letter at this
    /// position.
    ///
    /// # Errors
    ///
    /// The same as [`dead_letters`](Self::dead_letters).
    pub async fn discard(&self, position: u64) -> Result<bool, TransportError> {
        self.parks.discard(position).await
    }
}

impl fmt::Debug for Parking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parking").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// The transport's side of a [`Parking`]. Each method is as that of the handle.
pub trait Parks: Send + Sync + 'static {
    /// Returns the name of the queue in logs and errors.
    fn name(&self) -> &str;

    /// Returns up to `most` dead letters behind this position, those of the lowest positions first.
    ///
    /// # Errors
    ///
    /// `Unreachable` and others of the queue, here and below.
    fn dead_letters(&self, after: u64, most: usize) -> BoxFuture<'_, Result<Vec<LetterInPlace>, TransportError>>;

    /// Counts them, as far as that is cheap.
    ///
    /// # Errors
    ///
    /// The same as [`dead_letters`](Self::dead_letters).
    fn figures(&self) -> BoxFuture<'_, Result<ParkingFigures, TransportError>>;

    /// Has one be lent again, before those behind it.
    ///
    /// # Errors
    ///
    /// The same as [`dead_letters`](Self::dead_letters).
    fn redrive(&self, position: u64) -> BoxFuture<'_, Result<bool, TransportError>>;

    /// Has all of them be lent again that are there now; each of them once.
    ///
    /// # Errors
    ///
    /// The same as [`dead_letters`](Self::dead_letters).
    fn redrive_all(&self) -> BoxFuture<'_, Result<u64, TransportError>>;

    /// Deletes one, and lets the next of its key be lent.
    ///
    /// # Errors
    ///
    /// The same as [`dead_letters`](Self::dead_letters).
    fn discard(&self, position: u64) -> BoxFuture<'_, Result<bool, TransportError>>;
}
