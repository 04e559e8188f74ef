//! What users hold of a database in this process.
//!
//! `Memory::database() → MemoryDatabase → queue, inbox, outbox`

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::connection::{MemoryConnection, MemoryTransaction};
use super::locks::Locks;
use crate::transport::{ErrorKind, TransportError};

const DEADLINE: Duration = Duration::from_secs(10);

/// A database in this process, for tests: queues, inboxes and outboxes, with transactions. Its clones share it. Created by
/// [`Memory::database`](crate::transport::Memory::database).
///
/// It does not work by files, sockets or the clock of the machine, so it can be used in the virtual time of
/// `#[convoke::test]`, where SQLite and PostgreSQL cannot. What is written in a transaction is there for others when
/// that commits, all of it at once, and not before.
///
/// ```
/// use convoke::transport::Memory;
///
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let db = Memory::database();
/// db.migrate().await?; // it has no tables; so code reads as with another database
/// let inbox = db.inbox("billing").await?;
///
/// let mut tx = db.begin().await?;
/// assert!(inbox.mark_in(&mut tx, "event 7").await?);
/// assert!(!inbox.seen("event 7").await?);
/// tx.commit().await?; // dropped instead, nothing would be marked
/// assert!(inbox.seen("event 7").await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MemoryDatabase {
    core: Arc<Core>,
}

pub(crate) struct Core {
    at: Arc<str>,
    deadline: Mutex<Duration>,
    transactions: AtomicU64,
    gate: Mutex<()>,
    pub(super) locks: Mutex<Locks>,
    shared: Mutex<HashMap<Place, Arc<dyn Any + Send + Sync>>>,
}

/// Those that have a name. None is kept alive by that.
static NAMED: Mutex<BTreeMap<String, Weak<Core>>> = Mutex::new(BTreeMap::new());

/// Of what kind something is, and of which name.
type Place = (TypeId, Arc<str>);

impl MemoryDatabase {
    pub(crate) fn new() -> Self {
        let core = Core {
            at: "memory database".into(),
            deadline: Mutex::new(DEADLINE),
            transactions: AtomicU64::new(0),
            gate: Mutex::default(),
            locks: Mutex::default(),
            shared: Mutex::default(),
        };
        Self { core: Arc::new(core) }
    }

    /// The one of this name, which is made if there is none.
    pub(crate) fn named(name: &str) -> Self {
        let mut named = lock(&NAMED);
        named.retain(|_, core| core.strong_count() > 0);
        if let Some(core) = named.get(name).and_then(Weak::upgrade) {
            return Self { core };
        }
        let made = Self::new();
        named.insert(name.to_owned(), Arc::downgrade(&made.core));
        made
    }

    /// The one of this name, if there is one.
    pub(crate) fn find(name: &str) -> Option<Self> {
        Some(Self { core: lock(&NAMED).get(name)?.upgrade()? })
    }

    pub(crate) fn of(core: Arc<Core>) -> Self {
        Self { core }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Sets how long a transaction waits for what another one holds. The default is 10 s.
    pub fn deadline(self, deadline: Duration) -> Self {
        *lock(&self.core.deadline) = deadline;
        self
    }

    /// Does nothing, for there are no tables. Code that is used with another database too can call it.
    ///
    /// # Errors
    ///
    /// None.
    pub async fn migrate(&self) -> Result<(), TransportError> {
        Ok(())
    }

    /// Begins a transaction.
    ///
    /// # Errors
    ///
    /// None.
    pub async fn begin(&self) -> Result<MemoryTransaction, TransportError> {
        Ok(MemoryTransaction::begin(self.core.clone()))
    }

    /// Returns a connection that is in no transaction, as the pool of another database has them.
    pub fn connection(&self) -> MemoryConnection {
        MemoryConnection::plain(self.core.clone())
    }

    /// Returns the one thing of this kind and name that all handles of the database share, which is made if there is none.
    pub(crate) fn shared<T: Any + Send + Sync>(&self, name: &str, make: impl FnOnce() -> T) -> Arc<T> {
        let mut shared = lock(&self.core.shared);
        let place = (TypeId::of::<T>(), Arc::from(name));
        let there = shared.get(&place).and_then(|thing| thing.clone().downcast::<T>().ok());
        there.unwrap_or_else(|| {
            let made = Arc::new(make());
            shared.insert(place, made.clone());
            made
        })
    }

    /// Returns all things of this kind that there are, by their names.
    pub(crate) fn all<T: Any + Send + Sync>(&self) -> BTreeMap<Arc<str>, Arc<T>> {
        let shared = lock(&self.core.shared);
        let of_kind = shared.iter().filter(|((kind, _), _)| *kind == TypeId::of::<T>());
        let of_kind = of_kind.map(|((_, name), thing)| Some((name.clone(), thing.clone().downcast::<T>().ok()?)));
        of_kind.flatten().collect()
    }

    /// Whoever holds this sees a commit whole, or nothing of it. Nobody waits while he holds it.
    pub(crate) fn gate(&self) -> MutexGuard<'_, ()> {
        lock(&self.core.gate)
    }

    /// Looks whether a connection is one of this database.
    ///
    /// # Errors
    ///
    /// `Missing` if it is of another one.
    pub(crate) fn check(&self, at: &Arc<str>, connection: &MemoryConnection) -> Result<(), TransportError> {
        if Arc::ptr_eq(&self.core, connection.core()) {
            return Ok(());
        }
        let text = "the transaction is of another database: begin it with `begin()` of the database that this is from";
        Err(TransportError::new(ErrorKind::Missing, at.clone(), text))
    }
}

impl Core {
    pub(super) fn at(&self) -> &Arc<str> {
        &self.at
    }

    pub(super) fn deadline(&self) -> Duration {
        *lock(&self.deadline)
    }

    pub(super) fn next(&self) -> u64 {
        self.transactions.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn gate(&self) -> MutexGuard<'_, ()> {
        lock(&self.gate)
    }

    pub(super) fn locks(&self) -> MutexGuard<'_, Locks> {
        lock(&self.locks)
    }
}

impl fmt::Debug for MemoryDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryDatabase").field("deadline", &self.core.deadline()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
