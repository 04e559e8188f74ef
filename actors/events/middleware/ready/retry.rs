//! Runs again what has failed.
//!
//! `next.run → error → which? → delay → next.run → … → the last error`

use std::sync::Arc;
use std::time::Duration;

use super::super::{Call, Handling, Middleware, Next};
use super::verdict::{Verdict, Which};
use crate::base::Shown;
use crate::events::verdict::ListenerError;
use crate::runtime;

/// How often a listener is run unless it is told, as the AWS SDKs have it:
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>.
const ATTEMPTS: u32 = 3;

/// The longest delay unless it is told: two thirds of what a listener has by default for all of it.
const MAX_DELAY: Duration = Duration::from_secs(20);

/// Runs a failed call again, in place: the event keeps its place in the queue meanwhile.
///
/// To have the server deliver the event again instead, use a worker's `Retry`.
///
/// [`exponential`](Self::exponential) waits a random time between zero and `base · 2ⁿ` before the next attempt, where
/// `n` counts the failures from zero, and never longer than [`max_delay`](Self::max_delay). This is the "full jitter"
/// of <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>: listeners that failed together do
/// not retry together. [`fixed`](Self::fixed) always waits the same time.
///
/// Some errors are final and not retried: an error that a listener wraps in [`Permanent`](crate::Permanent),
/// [`BadPayload`](ListenerError::BadPayload), [`Gone`](ListenerError::Gone), and a refusal by an
/// [`Authorize`](super::Authorize) or an open [`CircuitBreaker`](super::CircuitBreaker) inside of this middleware.
/// [`when`](Self::when) excludes further errors. The error of the last attempt is returned, with the number of
/// attempts. The errors of the attempts before it are in the log, target `convoke::listener`, level `debug`.
///
/// The listener's own [timeout](crate::Listening::timeout), 30 s by default, limits the whole call, with every attempt
/// and every delay. A [`Timeout`](super::Timeout) inside of this middleware limits each attempt. During all attempts a
/// published event keeps its place, so that the events behind it wait, unless the listener's
/// [concurrency](crate::Listening::concurrency) is higher than 1.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::middleware::RetryInPlace;
/// use convoke::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// use std::time::Duration;
///
/// # #[derive(Event, Serialize, Deserialize)]
/// # struct OrderPlaced {
/// #     id: u64,
/// # }
/// # actix::System::new().block_on(async {
/// let bus = EventBus::default();
/// let mut lines = ["busy", "busy", "free"].into_iter();
/// let call = move |_: &OrderPlaced| match lines.next() {
///     Some("free") => Ok(()),
///     _ => Err("the line is busy"),
/// };
/// let _call = bus.on(call.with(RetryInPlace::exponential(Duration::from_millis(5)).attempts(5)))?;
/// assert!(bus.emit(OrderPlaced { id: 7 }).await.is_ok());
/// # Ok::<(), ListenError>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
#[doc(alias = "Retry")]
pub struct RetryInPlace {
    attempts: u32,
    base: Duration,
    /// Whether it grows, at random.
    grows: bool,
    max_delay: Duration,
    when: Which,
}

impl RetryInPlace {
    /// Waits a random time before each retry. The upper bound is `base` for the first retry, and doubles with every
    /// failure, up to [`max_delay`](Self::max_delay).
    pub fn exponential(base: Duration) -> Self {
        Self { attempts: ATTEMPTS, base, grows: true, max_delay: MAX_DELAY, when: Which::default() }
    }

    /// Waits for `delay` before each attempt but the first.
    pub fn fixed(delay: Duration) -> Self {
        Self { grows: false, max_delay: runtime::FOREVER, ..Self::exponential(delay) }
    }

    /// Runs each call once, as if this middleware were absent.
    pub fn never() -> Self {
        Self { attempts: 1, ..Self::fixed(Duration::ZERO) }
    }

    /// Sets the maximum number of attempts, including the first. The default is 3; zero counts as 1.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Sets the longest delay. The default is 20 s; `fixed` has no limit by default.
    #[must_use]
    pub fn max_delay(mut self, limit: Duration) -> Self {
        self.max_delay = limit;
        self
    }

    /// Retries only errors for which `condition` returns `true`, and which are not final. By default every error that
    /// is not final is retried.
    #[must_use]
    pub fn when(mut self, condition: impl Fn(&ListenerError) -> bool + Send + Sync + 'static) -> Self {
        self.when = Which::new(condition);
        self
    }

    /// How long to wait after so many failures.
    fn delay(&self, failures: u32) -> Duration {
        let limit = self.max_delay.min(runtime::FOREVER).as_nanos();
        if !self.grows {
            return nanos(self.base.as_nanos().min(limit));
        }
        // From here on a doubling would change nothing: the limit has fewer bits.
        let doublings = failures.saturating_sub(1).min(64);
        let ceiling = self.base.as_nanos().saturating_mul(1 << doublings).min(limit);
        // A fraction of 2^64, of which the ceiling has fewer bits than 64: the product fits.
        nanos(((ceiling + 1) * u128::from(runtime::random())) >> 64)
    }
}

/// A century in nanoseconds has 62 bits.
fn nanos(count: u128) -> Duration {
    Duration::from_nanos(u64::try_from(count).unwrap_or(u64::MAX))
}

impl Middleware for RetryInPlace {
    fn handle(self: Arc<Self>, call: Call, next: Next) -> Handling {
        Box::pin(async move {
            let mut attempt = 1;
            loop {
                let Err(failure) = next.run(call.clone()).await else { return Ok(()) };
                let Verdict { error, is_final, failure } = Verdict::of(failure);
                if attempt == self.attempts || is_final || !self.when.holds(&error) {
                    return Err(if attempt == 1 { failure } else { after(attempt, error).into() });
                }
                let delay = self.delay(attempt);
                log::debug!(
                    target: "convoke::listener", "{}: listener `{}` {error}, in attempt {attempt} of {}; the next in {delay:?}",
                    Shown::name(&call.event_name()), call.listener(), self.attempts,
                );
                tokio::time::sleep_until(runtime::after(runtime::now(), delay)).await;
                attempt += 1;
            }
        })
    }
}

/// The last error, with the number of attempts.
fn after(attempts: u32, error: ListenerError) -> ListenerError {
    let told = |text: String| format!("{text} (after {attempts} attempts)");
    match error {
        ListenerError::Permanent(text) => ListenerError::Permanent(told(text)),
        ListenerError::Panicked(text) => ListenerError::Panicked(told(text)),
        ListenerError::Unprovided(text) => ListenerError::Unprovided(told(text)),
        ListenerError::BadPayload(text) => ListenerError::BadPayload(told(text)),
        ListenerError::Failed(text) => ListenerError::Failed(told(text)),
        // These have no place for a number.
        other => ListenerError::Failed(told(other.to_string())),
    }
}
