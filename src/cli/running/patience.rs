//! How long a server may take to answer.

use std::time::Duration;

use tokio::time::timeout;

use crate::error::{Error, Result};

/// How long a server may take to answer one question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience(Duration);

impl Patience {
    pub(crate) fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    pub(crate) fn time(self) -> Duration {
        self.0
    }

    /// The same, beyond a time that the server takes on purpose, as where it waits for something to come.
    pub(crate) fn beyond(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }

    /// Awaits an answer.
    ///
    /// # Errors
    ///
    /// That of the answer; or that there was none, with the name of who should have given it, which has to be safe to show.
    pub(crate) async fn of<T, E: Into<Error>>(
        self,
        who: &str,
        answer: impl Future<Output = std::result::Result<T, E>>,
    ) -> Result<T> {
        match timeout(self.0, answer).await {
            Ok(answer) => answer.map_err(Into::into),
            Err(_) => Err(Error::refused(format!("{who} has not answered within {} s", self.0.as_secs()))
                .hint("give it longer by `--patience 60`, or look whether it is there")),
        }
    }
}
