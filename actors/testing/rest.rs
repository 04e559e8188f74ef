//! Waiting without sleeping: until nothing is left to do, or until something has come.

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use crate::runtime::{self, Executor};

/// How often the other tasks of the arbiter get a turn before the check: actors that stop drop what they hold, which
/// stops others.
const QUIET_TURNS: usize = 64;

/// Beyond so many turns a test that never comes to rest is checked as it is.
const MOST_TURNS: usize = 1_000_000;

/// How long is waited unless it is said.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

/// Waits until nothing is left to do except to wait for time to pass.
pub async fn settle() {
    comes_to_rest().await;
}

/// Ends when the executor has been at work for so long that it never comes to rest; meanwhile time passes.
pub(crate) async fn restless() {
    let mut busy = 0;
    while busy < MOST_TURNS {
        if Executor::here().is_none_or(|executor| executor.is_idle()) {
            busy = 0;
            tokio::time::sleep(Duration::from_millis(1)).await;
        } else {
            busy += 1;
            tokio::task::yield_now().await;
        }
    }
}

/// Waits for the same; says whether it has come to that.
pub(crate) async fn comes_to_rest() -> bool {
    let mut quiet = 0;
    for _ in 0..MOST_TURNS {
        let idle = Executor::here().is_none_or(|executor| executor.is_idle());
        quiet = if idle { quiet + 1 } else { 0 };
        if quiet >= QUIET_TURNS {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

/// Whether this is done in time. What happens in the last moment counts, in whatever order it is handled.
pub(crate) async fn in_time(limit: Duration, done: impl Future<Output = ()>) -> bool {
    let mut done = std::pin::pin!(done);
    if runtime::within(limit, done.as_mut()).await.is_some() {
        return true;
    }
    settle().await;
    poll_fn(|cx| Poll::Ready(done.as_mut().poll(cx).is_ready())).await
}
