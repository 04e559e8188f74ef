//! The event, and the tally of who has heard it.
//!
//! ```text
//! subscriber × n ── Ear::hear ──> Tally ── wakes at the goal ──> driver, which compares it with what is due
//! ```
//!
//! Subscribers live on one thread, be it the driver's or another, and so does everybody who writes the tally. To write
//! it is then a load and a store, which cost what plain memory does: a locked instruction for each delivery would cost
//! more than some contestants need for all of it.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;

use actix::Message;
use convoke::Event;
use futures::task::AtomicWaker;

use crate::harness::Failure;

/// The event.
#[derive(Clone, Copy, Debug, Event, Message)]
#[event(local)]
#[rtype(result = "()")]
pub(super) struct Tick {
    pub(super) number: u64,
    pub(super) value: u64,
}

impl Tick {
    /// The event of that number.
    pub(super) const fn new(number: u64) -> Self {
        Self { number, value: number.wrapping_mul(0x9e37_79b9_7f4a_7c15) }
    }

    /// What a subscriber makes of it: different for each event.
    pub(super) const fn payload(self) -> u64 {
        self.number ^ self.value
    }
}

/// What the subscribers have heard so far. Sums wrap.
#[derive(Debug)]
pub(super) struct Tally {
    heard: AtomicU64,
    sum: AtomicU64,
    /// How much has to be heard until the driver is woken.
    goal: AtomicU64,
    given_up: AtomicBool,
    driver: AtomicWaker,
}

/// How many deliveries there are to be, and their sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) heard: u64,
    sum: u64,
}

/// A subscriber's way to the tally.
#[derive(Debug)]
pub(super) struct Ear {
    index: u64,
    tally: Arc<Tally>,
}

/// An ear for each subscriber.
#[derive(Debug)]
pub(super) struct Ears {
    left: std::ops::Range<usize>,
    tally: Arc<Tally>,
}

impl Ear {
    /// Notes that this subscriber has heard the event.
    pub(super) fn hear(&self, tick: &Tick) {
        let tally = &*self.tally;
        let heard = tally.heard.load(Ordering::Relaxed) + 1;
        // With the index, a delivery that is lost is not made good by one that another subscriber got twice.
        let sum = tally.sum.load(Ordering::Relaxed).wrapping_add(tick.payload()).wrapping_add(self.index);
        tally.sum.store(sum, Ordering::Relaxed);
        tally.heard.store(heard, Ordering::Release);
        if heard == tally.goal.load(Ordering::Relaxed) {
            tally.driver.wake();
        }
    }
}

impl Due {
    /// Adds an event to `n` subscribers.
    pub(super) fn add(&mut self, tick: Tick, n: u64) {
        self.heard += n;
        self.sum = self.sum.wrapping_add(tick.payload().wrapping_mul(n)).wrapping_add(n * (n - 1) / 2);
    }
}

impl Tally {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            heard: AtomicU64::new(0),
            sum: AtomicU64::new(0),
            goal: AtomicU64::new(u64::MAX),
            given_up: AtomicBool::new(false),
            driver: AtomicWaker::new(),
        })
    }

    /// Ears for `n` subscribers.
    pub(super) fn ears(self: &Arc<Self>, n: usize) -> Ears {
        Ears { left: 0..n, tally: Arc::clone(self) }
    }

    /// Sets the goal before anything is published: subscribers on another thread may reach it before the driver waits.
    /// (On one thread the goal is only set if the driver has to wait, so that to wake nobody costs nothing.)
    pub(super) fn announce(&self, goal: u64) {
        self.goal.store(goal, Ordering::Relaxed);
    }

    /// Waits until that much has been heard, or somebody [gives up](Self::give_up).
    pub(super) async fn reach(&self, goal: u64) {
        if self.heard.load(Ordering::Acquire) >= goal {
            return;
        }
        poll_fn(|cx| {
            self.driver.register(cx.waker());
            self.announce(goal);
            let over = self.heard.load(Ordering::Acquire) >= goal || self.given_up.load(Ordering::Relaxed);
            if over { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.announce(u64::MAX);
    }

    /// Ends the driver's wait: what has not come by now is lost.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
        self.driver.wake();
    }

    /// Compares what has been heard with what was due.
    ///
    /// # Errors
    ///
    /// If something is missing, was heard twice, or is not what was published.
    pub(super) fn check(&self, due: &Due) -> Result<(), Failure> {
        let heard = self.heard.load(Ordering::Acquire);
        let tally = Due { heard, sum: self.sum.load(Ordering::Relaxed) };
        if tally == *due { Ok(()) } else { Err(format!("heard {tally:?}, not {due:?}").into()) }
    }
}

impl Iterator for Ears {
    type Item = Ear;

    fn next(&mut self) -> Option<Ear> {
        let index = self.left.next()? as u64;
        Some(Ear { index, tally: Arc::clone(&self.tally) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }
}

impl ExactSizeIterator for Ears {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_has_missed_another_cannot_make_good() {
        let (tally, tick) = (Tally::new(), Tick::new(7));
        let ears: Vec<_> = tally.ears(3).collect();
        let mut due = Due::default();
        due.add(tick, 3);

        ears[0].hear(&tick);
        ears[1].hear(&tick);
        assert!(tally.check(&due).is_err(), "one is missing");
        ears[1].hear(&tick);
        assert!(tally.check(&due).is_err(), "one has heard it twice, and one not at all");
    }

    #[test]
    fn an_old_event_does_not_pass_for_a_new_one() {
        let tally = Tally::new();
        let mut due = Due::default();
        for ear in tally.ears(2) {
            ear.hear(&Tick::new(0));
        }
        due.add(Tick::new(1), 2);
        assert!(tally.check(&due).is_err());
    }

    #[actix::test]
    async fn who_waits_is_woken_at_the_goal() {
        let tally = Tally::new();
        let mut ears = tally.ears(1);
        actix::spawn(async move { ears.next().unwrap().hear(&Tick::new(0)) });
        tally.reach(1).await;
        let mut due = Due::default();
        due.add(Tick::new(0), 1);
        assert!(tally.check(&due).is_ok());
    }

    #[actix::test]
    async fn a_wait_for_what_is_lost_ends() {
        let tally = Tally::new();
        let other = Arc::clone(&tally);
        actix::spawn(async move { other.give_up() });
        tally.reach(1).await;
    }
}
