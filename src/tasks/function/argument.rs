//! What a function may ask for beside its task.

use super::call::TaskCall;
use super::cancel_token::CancelToken;
use super::instance::{Asked, Instance};
use super::place::{Queued, TaskPlace};
use super::progress::TaskProgress;
use super::repository::Loaded;
use super::steps::Steps;
use super::tx::Tx;
use crate::tasks::{BatchOutcome, Fault, JobId, TaskDatabase, TaskQueue};
use crate::{Container, ContainerError, EventBus, Inject};

/// An argument that the function of a task can take beside the task, in a database `D`: [`Inject<T>`](Inject), [`EventBus`],
/// [`Tx<D>`](Tx), [`TaskQueue<D>`](TaskQueue), [`Instance<T>`](Instance), [`CancelToken`], [`TaskProgress`], [`Steps`], [`Attempt`] and
/// [`BatchOutcome`].
///
/// [Over a queue](crate::Tasks::over) these are `Inject<T>`, `EventBus`, `Instance<T>` of a repository that brings its
/// own connection, `CancelToken`, `Attempt` and [`TaskSender`](crate::TaskSender). A function
/// that asks for one of the others is an error when it starts, by name.
#[diagnostic::on_unimplemented(
    message = "the function of a task cannot be given `{Self}`",
    label = "not something that the function of a task can ask for",
    note = "behind the `Arc` of its task it asks for `Inject<T>`, `EventBus`, `Tx<D>`, `TaskQueue<D>`, `Instance<T>`, \
            `CancelToken`, `TaskProgress`, `Steps`, `Attempt` or `BatchOutcome`, up to 8 of them"
)]
pub trait TaskArgument<D: TaskPlace>: Sized + 'static {
    /// Looks whether it can be had, when the function is registered.
    #[doc(hidden)]
    fn check(container: &Container) -> Result<(), ContainerError> {
        let _ = container;
        Ok(())
    }

    /// What it is called, if there is none where the jobs are.
    #[doc(hidden)]
    fn lacks() -> Option<&'static str> {
        None
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

impl<D: TaskPlace, T: ?Sized + Send + Sync + 'static> TaskArgument<D> for Inject<T> {
    fn check(container: &Container) -> Result<(), ContainerError> {
        container.get::<T>().map(drop)
    }

    fn take(call: &TaskCall<'_, D>) -> Result<Self, Fault> {
        call.0.bus.container().get().map_err(|error| Fault::coded("unprovided", error.to_string()))
    }
}

/// What is emitted by it continues the trace of the job.
impl<D: TaskPlace> TaskArgument<D> for EventBus {
    fn take(call: &TaskCall<'_, D>) -> Result<Self, Fault> {
        Ok(call.0.bus.clone())
    }
}

impl<D: TaskDatabase> TaskArgument<D> for TaskQueue<D> {
    fn take(call: &TaskCall<'_, D>) -> Result<Self, Fault> {
        Ok(call.0.kit.queue.clone())
    }
}

impl<D: TaskPlace> TaskArgument<D> for CancelToken {
    fn take(call: &TaskCall<'_, D>) -> Result<Self, Fault> {
        Ok(call.0.token())
    }
}

impl<D: TaskDatabase> TaskArgument<D> for TaskProgress {
    fn take(call: &TaskCall<'_, D>) -> Result<Self, Fault> {
        Ok(call.0.kit.progress.clone())
    }
}

impl<D: TaskDatabase> TaskArgument<D> for Steps {
    fn take(call: &TaskCall<'_, D>) -> Result<Self, Fault> {
        let jobs: std::sync::Arc<dyn crate::tasks::Jobs> = call.0.kit.queue.jobs().clone();
        Ok(Self::new(jobs, (call.0.loan.id, call.0.loan.attempt)))
    }
}

impl<D: TaskDatabase> TaskArgument<D> for Tx<D> {
    fn take(call: &TaskCall<'_, D>) -> Result<Self, Fault> {
        Ok(Self::new(call.0.kit.queue.jobs().clone(), call.0.kit.slot.clone()))
    }
}

/// What became of the batch that the job follows.
impl<D: TaskDatabase> TaskArgument<D> for BatchOutcome {
    fn take(call: &TaskCall<'_, D>) -> Result<Self, Fault> {
        let text = "it follows no batch, or what became of that is kept no longer: enqueue it by `together(…).then(…)`";
        call.0.outcome.take().ok_or_else(|| Fault::coded("unprovided", text).permanent())
    }
}

/// What needs rows: it says so when it is set up, and is never taken.
macro_rules! lacking {
    ([$($generics:tt)*] $argument:ty, $name:literal) => {
        impl<$($generics)*> TaskArgument<Queued> for $argument {
            fn lacks() -> Option<&'static str> {
                Some($name)
            }

            fn take(_: &TaskCall<'_, Queued>) -> Result<Self, Fault> {
                Err(Fault::coded("unprovided", concat!("a queue has no `", $name, "`")).permanent())
            }
        }
    };
}

lacking!([D: TaskDatabase] TaskQueue<D>, "TaskQueue");
lacking!([D: TaskDatabase] Tx<D>, "Tx");
lacking!([] TaskProgress, "TaskProgress");
lacking!([] Steps, "Steps");
lacking!([] BatchOutcome, "BatchOutcome");

impl<D: TaskPlace> TaskArgument<D> for Attempt {
    fn take(call: &TaskCall<'_, D>) -> Result<Self, Fault> {
        let loan = &call.0.loan;
        Ok(Self { job: JobId::new(loan.id), number: loan.attempt, of: loan.attempts })
    }
}

impl<D: TaskPlace, T: 'static> TaskArgument<D> for Instance<T> {
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
