//! `convoke make templates`

use clap::Args;

use super::making::Making;
use crate::error::Result;
use crate::templates::{FOLDER, MAKE};
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke make templates

Change those that you want to have otherwise, and delete the others. They are of
minijinja, which is Jinja as far as it goes; the first lines of each say which
values it is given.";

/// The templates of all these, in .convoke/templates/, to be changed
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Copied {}

pub(super) fn make(mut making: Making, dry_run: bool, terminal: &Terminal) -> Result<()> {
    for (name, text) in MAKE {
        let force = making.force;
        making.plan.create(&format!("{FOLDER}/{name}"), (*text).to_owned(), Some("Template"), force)?;
    }
    making.end(dry_run, terminal)
}
