//! `convoke dead list`

use clap::Args;
use convoke::look::{Letter, Letters};
use serde_json::Value;

use super::chosen::Which;
use super::letter::{COLUMNS, json_of, row};
use super::{AtLetters, Connected, remark};
use crate::commands::WHERE;
use crate::error::{Result, shown};
use crate::places::Place;
use crate::running::run;
use crate::terminal::{Table, Terminal};

const EXAMPLES: &str = "\
Examples:
  convoke dead list sqlite:shop.db#orders
  convoke dead list --context shop --event OrderPlaced --limit 20
  convoke dead list redis://localhost#orders --json  # a line for each

BEHIND: how many are parked behind a letter that stays in its place, for they
have its key. On RabbitMQ and SQS a letter is received to be read, and given
back.
";

/// How many letters are asked for at a time.
const PAGE: usize = 1_000;

/// Lists dead letters: why they died, when, and after how many attempts
#[derive(Args, Debug)]
#[command(after_help = format!("{EXAMPLES}\n{WHERE}"))]
pub(super) struct List {
    /// Where, as sqlite:shop.db#orders
    #[arg(value_name = "URL")]
    url: Option<String>,

    #[command(flatten)]
    which: Which,

    /// Ends after so many
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    /// Shows payloads and keys that may be personal; with --json, for the table has none
    #[arg(long)]
    reveal: bool,

    #[command(flatten)]
    at: AtLetters,
}

impl List {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<()> {
        let place = self.at.at.place(self.url.as_deref())?;
        terminal.speaks_in_lines();
        run(async |stop| {
            let (at, letters) = stop.or(self.at.letters(&place)).await?;
            remark(&letters, terminal);
            let done = stop.or(self.list(&place, &at, &letters, terminal)).await;
            at.give_back(letters).await;
            done
        })
    }

    async fn list(&self, place: &Place, at: &Connected, letters: &Letters, terminal: &Terminal) -> Result<()> {
        let mut table = Table::new(&COLUMNS);
        let (mut left, mut after, mut listed) = (self.limit.unwrap_or(u64::MAX), None, 0_u64);
        while left > 0 {
            let page = at.patience.of(&at.who, letters.page(after.as_ref(), PAGE)).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let wanted: Vec<&Letter> = page.iter().filter(|letter| self.which.is_of(letter)).take(most).collect();
            (left, listed) = (left - wanted.len() as u64, listed + wanted.len() as u64);
            if !wanted.is_empty() && !self.say(&wanted, &mut table, terminal)? {
                return Ok(());
            }
        }
        if listed == 0 && !terminal.is_json() {
            let queue = shown(place.queue()?);
            let none = if self.which.is_any() { "has no dead letters" } else { "has no such dead letters" };
            terminal.print(&format!("{queue} {none}\n"))?;
        }
        Ok(())
    }

    /// Returns whether somebody still reads.
    fn say(&self, wanted: &[&Letter], table: &mut Table, terminal: &Terminal) -> Result<bool> {
        if terminal.is_json() {
            let lines: Vec<Value> = wanted.iter().map(|letter| json_of(letter, self.reveal)).collect();
            return terminal.lines(&lines);
        }
        let rows: Vec<Vec<String>> = wanted.iter().map(|letter| row(letter)).collect();
        terminal.print(&table.lines(&rows))
    }
}
