//! Where queues in memory begin.
//!
//! `Memory::queue(name) → MemoryQueue`

use super::queue::MemoryQueue;

/// Makes queues that live in this process and end with it.
///
/// They can do all that any transport here can, so that one of them stands in for a server in a test; restricted by
/// [`with_abilities`](MemoryQueue::with_abilities), it refuses what that server would.
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
/// # What becomes of a delivery
///
/// | settled by | it |
/// |---|---|
/// | `ack` | is forgotten |
/// | `retry_after` | comes again after that time, behind those who have waited longer |
/// | `dead_letter` | goes to the group's [`dead_letters`](MemoryQueue::dead_letters) in the same step |
/// | `release`, or dropped | is back in its place at once, and this was no attempt |
/// | nothing | comes again when its lease ends, or when its subscriber is closed, as another attempt |
///
/// Nothing of a key is lent while an earlier packet of that key is lent, waits for its retry or is held back. A receipt
/// whose lease has run out gives `Lost`, and changes nothing.
///
/// # When not to use it
///
/// To have work survive the end of the process, or reach another one: it can do neither.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Memory;

impl Memory {
    /// Makes a queue that nobody else has; two of the same name are two queues. Clones of what this returns share it.
    pub fn queue(name: impl AsRef<str>) -> MemoryQueue {
        MemoryQueue::new(name.as_ref())
    }
}
