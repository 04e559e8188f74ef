//! `convoke rounds …`: which durable rounds are open, why one waits, what became of those before it, and an end to one.
//!
//! `a place → RoundsLook → key.rs: which broker, which key → list.rs, why.rs, history.rs → round.rs → a row, lines, JSON`, `→ abort.rs`
//!
//! - `list.rs`, `why.rs`, `history.rs`: look at them
//! - `abort.rs`: ends one for everyone
//! - `key.rs`: which rounds are meant; `round.rs`: how one is shown
//!
//! A payload is shown nowhere here.

mod abort;
mod history;
mod key;
mod list;
mod round;
mod why;

use clap::{Args, Subcommand};
use convoke::{DurableError, RoundsLook};

use crate::commands::works::{Opened, open};
use crate::error::{Error, Result, told};
use crate::places::Place;
use crate::running::Patience;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke rounds list sqlite:shop.db
  convoke rounds why sqlite:shop.db 7
  convoke rounds history sqlite:shop.db 7 --broker approvals
  convoke rounds abort --context shop 7 --reason 'the order was withdrawn'";

/// Durable rounds: lists those that are open, says why one waits, and ends one
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Rounds {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(list::List),
    Why(why::Why),
    History(history::History),
    Abort(abort::Abort),
}

impl Rounds {
    pub(crate) fn run(&self, terminal: &Terminal) -> Result<()> {
        match &self.what {
            What::List(list) => list.run(terminal),
            What::Why(why) => why.run(terminal),
            What::History(history) => history.run(terminal),
            What::Abort(abort) => abort.run(terminal),
        }
    }
}

/// The durable rounds of a database.
async fn rounds(place: &Place, patience: Patience) -> Result<(Opened, RoundsLook)> {
    let at = open(place, patience).await?;
    let rounds = at.works.rounds();
    Ok((at, rounds))
}

/// What a database says of rounds may quote names that others have given.
impl From<DurableError> for Error {
    fn from(error: DurableError) -> Self {
        let text = told(&error.to_string());
        match error {
            DurableError::NoBroker { .. } => Self::refused(text).hint("those that there are: `convoke rounds list`"),
            DurableError::MayNotAbort { .. } => Self::refused(text).hint("`--by NAME` says who does"),
            _ => Self::refused(text),
        }
    }
}
