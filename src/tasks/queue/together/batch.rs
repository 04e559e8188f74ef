//! A batch that was enqueued.
//!
//! `Together | TaskQueue::batch(id) → Batch → status, outcome, wait, cancel`

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::hall::Doors;
use super::outcome::{BatchOutcome, BatchState};
use crate::__private::debug_is_display;
use crate::Uuid;
use crate::durable::{Gathering, Heard, Speech, Word};
use crate::tasks::running::FAR;
use crate::transport::{ErrorKind, TransportError};

/// How long who waits for a batch waits before he looks again, at first and at most.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// How long who cancels a batch waits for a worker to open it.
const OPENING: Duration = Duration::from_secs(10);

/// Why a batch that was cancelled has ended.
const CANCELLED: &str = "it was cancelled";

/// The id of a batch, by which it is known in every process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BatchId(Uuid);

impl BatchId {
    pub(super) fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// Returns it as a UUID.
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

debug_is_display!(BatchId);

impl From<Uuid> for BatchId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl FromStr for BatchId {
    type Err = <Uuid as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A handle of a batch, in this process or another. Created by [`TaskQueue::together`](crate::TaskQueue::together), and by
/// [`TaskQueue::batch`](crate::TaskQueue::batch) of its id.
#[derive(Clone)]
pub struct Batch {
    hall: Arc<dyn Doors>,
    id: BatchId,
}

impl Batch {
    pub(in crate::tasks::queue) fn new(hall: Arc<dyn Doors>, id: BatchId) -> Self {
        Self { hall, id }
    }

    /// Returns its id.
    pub fn id(&self) -> BatchId {
        self.id
    }

    /// Returns how the batch is, or `None` if there is none: its transaction has not committed, its outcome is kept no longer, or no
    /// worker has opened it yet. That takes a worker only if it was enqueued [within](super::Together::within) a transaction.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline.
    pub async fn status(&self) -> Result<Option<BatchStatus>, TransportError> {
        Ok(self.read().await?.map(BatchStatus))
    }

    /// Returns what became of the batch, if it has closed. Outcomes are kept for 30 days.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline.
    pub async fn outcome(&self) -> Result<Option<BatchOutcome>, TransportError> {
        Ok(self.read().await?.filter(|outcome| outcome.state().is_over()))
    }

    /// Waits until the batch has closed, for at most so long, and returns what became of it. `None` if it has not closed by then, or
    /// if there is none: the [status](Self::status) says which.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline.
    pub async fn wait(&self, limit: Duration) -> Result<Option<BatchOutcome>, TransportError> {
        let end = Instant::now() + limit.min(FAR);
        let mut bell = self.hall.rounds().await?.bell();
        let mut pause = FIRST_LOOK;
        loop {
            bell.mark_unchanged();
            let outcome = self.outcome().await?;
            if outcome.is_some() || Instant::now() >= end {
                return Ok(outcome);
            }
            let next = end.min(Instant::now() + pause);
            // Whoever closes it rings, in this process; elsewhere there is the pause.
            let _ = timeout(next.duration_since(Instant::now()), bell.changed()).await;
            sleep_until(next.min(Instant::now() + FIRST_LOOK)).await;
            pause = (pause * 2).min(LONGEST_LOOK);
        }
    }

    /// Cancels the batch: it closes as [`Cancelled`](BatchState::Cancelled), with what has ended by then, and its jobs that have not
    /// are [asked to end](crate::Job::cancel) by a worker; those that [were there](super::BatchJob::was_there) before it go on. The
    /// task that was given by [`otherwise`](super::Together::otherwise) follows.
    ///
    /// Returns how the batch is then: one that has closed before stays as it is. `None` if there is none, as with
    /// [`status`](Self::status): what is committed and not opened yet is waited for, for up to 10 s.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline. It may be cancelled then.
    pub async fn cancel(&self) -> Result<Option<BatchState>, TransportError> {
        let rounds = self.hall.rounds().await?;
        let end = Instant::now() + OPENING;
        loop {
            // What comes behind this look finds the batch.
            let is_under_way = self.hall.is_under_way().await?;
            let words = Box::new(|_: &str| vec![Word::End(CANCELLED.into())]);
            let speech = Speech { key: self.id.0, opens: None, words };
            match rounds.hear(&[speech]).await?.pop() {
                Some(Heard::Nothing) | None if !is_under_way || Instant::now() >= end => return Ok(None),
                Some(Heard::Nothing) | None => sleep(FIRST_LOOK).await,
                Some(_) => return Ok(self.look(&rounds).await?.map(|outcome| outcome.state())),
            }
        }
    }

    async fn read(&self) -> Result<Option<BatchOutcome>, TransportError> {
        self.look(&*self.hall.rounds().await?).await
    }

    async fn look(&self, rounds: &Gathering) -> Result<Option<BatchOutcome>, TransportError> {
        let Some(tally) = rounds.look(self.id.0).await? else { return Ok(None) };
        let refused = |why: String| TransportError::new(ErrorKind::Refused, format!("batch {}", self.id), why);
        BatchOutcome::of(&tally).map(Some).map_err(refused)
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How a batch is, at a moment.
#[derive(Clone, PartialEq)]
pub struct BatchStatus(BatchOutcome);

impl BatchStatus {
    /// Returns whether it is open, or how it has closed.
    pub fn state(&self) -> BatchState {
        self.0.state()
    }

    /// Returns how many jobs it has.
    pub fn jobs(&self) -> usize {
        self.0.jobs().len()
    }

    /// Returns how many have to succeed.
    pub fn needed(&self) -> usize {
        self.0.needed()
    }

    /// Returns how many have succeeded.
    pub fn succeeded(&self) -> usize {
        self.0.succeeded().count()
    }

    /// Returns how many have failed for good, or were cancelled.
    pub fn failed(&self) -> usize {
        self.0.failed().count()
    }

    /// Returns those that have not ended, or had not when it closed.
    pub fn missing(&self) -> impl Iterator<Item = &super::BatchJob> {
        self.0.missing()
    }
}

/// As in `open: 12 of 20 succeeded, 1 failed, 7 missing`.
impl fmt::Display for BatchStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for BatchStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchStatus").field("status", &format_args!("{self}")).finish()
    }
}
