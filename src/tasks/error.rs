//! Why a job was not enqueued, or a worker of tasks does not start.

use std::fmt;

use crate::__private::{Shown, debug_is_display};
use crate::transport::TransportError;
use crate::{ContainerError, OutboxError};

/// The reason why a job was not enqueued, or why functions of tasks cannot be registered or started.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum TaskError {
    /// The payload of a job cannot become JSON.
    NotJson {
        /// The name of the task.
        task: String,
        /// The reason.
        reason: String,
    },
    /// The payload of a job is too large.
    TooLarge {
        /// The name of the task.
        task: String,
        /// How many bytes it has as JSON.
        bytes: usize,
        /// How many it may have.
        limit: usize,
    },
    /// Two functions were registered for one task.
    Twice {
        /// The name of the task.
        task: String,
    },
    /// A task shall be done, and no function is registered that does it.
    Nobody {
        /// The name of the task.
        task: String,
    },
    /// What a function needs is not provided.
    Container {
        /// The name of the task.
        task: String,
        /// What is missing.
        error: ContainerError,
    },
    /// The instance that a function asks for, or that a task deletes, does not fit its repository.
    Instance {
        /// The name of the task.
        task: String,
        /// What does not fit, and what to do.
        reason: String,
    },
    /// The event that tells of a failure cannot be made of `{"id", "task", "job", "detail", "code", "origin", "data"}`.
    Fails {
        /// The name of the task.
        task: String,
        /// The name of the event.
        event: String,
        /// The reason.
        reason: String,
    },
    /// An event of a task cannot leave.
    Outbox(OutboxError),
    /// A batch cannot be: it has too many jobs, fewer than have to succeed, or no time.
    Batch {
        /// The reason.
        reason: String,
    },
    /// A schedule is wrong.
    Schedule {
        /// The text of the schedule.
        schedule: String,
        /// The reason.
        reason: String,
    },
    /// The database refused, or could not be reached.
    Transport(TransportError),
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson { task, reason } => {
                write!(f, "a job of `{}` cannot become JSON: {}", Shown::name(task), Shown::text(reason))
            }
            Self::TooLarge { task, bytes, limit } => write!(
                f,
                "a job of `{}` has {bytes} bytes, and {limit} are the most: keep what is large elsewhere, and enqueue where it is",
                Shown::name(task)
            ),
            Self::Twice { task } => write!(
                f,
                "two functions are registered for the task `{}`: remove one, or give the second a task of its own",
                Shown::name(task)
            ),
            Self::Nobody { task } => {
                write!(f, "nobody does the task `{}`: register its function with `.on(…)` before", Shown::name(task))
            }
            Self::Container { task, error } => write!(f, "the function of the task `{}`: {error}", Shown::name(task)),
            Self::Instance { task, reason } => {
                write!(f, "the function of the task `{}`: {}", Shown::name(task), Shown::text(reason))
            }
            Self::Fails { task, event, reason } => write!(
                f,
                "`{}`, which tells that `{}` has failed, cannot be made of `id`, `task`, `job`, `detail`, `code`, `origin` and \
                 `data`: {}",
                Shown::name(event),
                Shown::name(task),
                Shown::text(reason)
            ),
            Self::Outbox(error) => error.fmt(f),
            Self::Batch { reason } => write!(f, "the batch of jobs cannot be enqueued: {}", Shown::text(reason)),
            Self::Schedule { schedule, reason } => {
                write!(f, "the schedule `{}`: {}", Shown::name(schedule), Shown::text(reason))
            }
            Self::Transport(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TaskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Container { error, .. } => Some(error),
            Self::Outbox(error) => Some(error),
            Self::Transport(error) => Some(error),
            _ => None,
        }
    }
}

debug_is_display!(TaskError);

impl From<TransportError> for TaskError {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}

impl From<OutboxError> for TaskError {
    fn from(error: OutboxError) -> Self {
        match error {
            OutboxError::Transport(error) => Self::Transport(error),
            error => Self::Outbox(error),
        }
    }
}
