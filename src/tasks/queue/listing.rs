//! Jobs for who looks at them: page by page, whatever their tasks are.
//!
//! `TasksLook::over(&db) | TaskQueue::look → TasksLook → jobs → ListedJobs: state, of → page → Jobs::section, one after the other → ListedJob`

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::job::{Job, JobId, JobStatus};
use crate::__private::debug_is_display;
use crate::tasks::{Jobs, Section, Spot, State, TaskDatabase, TaskFigures, Unclaimed, Wanted};
use crate::transport::TransportError;

/// Beyond so many jobs of a kind nobody counts.
const COUNTED: u64 = 100_000;

/// All of them, in the order in which they are listed: what somebody is most likely to look for comes first.
const SECTIONS: [Section; 7] = [
    Section::Running,
    Section::Ready,
    Section::Turn,
    Section::Ahead,
    Section::Failed,
    Section::Cancelled,
    Section::Done,
];

/// Looks at the tasks of a database, and asks jobs to end or to be tried again, without the types of the tasks: for a tool. Nothing is
/// made in the database by looking.
///
/// ```
/// # use convoke::prelude::*;
/// # use convoke::transport::Memory;
/// # use convoke::{JobState, TasksLook};
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let db = Memory::database();
/// let look = TasksLook::over(&db).await?;
/// println!("{} jobs wait", look.figures().await?.waiting);
/// for job in look.jobs().state(JobState::Failed).page(None, 100).await? {
///     println!("{} {}: {}", job.id(), job.status(), job.status().reason().unwrap_or("–"));
///     look.job(job.id()).retry().await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TasksLook {
    jobs: Arc<dyn Jobs>,
}

impl TasksLook {
    pub(super) fn new(jobs: Arc<dyn Jobs>) -> Self {
        Self { jobs }
    }

    /// Opens the tasks of a database for who looks.
    ///
    /// # Errors
    ///
    /// - `Missing` if the tables are not there, or older than this program needs: call `migrate()` of the database.
    /// - `Refused` if the tables are too new for this program.
    /// - `Unreachable` if there is no answer within the deadline.
    pub async fn over<D: TaskDatabase>(database: &D) -> Result<Self, TransportError> {
        Ok(Self { jobs: database.open_jobs().await? })
    }

    /// Returns the jobs that there are, to be read page by page.
    pub fn jobs(&self) -> ListedJobs {
        ListedJobs::new(self.jobs.clone())
    }

    /// Returns the handle of a job. Whether there is such a job is not looked up.
    pub fn job(&self, id: JobId) -> Job {
        Job::new(self.jobs.clone(), id.number())
    }

    /// Returns how many jobs wait, run and have failed. Beyond 100,000 of a kind nobody counts.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline.
    pub async fn figures(&self) -> Result<TaskFigures, TransportError> {
        self.jobs.figures(&[], COUNTED).await
    }

    /// Returns which jobs nobody seems to do, by their task and queue, at most so many of these: the first of them has been due for
    /// longer than this, and none of them runs. Whoever is late by less than a minute may just be starting, or have no room for them.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline.
    pub async fn unclaimed(&self, longer: Duration, most: usize) -> Result<Vec<UnclaimedJobs>, TransportError> {
        // Who looks does none of them.
        let none = Wanted { queues: Vec::new(), tasks: Vec::new(), limits: Vec::new(), most: 0, lease: Duration::ZERO };
        let found = self.jobs.unclaimed(&none, longer, most).await?;
        Ok(found.into_iter().map(UnclaimedJobs::new).collect())
    }
}

impl fmt::Debug for TasksLook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TasksLook").field("at", self.jobs.name()).finish_non_exhaustive()
    }
}

/// Jobs of a task, in a queue, that nobody seems to do. See [`TasksLook::unclaimed`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnclaimedJobs {
    /// The first of them.
    pub first: JobId,
    /// The name of the task.
    pub task: String,
    /// The queue in which they wait.
    pub queue: String,
    /// For how long the first has been due.
    pub waited: Duration,
}

impl UnclaimedJobs {
    fn new(Unclaimed { job, task, queue, waited }: Unclaimed) -> Self {
        Self { first: JobId::new(job), task, queue, waited }
    }
}

/// Says which jobs are listed: all, unless it is told otherwise. Created by [`TasksLook::jobs`].
///
/// Those that run come first, in the order of their numbers; then those that wait and are due, each task in its order; those that are
/// due later, by that time; and then what has failed, was cancelled and is done, of each that first which is kept the shortest.
#[derive(Clone)]
#[must_use = "nothing is read before `page`"]
pub struct ListedJobs {
    jobs: Arc<dyn Jobs>,
    state: Option<State>,
    task: Option<Arc<str>>,
}

impl ListedJobs {
    pub(super) fn new(jobs: Arc<dyn Jobs>) -> Self {
        Self { jobs, state: None, task: None }
    }

    /// Lists only jobs of this state.
    pub fn state(mut self, state: State) -> Self {
        self.state = Some(state);
        self
    }

    /// Lists only jobs of the task of this name. The server passes over the others.
    pub fn of(mut self, task: impl Into<Arc<str>>) -> Self {
        self.task = Some(task.into());
        self
    }

    /// Returns the jobs behind this place, at most so many; from the first on without one. The page behind it begins at the
    /// [place](ListedJob::spot) of its last job, and the last page is empty, or shorter.
    ///
    /// However many jobs there are, a page reads what is on it. A job that changes its state between two pages may be on both, or on
    /// none.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline.
    pub async fn page(&self, behind: Option<JobSpot>, most: usize) -> Result<Vec<ListedJob>, TransportError> {
        let wanted = |section: &Section| match self.state {
            None => true,
            Some(state) => state_of(*section) == state,
        };
        let from = behind.map(|spot| spot.section);
        let mut page = Vec::new();
        for section in SECTIONS.into_iter().filter(wanted).filter(|section| from.is_none_or(|from| *section >= from)) {
            let left = most.saturating_sub(page.len());
            if left == 0 {
                break;
            }
            let behind = behind.filter(|spot| spot.section == section).map(|spot| spot.spot);
            let found = self.jobs.section(section, self.task.as_deref(), behind, left).await?;
            let listed =
                |(spot, row): (Spot, _)| ListedJob { spot: JobSpot { section, spot }, status: JobStatus::new(row) };
            page.extend(found.into_iter().map(listed));
        }
        Ok(page)
    }
}

impl fmt::Debug for ListedJobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ListedJobs");
        shown.field("at", self.jobs.name()).field("state", &self.state).field("task", &self.task).finish()
    }
}

fn state_of(section: Section) -> State {
    match section {
        Section::Running => State::Running,
        Section::Ready | Section::Turn | Section::Ahead => State::Waiting,
        Section::Failed => State::Failed,
        Section::Cancelled => State::Cancelled,
        Section::Done => State::Done,
    }
}

/// A job on a page.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedJob {
    spot: JobSpot,
    status: JobStatus,
}

impl ListedJob {
    /// Returns its number.
    pub fn id(&self) -> JobId {
        JobId::new(self.spot.spot[3])
    }

    /// Returns how it was when the page was read.
    pub fn status(&self) -> &JobStatus {
        &self.status
    }

    /// Returns its place among the jobs, from which the next page goes on.
    pub fn spot(&self) -> JobSpot {
        self.spot
    }
}

/// The place of a job among those that are listed. It is kept as text, as in `failed.0.0.1733000000000000.42`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct JobSpot {
    section: Section,
    spot: Spot,
}

/// What the sections are called in a text.
const NAMES: [&str; 7] = ["running", "ready", "turn", "ahead", "failed", "cancelled", "done"];

impl fmt::Display for JobSpot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = SECTIONS.iter().position(|section| *section == self.section).unwrap_or_default();
        let [lane, key, time, id] = self.spot;
        write!(f, "{}.{lane}.{key}.{time}.{id}", NAMES[place])
    }
}

debug_is_display!(JobSpot);

impl FromStr for JobSpot {
    type Err = NoJobSpot;

    fn from_str(text: &str) -> Result<Self, NoJobSpot> {
        let mut parts = text.split('.');
        let name = parts.next().ok_or(NoJobSpot)?;
        let place = NAMES.iter().position(|known| *known == name).ok_or(NoJobSpot)?;
        let mut spot = [0; 4];
        for number in &mut spot {
            *number = parts.next().and_then(|part| part.parse().ok()).ok_or(NoJobSpot)?;
        }
        match parts.next() {
            None => Ok(Self { section: SECTIONS[place], spot }),
            Some(_) => Err(NoJobSpot),
        }
    }
}

/// The text is no [`JobSpot`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoJobSpot;

impl fmt::Display for NoJobSpot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no place among jobs: take the text of one that a page has returned")
    }
}

impl std::error::Error for NoJobSpot {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        for (place, section) in SECTIONS.into_iter().enumerate() {
            let spot = JobSpot { section, spot: [i64::MIN, -1, i64::MAX, place as i64] };
            assert_eq!(spot.to_string().parse(), Ok(spot));
        }
        assert!(SECTIONS.is_sorted());
        for wrong in
            ["", "failed", "failed.0.0.0", "failed.0.0.0.1.2", "lost.0.0.0.1", "failed.0.0.0.x", "failed.0.0.0.9e3"]
        {
            assert_eq!(wrong.parse::<JobSpot>(), Err(NoJobSpot), "{wrong}");
        }
    }
}
