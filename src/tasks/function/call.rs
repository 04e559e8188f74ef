//! One attempt, as the arguments of its function see it.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use tokio::sync::watch;

use super::cancel_token::{CancelToken, Cancelling};
use super::place::TaskPlace;
use super::progress::TaskProgress;
use crate::EventBus;
use crate::tasks::BatchOutcome;
use crate::tasks::Loan;
use crate::tasks::Work;
use crate::tasks::{TaskDatabase, TaskQueue};

/// Where a function leaves the transaction that it has begun.
pub(in crate::tasks) type Slot<D> = Rc<RefCell<Option<Box<dyn Work<<D as crate::OutboxDatabase>::Connection>>>>>;

/// What an attempt has.
pub(in crate::tasks) struct Call<D: TaskPlace> {
    pub(in crate::tasks) loan: Loan,
    /// What is emitted by it continues what the job belongs to.
    pub(in crate::tasks) bus: EventBus,
    pub(in crate::tasks) cancel: watch::Receiver<Option<Cancelling>>,
    /// What there is where the job was kept.
    pub(in crate::tasks) kit: D::Kit,
    /// The one that was loaded, if the function asks for it.
    pub(in crate::tasks) instance: Cell<Option<Box<dyn Any>>>,
    /// Of the batch behind which the job was enqueued.
    pub(in crate::tasks) outcome: Cell<Option<BatchOutcome>>,
}

/// What an attempt has of a database.
pub struct Kit<D: TaskDatabase> {
    pub(in crate::tasks) queue: TaskQueue<D>,
    pub(in crate::tasks) progress: TaskProgress,
    pub(in crate::tasks) slot: Slot<D>,
}

impl<D: TaskDatabase> fmt::Debug for Kit<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kit").field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl<D: TaskPlace> Call<D> {
    pub(super) fn token(&self) -> CancelToken {
        CancelToken::new(self.cancel.clone())
    }
}

/// What an [argument](super::TaskArgument) is taken from: one attempt. Nobody outside makes one.
pub struct TaskCall<'a, D: TaskPlace>(pub(super) &'a Call<D>);

impl<D: TaskPlace> TaskCall<'_, D> {
    /// What there is where the job was kept.
    pub(in crate::tasks) fn kit(&self) -> &D::Kit {
        &self.0.kit
    }
}

impl<D: TaskPlace> fmt::Debug for TaskCall<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskCall").field("job", &self.0.loan.id).finish_non_exhaustive()
    }
}
