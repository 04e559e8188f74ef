//! How long is tried, how long one attempt may be silent, and how long it is waited between two.
//!
//! `Limit → link.rs, reader.rs`, `Patience → the loops that try once more`

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Waits between attempts, at first and at most.
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// A server that has not answered for so long is asked over another connection: the network may have forgotten this one.
const LONGEST_SILENCE: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_secs(1);

/// A century: no wait is longer, and no clock overflows on it.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Until when is tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) end: Instant,
    silence: Duration,
}

impl Limit {
    /// From now on. Within the deadline there is time for another connection, unless it is very short.
    pub(super) fn new(deadline: Duration) -> Self {
        let deadline = deadline.min(FOREVER);
        let silence = (deadline / 2).max(deadline.min(SHORT)).min(LONGEST_SILENCE);
        Self { end: Instant::now() + deadline, silence }
    }

    /// When an attempt that begins now has been silent for too long.
    pub(super) fn silent(&self) -> Instant {
        self.end.min(Instant::now() + self.silence)
    }
}

/// How long to go on trying, and how long to wait between two attempts.
pub(super) struct Patience {
    end: Instant,
    wait: Duration,
}

impl Patience {
    pub(super) fn new(limit: Limit) -> Self {
        Self { end: limit.end, wait: FIRST_WAIT }
    }

    /// Waits before the next attempt, or says that there is no time for one. Half of each wait is chance, so that those
    /// who have lost their server together do not come back together.
    pub(super) async fn pause(&mut self) -> bool {
        let next = Instant::now() + self.wait.mul_f64(0.5 + fastrand::f64() / 2.0);
        if next >= self.end {
            return false;
        }
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        sleep_until(next).await;
        true
    }
}
