//! How a function learns that it is to end.

use std::fmt;

use tokio::sync::watch;

/// Tells the function of a task that it is to end, as an argument of it. A function that takes long looks at it now and then, and
/// returns: what it returns then is the end of the job only if it was done. A function that goes on is dropped where it waits,
/// after a [grace](crate::Tasks::grace).
///
/// ```
/// use convoke::{CancelToken, Fault};
/// use std::sync::Arc;
///
/// # struct Export { pages: u32 }
/// # async fn write_page(_: u32) {}
/// async fn export(export: Arc<Export>, cancel: CancelToken) -> Result<(), Fault> {
///     for page in 0..export.pages {
///         cancel.check()?; // returns from here with an error once it is to end
///         write_page(page).await;
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct CancelToken(watch::Receiver<Option<Cancelling>>);

/// Why a function is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cancelling {
    /// Somebody has [cancelled](crate::Job::cancel) the job.
    Cancelled,
    /// It has taken longer than the timeout of its task.
    TimedOut,
    /// The worker shuts down, and has waited for as long as it may. The job is given back, and done by another.
    Stopping,
    /// Another worker has the job: this process has not been heard of for too long.
    Lost,
}

impl CancelToken {
    pub(super) fn new(receiver: watch::Receiver<Option<Cancelling>>) -> Self {
        Self(receiver)
    }

    /// Returns whether the function is to end, and why.
    pub fn reason(&self) -> Option<Cancelling> {
        *self.0.borrow()
    }

    /// Returns whether the function is to end.
    pub fn is_cancelled(&self) -> bool {
        self.reason().is_some()
    }

    /// Waits until the function is to end.
    pub async fn cancelled(&self) -> Cancelling {
        let mut receiver = self.0.clone();
        match receiver.wait_for(Option::is_some).await.map(|reason| *reason) {
            Ok(Some(reason)) => reason,
            // Whoever would say so is gone, and so is the attempt.
            Ok(None) | Err(_) => Cancelling::Lost,
        }
    }

    /// Fails if the function is to end, so that `?` returns from it.
    ///
    /// # Errors
    ///
    /// The reason.
    pub fn check(&self) -> Result<(), Cancelling> {
        self.reason().map_or(Ok(()), Err)
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelToken").field(&self.reason()).finish()
    }
}

impl fmt::Display for Cancelling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "it was cancelled",
            Self::TimedOut => "it was not done in time",
            Self::Stopping => "the worker shuts down",
            Self::Lost => "another worker has it",
        })
    }
}

impl std::error::Error for Cancelling {}

impl crate::tasks::Explain for Cancelling {
    fn code(&self) -> Option<String> {
        let code = match self {
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::Stopping | Self::Lost => return None,
        };
        Some(code.to_owned())
    }
}
