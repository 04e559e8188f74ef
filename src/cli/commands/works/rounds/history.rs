//! `convoke rounds history`

use clap::Args;
use serde_json::Value;

use super::key::{AtKey, Typed};
use super::round::{PAST, json_of, past_row};
use super::rounds;
use crate::commands::WHERE;
use crate::error::Result;
use crate::places::Place;
use crate::running::run;
use crate::terminal::{Table, Terminal};

const EXAMPLES: &str = "\
Examples:
  convoke rounds history sqlite:shop.db 7
  convoke rounds history --context shop order-7 --broker approvals --limit 3
  convoke rounds history redis://localhost 7 --json  # a line for each
";

/// Lists the rounds of a key, the latest first: who has kept the promise, and how each ended
#[derive(Args, Debug)]
#[command(after_help = format!("{EXAMPLES}\n{WHERE}"), override_usage = "convoke rounds history [OPTIONS] [URL] <KEY>")]
pub(super) struct History {
    #[command(flatten)]
    key: AtKey,

    /// Of each broker at most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

impl History {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<()> {
        let (place, typed) = self.key.split()?;
        terminal.speaks_in_lines();
        run(async |stop| stop.or(self.say(&place, &typed, terminal)).await)
    }

    async fn say(&self, place: &Place, typed: &Typed, terminal: &Terminal) -> Result<()> {
        let (at, rounds) = rounds(place, self.key.at.patience()).await?;
        let found = self.key.find(&at, &rounds, typed, self.limit.into()).await?;
        let all = || found.iter().flat_map(|found| found.rounds.iter().map(|round| (found.broker.name(), round)));
        if terminal.is_json() {
            let lines: Vec<Value> = all().map(|(broker, round)| json_of(broker, round)).collect();
            terminal.lines(&lines)?;
        } else {
            let rows: Vec<Vec<String>> = all().map(|(broker, round)| past_row(broker, round)).collect();
            terminal.print(&Table::new(&PAST).lines(&rows))?;
        }
        Ok(())
    }
}
