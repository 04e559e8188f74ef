//! `convoke tasks show`

use clap::Args;

use super::job::{json_of, lines};
use super::{job_id, no_job, tasks};
use crate::commands::{At, WHERE};
use crate::error::{Error, Result};
use crate::places::Place;
use crate::running::run;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke tasks show sqlite:shop.db 1767323045000000
  convoke tasks show --context shop 1767323045000000 --reveal

A task does not say whether its payload is personal: --reveal shows it, and what
its steps and its function have come to.
";

/// Shows one job: its attempts, its last error, its steps, and how far it is
#[derive(Args, Debug)]
#[command(after_help = format!("{EXAMPLES}\n{WHERE}"), override_usage = "convoke tasks show [OPTIONS] [URL] <ID>")]
pub(super) struct Show {
    /// Where, as sqlite:shop.db; and the number of the job, as `convoke tasks list` shows it
    #[arg(value_name = "URL ID", num_args = 1.., required = true)]
    words: Vec<String>,

    /// Shows what may be personal
    #[arg(long)]
    reveal: bool,

    #[command(flatten)]
    at: At,
}

impl Show {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<()> {
        let (place, words) = self.at.split(&self.words)?;
        let [word] = words else {
            return Err(Error::usage("one job is shown at a time: name its number, behind a URL if there is one"));
        };
        run(async |stop| stop.or(self.show(&place, word, terminal)).await)
    }

    async fn show(&self, place: &Place, word: &str, terminal: &Terminal) -> Result<()> {
        let id = job_id(word)?;
        let (at, tasks) = tasks(place, self.at.patience()).await?;
        let job = tasks.job(id);
        let Some(status) = at.patience.of(&at.who, job.status()).await? else { return Err(no_job(&at.who, &[id])) };
        let steps = at.patience.of(&at.who, job.steps()).await?;
        if terminal.is_json() {
            terminal.document(&json_of(id, &status, Some(&steps), self.reveal))?;
        } else {
            terminal.print(&lines(id, &status, &steps, self.reveal))?;
        }
        Ok(())
    }
}
