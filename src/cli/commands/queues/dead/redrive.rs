//! `convoke dead redrive`

use clap::Args;
use serde_json::json;

use super::AtLetters;
use super::chosen::{Chosen, Which};
use super::sweep::{Deed, Left, Sweep, many};
use crate::commands::{Consent, WHERE};
use crate::error::{Error, Result, shown};
use crate::places::Place;
use crate::running::{Stop, run};
use crate::terminal::Terminal;
use crate::writing::{Act, Count};

/// How far a database counts.
const COUNTED: u64 = 10_000;

const EXAMPLES: &str = "\
Examples:
  convoke dead redrive sqlite:shop.db#orders 7 9
  convoke dead redrive --context shop --event OrderPlaced --rate 50
  convoke dead redrive --context shop --all --yes

Letters go back in the order in which they died, so that each key keeps its
order. Their attempts count from 1. It can be interrupted: the letter that has
begun is done, the rest stays, and the same command goes on. On RabbitMQ and SQS
a letter that is cut off on its way may be in both queues.
";

/// Gives dead letters another chance, in their order
#[derive(Args, Debug)]
#[command(after_help = format!("{EXAMPLES}\n{WHERE}"), override_usage = "convoke dead redrive [OPTIONS] [URL] [ID]...")]
pub(super) struct Redrive {
    /// Where, as sqlite:shop.db#orders; and ids, as `convoke dead list` shows them
    #[arg(value_name = "URL ID", num_args = 0..)]
    words: Vec<String>,

    /// All of them
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    which: Which,

    /// At most so many a second
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,

    #[command(flatten)]
    at: AtLetters,

    #[command(flatten)]
    consent: Consent,
}

impl Redrive {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<()> {
        let (place, ids) = self.at.at.split(&self.words)?;
        let chosen = Chosen::new(ids, self.all, &self.which)?;
        let what = chosen.noted(place.queue()?);
        let act = Act { command: "dead redrive", what, yes: self.consent.yes, asks: None };
        let sweep = Swept { deed: Deed::Redrive, at: &self.at, rate: self.rate };
        act.run(terminal, &place, |count| run(async |stop| sweep.run(&place, &chosen, stop, count, terminal).await))
    }
}

/// What a redrive and a purge have in common.
pub(super) struct Swept<'a> {
    pub(super) deed: Deed,
    pub(super) at: &'a AtLetters,
    pub(super) rate: Option<u32>,
}

impl Swept<'_> {
    pub(super) async fn run(
        &self,
        place: &Place,
        chosen: &Chosen,
        stop: &Stop,
        count: &Count,
        terminal: &Terminal,
    ) -> Result<()> {
        let (at, letters) = stop.or(self.at.letters(place)).await?;
        let queue = place.queue()?;
        let total = match chosen {
            Chosen::These(ids) => Some(ids.len() as u64),
            Chosen::Which(which) if which.is_any() => {
                // A bar without an end is no reason not to begin. As far as a database counts is no end either.
                let figures = stop.or(at.patience.of(&at.who, at.server.queue(queue))).await;
                figures.ok().and_then(|figures| figures.dead).filter(|dead| *dead != COUNTED)
            }
            Chosen::Which(_) => None,
        };
        let progress = terminal.progress(total);
        let sweep =
            Sweep { deed: self.deed, at: &at, letters: &letters, rate: self.rate, stop, count, progress: &progress };
        let left = sweep.over(chosen).await;
        drop(progress);
        at.give_back(letters).await;
        self.say(&left?, queue, count.get(), terminal)
    }

    fn say(&self, left: &Left, queue: &str, count: u64, terminal: &Terminal) -> Result<()> {
        let missing: Vec<String> = left.missing.iter().map(ToString::to_string).collect();
        let verb = self.deed.done();
        if !missing.is_empty() {
            let error = Error::refused(format!("{} has no dead letter {}", shown(queue), missing.join(", ")));
            return Err(error.after(&format!("{} {verb}", many(count))).hint("those that it has: `convoke dead list`"));
        }
        if terminal.is_json() {
            terminal.document(&json!({ "diedSince": left.died_since, "queue": queue, verb: count }))?;
            return Ok(());
        }
        let mut lines = format!("{} {verb} {} {}\n", many(count), self.deed.way(), shown(queue));
        if left.died_since > 0 {
            lines.push_str(&format!("{} died since this began, and stay\n", many(left.died_since)));
        }
        terminal.print(&lines)?;
        Ok(())
    }
}
