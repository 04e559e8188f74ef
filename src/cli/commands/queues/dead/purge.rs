//! `convoke dead purge`

use clap::Args;
use convoke::look::Reading;

use super::AtLetters;
use super::chosen::{Chosen, Which};
use super::redrive::Swept;
use super::sweep::Deed;
use crate::commands::{Consent, WHERE};
use crate::error::{Result, shown};
use crate::places::Place;
use crate::running::run;
use crate::terminal::Terminal;
use crate::view::figure;
use crate::writing::Act;

/// How many letters are asked for at a time, and up to how many they are counted before somebody is asked.
const PAGE: usize = 1_000;
const COUNTED: u64 = 10_000;

const EXAMPLES: &str = "\
Examples:
  convoke dead purge sqlite:shop.db#orders 7 9
  convoke dead purge --context shop --event OrderPlaced
  convoke dead purge redis://localhost#orders --all --yes

It says how many those are and asks first, for what is deleted is gone. What is
parked behind a letter in its place comes then.
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
        // Who is not asked need not know.
        let count = match !self.consent.yes && terminal.has_somebody() {
            true => run(async |stop| stop.or(self.count(&place, &chosen)).await)?,
            false => None,
        };
        let asks = format!("`dead purge` deletes {} of {} for good", chosen.told(count.as_deref()), shown(queue));
        let act = Act { command: "dead purge", what: chosen.noted(queue), yes: self.consent.yes, asks: Some(&asks) };
        let sweep = Swept { deed: Deed::Discard, at: &self.at, rate: None };
        act.run(terminal, &place, |count| run(async |stop| sweep.run(&place, &chosen, stop, count, terminal).await))
    }

    /// How many those are that were chosen by what they are, as far as that is worth the time. Where to read a letter is to receive it
    /// they are not counted: the server says how many there are in all.
    async fn count(&self, place: &Place, chosen: &Chosen) -> Result<Option<String>> {
        let Chosen::Which(which) = chosen else { return Ok(None) };
        let (at, letters) = self.at.letters(place).await?;
        if letters.reading() == Reading::UnderALease {
            let figures = at.patience.of(&at.who, at.server.queue(place.queue()?)).await?;
            return Ok(figures.dead.filter(|_| which.is_any()).map(|dead| figure(Some(dead))));
        }
        let (mut count, mut after) = (0_u64, None);
        loop {
            let page = at.patience.of(&at.who, letters.page(after.as_ref(), PAGE)).await?;
            count += page.iter().filter(|letter| which.is_of(letter)).count() as u64;
            let Some(last) = page.last() else { return Ok(Some(figure(Some(count)))) };
            after = Some(last.id.clone());
            if count > COUNTED {
                return Ok(Some(format!("more than {}", figure(Some(COUNTED)))));
            }
        }
    }
}
