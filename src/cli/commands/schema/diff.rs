//! `convoke schema diff`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use convoke::schema::{Breaks, Change, compat};
use serde_json::{Value, json};

use super::document;
use crate::error::{Error, Result, told};
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke schema diff shop-1.json shop-2.json
  convoke schema diff shop-1.json shop-2.json --for readers
  convoke schema diff shop-1.json shop-2.json --json

OLD is what is deployed, queued or stored; NEW is what is to be deployed. A
change breaks readers if an old program cannot read what a new one writes, and
writers if a new program cannot read what an old one has written. It ends with 1
if a change breaks those whom --for names; what is not understood may.";

/// Says what has changed between two documents, and whom that breaks
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Diff {
    /// The document of what is deployed
    #[arg(value_name = "OLD")]
    old: PathBuf,

    /// The document of what is to be deployed
    #[arg(value_name = "NEW")]
    new: PathBuf,

    /// Whom no change may break
    #[arg(long = "for", value_name = "WHOM", default_value = "both")]
    whom: Whom,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Whom {
    /// Old programs that read what new ones write
    Readers,
    /// Old programs that have written what new ones read
    Writers,
    /// Both of these
    Both,
}

impl Whom {
    fn is_broken(self, breaks: Breaks) -> bool {
        match self {
            Self::Readers => breaks.readers(),
            Self::Writers => breaks.writers(),
            Self::Both => breaks.readers() || breaks.writers(),
        }
    }
}

impl Diff {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<()> {
        let (old, new) = (document(&self.old)?, document(&self.new)?);
        let changes = compat(&old, &new);
        let is_broken = changes.iter().any(|change| self.whom.is_broken(change.breaks()));
        if terminal.is_json() {
            let all: Vec<Value> = changes.iter().map(json_of).collect();
            terminal.document(&json!({
                "breaksReaders": changes.breaks_readers(), "breaksWriters": changes.breaks_writers(), "changes": all,
            }))?;
        } else if changes.is_empty() {
            terminal.print("nothing has changed\n")?;
        } else {
            let lines: String = changes.iter().map(|change| format!("{}\n", told(&change.to_string()))).collect();
            terminal.print(&lines)?;
        }
        // What is to be said was said.
        if is_broken { Err(Error::told()) } else { Ok(()) }
    }
}

fn json_of(change: &Change) -> Value {
    json!({
        "breaks": change.breaks().to_string(),
        "breaksReaders": change.breaks().readers(),
        "breaksWriters": change.breaks().writers(),
        "event": change.event(),
        "path": change.path(),
        "text": change.to_string(),
        "version": change.version(),
        "what": format!("{:?}", change.what()),
    })
}
