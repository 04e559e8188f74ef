//! A transaction in memory: what it will change, and what it has locked.
//!
//! `MemoryDatabase::begin → MemoryTransaction → lock (wait, deadlock) → stage → commit | rollback, dropped`

use std::collections::HashSet;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use tokio::time::timeout;

use super::database::Core;
use super::locks::Asked;
use crate::__private::gives_way;
use crate::transport::{ErrorKind, TransportError};

type Step = Box<dyn FnOnce() + Send>;

/// What stands for a transaction of a [`MemoryDatabase`](super::MemoryDatabase), as a connection of sqlx does for its own. A
/// [`MemoryTransaction`] derefs to it.
pub struct MemoryConnection {
    core: Arc<Core>,
    /// Within a transaction.
    work: Option<Work>,
}

/// What a transaction has done so far.
struct Work {
    id: u64,
    /// What changes when it commits, in this order.
    changes: Vec<Step>,
    /// What is done behind that.
    after: Vec<Step>,
    /// What it has written down for itself.
    notes: HashSet<String>,
    /// A deadlock, or a wait that was too long, has undone it.
    has_failed: bool,
}

impl MemoryConnection {
    pub(super) fn plain(core: Arc<Core>) -> Self {
        Self { core, work: None }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Whether there is a transaction on it.
    pub(crate) fn is_in_transaction(&self) -> bool {
        self.work.is_some()
    }

    /// Takes a lock that is held until the end of the transaction, and waits for whoever has it.
    ///
    /// # Errors
    ///
    /// `Unreachable` for a deadlock, at once, and after the deadline. The transaction can only be rolled back then. `Refused`
    /// if it has failed before, or there is none.
    pub(crate) async fn lock(&mut self, at: &Arc<str>, name: &str) -> Result<(), TransportError> {
        // Another database would be asked here: in a test whoever else is awake may come between.
        gives_way().await;
        let work = self.work(at)?;
        let asked = self.core.locks().ask(work, name);
        let failed = match asked {
            Asked::Yours => return Ok(()),
            Asked::Deadlock => {
                "deadlock: another transaction waits for what this one holds, and has what this one wants: roll it back, and \
                 try again"
            }
            Asked::Wait(granted) => {
                let waiting = Waiting { core: &self.core, who: work };
                let granted = timeout(self.core.deadline(), granted).await;
                drop(waiting);
                if granted.is_ok_and(|granted| granted.is_ok()) {
                    return Ok(());
                }
                "another transaction has held what this one wants for longer than the deadline: end it, or set a longer one"
            }
        };
        if let Some(work) = &mut self.work {
            work.has_failed = true;
        }
        Err(TransportError::new(ErrorKind::Unreachable, at.clone(), failed))
    }

    /// Takes a lock that nobody else has, and says whether it has it now.
    ///
    /// # Errors
    ///
    /// `Refused` as by [`lock`](Self::lock).
    pub(crate) fn try_lock(&mut self, at: &Arc<str>, name: &str) -> Result<bool, TransportError> {
        let work = self.work(at)?;
        let mut locks = self.core.locks();
        let is_free = matches!(locks.ask(work, name), Asked::Yours);
        // Nobody waits here.
        locks.forget(work);
        Ok(is_free)
    }

    /// Looks whether there is a transaction, and whether it is well.
    ///
    /// # Errors
    ///
    /// `Refused`.
    pub(crate) fn check(&self, at: &Arc<str>) -> Result<(), TransportError> {
        self.work(at).map(drop)
    }

    /// Has this done when the transaction commits.
    pub(crate) fn stage(&mut self, change: impl FnOnce() + Send + 'static) {
        if let Some(work) = &mut self.work {
            work.changes.push(Box::new(change));
        }
    }

    /// Has this done when the transaction commits, together with what else it changes; never if it is rolled back. It stands for a
    /// write to a table of the application, which a database in memory has not. Nothing is done if there is no transaction.
    pub fn on_commit(&mut self, change: impl FnOnce() + Send + 'static) {
        self.stage(change);
    }

    /// Has this done once it has committed.
    pub(crate) fn afterwards(&mut self, step: impl FnOnce() + Send + 'static) {
        if let Some(work) = &mut self.work {
            work.after.push(Box::new(step));
        }
    }

    /// Writes something down for this transaction alone, and says whether it was not yet.
    pub(crate) fn note(&mut self, note: &str) -> bool {
        self.work.as_mut().is_some_and(|work| work.notes.insert(note.to_owned()))
    }

    fn work(&self, at: &Arc<str>) -> Result<u64, TransportError> {
        let text = match &self.work {
            Some(Work { id, has_failed: false, .. }) => return Ok(*id),
            Some(_) => "the transaction has failed before: roll it back",
            None => "there is no transaction on this connection: begin one with `db.begin()`",
        };
        Err(TransportError::new(ErrorKind::Refused, at.clone(), text))
    }

    /// Ends the transaction, if there is one.
    fn end(&mut self) -> Option<Work> {
        let work = self.work.take()?;
        self.core.locks().release(work.id);
        Some(work)
    }
}

/// Rolls back what has not committed.
impl Drop for MemoryConnection {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for MemoryConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("MemoryConnection");
        shown.field("in_transaction", &self.is_in_transaction()).finish_non_exhaustive()
    }
}

/// Whoever waits and is dropped waits no more.
struct Waiting<'a> {
    core: &'a Core,
    who: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.core.locks().forget(self.who);
    }
}

/// A transaction of a [`MemoryDatabase`](super::MemoryDatabase). Dropped, it is rolled back.
///
/// What is done within it is there for others once it has committed, all of it at once. Until then others that want the
/// same mark of an inbox, or the same key of an outbox, wait for it, for as long as the
/// [deadline](super::MemoryDatabase::deadline) of the database.
#[derive(Debug)]
#[must_use = "dropped, it is rolled back"]
pub struct MemoryTransaction {
    connection: MemoryConnection,
}

impl MemoryTransaction {
    pub(super) fn begin(core: Arc<Core>) -> Self {
        let work =
            Work { id: core.next(), changes: Vec::new(), after: Vec::new(), notes: HashSet::new(), has_failed: false };
        Self { connection: MemoryConnection { core, work: Some(work) } }
    }

    /// Commits it: what was done within it is there.
    ///
    /// # Errors
    ///
    /// `Refused` if something within it has failed, and it can only be rolled back. Then it is.
    pub async fn commit(mut self) -> Result<(), TransportError> {
        gives_way().await;
        let core = self.connection.core.clone();
        self.connection.work(core.at())?;
        let gate = core.gate();
        // The locks are held until all is there.
        let work = self.connection.work.take();
        let (id, changes, after) = match work {
            Some(work) => (work.id, work.changes, work.after),
            None => return Ok(()),
        };
        changes.into_iter().for_each(|change| change());
        drop(gate);
        core.locks().release(id);
        after.into_iter().for_each(|step| step());
        Ok(())
    }

    /// Rolls it back: nothing of it is there.
    ///
    /// # Errors
    ///
    /// None.
    pub async fn rollback(mut self) -> Result<(), TransportError> {
        self.connection.end();
        Ok(())
    }
}

impl Deref for MemoryTransaction {
    type Target = MemoryConnection;

    fn deref(&self) -> &MemoryConnection {
        &self.connection
    }
}

impl DerefMut for MemoryTransaction {
    fn deref_mut(&mut self) -> &mut MemoryConnection {
        &mut self.connection
    }
}
