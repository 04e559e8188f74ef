//! `convoke dead show`

use clap::Args;
use convoke::look::Letter;

use super::chosen::letter_id;
use super::letter::{json_of, lines};
use super::{AtLetters, remark};
use crate::commands::WHERE;
use crate::error::{Error, Result, shown};
use crate::places::Place;
use crate::running::run;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke dead show sqlite:shop.db#orders 7
  convoke dead show --context shop 7 --reveal

A payload is shown if its event says that it contains no personal data; --reveal
shows all.
";

/// Shows one dead letter: the chain of its errors, and what it carries
#[derive(Args, Debug)]
#[command(after_help = format!("{EXAMPLES}\n{WHERE}"), override_usage = "convoke dead show [OPTIONS] [URL] <ID>")]
pub(super) struct Show {
    /// Where, as sqlite:shop.db#orders; and the id, as `convoke dead list` shows it
    #[arg(value_name = "URL ID", num_args = 1.., required = true)]
    words: Vec<String>,

    /// Shows a payload and a key that may be personal
    #[arg(long)]
    reveal: bool,

    #[command(flatten)]
    at: AtLetters,
}

impl Show {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<()> {
        let (place, words) = self.at.at.split(&self.words)?;
        let [id] = words else {
            return Err(Error::usage("one letter is shown at a time: name its id, behind a URL if there is one"));
        };
        let wanted = letter_id(id)?;
        run(async |stop| {
            let (at, letters) = stop.or(self.at.letters(&place)).await?;
            remark(&letters, terminal);
            let letter = stop.or(at.patience.of(&at.who, letters.get(&wanted))).await;
            at.give_back(letters).await;
            self.say(letter?, &place, id, terminal)
        })
    }

    fn say(&self, letter: Option<Letter>, place: &Place, id: &str, terminal: &Terminal) -> Result<()> {
        let Some(letter) = letter else {
            return Err(Error::refused(format!("{} has no dead letter {}", shown(place.queue()?), shown(id)))
                .hint("those that it has: `convoke dead list`"));
        };
        if terminal.is_json() {
            terminal.document(&json_of(&letter, self.reveal))?;
        } else {
            terminal.print(&lines(&letter, self.reveal))?;
        }
        Ok(())
    }
}
