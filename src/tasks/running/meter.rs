//! What a worker of tasks measures; its names and labels are in the table of `src/guide/production.md`.
//!
//! `attempt.rs, settling.rs, engine.rs, over/doing.rs → Meter, OfTask → the recorder of the crate metrics`

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::__private::{Count, IS_MEASURED, Level, Lives, Spread};
use crate::tasks::{How, State, TaskFigures};

/// What became of an attempt: the label `result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tasks) enum Came {
    /// The job is done.
    Done,
    /// The job has failed for good.
    Failed,
    /// The job was asked to end, and has.
    Cancelled,
    /// The job is tried again.
    Retried,
    /// The job was given back.
    Released,
    /// Another worker has the job.
    Lost,
}

/// The label of each, in their order.
const RESULTS: [&str; 6] = ["done", "failed", "cancelled", "retried", "released", "lost"];

impl Came {
    pub(super) fn of(how: &How) -> Self {
        match how {
            How::Over { state: State::Failed, .. } => Self::Failed,
            How::Over { state: State::Cancelled, .. } => Self::Cancelled,
            How::Over { .. } => Self::Done,
            How::Again { .. } => Self::Retried,
            How::Released => Self::Released,
        }
    }
}

/// What is measured of one task.
pub(in crate::tasks) struct OfTask {
    attempts: [Count; RESULTS.len()],
    running: Level,
    took: Spread,
}

impl OfTask {
    pub(in crate::tasks) fn new(task: &str) -> Self {
        let attempts = |result| {
            let labels = [("task", task), ("result", result)];
            Count::new("convoke_task_attempts_total", "Attempts at jobs that have ended, by how they did", &labels)
        };
        let of = [("task", task)];
        Self {
            attempts: RESULTS.map(attempts),
            running: Level::new("convoke_task_running", "Jobs that are being done", &of),
            took: Spread::new("convoke_task_duration_seconds", "How long attempts at jobs took", &of),
        }
    }

    /// One more is being done, until what this returns is dropped.
    pub(in crate::tasks) fn begin(&self) -> Lives<'_> {
        Lives::begin(&self.running)
    }

    pub(in crate::tasks) fn took(&self, took: Duration) {
        self.took.record(took);
    }

    pub(in crate::tasks) fn ended(&self, came: Came) {
        if let Some(attempts) = self.attempts.get(came as usize) {
            attempts.add(1);
        }
    }
}

/// What is measured of the jobs of one worker.
pub(super) struct Meter {
    tasks: HashMap<&'static str, OfTask>,
    /// The tasks of jobs that have ended and are not settled, by their numbers and those of their attempts.
    settling: RefCell<HashMap<(i64, u32), &'static str>>,
    waiting: Level,
    failed: Level,
    oldest: Level,
    unclaimed: Level,
}

impl Meter {
    /// Of a worker that does these tasks, which wait in these queues.
    pub(super) fn new(tasks: impl Iterator<Item = &'static str>, queues: &[Arc<str>]) -> Self {
        let queues = queues.join(",");
        let level = |name, what| Level::new(name, what, &[("queues", &queues)]);
        Self {
            tasks: tasks.map(|task| (task, OfTask::new(task))).collect(),
            settling: RefCell::default(),
            waiting: level("convoke_task_waiting", "Jobs that are due and wait for a worker"),
            failed: level("convoke_task_failed", "Jobs that have failed for good and are kept"),
            oldest: level("convoke_task_oldest_seconds", "For how long the oldest job has been due that waits"),
            unclaimed: level("convoke_task_unclaimed", "Tasks with jobs that nobody seems to do"),
        }
    }

    pub(super) fn of(&self, task: &str) -> Option<&OfTask> {
        self.tasks.get(task)
    }

    /// An attempt at a job of this task has ended, and is about to be settled.
    pub(super) fn settles(&self, task: &'static str, job: i64, attempt: u32) {
        if IS_MEASURED {
            self.settling.borrow_mut().insert((job, attempt), task);
        }
    }

    /// It was settled so. What was given back before it began is none.
    pub(super) fn settled(&self, job: i64, attempt: u32, came: Came) {
        if !IS_MEASURED {
            return;
        }
        let task = self.settling.borrow_mut().remove(&(job, attempt));
        if let Some(of) = task.and_then(|task| self.of(task)) {
            of.ended(came);
        }
    }

    pub(super) fn counted(&self, figures: &TaskFigures) {
        self.waiting.set(figures.waiting);
        self.failed.set(figures.failed);
        self.oldest.set_time(figures.oldest.unwrap_or_default());
    }

    pub(super) fn unclaimed(&self, tasks: usize) {
        self.unclaimed.set(tasks as u64);
    }
}
