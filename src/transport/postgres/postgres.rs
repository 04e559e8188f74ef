//! What users hold of a queue in a PostgreSQL: publisher and source.
//!
//! `Postgres::queue(name).at(url) → Postgres → insert.rs, subscriber.rs`

use std::fmt;
use std::sync::Arc;

use sqlx::PgPool;

use super::builder::PostgresBuilder;
use super::lend;
use super::parking::PostgresParking;
use super::queue::{Core, Queue};
use super::subscriber::Subscriber;
use crate::sql::postgres::{Own, PostgresDatabase, PostgresDatabaseBuilder};
use crate::transport::{
    Abilities, BoxFuture, Delivery, ErrorKind, Packet, Parking, Publisher, Pulse, Source, TransportError,
};

/// A queue in tables of a PostgreSQL, version 14 or later. Any number of processes can publish to it and receive from
/// it.
///
/// ```no_run
/// use convoke::transport::{Packet, Postgres, Publisher, Source};
///
/// #[actix::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let db = Postgres::connect("postgres://localhost/shop").await?;
///     db.migrate().await?; // where the application migrates its own tables
///
///     let orders = db.queue("orders").await?;
///     for taken in orders.publish(&[Packet::new("7", "a book")]).await {
///         taken?; // it is committed
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
/// # What happens in the tables
///
/// | you | in `convoke_delivery` |
/// |---|---|
/// | publish | rows are inserted, all of one call in one transaction (of at most 256 packets or 8 MiB) |
/// | receive | rows are updated once: lent until the end of the lease, and their attempts counted |
/// | ack | the row is deleted, with others that are acknowledged at the same time |
/// | retry | the row is held back until then |
/// | dead letter | the row moves to `<name>-dead`, in one transaction with its removal here |
/// | [park](Delivery::park) | the row stays and is dead, and the rows of its key behind it stay too |
/// | release | the row is ready again, and the attempt is not counted |
/// | redrive | the letter is published anew to the queue that it died in: with several groups, publish to [`for_this_group`](Self::for_this_group) |
///
/// Only this crate should write to these tables.
///
/// # What is kept
///
/// - **When a process or the server is killed**, everything that was confirmed is kept, settled or not, as far as
///   `synchronous_commit` of the server promises that. What a process had been lent comes again after the lease, as
///   another attempt.
/// - **At least once.** A delivery comes twice if its lease ends while it is being handled. An acknowledgement after
///   that fails with `Lost`, unless nobody else has got the delivery yet.
/// - **Order.** Packets with a key come in the order of their commits, one at a time within each group: the next packet
///   is lent when the one before is acknowledged or dead. A publish with a key holds a lock of the key until its
///   commit. Packets without a key come by priority, and then roughly in order.
/// - **Attempts** are counted in the row.
/// - **Time** is the clock of the server.
///
/// # When not to use it
///
/// A queue makes dead rows, which vacuum takes away. A transaction that stays open for long, on any table of the same
/// server, keeps vacuum back, and then the queue becomes slower and larger until that transaction ends. Texts of a
/// packet may not contain the character of the code 0.
pub struct Postgres {
    pub(super) queue: Arc<Queue>,
    pub(super) alone: bool,
    pub(super) subscriber: Option<Subscriber>,
}

impl Postgres {
    /// Describes the queue of this name. Nothing is opened before you await the builder. A name has 1 to 80 bytes:
    /// letters, digits, `-`, `_`, `.` and `:`.
    pub fn queue(name: impl Into<String>) -> PostgresBuilder {
        PostgresBuilder::new(name.into())
    }

    /// Describes the connection to a database, as in `postgres://user:password@host:5432/shop`, from which queues and
    /// inboxes come.
    pub fn connect(url: impl Into<String>) -> PostgresDatabaseBuilder {
        PostgresDatabaseBuilder::connect(url.into())
    }

    /// Describes a database that the application has a pool of. The pool should have at least three connections: one of
    /// them listens.
    pub fn over(pool: &PgPool) -> PostgresDatabaseBuilder {
        PostgresDatabaseBuilder::over(pool)
    }

    pub(super) fn new(queue: Queue) -> Self {
        Self { queue: Arc::new(queue), alone: false, subscriber: None }
    }

    /// Returns the queue of dead letters: those that died in this group.
    pub fn dead_letters(&self) -> Self {
        let core = self.core();
        let at = match core.group.as_str() {
            "" => format!("postgres:{}", core.dead),
            group => format!("postgres:{}/{group}", core.dead),
        };
        Self::new(Queue::new(Core {
            at: at.into(),
            database: core.database.clone(),
            queue: core.dead.clone(),
            group: core.group.clone(),
            dead: format!("{}-dead", core.dead),
            deduplicate: None,
            own: Own::default(),
            ..*core
        }))
    }

    /// Returns the dead letters of this group that stay in their places, and what is parked behind them: to list, redrive
    /// and discard them.
    pub fn parking(&self) -> Parking {
        Parking::new(PostgresParking(self.queue.core.clone()))
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
        lend::remove_lane(self.core()).await
    }

    /// Returns the database, for an inbox in it and for the tables of the application.
    pub fn database(&self) -> &PostgresDatabase {
        &self.core().database
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
impl Clone for Postgres {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), alone: self.alone, subscriber: None }
    }
}

impl Publisher for Postgres {
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

impl Source for Postgres {
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
        Box::pin(async move { lend::count(self.core()).await.map(Some) })
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

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("name", &self.core().at)
            .field("open", &self.subscriber.is_some())
            .finish_non_exhaustive()
    }
}
