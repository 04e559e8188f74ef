//! What users hold of a queue in a file: publisher and source.
//!
//! `Sqlite::queue(name).at(file) → Sqlite → insert.rs, subscriber.rs`

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use sqlx::SqlitePool;
use tokio::time::timeout;

use super::builder::SqliteBuilder;
use super::lend;
use super::parking::SqliteParking;
use super::queue::{Core, Queue};
use super::subscriber::Subscriber;
use crate::sql::sqlite::{SqliteDatabaseBuilder, describe, late};
use crate::transport::{
    Abilities, BoxFuture, Delivery, ErrorKind, Packet, Parking, Publisher, Pulse, Source, TransportError,
};

/// A queue in a file of SQLite. Any number of threads and processes of one machine can publish to it and receive from
/// it.
///
/// ```no_run
/// use convoke::transport::{Packet, Publisher, Source, Sqlite};
///
/// #[actix::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let orders = Sqlite::queue("orders").at("orders.db").await?;
///     for taken in orders.publish(&[Packet::new("7", "a book")]).await {
///         taken?; // it is in the file
///     }
///
///     let mut worker = orders.clone(); // each clone that is opened is a subscriber of its own
///     worker.open(16).await?;
///     for delivery in worker.receive(16).await? {
///         println!("attempt {} of {}", delivery.attempt(), delivery.packet().id);
///         delivery.ack().await?;
///     }
///     Ok(())
/// }
/// ```
///
/// # What happens in the file
///
/// | you | in the file |
/// |---|---|
/// | publish | rows are inserted, all of one call in one transaction (of at most 256 packets or 8 MiB) |
/// | receive | rows are marked as lent until the end of the lease, and their attempts are counted |
/// | ack | the row is deleted |
/// | retry | the row is held back until then |
/// | dead letter | the row moves to `<name>-dead`, in one transaction with its removal here |
/// | [park](Delivery::park) | the row stays and is dead, and the rows of its key behind it stay too |
/// | release | the row is ready again, and the attempt is not counted |
/// | redrive | the letter is published anew to the queue that it died in: with several groups, publish to [`for_this_group`](Self::for_this_group) |
///
/// Such a file stays as large as it once was. New packets use the room of deleted ones, and `VACUUM` gives the room
/// back to the system. The tables are named `convoke_…`. Only this crate should write to them.
///
/// # What is kept
///
/// - **When a process is killed**, everything that was confirmed is kept, settled or not. What the process had been
///   lent comes again after the lease, as another attempt.
/// - **When the power fails**, the file stays whole. Packets that were confirmed in the last moments may be lost, and
///   deliveries that were acknowledged then may come again. With
///   [`survive_power_cut`](super::SqliteBuilder::survive_power_cut), neither happens.
/// - **At least once.** A delivery comes twice if its lease ends while it is being handled. An acknowledgement after
///   that fails with `Lost`, unless nobody else has got the delivery yet.
/// - **Order.** Packets with a key come in the order in which they were inserted, one at a time within each group: the
///   next packet is lent when the one before is acknowledged or dead. Packets without a key come by priority, and then
///   in order.
/// - **Attempts** are counted in the file.
/// - **The file** is recognized by its device and inode. If it was deleted, moved or replaced, calls fail with
///   `Unreachable`, and it is opened anew. Deliveries from the old file are `Lost`.
/// - **Time** is the clock of the machine, in milliseconds, for all processes alike. When the clock is set, leases,
///   delays and windows move with it.
///
/// # When not to use it
///
/// The file has to be on a local disk, because locks and the write-ahead log do not work over a network file system.
/// Only one process writes at a time, so more processes share what the disk can do. Several machines need a server.
///
/// A handler that keeps its own transaction open on the same file stops everybody else from writing, and also its own
/// lease from being extended. Begin such a transaction late, with `BEGIN IMMEDIATE`, and end it soon.
pub struct Sqlite {
    pub(super) queue: Arc<Queue>,
    pub(super) alone: bool,
    pub(super) subscriber: Option<Subscriber>,
}

impl Sqlite {
    /// Describes the queue of this name. Nothing is opened before you await the builder. A name has 1 to 80 bytes:
    /// letters, digits, `-`, `_`, `.` and `:`.
    pub fn queue(name: impl Into<String>) -> SqliteBuilder {
        SqliteBuilder::new(name.into())
    }

    /// Describes the database in this file, from which queues and inboxes come. A prefix `sqlite:` or `sqlite://` of the
    /// path is ignored.
    pub fn open(file: impl AsRef<Path>) -> SqliteDatabaseBuilder {
        SqliteDatabaseBuilder::open(file)
    }

    /// Describes a database that the application has a pool of. The settings of the pool apply. It should have the
    /// write-ahead log on, a busy timeout below the deadlines, and at least two connections.
    pub fn over(pool: &SqlitePool) -> SqliteDatabaseBuilder {
        SqliteDatabaseBuilder::over(pool)
    }

    pub(super) fn new(queue: Queue) -> Self {
        Self { queue: Arc::new(queue), alone: false, subscriber: None }
    }

    /// Returns the queue of dead letters: those that died in this group.
    pub fn dead_letters(&self) -> Self {
        let core = &self.queue.core;
        let at = match core.group.as_str() {
            "" => format!("sqlite:{}", core.dead),
            group => format!("sqlite:{}/{group}", core.dead),
        };
        Self::new(Queue::new(Core {
            at: at.into(),
            store: core.store.clone(),
            queue: core.dead.clone(),
            group: core.group.clone(),
            dead: format!("{}-dead", core.dead),
            deduplicate: None,
            ..**core
        }))
    }

    /// Returns the dead letters of this group that stay in their places, and what is parked behind them: to list, redrive
    /// and discard them.
    pub fn parking(&self) -> Parking {
        Parking::new(SqliteParking(self.queue.core.clone()))
    }

    /// Returns a publisher that reaches only this group, as you need it to redrive the group's dead letters. It does
    /// not de-duplicate.
    pub fn for_this_group(&self) -> Self {
        Self { alone: true, ..self.clone() }
    }

    /// Removes this group: nothing is kept for it any more, and what waits for it is deleted. The group exists again
    /// when it is opened the next time.
    ///
    /// # Errors
    ///
    /// `Unreachable`, `Denied` and `Refused`. What was removed before the error stays removed.
    pub async fn remove_group(&self) -> Result<(), TransportError> {
        let core = &self.queue.core;
        let removed = timeout(core.store.deadline, lend::remove_lane(core)).await;
        removed.map_err(|_| late(&core.at, core.store.deadline))?.map_err(|error| describe(&core.at, &error))
    }

    /// Returns the pool of connections to the file, for the tables of the application and for a
    /// [`SqliteInbox`](crate::SqliteInbox) in the same file.
    pub fn pool(&self) -> &SqlitePool {
        &self.queue.core.store.pool
    }

    fn core(&self) -> &Core {
        &self.queue.core
    }

    fn closed(&self) -> TransportError {
        let text = "it is not open: open it before it receives";
        TransportError::new(ErrorKind::Closed, self.core().at.clone(), text)
    }
}

/// The clone is another subscriber, which is not open yet.
impl Clone for Sqlite {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), alone: self.alone, subscriber: None }
    }
}

impl Publisher for Sqlite {
    fn name(&self) -> &str {
        &self.core().at
    }

    fn abilities(&self) -> Abilities {
        self.core().abilities()
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        Box::pin(self.queue.publish(packets, self.alone))
    }
}

impl Source for Sqlite {
    fn name(&self) -> &str {
        &self.core().at
    }

    fn abilities(&self) -> Abilities {
        self.core().abilities()
    }

    fn open(&mut self, prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async move {
            self.subscriber = Some(Subscriber::open(&self.queue, prefetch).await?);
            Ok(())
        })
    }

    fn lend_up_to(&mut self, deliveries: usize) -> BoxFuture<'_, Result<bool, TransportError>> {
        if let Some(subscriber) = &mut self.subscriber {
            subscriber.lend_up_to(deliveries);
        }
        Box::pin(async { Ok(true) })
    }

    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<Delivery>, TransportError>> {
        Box::pin(async move {
            match &mut self.subscriber {
                Some(_) if most == 0 => Ok(Vec::new()),
                Some(subscriber) => subscriber.receive(&self.queue, most).await,
                None => Err(self.closed()),
            }
        })
    }

    fn stop_lending(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async move {
            match &mut self.subscriber {
                Some(subscriber) => subscriber.stop_lending(&self.queue).await,
                None => Ok(()),
            }
        })
    }

    fn pulse(&self) -> Option<Pulse> {
        Some(self.queue.pulse.clone())
    }

    fn backlog(&mut self) -> BoxFuture<'_, Result<Option<u64>, TransportError>> {
        Box::pin(async move {
            let core = self.core();
            let count = timeout(core.store.deadline, lend::count(core)).await;
            let count = count.map_err(|_| late(&core.at, core.store.deadline))?;
            count.map(Some).map_err(|error| describe(&core.at, &error))
        })
    }

    fn parking(&self) -> Option<Parking> {
        Some(self.parking())
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        // What it had received and nobody has seen is given back.
        self.subscriber = None;
        Box::pin(async { Ok(()) })
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite")
            .field("name", &self.core().at)
            .field("open", &self.subscriber.is_some())
            .finish_non_exhaustive()
    }
}
