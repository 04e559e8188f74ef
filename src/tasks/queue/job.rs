//! A job that was enqueued.
//!
//! `Enqueued | TaskQueue::job(id) → Job → status, cancel, retry, wait`

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use tokio::time::{Instant, sleep_until, timeout};

use crate::__private::debug_is_display;
use crate::tasks::Jobs;
use crate::tasks::running::FAR;
use crate::tasks::{Row, State};
use crate::transport::TransportError;

/// How long who waits for a job waits before he looks again, at first and at most.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// The number of a job, by which it is known in every process. No number is used again, not even that of a job whose transaction was
/// rolled back. It has at most 16 digits, and those that are drawn later are higher.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(i64);

impl JobId {
    /// What no job has, and what is before all that have one.
    pub const START: Self = Self(0);

    pub(in crate::tasks) fn new(number: i64) -> Self {
        Self(number)
    }

    /// Returns the number.
    pub fn number(self) -> i64 {
        self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

debug_is_display!(JobId);

impl FromStr for JobId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}

/// A handle of a job, in this process or another.
///
/// What has ended is [kept](crate::Tasks::keep) for a while, so that it can be asked. After that there is no such job.
#[derive(Clone)]
pub struct Job {
    jobs: Arc<dyn Jobs>,
    id: i64,
}

impl Job {
    pub(super) fn new(jobs: Arc<dyn Jobs>, id: i64) -> Self {
        Self { jobs, id }
    }

    /// Returns its number.
    pub fn id(&self) -> JobId {
        JobId(self.id)
    }

    /// Returns how the job is, or `None` if there is none: it has ended, and is not kept any more, or its transaction was rolled
    /// back.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline.
    pub async fn status(&self) -> Result<Option<JobStatus>, TransportError> {
        Ok(self.jobs.look(self.id).await?.map(|row| JobStatus { row }))
    }

    /// Asks the job to end. One that waits ends as soon as a worker finds it. A function that runs is told by its
    /// [`CancelToken`](crate::CancelToken); if it goes on, it is dropped where it waits, after a [grace](crate::Tasks::grace).
    /// The failure of the job is told, with the code `cancelled`.
    ///
    /// Returns how the job was: one that has [ended](crate::JobState::is_over) stays as it is. `None` if there is none.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline.
    pub async fn cancel(&self) -> Result<Option<State>, TransportError> {
        self.jobs.cancel(self.id).await
    }

    /// Has a job that has failed for good, or was cancelled, wait once more, with all its attempts. Returns whether it was one.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline.
    pub async fn retry(&self) -> Result<bool, TransportError> {
        self.jobs.retry(self.id).await
    }

    /// Returns the steps of the job that are finished, in the order of their names. They are kept until it is over.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline.
    pub async fn steps(&self) -> Result<Vec<JobStep>, TransportError> {
        let mut steps = self.jobs.steps(self.id).await?;
        steps.sort_unstable();
        Ok(steps.into_iter().map(|(name, result)| JobStep { name, result }).collect())
    }

    /// Waits until the job has ended, for at most so long, and returns how it is then. `None` if there is no such job any more.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline.
    pub async fn wait(&self, limit: Duration) -> Result<Option<JobStatus>, TransportError> {
        let end = Instant::now() + limit.min(FAR);
        let mut bell = self.jobs.bell();
        let mut pause = FIRST_LOOK;
        loop {
            bell.mark_unchanged();
            let status = self.status().await?;
            if status.as_ref().is_none_or(|status| status.state().is_over()) || Instant::now() >= end {
                return Ok(status);
            }
            let next = end.min(Instant::now() + pause);
            // Whoever settles rings, in this process; elsewhere there is the pause.
            let _ = timeout(next.duration_since(Instant::now()), bell.changed()).await;
            sleep_until(next.min(Instant::now() + FIRST_LOOK)).await;
            pause = (pause * 2).min(LONGEST_LOOK);
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("id", &self.id).field("at", self.jobs.name()).finish()
    }
}

/// A [step](crate::Steps) of a job that is finished.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobStep {
    /// Its name.
    pub name: String,
    /// What it has come to, as JSON.
    pub result: String,
}

/// Omits the result: nobody has said that it may be seen.
impl fmt::Debug for JobStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobStep").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How a job is, at a moment.
#[derive(Clone, PartialEq)]
pub struct JobStatus {
    row: Row,
}

impl JobStatus {
    pub(super) fn new(row: Row) -> Self {
        Self { row }
    }

    /// Returns whether it waits, runs or has ended.
    pub fn state(&self) -> State {
        self.row.state
    }

    /// Returns whether it was asked to end.
    pub fn is_cancelled(&self) -> bool {
        self.row.is_cancelled
    }

    /// Returns the name of its task.
    pub fn task(&self) -> &str {
        &self.row.task
    }

    /// Returns in which queue it is.
    pub fn queue(&self) -> &str {
        &self.row.queue
    }

    /// Returns how many attempts have begun.
    pub fn attempt(&self) -> u32 {
        self.row.attempt
    }

    /// Returns how many there may be.
    pub fn attempts(&self) -> u32 {
        self.row.attempts
    }

    /// Returns in how long it is due, if it waits for that.
    pub fn due_in(&self) -> Option<Duration> {
        self.row.due_in
    }

    /// Returns for how long it has been due, if it waits for a worker.
    pub fn waited(&self) -> Option<Duration> {
        self.row.waited
    }

    /// Returns how long ago its last attempt was due, if it runs or has ended: about then it has begun, or has failed.
    pub fn last_due(&self) -> Option<Duration> {
        self.row.since_due
    }

    /// Returns why its last attempt has failed, if one has.
    pub fn reason(&self) -> Option<&str> {
        self.row.text.as_deref().filter(|_| self.row.state != State::Done)
    }

    /// Returns what its function has last said of its [progress](crate::TaskProgress): a text, and a number from 0 to 1.
    pub fn progress(&self) -> (Option<&str>, Option<f64>) {
        (self.row.progress.text.as_deref(), self.row.progress.fraction)
    }

    /// Reads its payload.
    ///
    /// # Errors
    ///
    /// If it is not of this form.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.row.payload)
    }

    /// Reads the event by which it has ended well. `None` if it has not, or if there was none.
    ///
    /// # Errors
    ///
    /// If the event is not of this form.
    pub fn result<R: DeserializeOwned>(&self) -> Result<Option<R>, serde_json::Error> {
        match &self.row.text {
            Some(text) if self.row.state == State::Done => serde_json::from_str(text).map(Some),
            _ => Ok(None),
        }
    }
}

/// As in `{"job": 7, "task": "RegisterUser", "queue": "default", "state": "running", "is_cancelled": false, "attempt": 2, "attempts": 15,
/// "due_in_ms": null, "reason": null, "progress": {"text": "half", "fraction": 0.5}}`. Payload and result are left out: nobody has
/// said that they may be seen.
impl Serialize for JobStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Progress<'a> {
            text: Option<&'a str>,
            fraction: Option<f64>,
        }

        let (text, fraction) = self.progress();
        let mut status = serializer.serialize_struct("JobStatus", 10)?;
        status.serialize_field("job", &self.row.id)?;
        status.serialize_field("task", self.task())?;
        status.serialize_field("queue", self.queue())?;
        status.serialize_field("state", &self.state())?;
        status.serialize_field("is_cancelled", &self.is_cancelled())?;
        status.serialize_field("attempt", &self.attempt())?;
        status.serialize_field("attempts", &self.attempts())?;
        let due_in = self.due_in().map(|due_in| u64::try_from(due_in.as_millis()).unwrap_or(u64::MAX));
        status.serialize_field("due_in_ms", &due_in)?;
        status.serialize_field("reason", &self.reason())?;
        status.serialize_field("progress", &Progress { text, fraction })?;
        status.end()
    }
}

/// As in `RegisterUser is running, attempt 2 of 15`.
impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { task, state, attempt, attempts, .. } = &self.row;
        write!(f, "{} is {state}, attempt {attempt} of {attempts}", crate::__private::Shown::name(task))
    }
}

impl fmt::Debug for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the payload: nobody has said that it may be seen.
        f.debug_struct("JobStatus")
            .field("job", &self.row.id)
            .field("status", &format_args!("{self}"))
            .finish_non_exhaustive()
    }
}

/// A job that has failed for good, or was cancelled. As JSON it is its [status](JobStatus).
#[derive(Clone, Debug, PartialEq)]
pub struct FailedJob {
    id: i64,
    status: JobStatus,
}

impl FailedJob {
    pub(super) fn new(row: Row) -> Self {
        Self { id: row.id, status: JobStatus { row } }
    }

    /// Returns its number.
    pub fn id(&self) -> JobId {
        JobId(self.id)
    }

    /// Returns how it is.
    pub fn status(&self) -> &JobStatus {
        &self.status
    }

    /// Reads its payload.
    ///
    /// # Errors
    ///
    /// If it is not of this form.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        self.status.payload()
    }
}

impl Serialize for FailedJob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.status.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tasks::Noted;

    #[test]
    fn a_status_as_json_says_all_but_what_it_is_about_and_what_has_come_of_it() {
        let row = |state, text: Option<&str>| Row {
            id: 7,
            task: "RegisterUser".to_owned(),
            queue: "default".to_owned(),
            state,
            is_cancelled: false,
            attempt: 2,
            attempts: 15,
            payload: "{\"name\": \"ann\"}".to_owned(),
            due_in: Some(Duration::from_millis(1_500)),
            since_due: None,
            waited: None,
            text: text.map(str::to_owned),
            progress: Noted { text: Some("half".to_owned()), fraction: Some(0.5) },
        };
        let mut wanted = json!({
            "job": 7, "task": "RegisterUser", "queue": "default", "state": "waiting", "is_cancelled": false, "attempt": 2,
            "attempts": 15, "due_in_ms": 1500, "reason": "no", "progress": { "text": "half", "fraction": 0.5 },
        });
        let waits = FailedJob::new(row(State::Waiting, Some("no")));
        assert_eq!(serde_json::to_value(&waits).unwrap(), wanted);
        assert_eq!(serde_json::to_value(waits.status()).unwrap(), wanted);
        (wanted["state"], wanted["reason"]) = ("done".into(), json!(null));
        let done = FailedJob::new(row(State::Done, Some("{\"mail\": \"ann@example.org\"}")));
        assert_eq!(serde_json::to_value(done.status()).unwrap(), wanted);
    }
}
