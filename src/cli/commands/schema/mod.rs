//! `convoke schema …`: the document of a service, and what has changed between two of them.
//!
//! `a file → Document of convoke::schema → show.rs: its events`, `two files → diff.rs: whom a change breaks`

mod diff;
mod show;

use std::path::Path;

use clap::{Args, Subcommand};
use convoke::schema::Document;

use crate::error::{Error, Result, shown, told};
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke schema show shop.asyncapi.json
  convoke schema diff shop-1.json shop-2.json
  convoke schema diff shop-1.json shop-2.json --for readers";

/// Schemas of events: shows a document, and says whom a change breaks
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Schema {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Show(show::Show),
    Diff(diff::Diff),
}

impl Schema {
    pub(crate) fn run(&self, terminal: &Terminal) -> Result<()> {
        match &self.what {
            What::Show(show) => show.run(terminal),
            What::Diff(diff) => diff.run(terminal),
        }
    }
}

/// Reads a document of AsyncAPI.
fn document(path: &Path) -> Result<Document> {
    Document::load(path).map_err(|error| {
        let (path, text) = (shown(&path.display().to_string()), told(&error.to_string()));
        let text = text.strip_prefix(&format!("{path}: ")).unwrap_or(&text);
        Error::refused(format!("{path}: {text}")).hint("a document is what `Document::save` writes, in AsyncAPI 3")
    })
}
