//! The transaction that ends a job.
//!
//! `Tx → begin → the function writes → it returns → the end of the job, its event → commit`

use std::fmt;
use std::sync::Arc;

use super::call::Slot;
use crate::OutboxDatabase;
use crate::tasks::TaskDatabase;
use crate::tasks::{KeepingJobs, Work};
use crate::transport::{ErrorKind, TransportError};

/// The transaction that will end the job, as an argument of the function of a task: what the function writes in it, its event and
/// the end of the job commit together. If the function fails, it is rolled back.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # mod shop {
/// use convoke::transport::SqliteDatabase;
/// use convoke::{Fault, Tx};
/// use std::sync::Arc;
///
/// # struct ChargeOrder { id: i64 }
/// async fn charge(order: Arc<ChargeOrder>, mut tx: Tx<SqliteDatabase>) -> Result<(), Fault> {
///     // What takes long comes first.
///     let tx = tx.begin().await?;
///     sqlx::query("UPDATE orders SET charged = 1 WHERE id = ?").bind(order.id).execute(&mut *tx).await?;
///     Ok(())
/// }
/// # }
/// ```
///
/// It begins with the first [`begin`](Self::begin): SQLite has one writer, and from then on until the function returns, all others
/// wait. So begin late, and within the transaction wait for nothing that writes by itself: no [step](super::Steps), and no job that
/// is enqueued without `.within(…)`.
pub struct Tx<D: TaskDatabase> {
    jobs: Arc<dyn KeepingJobs<D::Connection>>,
    slot: Slot<D>,
    work: Option<Box<dyn Work<D::Connection>>>,
}

impl<D: TaskDatabase> Tx<D> {
    pub(super) fn new(jobs: Arc<dyn KeepingJobs<D::Connection>>, slot: Slot<D>) -> Self {
        Self { jobs, slot, work: None }
    }

    /// Returns the transaction, which is begun by the first call. Do not end it by a statement of your own.
    ///
    /// # Errors
    ///
    /// `Unreachable` if no connection is to be had within the deadline, or SQLite stays locked.
    pub async fn begin(&mut self) -> Result<&mut <D as OutboxDatabase>::Connection, TransportError> {
        if self.work.is_none() {
            self.work = match self.slot.take() {
                Some(work) => Some(work),
                None => Some(self.jobs.begin().await?),
            };
        }
        match &mut self.work {
            Some(work) => Ok(work.connection()),
            None => Err(TransportError::new(ErrorKind::Refused, self.jobs.name().clone(), "there is no transaction")),
        }
    }
}

/// Who ends the job finds it there.
impl<D: TaskDatabase> Drop for Tx<D> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            *self.slot.borrow_mut() = Some(work);
        }
    }
}

impl<D: TaskDatabase> fmt::Debug for Tx<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx").field("begun", &self.work.is_some()).finish_non_exhaustive()
    }
}
