//! How fast deliveries may begin: evenly spaced.
//!
//! `turn → the moment at which the next may begin → wait`

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// Longer spaces are as good as this one, a year, which no clock overflows on however many wait.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Spaces beginnings evenly: the "virtual scheduling" form of the
/// [generic cell rate algorithm](https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm), without a burst.
pub(crate) struct Pace {
    space: Duration,
    next: Cell<Option<Instant>>,
}

impl Pace {
    pub(crate) fn new(count: u32, within: Duration) -> Self {
        Self { space: (within / count.max(1)).min(FOREVER), next: Cell::new(None) }
    }

    /// Takes the next turn, and waits for it.
    pub(crate) async fn turn(&self) {
        let now = Instant::now();
        let turn = self.next.get().filter(|next| *next > now).unwrap_or(now);
        self.next.set(Some(turn + self.space));
        if turn > now {
            tokio::time::sleep_until(turn).await;
        }
    }
}
