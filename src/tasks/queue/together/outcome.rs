//! What became of a batch.
//!
//! `its round → Tally → BatchOutcome: each job by its place, as it has ended`

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::batch::BatchId;
use super::records::{Ended, Opening};
use crate::__private::Shown;
use crate::__private::rounds::End;
use crate::durable::Tally;
use crate::tasks::JobId;

/// How a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BatchState {
    /// Some of its jobs have not ended, and it may still be done.
    Open,
    /// As many have succeeded as it takes.
    Done,
    /// So many have failed that it cannot be done any more.
    OutOfReach,
    /// Its deadline has passed before.
    TimedOut,
    /// It was cancelled.
    Cancelled,
}

impl BatchState {
    pub(in crate::tasks) fn of(end: Option<&End>) -> Self {
        match end {
            None => Self::Open,
            Some(End::Resolved | End::Partial) => Self::Done,
            Some(End::TimedOut | End::Idle) => Self::TimedOut,
            Some(End::Aborted(_) | End::AbortedBy(..)) => Self::Cancelled,
            Some(End::OutOfReach | End::Lost(_) | End::Vetoed(..) | End::NoRule(_)) => Self::OutOfReach,
        }
    }

    /// Returns whether the batch has closed.
    pub fn is_over(self) -> bool {
        self != Self::Open
    }
}

impl fmt::Display for BatchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::OutOfReach => "out of reach",
            Self::TimedOut => "timed out",
            Self::Cancelled => "cancelled",
        })
    }
}

/// What became of a batch: which of its jobs have succeeded, which have failed, and which are missing, for they had not ended when it
/// closed. The function of the task that [follows](super::Together::then) the batch asks for it, as an argument.
///
/// ```
/// use convoke::{BatchOutcome, Task};
/// use serde::{Deserialize, Serialize};
/// use std::sync::Arc;
///
/// #[derive(Task, Serialize, Deserialize)]
/// struct Report {}
///
/// async fn report(_: Arc<Report>, pages: BatchOutcome) {
///     println!("{} of {} pages", pages.succeeded().count(), pages.jobs().len());
///     for page in pages.failed() {
///         println!("page {} has failed: {}", page.place(), page.detail().unwrap_or_default());
///     }
/// }
/// ```
#[derive(Clone, PartialEq)]
pub struct BatchOutcome {
    id: BatchId,
    state: BatchState,
    needed: usize,
    elapsed: Duration,
    jobs: Vec<BatchJob>,
}

/// A job of a batch, as it had ended when that closed.
#[derive(Clone, PartialEq)]
pub struct BatchJob {
    place: usize,
    id: i64,
    task: String,
    was_there: bool,
    ended: Option<Ended>,
}

impl BatchOutcome {
    /// # Errors
    ///
    /// If a later program has written it.
    pub(in crate::tasks) fn of(tally: &Tally) -> Result<Self, String> {
        let opening = Opening::read(&tally.first)?;
        let said = tally.kept.iter().chain(&tally.refused);
        let said: HashMap<&str, &str> = said.map(|(name, text)| (&**name, &**text)).collect();
        let job = |(place, entry): (usize, &super::records::Entry)| {
            let ended = said.get(&*place.to_string()).and_then(|text| Ended::read(text));
            BatchJob { place, id: entry.0, task: entry.1.clone(), was_there: entry.2, ended }
        };
        Ok(Self {
            id: BatchId::new(opening.batch),
            state: BatchState::of(tally.end.as_ref()),
            needed: opening.needed,
            elapsed: tally.elapsed,
            jobs: opening.jobs.iter().enumerate().map(job).collect(),
        })
    }

    /// Returns the id of the batch.
    pub fn id(&self) -> BatchId {
        self.id
    }

    /// Returns how it has closed.
    pub fn state(&self) -> BatchState {
        self.state
    }

    /// Returns whether as many have succeeded as it takes.
    pub fn is_done(&self) -> bool {
        self.state == BatchState::Done
    }

    /// Returns how many had to succeed.
    pub fn needed(&self) -> usize {
        self.needed
    }

    /// Returns how long it was open.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Returns its jobs, in the order in which they were given.
    pub fn jobs(&self) -> &[BatchJob] {
        &self.jobs
    }

    /// Returns those that had succeeded when it closed.
    pub fn succeeded(&self) -> impl Iterator<Item = &BatchJob> {
        self.jobs.iter().filter(|job| job.has_succeeded())
    }

    /// Returns those that had failed for good, or were cancelled, when it closed.
    pub fn failed(&self) -> impl Iterator<Item = &BatchJob> {
        self.jobs.iter().filter(|job| job.has_failed())
    }

    /// Returns those that had not ended when it closed. They go on, unless they were [cancelled](super::Together::cancel_rest).
    pub fn missing(&self) -> impl Iterator<Item = &BatchJob> {
        self.jobs.iter().filter(|job| job.is_missing())
    }

    /// Reads the events by which those that have succeeded have ended, in the order of their places. Those that have returned
    /// nothing, and those whose event was [left out](BatchJob::left_out), are not there.
    ///
    /// # Errors
    ///
    /// If one is not of this form.
    pub fn results<R: DeserializeOwned>(&self) -> Result<Vec<R>, serde_json::Error> {
        self.succeeded().filter_map(|job| job.result().transpose()).collect()
    }
}

impl BatchJob {
    /// Returns its place among the jobs of the batch, from 0.
    pub fn place(&self) -> usize {
        self.place
    }

    /// Returns its number.
    pub fn id(&self) -> JobId {
        JobId::new(self.id)
    }

    /// Returns the name of its task.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// Returns whether an unfinished job with the same unique fields was there already, which stands for it.
    pub fn was_there(&self) -> bool {
        self.was_there
    }

    /// Returns whether it has succeeded.
    pub fn has_succeeded(&self) -> bool {
        matches!(self.ended, Some(Ended::Done { .. }))
    }

    /// Returns whether it has failed for good, or was cancelled.
    pub fn has_failed(&self) -> bool {
        matches!(self.ended, Some(Ended::Failed { .. }))
    }

    /// Returns whether it had not ended.
    pub fn is_missing(&self) -> bool {
        self.ended.is_none()
    }

    /// Reads the event by which it has ended well. `None` if it has not, if there was none, or if that was [left out](Self::left_out).
    ///
    /// # Errors
    ///
    /// If the event is not of this form.
    pub fn result<R: DeserializeOwned>(&self) -> Result<Option<R>, serde_json::Error> {
        match &self.ended {
            Some(Ended::Done { result: Some(text), .. }) => serde_json::from_str(text).map(Some),
            _ => Ok(None),
        }
    }

    /// Returns how many bytes its event has as JSON, if that was too large for the outcome: the events of a batch have 1 MiB
    /// together, and each its share of that. The [job](crate::TaskQueue::job) tells it for as long as it is kept.
    pub fn left_out(&self) -> Option<usize> {
        match self.ended {
            Some(Ended::Done { left_out, .. }) if left_out > 0 => Some(left_out),
            _ => None,
        }
    }

    /// Returns the code of its failure, as in [`TaskFailed`](crate::TaskFailed). Of a job that [was there](Self::was_there) it is
    /// `failed` or `cancelled`; and `gone` if that was deleted, and nobody knows how it has ended.
    pub fn code(&self) -> Option<&str> {
        match &self.ended {
            Some(Ended::Failed { code, .. }) => Some(code),
            _ => None,
        }
    }

    /// Returns why it has failed.
    pub fn detail(&self) -> Option<&str> {
        match &self.ended {
            Some(Ended::Failed { detail, .. }) => Some(detail),
            _ => None,
        }
    }
}

/// As in `done: 16 of 20 succeeded, 1 failed, 3 missing`.
impl fmt::Display for BatchOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (succeeded, failed) = (self.succeeded().count(), self.failed().count());
        let all = self.jobs.len();
        write!(
            f,
            "{}: {succeeded} of {all} succeeded, {failed} failed, {} missing",
            self.state,
            all - succeeded - failed
        )
    }
}

impl fmt::Debug for BatchOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchOutcome")
            .field("id", &self.id)
            .field("outcome", &format_args!("{self}"))
            .finish_non_exhaustive()
    }
}

/// Omits the result, which may be personal.
impl fmt::Debug for BatchJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("BatchJob");
        shown.field("place", &self.place).field("job", &self.id).field("task", &Shown::name(&self.task).to_string());
        match &self.ended {
            None => shown.field("ended", &"missing"),
            Some(Ended::Done { .. }) => shown.field("ended", &"done"),
            Some(Ended::Failed { code, .. }) => shown.field("ended", &Shown::text(code).to_string()),
        };
        shown.finish()
    }
}
