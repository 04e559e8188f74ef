//! Until when a publisher goes on with a server that is not there: a restart takes longer than the client tries.
//!
//! `publish → Patience (its deadline) → a request → refused → a wait → the same request → an answer, or the deadline`

use std::time::Duration;

#[cfg(feature = "sns")]
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
#[cfg(not(feature = "sns"))]
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use tokio::time::{Instant, sleep, timeout_at};

use super::faults::is_untaken;

/// How long a publisher tries a server that refuses connections, unless it was told.
const DEFAULT: Duration = Duration::from_secs(30);

/// The longest wait between two requests, each of which the client repeats by itself.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What one call has left of its deadline.
#[derive(Clone, Copy, Debug)]
pub(in crate::transport) struct Patience(Instant);

impl Patience {
    /// Has as much as was told, or 30 s, from now on.
    pub(in crate::transport) fn of(told: Option<Duration>) -> Self {
        let now = Instant::now();
        // Nobody lives to see the end of one that cannot be counted.
        Self(now.checked_add(told.unwrap_or(DEFAULT)).unwrap_or(now + Duration::from_secs(u32::MAX.into())))
    }

    /// Has none: the client's own repetitions are all.
    #[cfg(feature = "sqs")]
    pub(in crate::transport) fn none() -> Self {
        Self(Instant::now())
    }

    /// Whether nothing is left.
    fn is_over(self) -> bool {
        Instant::now() >= self.0
    }

    /// Asks again for as long as the server has certainly not taken what it was sent. What may have arrived is an error at
    /// once, so that nothing is there twice without need.
    pub(in crate::transport) async fn ask<F, T, E, R>(self, request: impl Fn() -> F) -> Result<T, SdkError<E, R>>
    where
        F: Future<Output = Result<T, SdkError<E, R>>>,
        E: ProvideErrorMetadata,
    {
        let mut answer = request().await;
        let mut wait = Duration::from_millis(100);
        while !self.is_over() && answer.as_ref().is_err_and(is_untaken) {
            let jitter = wait.mul_f64(0.5 + fastrand::f64() / 2.0);
            sleep(jitter.min(self.0.saturating_duration_since(Instant::now()))).await;
            wait = (wait * 2).min(LONGEST_WAIT);
            match timeout_at(self.0, request()).await {
                Ok(next) => answer = next,
                Err(_) => break,
            }
        }
        answer
    }
}
