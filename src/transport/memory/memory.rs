//! Where queues in memory begin.
//!
//! `Memory::queue(name) → MemoryQueue`, `Memory::database() → MemoryDatabase`

use super::queue::MemoryQueue;
use crate::sql::memory::MemoryDatabase;

/// Creates queues that live in this process and end with it.
///
/// They can do everything that any transport of this crate can, so that one of them can stand in for a server in a
/// test. Restricted by [`with_abilities`](MemoryQueue::with_abilities), a queue refuses what that server would refuse.
///
/// ```
/// # use std::error::Error;
/// use convoke::transport::{Memory, Packet, Publisher, Source};
///
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn Error>> {
/// let orders = Memory::queue("orders");
/// for taken in orders.publish(&[Packet::new("1", "a book")]).await {
///     taken?; // it waits in the queue
/// }
///
/// let mut subscriber = orders.clone();
/// subscriber.open(10).await?;
/// for delivery in subscriber.receive(10).await? {
///     assert_eq!(delivery.packet().body, b"a book");
///     delivery.ack().await?;
/// }
/// assert_eq!((orders.waiting(), orders.lent()), (0, 0));
/// # Ok(())
/// # }
/// ```
///
/// # What happens to a delivery
///
/// | you call | the delivery |
/// |---|---|
/// | `ack` | is forgotten |
/// | `retry_after` | comes again after that time, behind deliveries that have waited longer |
/// | `dead_letter` | goes to the group's [`dead_letters`](MemoryQueue::dead_letters) in the same step |
/// | `release`, or drop it | is back in its place at once, without counting as an attempt |
/// | nothing | comes again when its lease ends, or when its subscriber is closed, as another attempt |
///
/// A packet is not lent while an earlier packet of its key is lent, waits for its retry or is held back. If the lease
/// of a delivery has ended, settling it fails with `Lost` and changes nothing.
///
/// # When not to use it
///
/// Do not use it for work that has to survive the end of the process or reach another process.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Memory;

impl Memory {
    /// Creates a queue. Two queues of the same name are separate; only clones of the returned handle share one queue.
    pub fn queue(name: impl AsRef<str>) -> MemoryQueue {
        MemoryQueue::new(name.as_ref())
    }

    /// Creates a database that lives in this process and ends with its last handle: for a test, in place of SQLite or
    /// PostgreSQL. It has queues, inboxes and outboxes. Two databases are separate; clones share one.
    pub fn database() -> MemoryDatabase {
        MemoryDatabase::new()
    }

    /// Returns the database of this name in this process, which the [address](crate::look::Address) `memory:name` reaches too. It is
    /// made if there is none, and ends with its last handle.
    pub fn database_named(name: impl AsRef<str>) -> MemoryDatabase {
        MemoryDatabase::named(name.as_ref())
    }
}
