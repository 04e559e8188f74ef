//! `convoke tasks list`

use clap::{Args, ValueEnum};
use convoke::{JobSpot, JobState, ListedJob};
use serde_json::{Value, json};

use super::job::{COLUMNS, json_of, row};
use super::tasks;
use crate::commands::{At, WHERE};
use crate::error::{Error, Result, shown};
use crate::places::Place;
use crate::running::run;
use crate::terminal::{Table, Terminal};

const EXAMPLES: &str = "\
Examples:
  convoke tasks list sqlite:shop.db
  convoke tasks list sqlite:shop.db --state failed --task SendReceipt
  convoke tasks list --context shop --state waiting --limit 20
  convoke tasks list postgres://localhost/shop --json  # a line for each

Jobs that run come first, then those that wait, those that are due later, and
what has ended. HOW tells how far one that runs is, since when one has been due,
how long ago the last attempt was due of one that has ended, and why it failed.
";

/// How many jobs are asked for at a time.
const PAGE: usize = 500;

/// Lists jobs: which run, which wait, which have failed and why
#[derive(Args, Debug)]
#[command(after_help = format!("{EXAMPLES}\n{WHERE}"))]
pub(super) struct List {
    /// Where, as sqlite:shop.db
    #[arg(value_name = "URL")]
    url: Option<String>,

    /// Those of this state alone
    #[arg(long, value_name = "STATE")]
    state: Option<State>,

    /// Those of the task of this name alone
    #[arg(long, value_name = "NAME")]
    task: Option<String>,

    /// Ends after so many, and says how to go on
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    /// Goes on behind the last job of a list that has ended so
    #[arg(long, value_name = "PLACE")]
    behind: Option<String>,

    /// Shows payloads that may be personal; with --json, for the table has none
    #[arg(long)]
    reveal: bool,

    #[command(flatten)]
    at: At,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Waiting,
    Running,
    Failed,
    Cancelled,
    Done,
}

impl State {
    fn of_job(self) -> JobState {
        match self {
            Self::Waiting => JobState::Waiting,
            Self::Running => JobState::Running,
            Self::Failed => JobState::Failed,
            Self::Cancelled => JobState::Cancelled,
            Self::Done => JobState::Done,
        }
    }
}

impl List {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<()> {
        let behind = self.behind.as_deref().map(str::parse::<JobSpot>).transpose();
        let behind = behind.map_err(|_| {
            let text = self.behind.as_deref().unwrap_or_default();
            Error::usage(format!("`{}` is no place of a list: take the one that it has ended with", shown(text)))
        })?;
        let place = self.at.place(self.url.as_deref())?;
        terminal.speaks_in_lines();
        run(async |stop| stop.or(self.list(&place, behind, terminal)).await)
    }

    async fn list(&self, place: &Place, mut behind: Option<JobSpot>, terminal: &Terminal) -> Result<()> {
        let (at, tasks) = tasks(place, self.at.patience()).await?;
        let mut jobs = tasks.jobs();
        if let Some(state) = self.state {
            jobs = jobs.state(state.of_job());
        }
        if let Some(task) = &self.task {
            jobs = jobs.of(task.as_str());
        }
        let mut table = Table::new(&COLUMNS);
        let (mut left, mut listed) = (self.limit.unwrap_or(u64::MAX), 0_u64);
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(PAGE);
            let page = at.patience.of(&at.who, jobs.page(behind, most)).await?;
            let Some(last) = page.last() else { break };
            behind = Some(last.spot());
            (left, listed) = (left - page.len() as u64, listed + page.len() as u64);
            if !self.say(&page, &mut table, terminal)? {
                return Ok(());
            }
        }
        if listed == 0 && !terminal.is_json() {
            let such = if self.state.is_none() && self.task.is_none() { "" } else { "such " };
            terminal.print(&format!("{} has no {such}jobs\n", at.who))?;
        }
        // Only where there is more.
        if let Some(spot) = behind.filter(|_| left == 0)
            && !at.patience.of(&at.who, jobs.page(Some(spot), 1)).await?.is_empty()
        {
            terminal.remark(&format!("there are more: --behind {spot} goes on"));
        }
        Ok(())
    }

    /// Returns whether somebody still reads.
    fn say(&self, page: &[ListedJob], table: &mut Table, terminal: &Terminal) -> Result<bool> {
        if terminal.is_json() {
            let line = |job: &ListedJob| {
                let mut line = json_of(job.id(), job.status(), None, self.reveal);
                line["place"] = json!(job.spot().to_string());
                line
            };
            let lines: Vec<Value> = page.iter().map(line).collect();
            return terminal.lines(&lines);
        }
        let rows: Vec<Vec<String>> = page.iter().map(|job| row(job.id(), job.status())).collect();
        terminal.print(&table.lines(&rows))
    }
}
