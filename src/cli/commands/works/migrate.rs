//! `convoke migrate`

use clap::Args;
use convoke::transport::Tables;
use serde_json::{Value, json};

use super::opened::{Opened, open};
use crate::commands::{At, Consent, WHERE};
use crate::error::{Error, Result, told};
use crate::places::Place;
use crate::running::run;
use crate::terminal::Terminal;
use crate::writing::{Act, Count};

const EXAMPLES: &str = "\
Examples:
  convoke migrate postgres://localhost/shop --check
  convoke migrate postgres://localhost/shop
  convoke migrate --context shop --yes

--check changes nothing, and ends with 1 if something is missing: for a
pipeline. Processes that migrate at the same time wait for each other. Tables of
your own are left as they are.
";

/// Makes the tables of Convoke that are missing, or says which those are
#[derive(Args, Debug)]
#[command(after_help = format!("{EXAMPLES}\n{WHERE}"))]
pub(crate) struct Migrate {
    /// Where, as postgres://localhost/shop
    #[arg(value_name = "URL")]
    url: Option<String>,

    /// Only says what is missing
    #[arg(long)]
    check: bool,

    #[command(flatten)]
    at: At,

    #[command(flatten)]
    consent: Consent,
}

impl Migrate {
    pub(crate) fn run(&self, terminal: &Terminal) -> Result<()> {
        let place = self.at.place(self.url.as_deref())?;
        let before = run(async |stop| stop.or(self.tables(&place)).await)?;
        let who = place.to_string();
        if before.are_too_new() {
            return Err(Error::refused(format!("{who}: {}", told(&before.to_string()))));
        }
        if self.check || before.missing.is_empty() {
            let document = json_of(&before, &before);
            let text = format!("{who}: {}\n", told(&before.to_string()));
            if terminal.is_json() {
                terminal.document(&document)?
            } else {
                terminal.print(&text)?
            };
            return match before.missing.is_empty() {
                true => Ok(()),
                // What is to be said was said.
                false => Err(Error::told()),
            };
        }
        let steps: Vec<u32> = before.missing.iter().map(|step| step.number).collect();
        let asks = "its tables become such that programs which run now may not use them";
        let act = Act {
            command: "migrate",
            what: json!({ "from": before.there, "steps": steps }),
            yes: self.consent.yes,
            asks: (!before.older_go_on() && before.there.is_some()).then_some(asks),
        };
        let mut after = None;
        act.run(terminal, &place, |count| {
            after = Some(run(async |_| self.migrate(&place, count).await)?);
            Ok(())
        })?;
        let Some(after) = after else { return Ok(()) };
        if terminal.is_json() {
            terminal.document(&json_of(&before, &after))?;
        } else {
            let from = before.there.map_or_else(String::new, |there| format!(" from version {there}"));
            let version = after.there.unwrap_or_default();
            let brings: Vec<_> = before.missing.iter().map(|step| step.brings).collect();
            terminal.print(&format!("Tables migrated{from} to version {version}: {}\n", brings.join(", ")))?;
        }
        Ok(())
    }

    async fn tables(&self, place: &Place) -> Result<Tables> {
        let at = open(place, self.at.patience()).await?;
        at.patience.of(&at.who, at.works.tables()).await
    }

    /// It is not interrupted: the server would go on with it, and nobody would be told how it ended.
    async fn migrate(&self, place: &Place, count: &Count) -> Result<Tables> {
        let at: Opened = open(place, self.at.patience()).await?;
        let before = at.patience.of(&at.who, at.works.tables()).await?;
        at.works.migrate().await?;
        count.add(before.missing.len() as u64);
        at.patience.of(&at.who, at.works.tables()).await
    }
}

fn json_of(before: &Tables, now: &Tables) -> Value {
    let step = |step: &convoke::transport::TableStep| json!({ "brings": step.brings, "number": step.number, "olderGoOn": step.older_go_on });
    let steps = |tables: &Tables| tables.missing.iter().map(step).collect::<Vec<_>>();
    let taken: Vec<Value> = if now.missing.is_empty() { steps(before) } else { Vec::new() };
    json!({
        "fit": now.fit(),
        "known": now.known,
        "missing": steps(now),
        "oldest": now.oldest,
        "taken": taken,
        "version": now.there,
    })
}
