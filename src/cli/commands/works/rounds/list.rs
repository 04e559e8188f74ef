//! `convoke rounds list`

use std::sync::Arc;

use clap::Args;
use convoke::DurableRound;
use serde_json::Value;

use super::key::brokers;
use super::round::{OPEN, json_of, open_row};
use super::rounds;
use crate::commands::{At, WHERE};
use crate::error::Result;
use crate::places::Place;
use crate::running::run;
use crate::terminal::{Table, Terminal};

const EXAMPLES: &str = "\
Examples:
  convoke rounds list sqlite:shop.db
  convoke rounds list --context shop --broker approvals --limit 20
  convoke rounds list redis://localhost --json  # a line for each

OPEN: since when. DUE: until its next deadline; -3m is one that nobody has
closed in time. A broker with a colon in its name is one that Convoke keeps for
itself: tasks:together has batches of tasks.
";

/// How many rounds are asked for at a time.
const PAGE: usize = 200;

/// Lists durable rounds that are open: since when, and who is missing
#[derive(Args, Debug)]
#[command(after_help = format!("{EXAMPLES}\n{WHERE}"))]
pub(super) struct List {
    /// Where, as sqlite:shop.db
    #[arg(value_name = "URL")]
    url: Option<String>,

    /// Those of the broker of this name alone
    #[arg(short, long, value_name = "NAME")]
    broker: Option<String>,

    /// Ends after so many
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    #[command(flatten)]
    at: At,
}

impl List {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<()> {
        let place = self.at.place(self.url.as_deref())?;
        terminal.speaks_in_lines();
        run(async |stop| stop.or(self.list(&place, terminal)).await)
    }

    async fn list(&self, place: &Place, terminal: &Terminal) -> Result<()> {
        let (at, rounds) = rounds(place, self.at.patience()).await?;
        let names = match &self.broker {
            Some(name) => vec![Arc::from(name.as_str())],
            None => brokers(&at, &rounds).await?,
        };
        let mut table = Table::new(&OPEN);
        let (mut left, mut listed) = (self.limit.unwrap_or(u64::MAX), 0_u64);
        for name in &names {
            let broker = at.patience.of(&at.who, rounds.broker(name)).await?;
            let mut behind = None;
            while left > 0 {
                let most = usize::try_from(left).unwrap_or(usize::MAX).min(PAGE);
                let page = at.patience.of(&at.who, broker.rounds(behind, most)).await?;
                let Some(last) = page.last() else { break };
                behind = Some(last.round);
                (left, listed) = (left - page.len() as u64, listed + page.len() as u64);
                if !say(name, &page, &mut table, terminal)? {
                    return Ok(());
                }
            }
        }
        if listed == 0 && !terminal.is_json() {
            let text = match names.len() {
                0 => format!("{} has no durable broker\n", at.who),
                1 => format!("{}: no round is open, of one broker\n", at.who),
                count => format!("{}: no round is open, of {count} brokers\n", at.who),
            };
            terminal.print(&text)?;
        }
        Ok(())
    }
}

/// Returns whether somebody still reads.
fn say(broker: &str, page: &[DurableRound], table: &mut Table, terminal: &Terminal) -> Result<bool> {
    if terminal.is_json() {
        let lines: Vec<Value> = page.iter().map(|round| json_of(broker, round)).collect();
        return terminal.lines(&lines);
    }
    let rows: Vec<Vec<String>> = page.iter().map(|round| open_row(broker, round)).collect();
    terminal.print(&table.lines(&rows))
}
