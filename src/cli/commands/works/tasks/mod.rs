//! `convoke tasks …`: which jobs there are, how each is, and asking it to end or to be tried again.
//!
//! `a place → TasksLook → list.rs, show.rs → job.rs → a row, lines, JSON`, `→ change.rs → cancel, retry`
//!
//! - `list.rs`, `show.rs`: look at them
//! - `change.rs`: cancels them, and has them tried again
//! - `job.rs`: how a job is shown

mod change;
mod job;
mod list;
mod show;

use clap::{Args, Subcommand};
use convoke::{JobId, TasksLook};

use crate::commands::works::{Opened, open};
use crate::error::{Error, Result, shown};
use crate::places::Place;
use crate::running::Patience;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke tasks list sqlite:shop.db
  convoke tasks list sqlite:shop.db --state failed --task SendReceipt
  convoke tasks show sqlite:shop.db 1767323045000000
  convoke tasks retry --context shop 1767323045000000";

/// Tasks: lists their jobs, shows one, asks it to end, or to be tried again
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Tasks {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(list::List),
    Show(show::Show),
    Cancel(change::Cancel),
    Retry(change::Retry),
}

impl Tasks {
    pub(crate) fn run(&self, terminal: &Terminal) -> Result<()> {
        match &self.what {
            What::List(list) => list.run(terminal),
            What::Show(show) => show.run(terminal),
            What::Cancel(cancel) => cancel.run(terminal),
            What::Retry(retry) => retry.run(terminal),
        }
    }
}

/// The tasks of a database.
async fn tasks(place: &Place, patience: Patience) -> Result<(Opened, TasksLook)> {
    let at = open(place, patience).await?;
    let tasks = patience.of(&at.who, at.works.tasks()).await?;
    Ok((at, tasks))
}

/// The number of a job, as somebody has typed it.
fn job_id(word: &str) -> Result<JobId> {
    let id: Option<JobId> = word.parse().ok().filter(|id: &JobId| *id > JobId::START);
    id.ok_or_else(|| {
        Error::usage(format!("`{}` is no job: a job is a number, as `convoke tasks list` shows it", shown(word)))
    })
}

/// What is said of a job that is not there.
fn no_job(who: &str, ids: &[JobId]) -> Error {
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    Error::refused(format!("{who} has no job {}", ids.join(", ")))
        .hint("what has ended is kept for a while, and then gone; those that there are: `convoke tasks list`")
}
