//! `convoke stats`

use std::time::Duration;

use clap::Args;
use convoke::look::{QueueFigures, ServerKind};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::connected::{Connected, reach};
use crate::commands::AtQueue;
use crate::error::{Result, shown};
use crate::places::Place;
use crate::running::run;
use crate::terminal::{Column, Table, Terminal};
use crate::view::{age, figure};

const EXAMPLES: &str = "\
Examples:
  convoke stats sqlite:shop.db            # all queues of a file
  convoke stats redis://localhost#orders  # one queue
  convoke stats --context shop --watch    # every 2 seconds

A – stands for what the server does not tell. 10,000+ is as far as a database is
counted.";

/// Tells how full queues are, and how many dead letters they have
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Stats {
    /// Where, as sqlite:shop.db, redis://localhost#orders
    #[arg(value_name = "URL")]
    url: Option<String>,

    /// Looks again, every 2 seconds or as many as are said, until it is interrupted
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "2",
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    watch: Option<u64>,

    #[command(flatten)]
    at: AtQueue,
}

const COLUMNS: [Column; 7] = [
    Column::text("QUEUE"),
    Column::number("WAITING"),
    Column::number("DELAYED"),
    Column::number("IN FLIGHT"),
    Column::number("DEAD"),
    Column::number("PARKED"),
    Column::number("OLDEST"),
];

/// How far a database is counted.
const COUNTED: u64 = 10_000;

impl Stats {
    pub(crate) fn run(&self, terminal: &Terminal) -> Result<()> {
        let place = self.at.place(self.url.as_deref())?;
        if self.watch.is_some() {
            terminal.speaks_in_lines();
        }
        run(async |stop| {
            let done = stop.or(self.look(&place, terminal)).await;
            // Who watches ends it so.
            if self.watch.is_some() && stop.is_asked() { Ok(()) } else { done }
        })
    }

    async fn look(&self, place: &Place, terminal: &Terminal) -> Result<()> {
        let at = reach(place, self.at.patience()).await?;
        loop {
            let queues = figures(&at, place).await?;
            if !self.say(&queues, place, terminal)? {
                return Ok(());
            }
            let Some(seconds) = self.watch else { return Ok(()) };
            sleep(Duration::from_secs(seconds)).await;
        }
    }

    /// Returns whether somebody still reads.
    fn say(&self, queues: &[QueueFigures], place: &Place, terminal: &Terminal) -> Result<bool> {
        if terminal.is_json() {
            let all: Vec<Value> = queues.iter().map(json_of).collect();
            let document = json!({ "at": Timestamp::now().to_string(), "queues": all });
            return if self.watch.is_some() { terminal.lines([&document]) } else { terminal.document(&document) };
        }
        if queues.is_empty() {
            return terminal.print(&format!("{place} has no queues\n"));
        }
        let is_database = matches!(place.address().server(), ServerKind::Sqlite | ServerKind::Postgres);
        let rows: Vec<Vec<String>> = queues.iter().map(|queue| row(queue, is_database)).collect();
        let mut lines = Table::new(&COLUMNS).lines(&rows);
        if self.watch.is_some() {
            terminal.clear()?;
            let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
            lines = format!("{place} at {now}\n{lines}\n");
        }
        terminal.print(&lines)
    }
}

async fn figures(at: &Connected, place: &Place) -> Result<Vec<QueueFigures>> {
    match place.address().name() {
        Some(name) => Ok(vec![at.patience.of(&at.who, at.server.queue(name)).await?]),
        None => at.patience.of(&at.who, at.server.queues()).await,
    }
}

fn row(queue: &QueueFigures, is_database: bool) -> Vec<String> {
    let counted = |number: Option<u64>| match number {
        Some(number) if is_database && number >= COUNTED => format!("{}+", figure(Some(number))),
        number => figure(number),
    };
    vec![
        shown(&queue.name),
        counted(queue.waiting),
        counted(queue.delayed),
        counted(queue.in_flight),
        counted(queue.dead),
        counted(queue.parked),
        age(queue.oldest),
    ]
}

fn json_of(queue: &QueueFigures) -> Value {
    json!({
        "dead": queue.dead,
        "delayed": queue.delayed,
        "inFlight": queue.in_flight,
        "name": queue.name,
        "oldestSeconds": queue.oldest.map(|oldest| oldest.as_secs_f64()),
        "parked": queue.parked,
        "waiting": queue.waiting,
    })
}
