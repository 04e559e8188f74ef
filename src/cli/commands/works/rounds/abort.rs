//! `convoke rounds abort`

use clap::Args;
use convoke::{DurableState, RoundId};
use serde_json::json;

use super::key::{AtKey, Typed};
use super::rounds;
use crate::commands::{Consent, WHERE};
use crate::error::{Error, Result, shown};
use crate::places::Place;
use crate::running::run;
use crate::terminal::Terminal;
use crate::writing::{Act, Count};

const EXAMPLES: &str = "\
Examples:
  convoke rounds abort sqlite:shop.db 7 --reason 'the order was withdrawn'
  convoke rounds abort --context shop 7 --reason 'it hangs' --by legal --yes

It asks first: the round is cancelled for everyone, for good, and its consumers
hear of that. The rules of a broker may say who alone aborts its rounds: --by is
who does, and stands in the outcome.
";

/// Cancels the round of a key for everyone
#[derive(Args, Debug)]
#[command(after_help = format!("{EXAMPLES}\n{WHERE}"),
    override_usage = "convoke rounds abort [OPTIONS] --reason <TEXT> [URL] <KEY>")]
pub(super) struct Abort {
    #[command(flatten)]
    key: AtKey,

    /// Why: it is told to everyone
    #[arg(long, value_name = "TEXT", required = true)]
    reason: String,

    /// Who does so
    #[arg(long, value_name = "NAME")]
    by: Option<String>,

    #[command(flatten)]
    consent: Consent,
}

impl Abort {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<()> {
        let (place, typed) = self.key.split()?;
        if self.reason.trim().is_empty() {
            return Err(Error::usage("the reason is empty: it is told to everyone"));
        }
        // Keys and reasons may be personal.
        let what = json!({ "by": self.by });
        let asks = "`rounds abort` cancels the round for everyone, for good";
        let act = Act { command: "rounds abort", what, yes: self.consent.yes, asks: Some(asks) };
        let mut aborted = None;
        act.run(terminal, &place, |count| {
            aborted = Some(run(async |stop| stop.or(self.abort(&place, &typed, count)).await)?);
            Ok(())
        })?;
        let Some((broker, round)) = aborted else { return Ok(()) };
        if terminal.is_json() {
            terminal.document(&json!({ "broker": broker, "round": round }))?;
        } else {
            terminal.print(&format!("Round aborted: {round} of {}\n", shown(&broker)))?;
        }
        Ok(())
    }

    async fn abort(&self, place: &Place, typed: &Typed, count: &Count) -> Result<(String, RoundId)> {
        let (at, rounds) = rounds(place, self.key.at.patience()).await?;
        let found = self.key.find(&at, &rounds, typed, 1).await?;
        let is_open = |state: &DurableState| !matches!(state, DurableState::Resolved | DurableState::Cancelled(_));
        let mut open = found.iter().filter(|found| found.rounds.iter().any(|round| is_open(&round.state)));
        let Some(one) = open.next() else {
            return Err(Error::refused("no round of this key is open: the last one is over")
                .hint("how it ended: `convoke rounds history`"));
        };
        if let Some(other) = open.next() {
            let (name, of) = (shown(one.broker.name()), shown(other.broker.name()));
            let error = Error::refused("several rounds are open that are meant by this key: nothing was changed");
            return Err(match name == of {
                true => error.hint("a number and the text of its digits are two keys: --text means the text"),
                false => error.hint(format!("name the broker: --broker {name}, or --broker {of}")),
            });
        }
        let by = self.by.as_deref();
        let round = at.patience.of(&at.who, one.broker.abort(one.key.clone(), self.reason.as_str(), by)).await?;
        count.add(1);
        Ok((one.broker.name().to_owned(), round))
    }
}
