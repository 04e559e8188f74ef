//! Waits until nothing is in flight, and says what still is.
//!
//! `sync.settled → the bus is drained, the executor is idle, and nothing came meanwhile → rest`

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::events::bus::EventBus;
use crate::events::hub::Hub;
use crate::runtime::{self, Executor};
use crate::testing::{LIMIT, Recorder, settle};

/// A wait until nothing is in flight. [`EventSynchronizer::settled`](super::EventSynchronizer::settled) returns it.
#[must_use = "nothing is waited for before it is awaited"]
pub struct Settled<'a> {
    hub: &'a Arc<Hub>,
    recorder: &'a Recorder,
    limit: Duration,
}

/// An error returned when something is still in flight. Its text has a line for each thing.
///
/// `Debug` prints the same text, so `.unwrap()` shows it readably.
#[derive(Clone, PartialEq, Eq)]
pub struct Unsettled(String);

impl<'a> Settled<'a> {
    pub(crate) fn new(hub: &'a Arc<Hub>, recorder: &'a Recorder) -> Self {
        Self { hub, recorder, limit: LIMIT }
    }

    /// Sets how long to wait, counted from the time when you await it. The default is 5 s.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Waits for rest; `false` if there never is any.
    async fn rest(&self) -> bool {
        let mut before = None;
        loop {
            // Only asked, not held: a bus that nobody holds may close meanwhile.
            EventBus::of(self.hub).drain().await;
            settle().await;
            if !is_idle() {
                return false;
            }
            // What was done since may have given work to those who were at rest before.
            let now = Some(self.done());
            if now == before {
                return true;
            }
            before = now;
        }
    }

    /// What has happened so far: how many events came, and how many were heard, dropped, or wait.
    fn done(&self) -> (u64, u64) {
        let infos = self.hub.posts().into_iter().map(|post| post.info());
        let heard = infos.map(|info| info.done + info.failed + info.dropped + info.waiting as u64).sum();
        (self.recorder.came(), heard)
    }

    fn in_flight(&self) -> Unsettled {
        let mut text = format!("not at rest within {:?}; in flight:", self.limit);
        let before = text.len();
        for info in self.hub.posts().iter().map(|post| post.info()).filter(|info| info.waiting > 0) {
            let (count, s) = (info.waiting, if info.waiting == 1 { "" } else { "s" });
            text += &format!("\n  {count} event{s} waiting for `{}`", info.listener);
        }
        for label in at_work() {
            text += &format!("\n  {label}");
        }
        if text.len() == before {
            text += "\n  an actor at work, or a listener on another arbiter";
        }
        Unsettled(text)
    }
}

fn is_idle() -> bool {
    Executor::here().is_none_or(|executor| executor.is_idle())
}

/// The calls of listeners that are under way on this arbiter.
fn at_work() -> Vec<String> {
    let labels = Executor::here().map(|executor| executor.labels()).unwrap_or_default();
    labels.into_iter().filter(|label| label.starts_with("the listener ")).collect()
}

impl<'a> IntoFuture for Settled<'a> {
    type Output = Result<(), Unsettled>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let rest = runtime::within(self.limit, self.rest()).await;
            if rest == Some(true) { Ok(()) } else { Err(self.in_flight()) }
        })
    }
}

impl fmt::Debug for Settled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settled").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl fmt::Display for Unsettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Unsettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Unsettled {}
