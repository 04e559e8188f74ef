//! `convoke dead purge`

use clap::Args;

use super::AtLetters;
use super::chosen::{Chosen, Which};
use super::redrive::Swept;
use super::sweep::Deed;
use crate::commands::{Consent, WHERE};
use crate::error::{Result, shown};
use crate::running::run;
use crate::terminal::Terminal;
use crate::writing::Act;

const EXAMPLES: &str = "\
Examples:
  convoke dead purge sqlite:shop.db#orders 7 9
  convoke dead purge --context shop --event OrderPlaced
  convoke dead purge redis://localhost#orders --all --yes

It asks first, for what is deleted is gone. What is parked behind a letter in its place comes then.
";

/// Deletes dead letters for good
#[derive(Args, Debug)]
#[command(after_help = format!("{EXAMPLES}\n{WHERE}"), override_usage = "convoke dead purge [OPTIONS] [URL] [ID]...")]
pub(super) struct Purge {
    /// Where, as sqlite:shop.db#orders; and ids, as `convoke dead list` shows them
    #[arg(value_name = "URL ID", num_args = 0..)]
    words: Vec<String>,

    /// All of them
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    which: Which,

    #[command(flatten)]
    at: AtLetters,

    #[command(flatten)]
    consent: Consent,
}

impl Purge {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<()> {
        let (place, ids) = self.at.at.split(&self.words)?;
        let chosen = Chosen::new(ids, self.all, &self.which)?;
        let queue = place.queue()?;
        let asks = format!("`dead purge` deletes {} of {} for good", chosen.told(), shown(queue));
        let act = Act { command: "dead purge", what: chosen.noted(queue), yes: self.consent.yes, asks: Some(&asks) };
        let sweep = Swept { deed: Deed::Discard, at: &self.at, rate: None };
        act.run(terminal, &place, |count| run(async |stop| sweep.run(&place, &chosen, stop, count, terminal).await))
    }
}
