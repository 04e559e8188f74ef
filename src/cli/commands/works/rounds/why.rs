//! `convoke rounds why`

use clap::Args;
use convoke::DurableState;
use serde_json::Value;

use super::key::{AtKey, Typed};
use super::round::{json_of, lines};
use super::rounds;
use crate::commands::WHERE;
use crate::error::{Error, Result};
use crate::places::Place;
use crate::running::run;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke rounds why sqlite:shop.db 7
  convoke rounds why --context shop order-7 --broker approvals
  convoke rounds why redis://localhost 7 --text

A number and the text of its digits are two keys: both are looked for, and
--text means the text.
";

/// Says why the round of a key is not over: since when it is open, and for whom it waits
#[derive(Args, Debug)]
#[command(after_help = format!("{EXAMPLES}\n{WHERE}"), override_usage = "convoke rounds why [OPTIONS] [URL] <KEY>")]
pub(super) struct Why {
    #[command(flatten)]
    key: AtKey,
}

impl Why {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<()> {
        let (place, typed) = self.key.split()?;
        run(async |stop| stop.or(self.say(&place, &typed, terminal)).await)
    }

    async fn say(&self, place: &Place, typed: &Typed, terminal: &Terminal) -> Result<()> {
        let (at, rounds) = rounds(place, self.key.at.patience()).await?;
        let found = self.key.find(&at, &rounds, typed, 1).await?;
        let latest = found.iter().filter_map(|found| Some((found.broker.name(), found.rounds.first()?)));
        let is_over = |state: &DurableState| matches!(state, DurableState::Resolved | DurableState::Cancelled(_));
        let (over, open): (Vec<_>, Vec<_>) = latest.partition(|(_, round)| is_over(&round.state));
        if open.is_empty() {
            let number = over.first().map(|(_, round)| round.round.to_string()).unwrap_or_default();
            return Err(Error::refused(format!("it waits no longer: round {number}, the last of this key, is over"))
                .hint("how it ended: `convoke rounds history`"));
        }
        if terminal.is_json() {
            let all: Vec<Value> = open.iter().map(|(broker, round)| json_of(broker, round)).collect();
            terminal.document(&serde_json::json!({ "rounds": all }))?;
        } else {
            let all: Vec<String> = open.iter().map(|(broker, round)| lines(broker, round)).collect();
            terminal.print(&all.join("\n"))?;
        }
        Ok(())
    }
}
