//! How many deliveries are fetched ahead where nobody has said: more while they begin soon, few again when they do not.
//!
//! `arrives, begins → grows → fetch.rs: the source may lend more`, `stalls → fetch.rs: what waits is given back`

use std::cell::Cell;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// What is fetched ahead is as much as begins within this time.
const QUICK: Duration = Duration::from_millis(100);

/// What is here and has not begun after so long is given back.
const PATIENCE: Duration = Duration::from_secs(1);

/// After that no more than the least are fetched ahead for so long: deliveries differ, and to give back costs.
const REST: Duration = Duration::from_secs(60);

/// So many for each that may be heard at a time, and so many in all.
const FACTOR: usize = 16;
const MOST: usize = 256;

/// How many are fetched ahead.
pub(crate) struct Ahead {
    least: usize,
    most: Cell<usize>,
    now: Cell<usize>,
    /// How many have come, and how many of them wait no more.
    arrived: Cell<u64>,
    begun: Cell<u64>,
    /// Since when it is counted how many begin, and how many had.
    window: Cell<(Instant, u64)>,
    /// When it was looked last whether they do, and how many had come by then.
    looked: Cell<(Instant, u64)>,
    rests_until: Cell<Option<Instant>>,
}

impl Ahead {
    /// As many as somebody has said, or, if nobody has, as many as may be heard at a time and more while they are quick.
    pub(crate) fn new(concurrency: usize, said: Option<usize>) -> Self {
        let least = said.unwrap_or(concurrency);
        let most = if said.is_some() { least } else { concurrency.saturating_mul(FACTOR).min(MOST).max(least) };
        let start = (Instant::now(), 0);
        Self {
            least,
            most: Cell::new(most),
            now: Cell::new(least),
            arrived: Cell::new(0),
            begun: Cell::new(0),
            window: Cell::new(start),
            looked: Cell::new(start),
            rests_until: Cell::new(None),
        }
    }

    pub(crate) fn now(&self) -> usize {
        self.now.get()
    }

    pub(crate) fn least(&self) -> usize {
        self.least
    }

    /// Counts one that has come.
    pub(crate) fn arrives(&self) {
        self.arrived.set(self.arrived.get() + 1);
    }

    /// Counts one that waits no more, be it that it begins or that it is given back.
    pub(crate) fn begins(&self) {
        self.begun.set(self.begun.get() + 1);
    }

    /// Returns how many should be fetched ahead if they are more than now, twice as many at least: as many as begin in the
    /// time that counts as quick.
    pub(crate) fn grows(&self, concurrency: usize) -> Option<usize> {
        let (now, most) = (self.now.get(), self.most.get());
        if now >= most {
            return None;
        }
        let (since, had_begun) = self.window.get();
        let (at, begun) = (Instant::now(), self.begun.get());
        let (took, count) = (at.duration_since(since), begun - had_begun);
        let whole = count >= concurrency.saturating_add(now) as u64;
        if !whole && took < QUICK {
            return None;
        }
        self.window.set((at, begun));
        if !whole || took >= QUICK || self.rests_until.get().is_some_and(|until| at < until) {
            return None;
        }
        let wish = u128::from(count) * QUICK.as_micros() / took.as_micros().max(1);
        let wish = usize::try_from(wish).unwrap_or(most).min(most);
        (wish >= now.saturating_mul(2).min(most)).then_some(wish)
    }

    pub(crate) fn set(&self, ahead: usize) {
        self.now.set(ahead);
        self.looked.set((Instant::now(), self.arrived.get()));
    }

    /// The source lends no more than it was opened with.
    pub(crate) fn stays(&self) {
        self.most.set(self.now.get());
    }

    /// Goes back to the least, and stays there for a while.
    pub(crate) fn shrink(&self) {
        self.now.set(self.least);
        self.rests_until.set(Instant::now().checked_add(REST));
    }

    /// Ready when more are fetched ahead than the least, and one of those that are here has not begun for too long.
    pub(crate) async fn stalls(&self) {
        if self.now.get() <= self.least {
            return std::future::pending().await;
        }
        loop {
            let (at, had_come) = self.looked.get();
            sleep_until(at + PATIENCE).await;
            if self.begun.get() < had_come {
                return;
            }
            self.looked.set((Instant::now(), self.arrived.get()));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;

    fn pass(ahead: &Ahead, count: usize) {
        for _ in 0..count {
            ahead.arrives();
            ahead.begins();
        }
    }

    #[actix::test]
    async fn what_begins_soon_is_fetched_ahead_as_far_as_it_does() {
        tokio::time::pause();
        let ahead = Ahead::new(2, None);
        pass(&ahead, 3);
        assert_eq!(ahead.grows(2), None, "not all that may be here have passed");
        pass(&ahead, 1);
        advance(Duration::from_millis(20)).await;
        assert_eq!(ahead.grows(2), Some(20));
        ahead.set(20);
        pass(&ahead, 22);
        advance(Duration::from_millis(1)).await;
        assert_eq!(ahead.grows(2), Some(32), "and not further");
        ahead.set(32);
        pass(&ahead, 1_000);
        assert_eq!(ahead.grows(2), None);

        let slow = Ahead::new(2, None);
        pass(&slow, 4);
        advance(QUICK).await;
        assert_eq!(slow.grows(2), None);
        let said = Ahead::new(2, Some(0));
        pass(&said, 1_000);
        assert_eq!((said.grows(2), said.now()), (None, 0));
        let cannot = Ahead::new(2, None);
        cannot.stays();
        pass(&cannot, 1_000);
        assert_eq!(cannot.grows(2), None);
    }

    #[actix::test]
    async fn what_does_not_begin_is_no_longer_fetched_ahead_for_a_while() {
        tokio::time::pause();
        let ahead = Ahead::new(1, None);
        // The clock of tokio counts whole milliseconds.
        let late = PATIENCE + Duration::from_millis(1);
        ahead.arrives();
        assert!(ahead.stalls().now_or_never().is_none());
        advance(late).await;
        assert!(ahead.stalls().now_or_never().is_none(), "few may wait for as long as it takes");
        ahead.begins();
        ahead.set(16);
        pass(&ahead, 20);
        ahead.arrives();
        advance(late).await;
        assert!(ahead.stalls().now_or_never().is_none(), "what has come since is not late yet");
        advance(late).await;
        assert!(ahead.stalls().now_or_never().is_some());
        ahead.shrink();
        ahead.begins();
        assert_eq!(ahead.now(), 1);
        pass(&ahead, 100);
        assert_eq!(ahead.grows(1), None);
        advance(REST).await;
        pass(&ahead, 1);
        assert_eq!(ahead.grows(1), None, "a new window begins");
        pass(&ahead, 2);
        assert_eq!(ahead.grows(1), Some(16));
    }
}
