//! What users hold of a queue in a file: publisher and source.
//!
//! `Sqlite::queue(name).at(file) → Sqlite → insert.rs, subscriber.rs`

use std::fmt;
use std::sync::Arc;

use sqlx::SqlitePool;
use tokio::time::timeout;

use super::builder::SqliteBuilder;
use super::error::{describe, late};
use super::lend;
use super::queue::{Core, Queue};
use super::subscriber::Subscriber;
use crate::transport::{Abilities, BoxFuture, Delivery, ErrorKind, Packet, Publisher, Pulse, Source, TransportError};

/// A queue in a file of SQLite. Any number of threads and processes of one machine publish to it and receive from it.
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
/// | here | there |
/// |---|---|
/// | publish | rows are inserted, all of one call in one transaction (of at most 256 packets or 8 MiB) |
/// | receive | rows are marked as lent until the end of the lease, and their attempts counted |
/// | ack | the row is deleted |
/// | retry | the row is held back until then |
/// | dead letter | the row moves to `<name>-dead`, in one transaction with its removal here |
/// | release | the row is ready again, and the attempt is not counted |
/// | redrive | it is published anew to where it died: with several groups, to [`for_this_group`](Self::for_this_group) |
///
/// Files that are used like this stay as large as they once were: what is deleted makes room for what comes, and `VACUUM`
/// gives it back. The tables are named `convoke_…`; nothing but this crate should write them.
///
/// # What is kept
///
/// - **When a process is killed**, everything that was confirmed, settled or not. What it had been lent comes again after
///   the lease, as another attempt.
/// - **When the power fails**, the file stays whole, but what was confirmed in the last moments may be gone, and what was
///   acknowledged then may come again; with [`survive_power_cut`](super::SqliteBuilder::survive_power_cut) neither.
/// - **At least once.** A delivery whose lease ran out while it was worked on comes twice; who comes late with its
///   acknowledgement is told `Lost`, unless nobody else has got it yet.
/// - **Order.** Packets with a key come in the order in which they were inserted, one at a time within each group: the next
///   is lent when the one before is acknowledged or dead. Without a key, what is ready comes by priority, then in order.
/// - **Attempts** are counted in the file.
/// - **The file** is looked at, by device and inode: one that was deleted, moved or replaced is `Unreachable`, and opened anew;
///   what was lent from the one that is gone is `Lost`.
/// - **Time** is that of the machine's clock, in milliseconds, for all processes alike: leases, delays and windows move with
///   it when it is set.
///
/// # When not to use it
///
/// The file has to be on a local disk: over a network file system locks and the write-ahead log do not work. One process
/// writes at a time, so that more of them share what the disk gives. Several machines need a server.
///
/// A handler that keeps a transaction of its own open on the same file keeps everybody else from writing, its own lease
/// among them: begin it late, with `BEGIN IMMEDIATE`, and end it soon.
pub struct Sqlite {
    pub(super) queue: Arc<Queue>,
    pub(super) alone: bool,
    pub(super) subscriber: Option<Subscriber>,
}

impl Sqlite {
    /// Begins to describe the queue of this name; awaited, it is opened. A name has 1 to 80 bytes: letters, digits, `-`,
    /// `_`, `.` and `:`.
    pub fn queue(name: impl Into<String>) -> SqliteBuilder {
        SqliteBuilder::new(name.into())
    }

    pub(super) fn new(queue: Queue) -> Self {
        Self { queue: Arc::new(queue), alone: false, subscriber: None }
    }

    /// Returns its queue of dead letters: those that died in this group.
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

    /// Returns a publisher that reaches this group alone, as a redrive of its dead letters wants it. It does not
    /// de-duplicate.
    pub fn for_this_group(&self) -> Self {
        Self { alone: true, ..self.clone() }
    }

    /// Ends this group: nothing is kept for it any more, and what waits for it is gone. It is there again when it is opened
    /// the next time.
    ///
    /// # Errors
    ///
    /// `Unreachable` and `Refused`; what was removed until then is.
    pub async fn remove_group(&self) -> Result<(), TransportError> {
        let core = &self.queue.core;
        let removed = timeout(core.store.deadline, lend::remove_lane(core)).await;
        removed.map_err(|_| late(&core.at, core.store.deadline))?.map_err(|error| describe(&core.at, &error))
    }

    /// Returns the pool by which the file is used, for the tables of the application, and a
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
