//! When a service is built anew, after which wait, and how often at most: rules without a clock.
//!
//! `how it ended → Restart → Ledger (is there budget?) → Backoff (the wait) → supervision.rs`

use std::collections::VecDeque;
use std::time::Duration;

/// The ends after which a service is rebuilt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Restart {
    /// After every end that was not ordered: a panic, an error, or a stop of the service's own.
    #[default]
    Always,
    /// After a panic or an error. A service that stops by itself has done its work, and is not rebuilt.
    OnFailure,
    /// Never.
    Never,
}

impl Restart {
    /// Whether a service that has ended comes back.
    pub(crate) fn follows(self, failed: bool) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => failed,
            Self::Never => false,
        }
    }
}

/// The time that a service waits before it is rebuilt. The wait doubles with each restart that still counts, up to a
/// longest wait. A random part of up to one half is taken off, so that services that failed together do not come back
/// together.
///
/// The n-th wait is between one half and the whole of `first × 2ⁿ⁻¹`: the "equal jitter" of
/// [Exponential Backoff and Jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). The
/// default is a first wait of 100 ms and a longest wait of 30 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    max_delay: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), max_delay: Duration::from_secs(30) }
    }
}

impl Backoff {
    /// Creates a backoff with this first wait. The longest wait is 30 s, or the first wait if that is longer.
    pub fn exponential(first: Duration) -> Self {
        Self { first, max_delay: Self::default().max_delay.max(first) }
    }

    /// Creates a backoff that waits for the same time before each restart, less a random part of up to one half.
    pub fn fixed(wait: Duration) -> Self {
        Self { first: wait, max_delay: wait }
    }

    /// Creates a backoff that does not wait.
    pub fn none() -> Self {
        Self { first: Duration::ZERO, max_delay: Duration::ZERO }
    }

    /// Sets the longest wait.
    pub fn max_delay(mut self, wait: Duration) -> Self {
        self.max_delay = wait;
        self
    }

    /// The wait before the n-th restart, the first being 1.
    pub(crate) fn wait(&self, nth: u32, chance: u64) -> Duration {
        let doubled = 2_u32.checked_pow(nth.saturating_sub(1)).and_then(|times| self.first.checked_mul(times));
        let whole = doubled.map_or(self.max_delay, |wait| wait.min(self.max_delay));
        let half = whole / 2;
        // Of 2^32 parts, so that the product of nanoseconds fits.
        let parts = u128::from(chance >> 32);
        let jitter = (half.as_nanos() * parts) >> 32;
        (whole - half) + Duration::from_nanos(u64::try_from(jitter).unwrap_or(u64::MAX))
    }
}

/// The number of times that a service may be rebuilt within a certain time of running. A service that exceeds it has
/// failed.
///
/// Only time in which the service runs counts. So a service that never comes to run exhausts its budget too, however
/// long each attempt takes. The default is 5 restarts within 60 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    restarts: u32,
    within: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { restarts: 5, within: Duration::from_secs(60) }
    }
}

impl Budget {
    /// Creates a budget of this many restarts within this time of running.
    pub fn new(restarts: u32, within: Duration) -> Self {
        Self { restarts, within }
    }

    /// Returns the number of restarts that are allowed.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Returns the time of running within which the restarts count.
    pub fn within(&self) -> Duration {
        self.within
    }
}

/// The restarts that count, by the time which the service had run until then.
#[derive(Debug)]
pub(crate) struct Ledger {
    budget: Budget,
    spent: VecDeque<Duration>,
}

impl Ledger {
    pub(crate) fn new(budget: Budget) -> Self {
        Self { budget, spent: VecDeque::new() }
    }

    /// Whether there is one to be spent after having run so long in all.
    pub(crate) fn has_one(&mut self, ran: Duration) -> bool {
        while self.spent.front().is_some_and(|then| ran.saturating_sub(*then) > self.budget.within) {
            self.spent.pop_front();
        }
        self.spent.len() < self.budget.restarts as usize
    }

    /// Spends a restart after having run so long in all; returns how many count with it, or `None` beyond the budget.
    pub(crate) fn spend(&mut self, ran: Duration) -> Option<u32> {
        if !self.has_one(ran) {
            return None;
        }
        self.spent.push_back(ran);
        Some(self.spent.len() as u32)
    }

    pub(crate) fn budget(&self) -> Budget {
        self.budget
    }

    /// Those that count, by the time which the service had run until then.
    pub(crate) fn spent(&self) -> Vec<Duration> {
        self.spent.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn each_restart_follows_its_own_ends() {
        let follows = |restart: Restart| (restart.follows(true), restart.follows(false));
        assert_eq!(follows(Restart::Always), (true, true));
        assert_eq!(follows(Restart::OnFailure), (true, false));
        assert_eq!(follows(Restart::Never), (false, false));
        assert_eq!(Restart::default(), Restart::Always);
    }

    #[test]
    fn a_wait_doubles_up_to_the_longest() {
        let backoff = Backoff::exponential(S).max_delay(10 * S);
        let longest: Vec<_> = (0..7).map(|nth| backoff.wait(nth, u64::MAX).as_secs_f64().ceil()).collect();
        assert_eq!(longest, [1.0, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]);
        let shortest: Vec<_> = (1..7).map(|nth| backoff.wait(nth, 0)).collect();
        assert_eq!(shortest, [S / 2, S, 2 * S, 4 * S, 5 * S, 5 * S]);
        assert_eq!(backoff.wait(2, 1 << 63), S * 3 / 2);
        assert_eq!(backoff.wait(u32::MAX, 0), 5 * S);
    }

    #[test]
    fn a_wait_is_never_longer_than_the_whole_and_never_none() {
        for chance in [0, 1, u64::MAX / 3, u64::MAX] {
            let wait = Backoff::exponential(S).wait(1, chance);
            assert!(wait >= S / 2 && wait <= S, "{wait:?}");
        }
        assert_eq!(Backoff::none().wait(9, u64::MAX), Duration::ZERO);
    }

    #[test]
    fn a_fixed_wait_does_not_grow() {
        let waits = [1, 2, 9].map(|nth| Backoff::fixed(S).wait(nth, 0));
        assert_eq!(waits, [S / 2; 3]);
        assert_eq!(Backoff::fixed(60 * S).wait(1, 0), 30 * S, "there is no longest but it");
    }

    #[test]
    fn defaults_and_a_first_wait_beyond_the_longest() {
        assert_eq!(Backoff::default().wait(1, 0), Duration::from_millis(50));
        assert_eq!(Backoff::default().wait(30, 0), 15 * S);
        assert_eq!(Backoff::exponential(100 * S).wait(1, 0), 50 * S);
        assert_eq!(Backoff::exponential(100 * S).max_delay(10 * S).wait(1, 0), 5 * S);
        assert_eq!((Budget::default().restarts(), Budget::default().within()), (5, 60 * S));
    }

    #[test]
    fn beyond_its_budget_there_is_none() {
        let mut ledger = Ledger::new(Budget::new(2, 10 * S));
        assert_eq!([ledger.spend(S), ledger.spend(S), ledger.spend(S)], [Some(1), Some(2), None]);
        assert_eq!(ledger.spend(11 * S), None, "what was spent 10 s of running ago still counts");
        assert_eq!(ledger.spend(12 * S), Some(1));
        assert_eq!(ledger.spend(14 * S), Some(2));
        assert_eq!(ledger.spend(22 * S), None);
        assert_eq!(ledger.spend(23 * S), Some(2));
    }

    #[test]
    fn a_budget_of_none_allows_none() {
        assert_eq!(Ledger::new(Budget::new(0, S)).spend(S), None);
    }

    #[test]
    fn a_service_that_never_runs_is_ended_whatever_the_time() {
        let mut ledger = Ledger::new(Budget::new(3, Duration::ZERO));
        let spent: Vec<_> = (0..5).map(|_| ledger.spend(S)).collect();
        assert_eq!(spent, [Some(1), Some(2), Some(3), None, None]);
    }
}
