//! The tasks of a database: how many wait, which run and how far they are, which have failed.

use std::time::Duration;

use convoke::transport::TransportError;
use convoke::{JobState, ListedJob, TaskFigures, TasksLook};

use super::table::{Cell, Table};
use crate::error::cut;
use crate::view::{age, figure};

/// As many are shown of those that run, and of those that have failed.
const SHOWN: usize = 50;

/// The longest text of a row: as much as any line has room for.
const ROW: usize = 300;

/// Beyond so many nobody counts.
const COUNTED: u64 = 100_000;

/// What is asked next: each is one question to one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Turn {
    #[default]
    Figures,
    Running,
    Failed,
}

#[derive(Default)]
pub(super) struct Jobs {
    turn: Turn,
    figures: Option<TaskFigures>,
    running: Vec<ListedJob>,
    failed: Vec<ListedJob>,
}

/// What was answered.
pub(super) enum Told {
    Figures(TaskFigures),
    Running(Vec<ListedJob>),
    Failed(Vec<ListedJob>),
}

/// A question, which does not hold on to what has been told.
pub(super) struct Question(Turn);

impl Question {
    pub(super) async fn ask(self, tasks: &TasksLook) -> Result<Told, TransportError> {
        let of = async |state| tasks.jobs().state(state).page(None, SHOWN).await;
        Ok(match self.0 {
            Turn::Figures => Told::Figures(tasks.figures().await?),
            Turn::Running => Told::Running(of(JobState::Running).await?),
            Turn::Failed => Told::Failed(of(JobState::Failed).await?),
        })
    }
}

impl Jobs {
    pub(super) fn next(&mut self) -> Question {
        let turn = self.turn;
        self.turn = match turn {
            Turn::Figures => Turn::Running,
            Turn::Running => Turn::Failed,
            Turn::Failed => Turn::Figures,
        };
        Question(turn)
    }

    pub(super) fn note(&mut self, told: Told) {
        match told {
            Told::Figures(figures) => self.figures = Some(figures),
            Told::Running(running) => self.running = running,
            Told::Failed(failed) => self.failed = failed,
        }
    }

    /// None where there is no task to tell of.
    pub(super) fn table(&self) -> Option<Table> {
        let TaskFigures { waiting, scheduled, running, failed, oldest, .. } = self.figures?;
        if [waiting, scheduled, running, failed] == [0; 4] && self.running.is_empty() && self.failed.is_empty() {
            return None;
        }
        let count = |count: u64| match count {
            COUNTED.. => figure(Some(count)) + "+",
            count => figure(Some(count)),
        };
        let since = oldest.map(|oldest: Duration| format!(" (for {})", age(Some(oldest)))).unwrap_or_default();
        let title = format!(
            "tasks: {} waiting{since}, {} due later, {} running, {} failed",
            count(waiting),
            count(scheduled),
            count(running),
            count(failed)
        );
        let rows: Vec<_> = self.running.iter().chain(&self.failed).map(row).collect();
        let columns = if rows.is_empty() { Vec::new() } else { vec!["JOB", "TASK", "STATE", "TRIES", "HOW"] };
        Some(Table { title, columns, rows, fault: None })
    }
}

fn row(job: &ListedJob) -> Vec<Cell> {
    let status = job.status();
    vec![
        Cell::Name(job.id().to_string()),
        Cell::Text(status.task().to_owned()),
        Cell::Text(status.state().to_string()),
        Cell::Name(format!("{}/{}", status.attempt(), status.attempts())),
        Cell::Text(how(job)),
    ]
}

/// How far it is, and why its last attempt has failed.
fn how(job: &ListedJob) -> String {
    let status = job.status();
    let (text, fraction) = status.progress();
    let fraction = fraction.filter(|fraction| fraction.is_finite());
    let progress = fraction.map(bar).into_iter().chain(text.map(|text| cut(text, ROW)));
    let progress = progress.collect::<Vec<_>>().join(" ");
    let asked = status.is_cancelled() && !status.state().is_over();
    let parts = [
        asked.then(|| "asked to end".to_owned()),
        Some(progress).filter(|progress| !progress.is_empty()),
        status.reason().map(|reason| cut(reason, ROW)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// `▮▮▮▮▮▮▮▯▯▯ 75 %`
fn bar(fraction: f64) -> String {
    const WIDTH: usize = 10;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 10")]
    let full = (fraction.clamp(0.0, 1.0) * WIDTH as f64) as usize;
    format!("{}{} {:.0} %", "▮".repeat(full), "▯".repeat(WIDTH - full), fraction * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_turn_asks_something_else_and_nothing_is_left_out() {
        let mut jobs = Jobs::default();
        let turns: Vec<Turn> = (0..4).map(|_| jobs.next().0).collect();
        assert_eq!(turns, [Turn::Figures, Turn::Running, Turn::Failed, Turn::Figures]);
    }

    #[test]
    fn a_bar_is_as_long_as_it_says() {
        assert_eq!(bar(0.75), "▮▮▮▮▮▮▮▯▯▯ 75 %");
        assert_eq!(bar(-1.0), "▯▯▯▯▯▯▯▯▯▯ -100 %");
        assert_eq!(bar(7.0), "▮▮▮▮▮▮▮▮▮▮ 700 %");
    }

    #[test]
    fn nothing_is_said_of_tasks_where_there_are_none() {
        let mut jobs = Jobs::default();
        assert!(jobs.table().is_none());
        jobs.note(Told::Figures(TaskFigures::default()));
        assert!(jobs.table().is_none());
        let mut figures = TaskFigures::default();
        figures.waiting = 1_204;
        jobs.note(Told::Figures(figures));
        let table = jobs.table().unwrap();
        assert_eq!(table.title, "tasks: 1,204 waiting, 0 due later, 0 running, 0 failed");
    }
}
