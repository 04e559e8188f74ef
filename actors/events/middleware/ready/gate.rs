//! The places that a rate limit has to give, of one listener or of all together.
//!
//! `wait → turn (fair) → governor → time`

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::runtime;

#[derive(Debug)]
pub(super) struct Gate {
    limiter: RateLimiter<NotKeyed, InMemoryState, Clock, NoOpMiddleware<Duration>>,
    /// Held by the one that waits for the next place; fair, unlike a mutex of std.
    turn: Mutex<()>,
}

impl Gate {
    pub(super) fn new(calls: u32, per: Duration, burst: u32) -> Self {
        // governor counts nanoseconds in 64 bits and panics beyond; so what it adds up stays below three centuries.
        let each = (per / calls.max(1)).clamp(Duration::from_nanos(1), runtime::FOREVER);
        let most = u32::try_from(runtime::FOREVER.as_nanos() / each.as_nanos()).unwrap_or(u32::MAX);
        let burst = NonZeroU32::new(burst.min(most)).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(each).unwrap_or(Quota::per_second(burst)).allow_burst(burst);
        Self { limiter: RateLimiter::direct_with_clock(quota, Clock(runtime::now())), turn: Mutex::default() }
    }

    /// Takes a place if there is one.
    pub(super) fn try_now(&self) -> bool {
        self.limiter.check().is_ok()
    }

    /// Takes the next place, behind all who came before; says whether there is one before this patience ends.
    pub(super) async fn wait(&self, patience: Duration) -> bool {
        let until = runtime::after(runtime::now(), patience);
        let Some(_turn) = runtime::within(patience, self.turn.lock()).await else { return false };
        loop {
            let Err(too_early) = self.limiter.check() else { return true };
            let wait = too_early.wait_time_from(self.limiter.clock().now());
            let then = runtime::after(runtime::now(), wait);
            if then > until {
                return false;
            }
            tokio::time::sleep_until(then).await;
        }
    }
}

/// The time since the first call, by a clock that a test may have stopped.
#[derive(Clone, Debug)]
struct Clock(Instant);

impl governor::clock::Clock for Clock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        runtime::now().saturating_duration_since(self.0)
    }
}
