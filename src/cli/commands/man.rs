//! `convoke man`

use std::path::PathBuf;

use clap::Args;
use clap_mangen::Man as Page;

use super::cli::{Cli, told};
use crate::error::{Error, Result, shown};
use crate::names::near;
use crate::plan::Plan;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke man                # | man -l -
  convoke man make event
  convoke man --out man/man1";

/// Writes a manual page
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Man {
    /// The command whose page it is; that of all of them if there is none
    #[arg(value_name = "COMMAND", conflicts_with = "out")]
    command: Vec<String>,

    /// Writes all pages into this folder, over those of another version
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<()> {
        let mut all = Cli::whole();
        all.build();
        let Some(folder) = &self.out else {
            return told(terminal.plain(&page(self.find(&all)?.clone())?));
        };
        let folder = folder.canonicalize().map_err(|error| Error::disk("find", folder, &error))?;
        let mut plan = Plan::new(&folder);
        pages(&all, &mut plan)?;
        plan.write()?;
        told(terminal.say(&plan.said()))
    }

    fn find<'a>(&self, all: &'a clap::Command) -> Result<&'a clap::Command> {
        let mut found = all;
        for name in &self.command {
            found = match found.find_subcommand(name) {
                Some(next) => next,
                None => {
                    let error = Error::usage(format!("there is no command `{}`", shown(name)));
                    let near = near(name, found.get_subcommands().map(clap::Command::get_name));
                    return Err(near
                        .first()
                        .map(|near| format!("did you mean `{near}`?"))
                        .into_iter()
                        .fold(error, Error::hint));
                }
            };
        }
        Ok(found)
    }
}

fn pages(command: &clap::Command, plan: &mut Plan) -> Result<()> {
    if command.get_name() == "help" {
        return Ok(());
    }
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let text = String::from_utf8_lossy(&page(command.clone())?).into_owned();
    plan.create(&format!("{name}.1"), text, Some("Page"), true)?;
    command.get_subcommands().try_for_each(|command| pages(command, plan))
}

fn page(command: clap::Command) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    told(Page::new(command).render(&mut text))?;
    Ok(text)
}
