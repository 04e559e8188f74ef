//! Why a worker did not start, or is gone.

use std::fmt;

use crate::__private::debug_is_display;
use crate::transport::TransportError;

/// The reason why a worker did not start, or is gone.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerError {
    /// The worker was started where no actor can run.
    NoArbiter,
    /// The dead letters of the worker have no queue.
    NoDeadLetters {
        /// The name of the source.
        source: String,
    },
    /// The server cannot do what it was asked for, or failed to.
    Transport(TransportError),
    /// The worker has panicked, or its arbiter has ended. The deliveries that it had come again.
    Gone,
}

impl fmt::Display for WorkerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoArbiter => f.write_str(
                "a worker is an actor and needs an arbiter: start it under `#[actix::main]`, or in an actor",
            ),
            Self::NoDeadLetters { source } => write!(
                f,
                "{source} has no queue for dead letters: name one with `.dead_letter(…)`, or configure the queue's own"
            ),
            Self::Transport(error) => error.fmt(f),
            Self::Gone => f.write_str("the worker is gone: its arbiter has ended, or it has panicked"),
        }
    }
}

impl std::error::Error for WorkerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Transport(error) => Some(error),
            _ => None,
        }
    }
}

debug_is_display!(WorkerError);

impl From<TransportError> for WorkerError {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}
