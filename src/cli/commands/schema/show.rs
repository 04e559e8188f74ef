//! `convoke schema show`

use std::path::PathBuf;

use clap::Args;
use convoke::schema::{Document, EventSchema};
use serde_json::{Value, json};

use super::document;
use crate::error::{Result, shown};
use crate::terminal::{Column, Table, Terminal};

const EXAMPLES: &str = "\
Examples:
  convoke schema show shop.asyncapi.json
  convoke schema show shop.asyncapi.json --json";

const COLUMNS: [Column; 5] = [
    Column::text("EVENT"),
    Column::number("VERSION"),
    Column::text("TOPIC"),
    Column::text("SERVICE"),
    Column::text("PERSONAL"),
];

/// Lists the events of a document: their versions, their topics, and what the service does with them
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Show {
    /// The document
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Show {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<()> {
        let document = document(&self.file)?;
        if terminal.is_json() {
            let events: Vec<Value> = document.registry().iter().map(|event| json_of(&document, event)).collect();
            terminal
                .document(&json!({ "events": events, "title": document.title(), "version": document.version() }))?;
            return Ok(());
        }
        let rows: Vec<Vec<String>> = document.registry().iter().map(|event| row(&document, event)).collect();
        if rows.is_empty() {
            terminal.print(&format!("{} {} has no events\n", shown(document.title()), shown(document.version())))?;
        } else {
            terminal.print(&Table::new(&COLUMNS).lines(&rows))?;
        }
        Ok(())
    }
}

fn row(document: &Document, event: &EventSchema) -> Vec<String> {
    let (name, version) = (event.name(), event.version());
    let does = match (document.publishes(name, version), document.hears(name, version)) {
        (true, true) => "publishes, hears",
        (true, false) => "publishes",
        (false, true) => "hears",
        (false, false) => "knows",
    };
    let personal = if event.contains_personal_data() { "yes" } else { "" };
    vec![shown(name), version.to_string(), shown(event.topic()), does.to_owned(), personal.to_owned()]
}

fn json_of(document: &Document, event: &EventSchema) -> Value {
    let (name, version) = (event.name(), event.version());
    json!({
        "containsPersonalData": event.contains_personal_data(),
        "hears": document.hears(name, version),
        "name": name,
        "publishes": document.publishes(name, version),
        "schema": event.json(),
        "topic": event.topic(),
        "version": version,
    })
}
