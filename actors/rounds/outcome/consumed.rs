//! How the consumers of a round fared: who is done, who failed, and who is still at it.

use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use serde::Serialize;

use super::outcome::Outcome;
use crate::base::{Noted, Shown};
use crate::rounds::ConsumerError;
use crate::runtime::Home;

/// How the consumers of one round fared with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Consumed {
    /// The number of consumers.
    pub consumers: usize,
    /// The consumers that failed to handle the round.
    pub failed: Vec<FailedConsumer>,
}

impl Consumed {
    /// Returns whether every consumer has handled the round.
    pub fn is_ok(&self) -> bool {
        self.failed.is_empty()
    }
}

impl fmt::Display for Consumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.consumers == 1 { "" } else { "s" };
        write!(f, "{} consumer{s}, {} failed", self.consumers, self.failed.len())?;
        for (place, failed) in self.failed.iter().enumerate() {
            write!(f, "{}{failed}", if place == 0 { ": " } else { "; " })?;
        }
        Ok(())
    }
}

/// A consumer that failed to handle a round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedConsumer {
    /// The name of the consumer.
    pub consumer: Arc<str>,
    /// The error: what went wrong.
    pub error: ConsumerError,
}

impl fmt::Display for FailedConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "consumer `{}` {}", Shown::name(&self.consumer), self.error)
    }
}

/// The open deliveries of one round: who of the consumers is done.
pub(crate) struct Deliveries {
    state: Mutex<State>,
    consumers: usize,
    /// The session, which lives until all are done.
    session: Home,
    /// Nobody waits for those that are not done.
    given_up: AtomicBool,
}

struct State {
    left: usize,
    /// One bit for each of the first 64 places that is done, and those for the rest.
    done: u64,
    more_done: Vec<u64>,
    failed: Vec<(usize, ConsumerError, Noted)>,
    waiters: Vec<Waker>,
}

impl Deliveries {
    pub(crate) fn new(consumers: usize, session: Home) -> Self {
        let more_done = vec![0; consumers.saturating_sub(64).div_ceil(64)];
        let state = State { left: consumers, done: 0, more_done, failed: Vec::new(), waiters: Vec::new() };
        Self { state: Mutex::new(state), consumers, session, given_up: AtomicBool::new(false) }
    }

    /// Those that failed, once all are done.
    pub(crate) fn if_done(&self, names: &[Arc<str>]) -> Option<Vec<FailedConsumer>> {
        let state = self.lock();
        (state.left == 0).then(|| state.failed(names))
    }

    /// Waits until all are done.
    pub(crate) async fn done(&self, names: &[Arc<str>]) -> Consumed {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.left == 0 {
                let failed = state.failed(names);
                state.failed.iter().for_each(|(_, _, noted)| noted.seen());
                return Poll::Ready(Consumed { consumers: self.consumers, failed });
            }
            if !state.waiters.iter().any(|waiter| waiter.will_wake(cx.waker())) {
                state.waiters.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// Counts all that are not done as timed out.
    pub(crate) fn give_up(&self, limit: Duration, names: &[Arc<str>]) {
        self.given_up.store(true, Ordering::Release);
        for place in 0..self.consumers {
            self.finish(place, names, Err(ConsumerError::TimedOut(limit)));
        }
    }

    #[cfg_attr(not(feature = "testing"), expect(unused_variables, reason = "a test is told of who has failed"))]
    pub(crate) fn finish(&self, place: usize, names: &[Arc<str>], result: Result<(), ConsumerError>) {
        let mut state = self.lock();
        let bit = 1 << (place % 64);
        let word = if place < 64 { &mut state.done } else { &mut state.more_done[place / 64 - 1] };
        if *word & bit != 0 {
            return;
        }
        *word |= bit;
        state.left -= 1;
        if let Err(error) = result {
            // Before those are told who wait for it.
            #[cfg(feature = "testing")]
            let noted = crate::base::note(crate::base::Of::Itself, names.get(place), "a round", || error.to_string());
            #[cfg(not(feature = "testing"))]
            let noted = Noted::default();
            state.failed.push((place, error, noted));
        }
        if state.left == 0 {
            let waiters = std::mem::take(&mut state.waiters);
            drop(state);
            waiters.into_iter().for_each(Waker::wake);
            self.session.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn failed(&self, names: &[Arc<str>]) -> Vec<FailedConsumer> {
        let named = |(place, error, _): &(usize, ConsumerError, Noted)| {
            Some(FailedConsumer { consumer: names.get(*place)?.clone(), error: error.clone() })
        };
        self.failed.iter().filter_map(named).collect()
    }
}

/// A round on its way to one consumer, which owes its result: dropped before, the consumer counts as gone.
pub(crate) struct Delivery<P> {
    outcome: Outcome<P>,
    place: usize,
    open: bool,
}

impl<P> Delivery<P> {
    pub(crate) fn new(outcome: Outcome<P>, place: usize) -> Self {
        Self { outcome, place, open: true }
    }

    pub(crate) fn outcome(&self) -> &Outcome<P> {
        &self.outcome
    }

    pub(crate) fn is_given_up(&self) -> bool {
        let deliveries = &self.outcome.account().deliveries;
        deliveries.as_ref().is_some_and(|deliveries| deliveries.given_up.load(Ordering::Acquire))
    }

    pub(crate) fn finish(mut self, result: Result<(), ConsumerError>) {
        self.settle(result);
    }

    fn settle(&mut self, result: Result<(), ConsumerError>) {
        self.open = false;
        let account = self.outcome.account();
        if let Err(error) = &result {
            let name = account.directory.consumers.get(self.place).map(|name| &**name).unwrap_or_default();
            let broker = &account.directory.broker;
            log::warn!(target: "convoke::consumer", "broker {broker}: {}: consumer `{}` {error}", account.title(), Shown::name(name));
        }
        if let Some(deliveries) = &account.deliveries {
            deliveries.finish(self.place, &account.directory.consumers, result);
        }
    }
}

impl<P> Drop for Delivery<P> {
    fn drop(&mut self) {
        if self.open {
            self.settle(Err(ConsumerError::Gone));
        }
    }
}
