//! `convoke replay`

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use convoke::transport::AnyQueue;
use convoke::{Pattern, Position, Progress, Read, Replayed, Replaying};
use jiff::Timestamp;
use serde_json::json;

use super::opened::open;
use crate::commands::queues::check_for_a_topic;
use crate::commands::{At, Consent, WHERE};
use crate::error::{Error, Result, shown, told};
use crate::places::{Place, Wanted, is_url};
use crate::running::{Stop, run};
use crate::terminal::Terminal;
use crate::writing::{Act, Count};

const EXAMPLES: &str = "\
Examples:
  convoke replay sqlite:shop.db orders --into redis://localhost#audit
  convoke replay sqlite:shop.db orders --from 2026-01-02T00:00:00Z --into audit
  convoke replay --context shop orders --from 1200@5c1f0a3b --into audit --yes

Events go in their order, marked as told once more. It can be interrupted: it
says behind which record the next one goes on by --from, and a few may be told
twice then. --into is a URL or a context, which is asked about if it is
production; the queue has to be there.
";

/// Publishes the events of a store once more
#[derive(Args, Debug)]
#[command(after_help = format!("{EXAMPLES}\n{WHERE}"),
    override_usage = "convoke replay [OPTIONS] --into <URL> [URL] <STORE>")]
pub(crate) struct Replay {
    /// Where the store is, as sqlite:shop.db; and its name, unless that stands behind a #
    #[arg(value_name = "URL STORE", num_args = 0..)]
    words: Vec<String>,

    /// Behind this record, as 1200@5c1f0a3b; or from this time on, as 2026-01-02T03:04:05Z
    #[arg(long, value_name = "PLACE")]
    from: Option<String>,

    /// Up to this record, or before this time
    #[arg(long, value_name = "PLACE")]
    to: Option<String>,

    /// Events of these topics alone; * is one segment, ** any number
    #[arg(long, value_name = "PATTERN", default_value = "**")]
    topic: String,

    /// The queue that gets them, as redis://localhost#orders, or a context
    #[arg(long, value_name = "URL", required = true)]
    into: String,

    /// At most so many a second
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,

    #[command(flatten)]
    at: At,

    #[command(flatten)]
    consent: Consent,
}

/// Where a replay begins or ends.
#[derive(Clone, Copy, Debug)]
enum Edge {
    Record(Position),
    Time(SystemTime),
}

impl Edge {
    fn read(word: &str) -> Result<Self> {
        if let Ok(position) = word.parse() {
            return Ok(Self::Record(position));
        }
        let time: Timestamp = word.parse().map_err(|_| {
            Error::usage(format!("`{}` is neither a record nor a time", shown(word)))
                .hint("a record is as 1200@5c1f0a3b, as a replay has told it, or 0; a time as 2026-01-02T03:04:05Z")
        })?;
        let micros = u64::try_from(time.as_microsecond()).unwrap_or_default();
        Ok(Self::Time(UNIX_EPOCH + Duration::from_micros(micros)))
    }
}

/// How far it has come: the last record that is done.
type Reached = Rc<Cell<Option<Progress>>>;

impl Replay {
    pub(crate) fn run(&self, terminal: &Terminal) -> Result<()> {
        let (from, to) =
            (self.from.as_deref().map(Edge::read).transpose()?, self.to.as_deref().map(Edge::read).transpose()?);
        Pattern::new(&self.topic).map_err(|error| Error::usage(told(&error.to_string())))?;
        let (place, store) = self.store()?;
        let into = self.target()?;
        let queue = into.queue()?;
        check_for_a_topic(&into)?;
        let what = json!({
            "from": self.from, "queue": queue, "source": place.to_string(), "store": store, "to": self.to, "topic": self.topic,
        });
        let act = Act { command: "replay", what, yes: self.consent.yes, asks: None };
        let mut done = None;
        act.run(terminal, &into, |count| {
            let work = async |stop: &Stop| {
                let read = stop.or(self.read(&place, &store)).await?;
                let replaying = edges(read.replay(), from, to);
                self.replay(replaying, &into, stop, count, terminal).await
            };
            done = Some(run(work)?);
            Ok(())
        })?;
        let Some(replayed) = done else { return Ok(()) };
        let position = replayed.position.to_string();
        if terminal.is_json() {
            terminal.document(&json!({ "position": position, "queue": queue, "told": replayed.told }))?;
        } else if replayed.told == 0 {
            terminal.print(&format!(
                "Nothing was replayed to {}: no event of {} fits\n",
                shown(queue),
                shown(&store)
            ))?;
        } else {
            terminal.print(&format!(
                "{} replayed to {}, the last at {position}\n",
                events(replayed.told),
                shown(queue)
            ))?;
        }
        Ok(())
    }

    /// Where the store is, and what it is called.
    fn store(&self) -> Result<(Place, String)> {
        let (place, words) = self.at.split(&self.words)?;
        let name = match (words, place.address().name()) {
            ([name], _) => name.clone(),
            ([], Some(name)) => name.to_owned(),
            ([], None) => {
                return Err(
                    Error::usage("no store is named").hint(format!("name it behind the URL, as {place}#orders"))
                );
            }
            _ => return Err(Error::usage("one store is named at a time, behind a URL if there is one")),
        };
        Ok((place, name))
    }

    fn target(&self) -> Result<Place> {
        Place::find(match is_url(&self.into) {
            true => Wanted { url: Some(&self.into), ..Wanted::default() },
            false => Wanted { context: Some(&self.into), ..Wanted::default() },
        })
    }

    async fn read(&self, place: &Place, store: &str) -> Result<Read> {
        let at = open(place, self.at.patience()).await?;
        at.patience.of(&at.who, at.works.read(store, self.topic.as_str())).await
    }

    async fn replay(
        &self,
        replaying: Replaying,
        into: &Place,
        stop: &Stop,
        count: &Count,
        terminal: &Terminal,
    ) -> Result<Replayed> {
        let who = into.to_string();
        let queue = stop.or(self.at.patience().of(&who, AnyQueue::existing(into.address()))).await?;
        let (reached, bar) = (Reached::default(), Rc::new(terminal.progress(None)));
        let replaying = match self.rate {
            Some(rate) => replaying.rate(rate),
            None => replaying,
        };
        let (noted, shows) = (reached.clone(), bar.clone());
        let replaying = replaying.on_progress(move |progress| {
            noted.set(Some(progress));
            shows.is_at(progress.told);
        });
        let told_in_all = |reached: &Reached| reached.get().map_or(0, |progress| progress.told);
        let replayed = tokio::select! {
            biased;
            () = stop.asked() => None,
            done = replaying.to_publisher(&queue) => Some(done),
        };
        drop(bar);
        match replayed {
            Some(Ok(replayed)) => {
                count.add(replayed.told);
                Ok(replayed)
            }
            Some(Err(error)) => {
                count.add(error.told);
                Err(go_on(Error::refused(told(&error.fault.to_string())), error.told, error.position))
            }
            None => {
                let told = told_in_all(&reached);
                count.add(told);
                let position = reached.get().map_or(Position::START, |progress| progress.position);
                Err(go_on(Error::interrupted("it was interrupted"), told, position))
            }
        }
    }
}

fn edges(mut replaying: Replaying, from: Option<Edge>, to: Option<Edge>) -> Replaying {
    replaying = match from {
        Some(Edge::Record(position)) => replaying.after(position),
        Some(Edge::Time(time)) => replaying.since(time),
        None => replaying,
    };
    match to {
        Some(Edge::Record(position)) => replaying.until(position),
        Some(Edge::Time(time)) => replaying.before(time),
        None => replaying,
    }
}

/// Says how far it came, and how the next one goes on.
fn go_on(error: Error, told: u64, position: Position) -> Error {
    match told {
        0 => error,
        _ => error.after(&format!("{} replayed", events(told))).hint(format!("go on with --from {position}")),
    }
}

fn events(count: u64) -> String {
    match count {
        1 => "1 event".to_owned(),
        count => format!("{} events", crate::view::figure(Some(count))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_record_or_a_time() {
        assert!(matches!(Edge::read("0").unwrap(), Edge::Record(Position::START)));
        assert!(matches!(Edge::read("1200@5c1f0a3b").unwrap(), Edge::Record(position) if position.number() == 1200));
        assert!(matches!(Edge::read("2026-01-02T03:04:05Z").unwrap(), Edge::Time(time)
            if time == UNIX_EPOCH + Duration::from_secs(1_767_323_045)));
        assert!(matches!(Edge::read("2026-01-02T03:04:05+01:00").unwrap(), Edge::Time(_)));
        for wrong in ["", "17", "yesterday", "2026-01-02", "1200@", "\u{1b}[2J"] {
            let error = Edge::read(wrong).unwrap_err();
            assert!(!error.to_string().contains('\u{1b}'), "{error}");
        }
    }
}
