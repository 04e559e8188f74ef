//! `convoke top`

use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::Args;

use super::at::At;
use super::cli::told;
use crate::error::{Error, Result};
use crate::live::{Source, give_back, restore_on_panic, top};
use crate::places::is_url;
use crate::running::{before_the_end, run};
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke top redis://localhost
  convoke top sqlite:shop.db postgres://localhost/shop
  convoke top --context shop --every 5

Keys, as in htop:
  q F10      quit
  > <  F6    sort by the next column, or the one before
  \\ F4       show the lines that have a text
  p          pause
  ↑ ↓        scroll

Of each server it shows the queues, the first dead letters of each, jobs that run
and have failed, rounds that are open and who is missing, and who works, as far
as the server tells. Each is asked at most once a second. A – stands for what it
does not tell. For one look, without a terminal: convoke stats.";

/// Shows what runs: queues, dead letters, tasks, rounds, and who works
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Top {
    /// Where, as redis://localhost, sqlite:shop.db#orders; several are shown below each other
    #[arg(value_name = "URL")]
    urls: Vec<String>,

    /// Asks again after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,

    #[command(flatten)]
    at: At,
}

impl Top {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<()> {
        if terminal.is_json() || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return Err(Error::usage("`convoke top` needs a terminal")
                .hint("look once by `convoke stats`, or again and again by `convoke stats --watch`"));
        }
        let mut sources = Vec::new();
        let time = self.at.patience().time();
        if self.urls.is_empty() {
            sources.push(Source::new(self.at.split(&[])?.0.address().clone(), time));
        }
        for url in &self.urls {
            if !is_url(url) {
                return Err(Error::usage(format!("`{}` is no URL", crate::error::shown(url)))
                    .hint("write it as redis://localhost, or name a context by `--context`"));
            }
            sources.push(Source::new(self.at.split(std::slice::from_ref(url))?.0.address().clone(), time));
        }
        restore_on_panic();
        before_the_end(give_back);
        let every = Duration::from_secs(self.every);
        run(async |stop| stop.or(async { told(top(&sources, every).await) }).await)
    }
}
