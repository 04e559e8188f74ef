//! How the consumers of a round fared: who is done, who failed, and who is still at it.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use serde::Serialize;

use crate::error::ConsumerError;
use crate::runtime::Home;

/// How the consumers of one round fared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Consumed {
    /// How many consumers there were.
    pub consumers: usize,
    /// Those that did not do it, by name.
    pub failed: Vec<FailedConsumer>,
}

impl Consumed {
    /// Whether every consumer has done its work.
    pub fn is_ok(&self) -> bool {
        self.failed.is_empty()
    }
}

/// A consumer that did not do its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedConsumer {
    /// Its name.
    pub consumer: Arc<str>,
    /// What went wrong.
    pub error: ConsumerError,
}

impl fmt::Display for FailedConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "consumer `{}` {}", self.consumer, self.error)
    }
}

/// The open deliveries of one round, shared by the session, the consumers and whoever asks.
pub(crate) struct Deliveries {
    state: Mutex<State>,
    /// By place, as the consumers stood when the round closed.
    names: Arc<[Arc<str>]>,
    /// The session, which lives until all are done.
    session: Home,
}

struct State {
    left: usize,
    /// One bit for each of the first 64 places that is done, and those for the rest.
    done: u64,
    more_done: Vec<u64>,
    failed: Vec<FailedConsumer>,
    waiters: Vec<Waker>,
}

impl Deliveries {
    pub(crate) fn new(names: Arc<[Arc<str>]>, session: Home) -> Arc<Self> {
        let left = names.len();
        let more_done = vec![0; left.saturating_sub(64).div_ceil(64)];
        Arc::new(Self {
            state: Mutex::new(State { left, done: 0, more_done, failed: Vec::new(), waiters: Vec::new() }),
            names,
            session,
        })
    }

    /// Those that failed, once all are done.
    pub(crate) fn if_done(&self) -> Option<Vec<FailedConsumer>> {
        let state = self.lock();
        (state.left == 0).then(|| state.failed.clone())
    }

    /// Waits until all are done.
    pub(crate) async fn done(&self) -> Consumed {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.left == 0 {
                return Poll::Ready(Consumed { consumers: self.names.len(), failed: state.failed.clone() });
            }
            if !state.waiters.iter().any(|waiter| waiter.will_wake(cx.waker())) {
                state.waiters.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// Counts all that are not done as timed out.
    pub(crate) fn give_up(&self, limit: Duration) {
        for place in 0..self.names.len() {
            self.finish(place, Err(ConsumerError::TimedOut(limit)));
        }
    }

    fn finish(&self, place: usize, result: Result<(), ConsumerError>) {
        let mut state = self.lock();
        let bit = 1 << (place % 64);
        let word = if place < 64 { &mut state.done } else { &mut state.more_done[place / 64 - 1] };
        if *word & bit != 0 {
            return;
        }
        *word |= bit;
        state.left -= 1;
        if let Err(error) = result {
            let failed = FailedConsumer { consumer: self.names[place].clone(), error };
            log::warn!(target: "convoke::consumer", "{failed}");
            state.failed.push(failed);
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

/// What a consumer owes for one round: its result, or it is counted as gone when this is dropped.
pub(crate) struct Receipt {
    place: usize,
    deliveries: Option<Arc<Deliveries>>,
}

impl Receipt {
    pub(crate) fn new(place: usize, deliveries: Arc<Deliveries>) -> Self {
        Self { place, deliveries: Some(deliveries) }
    }

    pub(crate) fn finish(mut self, result: Result<(), ConsumerError>) {
        if let Some(deliveries) = self.deliveries.take() {
            deliveries.finish(self.place, result);
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(deliveries) = self.deliveries.take() {
            deliveries.finish(self.place, Err(ConsumerError::Gone));
        }
    }
}
