//! When a delivery that failed comes again, and how often: rules without a clock.
//!
//! `attempt → Retry → the wait → Delivery::retry_after → the server keeps it`

use std::time::Duration;

/// How often a delivery is tried, and how long it waits before it comes again.
///
/// The wait before the n-th retry is a random time up to `first × 2ⁿ⁻¹`, and never longer than the longest wait. This
/// is the "full jitter" of
/// [Exponential Backoff and Jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/):
/// deliveries that failed together do not come back together. The server keeps the wait and counts the attempts, so
/// that a restart of a worker loses neither.
///
/// The default is 15 attempts, a first wait of up to a second, and a longest wait of an hour. The waits then add up to
/// at most 3 h 8 min, and on average to half of that.
///
/// ```
/// use convoke::Retry;
/// use std::time::Duration;
///
/// let retry = Retry::exponential(Duration::from_millis(200)).attempts(5);
/// assert_eq!(retry.limit(3), Duration::from_millis(800)); // after the third attempt has failed
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    attempts: u32,
    first: Duration,
    max_delay: Duration,
    /// Whether it grows, at random.
    grows: bool,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 15, first: Duration::from_secs(1), max_delay: Duration::from_secs(3_600), grows: true }
    }
}

impl Retry {
    /// Creates a policy whose first wait is up to `first`, and whose further waits are each up to twice as long as the
    /// one before.
    pub fn exponential(first: Duration) -> Self {
        Self { first, ..Self::default() }
    }

    /// Creates a policy whose waits are all exactly `delay`.
    pub fn fixed(delay: Duration) -> Self {
        Self { first: delay, max_delay: Duration::MAX, grows: false, ..Self::default() }
    }

    /// Creates a policy with a single attempt.
    pub fn never() -> Self {
        Self { attempts: 1, ..Self::default() }
    }

    /// Sets how many attempts a delivery has in all; zero counts as 1. The default is 15, and 1 for
    /// [`never`](Self::never).
    #[must_use]
    pub fn attempts(self, attempts: u32) -> Self {
        Self { attempts: attempts.max(1), ..self }
    }

    /// Sets the longest wait. The default is an hour; [`fixed`](Self::fixed) has no limit by default.
    #[must_use]
    pub fn max_delay(self, limit: Duration) -> Self {
        Self { max_delay: limit, ..self }
    }

    /// Returns how many attempts a delivery has in all.
    pub fn max_attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns the longest wait after this attempt; the first attempt is 1.
    pub fn limit(&self, attempt: u32) -> Duration {
        if !self.grows {
            return self.first.min(self.max_delay);
        }
        let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.max_delay)
    }

    /// Returns the wait after this attempt: the share `chance / u64::MAX` of its [`limit`](Self::limit), or the whole
    /// limit for a [`fixed`](Self::fixed) policy.
    pub fn wait(&self, attempt: u32, chance: u64) -> Duration {
        if !self.grows {
            return self.limit(attempt);
        }
        let (limit, part) = (self.limit(attempt), chance as f64 / u64::MAX as f64);
        Duration::try_from_secs_f64(limit.as_secs_f64() * part).map_or(limit, |wait| wait.min(limit))
    }

    /// The longest wait that can come up.
    pub(crate) fn longest_wait(&self) -> Duration {
        if self.attempts < 2 { Duration::ZERO } else { self.limit(self.attempts - 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn waits_double_up_to_the_longest() {
        let limits: Vec<_> = (1..=15).map(|attempt| Retry::default().limit(attempt).as_secs()).collect();
        assert_eq!(limits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600, 3600]);
        assert_eq!(Retry::exponential(S).max_delay(10 * S).limit(5), 10 * S);
        assert_eq!(Retry::exponential(S).limit(0), S);
        assert_eq!(Retry::exponential(Duration::MAX).max_delay(Duration::MAX).limit(u32::MAX), Duration::MAX);
    }

    #[test]
    fn chance_takes_any_part_of_a_wait() {
        let retry = Retry::exponential(8 * S);
        assert_eq!([retry.wait(1, 0), retry.wait(1, u64::MAX)], [Duration::ZERO, 8 * S]);
        assert_eq!(retry.wait(2, 1 << 63), 8 * S);
    }

    #[test]
    fn a_fixed_wait_neither_grows_nor_depends_on_chance() {
        let retry = Retry::fixed(2 * S);
        assert_eq!([retry.wait(1, 0), retry.wait(9, u64::MAX), retry.limit(9), retry.longest_wait()], [2 * S; 4]);
        assert_eq!(retry.max_delay(S).wait(3, 0), S);
        assert_eq!(Retry::fixed(Duration::MAX).limit(u32::MAX), Duration::MAX);
        assert_eq!((retry.max_attempts(), retry.attempts(3).max_attempts()), (15, 3));
    }

    #[test]
    fn there_is_at_least_one_attempt_and_none_waits_after_the_last() {
        assert_eq!((Retry::default().attempts(0).max_attempts(), Retry::never().max_attempts()), (1, 1));
        assert_eq!(Retry::never().longest_wait(), Duration::ZERO);
        assert_eq!(Retry::exponential(S).attempts(3).longest_wait(), 2 * S);
    }
}
