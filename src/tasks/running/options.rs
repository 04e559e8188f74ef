//! What a worker of tasks goes by.

use std::time::Duration;

/// A time that is longer is one for ever: no clock that it is added to comes to its end.
pub(in crate::tasks) const FAR: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The options of [`Tasks`](crate::Tasks).
#[derive(Clone, Copy, Debug)]
pub(in crate::tasks) struct Options {
    /// How many jobs run at the same time.
    pub(in crate::tasks) concurrency: usize,
    /// How many jobs may have ended and not be settled.
    pub(in crate::tasks) gather: usize,
    /// How long a job that is done, and one that has failed, are kept.
    pub(in crate::tasks) keep: Duration,
    pub(in crate::tasks) keep_failed: Duration,
    /// How long a function may go on that was told to end.
    pub(in crate::tasks) grace: Duration,
    pub(in crate::tasks) lease: Duration,
    pub(in crate::tasks) poll_every: Duration,
    /// How long jobs may go on when it shuts down.
    pub(in crate::tasks) drain_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            concurrency: 16,
            gather: 64,
            keep: Duration::from_secs(60 * 60),
            keep_failed: Duration::from_secs(30 * 24 * 60 * 60),
            grace: Duration::from_secs(10),
            lease: Duration::from_secs(30),
            poll_every: Duration::from_millis(200),
            drain_timeout: Duration::from_secs(20),
        }
    }
}

impl Options {
    /// How often leases are renewed.
    pub(super) fn renews(&self) -> Duration {
        (self.lease / 3).min(Duration::from_secs(5))
    }
}
