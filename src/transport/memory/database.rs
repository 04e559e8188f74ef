//! Queues of a database in this process: one of each name.
//!
//! `MemoryDatabase::queue(name) → Store (shared by its name) → MemoryQueue`

use std::future::{IntoFuture, Ready, ready};
use std::sync::{Arc, Weak};

use super::queue::MemoryQueue;
use super::store::Store;
use crate::sql::memory::{Core, MemoryDatabase};
use crate::transport::{Abilities, TransportError, check_name, check_name_if_any};

/// The database that a queue is in. It does not keep that alive, for the database keeps the queue.
pub(super) type Home = Weak<Core>;

impl MemoryDatabase {
    /// Returns the queue of this name: the same for all handles of this database. It does not take part in transactions;
    /// what commits with other things leaves by an outbox. The queue of dead letters of `orders` is `orders-dead`.
    ///
    /// Awaiting the queue looks whether its name is valid, and returns it, so that code reads as with another database.
    pub fn queue(&self, name: impl AsRef<str>) -> MemoryQueue {
        let (name, home) = (name.as_ref(), Arc::downgrade(self.core()));
        let store = self.shared(name, || Keeps(Store::new_in(home, name, MemoryQueue::all_abilities())));
        MemoryQueue::of(store.0.clone(), 0)
    }
}

/// What the database keeps of a queue.
pub(super) struct Keeps(pub(super) Arc<Store>);

/// Returns the store of the dead letters of a queue: of one in a database, that of their name.
pub(super) fn store_of_letters(home: &Home, name: &str, abilities: Abilities) -> Arc<Store> {
    match home.upgrade() {
        Some(core) => {
            let make = || Keeps(Store::new_in(home.clone(), name, abilities));
            MemoryDatabase::of(core).shared(name, make).0.clone()
        }
        None => Store::new(name, abilities),
    }
}

/// Looks at its name, for code that awaits its queue with every database.
///
/// # Errors
///
/// `Unsupported` for a name that is not valid: it has 1 to 80 bytes of letters, digits, `-`, `_`, `.` and `:`.
impl IntoFuture for MemoryQueue {
    type Output = Result<Self, TransportError>;
    type IntoFuture = Ready<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let at: Arc<str> = crate::transport::Publisher::name(&self).into();
        let (queue, group) = self.names();
        let checked = check_name(&at, "a queue", &queue);
        let checked = checked.and_then(|()| check_name_if_any(&at, "a group", &group));
        ready(checked.map(|()| self))
    }
}
