//! `convoke tail`

use std::time::Duration;

use clap::Args;
use convoke::Pattern;
use serde_json::Value;

use super::connected::reach;
use crate::commands::AtQueue;
use crate::error::{Error, Result, shown, told};
use crate::places::Place;
use crate::running::run;
use crate::terminal::Terminal;
use crate::view::{Seen, UNKNOWN, instant};

const EXAMPLES: &str = "\
Examples:
  convoke tail redis://localhost#orders
  convoke tail redis://localhost#orders --topic 'orders/*' --event OrderPlaced
  convoke tail --context shop --lines 10 --json
  convoke tail amqp://localhost#shop     # of RabbitMQ an exchange

It takes nothing from those who work on the queue, and shows what comes from now
on until it is interrupted; on SQLite and PostgreSQL not what is done before it
is seen. SQS cannot be heard so: whoever receives takes. A payload is shown if
its event says that it contains no personal data; --reveal shows all.";

/// The most of a payload that is shown, in signs.
const PAYLOAD: usize = 4_000;

/// How long a server waits on purpose for something to come.
const WAIT: Duration = Duration::from_secs(1);

/// Shows the events that come, and takes none of them
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Tail {
    /// Where, as redis://localhost#orders
    #[arg(value_name = "URL")]
    url: Option<String>,

    /// Events of these topics alone; * is one segment, ** any number
    #[arg(long, value_name = "PATTERN")]
    topic: Option<String>,

    /// Events of this name alone
    #[arg(long, value_name = "NAME")]
    event: Option<String>,

    /// Ends after so many
    #[arg(short = 'n', long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    lines: Option<u64>,

    /// Shows payloads and keys that may be personal
    #[arg(long)]
    reveal: bool,

    #[command(flatten)]
    at: AtQueue,
}

impl Tail {
    pub(crate) fn run(&self, terminal: &Terminal) -> Result<()> {
        let pattern = self.topic.as_deref().map(Pattern::new).transpose();
        let pattern = pattern.map_err(|error| Error::usage(told(&error.to_string())))?;
        let place = self.at.place(self.url.as_deref())?;
        terminal.speaks_in_lines();
        run(async |stop| {
            let done = stop.or(self.hear(&place, pattern.as_ref(), terminal)).await;
            // That is how it ends.
            if stop.is_asked() { Ok(()) } else { done }
        })
    }

    async fn hear(&self, place: &Place, pattern: Option<&Pattern>, terminal: &Terminal) -> Result<()> {
        let queue = place.queue()?;
        let at = reach(place, self.at.patience()).await?;
        let mut tail = at.patience.of(&at.who, at.server.tail(queue)).await?;
        let mut left = self.lines.unwrap_or(u64::MAX);
        while left > 0 {
            let packets = at.patience.beyond(WAIT).of(&at.who, tail.next()).await?;
            let mut heard: Vec<Seen<'_>> = packets.iter().map(|packet| Seen::new(packet, self.reveal)).collect();
            heard.retain(|seen| self.is_wanted(seen, pattern));
            heard.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= heard.len() as u64;
            if !heard.is_empty() && !say(&heard, terminal)? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn is_wanted(&self, seen: &Seen<'_>, pattern: Option<&Pattern>) -> bool {
        self.event.as_deref().is_none_or(|event| seen.name() == Some(event))
            && pattern.is_none_or(|pattern| seen.topic().is_some_and(|topic| pattern.matches(topic)))
    }
}

/// Returns whether somebody still reads.
fn say(heard: &[Seen<'_>], terminal: &Terminal) -> Result<bool> {
    if terminal.is_json() {
        let lines: Vec<Value> = heard.iter().map(Seen::json).collect();
        return terminal.lines(&lines);
    }
    let lines: String = heard.iter().map(line).collect();
    terminal.print(&lines)
}

/// `2026-01-02T03:04:05Z OrderPlaced orders/placed key=7 {"id":7}`
fn line(seen: &Seen<'_>) -> String {
    let time = seen.time().and_then(instant).unwrap_or_else(|| UNKNOWN.to_owned());
    let topic = seen.topic().map_or_else(|| UNKNOWN.to_owned(), shown);
    let key = seen.key().map(|key| format!("key={key} ")).unwrap_or_default();
    format!("{time} {} {topic} {key}{}\n", seen.called(), seen.payload(PAYLOAD))
}
