//! How fast deliveries may begin: evenly spaced.
//!
//! `turn → who is next waits for the moment at which it may begin`

use std::cell::Cell;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Longer spaces are as good as this one, a year, which no clock overflows on.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Spaces beginnings evenly: the "virtual scheduling" form of the
/// [generic cell rate algorithm](https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm), without a burst.
pub(crate) struct Pace {
    space: Duration,
    next: Cell<Option<Instant>>,
    /// Only one waits for the next moment, and the others for that one: who gives up has taken none.
    queue: Semaphore,
}

impl Pace {
    pub(crate) fn new(count: u32, within: Duration) -> Self {
        Self { space: (within / count.max(1)).min(FOREVER), next: Cell::new(None), queue: Semaphore::new(1) }
    }

    /// Waits for the next turn, and takes it.
    pub(crate) async fn turn(&self) {
        // The semaphore is never closed.
        let _next = self.queue.acquire().await;
        let now = Instant::now();
        let turn = self.next.get().filter(|next| *next > now).unwrap_or(now);
        if turn > now {
            tokio::time::sleep_until(turn).await;
        }
        self.next.set(Some(turn + self.space));
    }
}
