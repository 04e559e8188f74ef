//! Jobs that nobody seems to do: their task has lost its function, or they wait in a queue that nobody looks into any more.
//!
//! `Jobs::unclaimed, twice with the same first job → the log, once; the health, for as long as it is so`

use std::time::Duration;

use crate::__private::Shown;
use crate::tasks::Unclaimed;
use crate::tasks::function::task_of_deletion;

/// Who is late by less may just be starting.
pub(super) const LONGER: Duration = Duration::from_secs(60);

/// So many tasks are named.
pub(super) const MOST: usize = 20;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The first jobs, when it was last looked.
    firsts: Vec<i64>,
    /// Those whose first job was the same the time before.
    stays: Vec<Unclaimed>,
}

impl Watch {
    /// Takes what was found now. A worker that is busy with other jobs of a task moves on from one look to the next.
    pub(super) fn found(&mut self, found: Vec<Unclaimed>) {
        let firsts = found.iter().map(|unclaimed| unclaimed.job).collect();
        let stays: Vec<_> = found.into_iter().filter(|unclaimed| self.firsts.contains(&unclaimed.job)).collect();
        let is_same = |one: &Unclaimed, other: &Unclaimed| (&one.task, &one.queue) == (&other.task, &other.queue);
        for new in stays.iter().filter(|new| !self.stays.iter().any(|told| is_same(new, told))) {
            log::warn!(target: "convoke::tasks", "nobody seems to do {}: {}", shown(new), what_to_do(new));
        }
        (self.firsts, self.stays) = (firsts, stays);
    }

    /// Of how many tasks that is.
    pub(super) fn len(&self) -> usize {
        self.stays.len()
    }

    /// As the health says it.
    pub(super) fn shown(&self) -> Vec<String> {
        self.stays.iter().map(shown).collect()
    }
}

fn shown(unclaimed: &Unclaimed) -> String {
    let (task, queue) = (Shown::name(&unclaimed.task), Shown::name(&unclaimed.queue));
    format!("`{task}` in the queue `{queue}`, due for {} s", unclaimed.waited.as_secs())
}

fn what_to_do(unclaimed: &Unclaimed) -> String {
    match task_of_deletion(&unclaimed.task) {
        Some(task) => format!(
            "these jobs delete what jobs of `{}` were about: keep `instance(…)` of that task, and its repository, until there are none",
            Shown::name(task)
        ),
        None => "start a process that has a function for this task, by `.on(…)`, and a task in this queue".to_owned(),
    }
}
