//! How a worker of tasks is, for a probe on any thread.
//!
//! `engine.rs, attempt.rs → Stats → TasksProbe → TasksHealth`

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::unclaimed::Watch;
use crate::tasks::{TaskFigures, Unclaimed};
use crate::transport::TransportError;
use crate::{RelayHealth, RelayProbe};

/// How long a worker may be without an answer of the database.
const SILENCE: Duration = Duration::from_secs(25);

/// How long a function may keep its thread.
const STUCK: Duration = Duration::from_secs(5);

/// The health of a worker of tasks.
///
/// It is healthy if it has asked the database for jobs within 25 s, or had no room for more, if what has ended is not kept from
/// being settled for as long, if no function has kept its thread for longer than 5 s, and if the bus hears in time how jobs have
/// ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TasksHealth {
    /// Whether jobs are fetched in time, settled, and told of.
    pub healthy: bool,
    /// Whether the database answered when it was last asked.
    pub connected: bool,
    /// Whether the worker has ended, or has not begun yet.
    pub ended: bool,
    /// Which job keeps the thread of the worker, and for how long: a function that does not wait where it should, and that nobody
    /// can stop.
    pub stuck: Option<String>,
    /// How many jobs are due and wait, counted every 15 s up to 10,000.
    pub waiting: u64,
    /// How many have failed for good and are kept, counted in the same way.
    pub failed: u64,
    /// For how long the oldest has been due that waits, when it was last counted.
    pub oldest: Option<Duration>,
    /// How many jobs this worker was lent, and how many of them it has settled.
    pub lent: u64,
    /// See [`lent`](Self::lent).
    pub settled: u64,
    /// What the database said last, if that was an error.
    pub trouble: Option<String>,
    /// Jobs that have been due for longer than a minute, and that nobody seems to do, by their task and queue: this process has no
    /// function for them, and none of them runs. It is looked for every 15 s. The worker is healthy all the same.
    pub unclaimed: Vec<String>,
    /// How the relay is by which the bus hears how jobs have ended. `None` if the events go into an outbox of yours, and before the
    /// worker has begun.
    pub relay: Option<RelayHealth>,
}

impl fmt::Display for TasksHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(stuck) = &self.stuck {
            return write!(f, "the worker of tasks stands still: {stuck}");
        }
        let silent = self.relay.as_ref().filter(|relay| !self.ended && !relay.healthy);
        if let Some(relay) = silent {
            return write!(f, "the worker of tasks does not tell how jobs have ended: {relay}");
        }
        let state = match self {
            Self { ended: true, .. } => "does not run",
            Self { healthy: false, .. } => "fetches or settles nothing",
            Self { connected: false, .. } => "waits for the database",
            _ => "is working",
        };
        write!(f, "the worker of tasks {state}")?;
        if let Some(trouble) = &self.trouble {
            write!(f, ": {trouble}")?;
        }
        match &self.unclaimed[..] {
            [] => Ok(()),
            unclaimed => write!(f, "; nobody seems to do {}", unclaimed.join("; ")),
        }
    }
}

/// Tells how a worker of tasks is, on any thread. Created by [`Tasks::probe`](crate::Tasks::probe).
#[derive(Clone)]
pub struct TasksProbe(pub(in crate::tasks) Arc<Stats>);

impl TasksProbe {
    /// Returns how the worker is now.
    pub fn health(&self) -> TasksHealth {
        self.0.health()
    }
}

impl fmt::Debug for TasksProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TasksProbe").field(&self.health()).finish()
    }
}

/// What a worker of tasks counts.
#[derive(Debug, Default)]
pub(in crate::tasks) struct Stats {
    running: AtomicBool,
    lent: AtomicU64,
    settled: AtomicU64,
    seen: Mutex<Seen>,
    /// Of the relay that it has of its own.
    relay: Mutex<Option<RelayProbe>>,
    /// The function that is being polled, its job, and since when.
    inside: Mutex<Option<(&'static str, i64, std::time::Instant)>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Since when an answer of the database is missed: when it was asked, or is to be asked next. Later where there is no room for more.
    missed: Option<Instant>,
    /// Since when something that has ended is being settled, or cannot be: then little that is lent can begin.
    settling: Option<Instant>,
    /// Whether the last of that has failed.
    unsettled: bool,
    /// Since when a job that ends by itself cannot.
    unended: Option<Instant>,
    trouble: Option<String>,
    figures: TaskFigures,
    unclaimed: Watch,
}

impl Stats {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inside(&self) -> MutexGuard<'_, Option<(&'static str, i64, std::time::Instant)>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that it runs, until what this returns is dropped: by a panic as well, after which nobody may start it again.
    pub(super) fn begin(self: &Arc<Self>) -> Runs {
        *self.seen() = Seen { missed: Some(Instant::now()), ..Seen::default() };
        self.running.store(true, Ordering::Relaxed);
        Runs(self.clone())
    }

    /// It has this relay of its own.
    pub(super) fn relayed_by(&self, relay: RelayProbe) {
        *self.relay.lock().unwrap_or_else(PoisonError::into_inner) = Some(relay);
    }

    /// A function is polled.
    pub(super) fn enters(&self, task: &'static str, job: i64) {
        *self.inside() = Some((task, job, std::time::Instant::now()));
    }

    pub(super) fn leaves(&self) {
        *self.inside() = None;
    }

    /// The database is asked for jobs.
    pub(super) fn asks(&self) {
        let mut seen = self.seen();
        seen.missed = seen.missed.into_iter().chain([Instant::now()]).min();
    }

    /// It has lent so many, and is asked again at this time.
    pub(super) fn lent(&self, jobs: usize, next: Instant) {
        self.lent.fetch_add(jobs as u64, Ordering::Relaxed);
        let mut seen = self.seen();
        seen.missed = Some(next);
        if !seen.unsettled && seen.unended.is_none() && seen.trouble.take().is_some() {
            log::warn!(target: "convoke::tasks", "the database is back");
        }
    }

    /// There is no room for more.
    pub(super) fn full(&self) {
        self.seen().missed = Some(Instant::now());
    }

    pub(super) fn done(&self, jobs: usize) {
        self.settled.fetch_add(jobs as u64, Ordering::Relaxed);
    }

    pub(super) fn lost(&self, error: &TransportError) {
        let mut seen = self.seen();
        if seen.trouble.is_none() {
            log::warn!(target: "convoke::tasks", "{error}; it is tried again");
        }
        seen.trouble = Some(error.to_string());
    }

    /// What has ended is about to be settled.
    pub(super) fn settles(&self) {
        self.seen().settling.get_or_insert_with(Instant::now);
    }

    /// What has ended could not be settled.
    pub(super) fn unsettled(&self, error: &TransportError) {
        self.lost(error);
        self.seen().unsettled = true;
    }

    pub(super) fn has_settled(&self) {
        let mut seen = self.seen();
        (seen.settling, seen.unsettled) = (None, false);
    }

    /// A job that ends by itself could not.
    pub(super) fn unended(&self, error: &TransportError) {
        self.lost(error);
        self.seen().unended.get_or_insert_with(Instant::now);
    }

    pub(super) fn has_ended(&self) {
        self.seen().unended = None;
    }

    pub(super) fn counted(&self, figures: TaskFigures) {
        self.seen().figures = figures;
    }

    /// Jobs of others that wait were looked for; returns of how many tasks nobody seems to do any.
    pub(super) fn unclaimed(&self, found: Vec<Unclaimed>) -> usize {
        let mut seen = self.seen();
        seen.unclaimed.found(found);
        seen.unclaimed.len()
    }

    pub(in crate::tasks) fn health(&self) -> TasksHealth {
        let inside = *self.inside();
        let stuck = inside.and_then(|(task, job, since)| {
            let time = since.elapsed();
            (time >= STUCK).then(|| format!("{task} {job} has kept its thread for {} s", time.as_secs()))
        });
        let relay = self.relay.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(RelayProbe::health);
        let tells = relay.as_ref().is_none_or(|relay| relay.healthy);
        let seen = self.seen();
        let running = self.running.load(Ordering::Relaxed);
        let hangs = |since: Option<Instant>| since.is_some_and(|since| since.elapsed() >= SILENCE);
        let silent =
            seen.missed.is_none_or(|missed| missed.elapsed() >= SILENCE) || hangs(seen.settling) || hangs(seen.unended);
        TasksHealth {
            healthy: running && !silent && tells && stuck.is_none(),
            connected: running && seen.trouble.is_none(),
            ended: !running,
            stuck,
            waiting: seen.figures.waiting,
            failed: seen.figures.failed,
            oldest: seen.figures.oldest,
            lent: self.lent.load(Ordering::Relaxed),
            settled: self.settled.load(Ordering::Relaxed),
            trouble: seen.trouble.clone(),
            unclaimed: seen.unclaimed.shown(),
            relay,
        }
    }
}

/// Has the probe say that it runs.
pub(super) struct Runs(Arc<Stats>);

impl Drop for Runs {
    fn drop(&mut self) {
        self.0.running.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Route;
    use crate::transport::Memory;

    #[actix_rt::test]
    async fn a_relay_that_has_ended_is_in_the_health() {
        let outbox = Memory::database().outbox("Tasks").await.unwrap();
        let mut relay = outbox.relay(Route::new("Tasks/**", Memory::queue("told")));
        let stats = Arc::<Stats>::default();
        stats.relayed_by(relay.probe());
        let runs = stats.begin();
        let relay = relay.start().await.unwrap();
        while !stats.health().healthy {
            tokio::task::yield_now().await;
        }
        relay.stop().await;
        let health = stats.health();
        assert!(
            !health.healthy && !health.ended && health.relay.as_ref().is_some_and(|relay| relay.ended),
            "{health:?}"
        );
        assert!(health.to_string().contains("Tasks does not run"), "{health}");
        drop(runs);
        assert!(stats.health().ended);
    }
}
