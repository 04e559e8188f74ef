//! What a function may ask for beside its task.

use super::call::TaskCall;
use super::cancel_token::CancelToken;
use super::instance::{Asked, Instance};
use super::progress::TaskProgress;
use super::repository::Loaded;
use super::steps::Steps;
use super::tx::Tx;
use crate::tasks::{Fault, JobId, TaskDatabase, TaskQueue};
use crate::{Container, ContainerError, EventBus, Inject};

/// An argument that the function of a task can take beside the task, in a database `D`: [`Inject<T>`](Inject), [`EventBus`],
/// [`Tx<D>`](Tx), [`TaskQueue<D>`](TaskQueue), [`Instance<T>`](Instance), [`CancelToken`], [`TaskProgress`], [`Steps`] and [`Attempt`].
#[diagnostic::on_unimplemented(
    message = "the function of a task cannot be given `{Self}`",
    label = "not something that the function of a task can ask for",
    note = "behind the `Arc` of its task it asks for `Inject<T>`, `EventBus`, `Tx<D>`, `TaskQueue<D>`, `Instance<T>`, \
            `CancelToken`, `TaskProgress`, `Steps` or `Attempt`, up to 8 of them"
)]
pub trait TaskArgument<D: TaskDatabase>: Sized + 'static {
    /// Looks whether it can be had, when the function is registered.
    #[doc(hidden)]
    fn check(container: &Container) -> Result<(), ContainerError> {
        let _ = container;
        Ok(())
    }

    /// The instance that it is.
    #[doc(hidden)]
    fn asks() -> Option<Asked> {
        None
    }

    /// Takes one for an attempt.
    #[doc(hidden)]
    fn take(call: &TaskCall<'_, D>) -> Result<Self, Fault>;
}

impl<D: TaskDatabase, T: ?Sized + Send + Sync + 'static> TaskArgument<D> for Inject<T> {
    fn check(container: &Container) -> Result<(), ContainerError> {
        container.get::<T>().map(drop)
    }

    fn take(call: &TaskCall<'_, D>) -> Result<Self, Fault> {
        call.0.bus.container().get().map_err(|error| Fault::coded("unprovided", error.to_string()))
    }
}

/// What is emitted by it continues the trace of the job.
impl<D: TaskDatabase> TaskArgument<D> for EventBus {
    fn take(call: &TaskCall<'_, D>) -> Result<Self, Fault> {
        Ok(call.0.bus.clone())
    }
}

impl<D: TaskDatabase> TaskArgument<D> for TaskQueue<D> {
    fn take(call: &TaskCall<'_, D>) -> Result<Self, Fault> {
        Ok(call.0.queue.clone())
    }
}

impl<D: TaskDatabase> TaskArgument<D> for CancelToken {
    fn take(call: &TaskCall<'_, D>) -> Result<Self, Fault> {
        Ok(call.0.token())
    }
}

impl<D: TaskDatabase> TaskArgument<D> for TaskProgress {
    fn take(call: &TaskCall<'_, D>) -> Result<Self, Fault> {
        Ok(call.0.progress.clone())
    }
}

impl<D: TaskDatabase> TaskArgument<D> for Steps {
    fn take(call: &TaskCall<'_, D>) -> Result<Self, Fault> {
        let jobs: std::sync::Arc<dyn crate::tasks::Jobs> = call.0.queue.jobs().clone();
        Ok(Self::new(jobs, (call.0.loan.id, call.0.loan.attempt)))
    }
}

impl<D: TaskDatabase> TaskArgument<D> for Tx<D> {
    fn take(call: &TaskCall<'_, D>) -> Result<Self, Fault> {
        Ok(Self::new(call.0.queue.jobs().clone(), call.0.slot.clone()))
    }
}

impl<D: TaskDatabase> TaskArgument<D> for Attempt {
    fn take(call: &TaskCall<'_, D>) -> Result<Self, Fault> {
        let loan = &call.0.loan;
        Ok(Self { job: JobId::new(loan.id), number: loan.attempt, of: loan.attempts })
    }
}

impl<D: TaskDatabase, T: 'static> TaskArgument<D> for Instance<T> {
    fn asks() -> Option<Asked> {
        Some(Asked::of::<T>())
    }

    fn take(call: &TaskCall<'_, D>) -> Result<Self, Fault> {
        let loaded = call.0.instance.take().and_then(|instance| instance.downcast::<Loaded<T>>().ok());
        loaded
            .map(|loaded| Self::from(*loaded))
            .ok_or_else(|| Fault::coded("unprovided", "its instance was not loaded"))
    }
}

/// Which attempt of which job this is, as an argument of the function of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    job: JobId,
    number: u32,
    of: u32,
}

impl Attempt {
    /// Returns the number of the job.
    pub fn job(self) -> JobId {
        self.job
    }

    /// Returns the number of the attempt, from 1.
    pub fn number(self) -> u32 {
        self.number
    }

    /// Returns whether it is the last: if it fails, the failure is told.
    pub fn is_last(self) -> bool {
        self.number >= self.of
    }
}
