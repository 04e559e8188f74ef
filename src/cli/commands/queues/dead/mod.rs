//! `convoke dead …`: what will not be tried again, why, and another chance for it.
//!
//! `a place → Letters of convoke::look → list.rs, show.rs`, `→ chosen.rs → sweep.rs → redrive.rs, purge.rs`
//!
//! - `list.rs`, `show.rs`: look at them
//! - `redrive.rs`, `purge.rs`: send them back, delete them
//! - `chosen.rs`: which of them; `sweep.rs`: one after the other, and how far that came
//! - `letter.rs`: how a letter is shown

mod chosen;
mod letter;
mod list;
mod purge;
mod redrive;
mod show;
mod sweep;

use clap::{Args, Subcommand};
use convoke::look::{Letters, Reading};
use convoke::transport::ErrorKind;

use super::{Connected, reach};
use crate::commands::AtQueue;
use crate::error::{Error, Result};
use crate::places::Place;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke dead list sqlite:shop.db#orders
  convoke dead show sqlite:shop.db#orders 7
  convoke dead redrive sqlite:shop.db#orders --event OrderPlaced
  convoke dead purge --context shop 7 9";

/// Dead letters: looks at them, sends them back, deletes them
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Dead {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(list::List),
    Show(show::Show),
    Redrive(redrive::Redrive),
    Purge(purge::Purge),
}

impl Dead {
    pub(crate) fn run(&self, terminal: &Terminal) -> Result<()> {
        match &self.what {
            What::List(list) => list.run(terminal),
            What::Show(show) => show.run(terminal),
            What::Redrive(redrive) => redrive.run(terminal),
            What::Purge(purge) => purge.run(terminal),
        }
    }
}

/// Which queue's letters, and where those are.
#[derive(Args, Debug)]
struct AtLetters {
    /// The queue of dead letters, if it is not called like the queue with -dead behind it
    #[arg(long, value_name = "NAME", display_order = 81)]
    dead_letter_queue: Option<String>,

    #[command(flatten)]
    at: AtQueue,
}

impl AtLetters {
    async fn letters(&self, place: &Place) -> Result<(Connected, Letters)> {
        let queue = place.queue()?;
        let at = reach(place, self.at.patience()).await?;
        let letters = at.server.letters(queue);
        // A slip in a name would look as if nothing had failed.
        if let Some(name) = &self.dead_letter_queue {
            at.patience.of(&at.who, at.server.queue(name)).await?;
            return Ok((at, letters.dead_letter_queue(name)));
        }
        let found = async {
            match at.server.queue(queue).await {
                // What has died may be left of a queue that is gone.
                Err(error) if error.kind() == ErrorKind::Missing => match letters.page(None, 1).await?[..] {
                    [] => Err(error),
                    _ => Ok(()),
                },
                found => found.map(drop),
            }
        };
        at.patience.of(&at.who, found).await?;
        Ok((at, letters))
    }
}

impl Connected {
    /// Has letters given back that were read under a lease, or the next command would not see them.
    async fn give_back(&self, letters: Letters) {
        let closed = async {
            letters.close().await;
            Ok::<(), Error>(())
        };
        // What is not given back in time comes back by itself, later.
        let _ = self.patience.of(&self.who, closed).await;
    }
}

/// What is to be known of letters that are only looked at.
fn remark(letters: &Letters, terminal: &Terminal) {
    if letters.reading() == Reading::UnderALease {
        terminal.remark(
            "to read a letter here is to receive it: the server counts that, and others do not see it meanwhile",
        );
    }
}
