//! The command line as a whole, and how a command ends.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::error::ErrorKind;
use clap::{Parser, Subcommand, ValueEnum};

use super::completions::Completions;
use super::make::Make;
use super::man::Man;
use super::new::New;
use crate::error::{Error, Result};
use crate::terminal::Terminal;

/// As cargo's help looks.
const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default())
    .error(AnsiColor::Red.on_default().bold())
    .valid(AnsiColor::Cyan.on_default().bold())
    .invalid(AnsiColor::Yellow.on_default().bold());

const EXAMPLES: &str = "\
Examples:
  convoke new shop --path ../convoke
  convoke make event OrderPaid --field id:u64
  convoke make listener SendThanks --event OrderPaid
  convoke completions bash

Exit codes:
  0  it is done
  1  it was refused, or has failed; nothing was changed
  2  the command line is wrong; nothing was changed";

/// The command of Convoke: begins an application, and adds events, listeners, services, tasks and rounds to it
#[derive(Debug, Parser)]
#[command(name = "convoke", version, styles = STYLES, after_help = EXAMPLES, max_term_width = 100)]
pub(super) struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Says what was done as one document of JSON
    #[arg(long, global = true, display_order = 100)]
    json: bool,

    /// When to use colors
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", display_order = 101)]
    color: When,

    /// Goes into this folder first
    #[arg(short = 'C', long, global = true, value_name = "FOLDER", display_order = 102)]
    directory: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(New),
    Make(Make),
    Completions(Completions),
    Man(Man),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum When {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Cli {
    fn run(&self, terminal: &Terminal) -> Result<()> {
        if let Some(folder) = &self.directory {
            env::set_current_dir(folder).map_err(|error| Error::disk("go into", folder, &error))?;
        }
        match &self.command {
            Command::New(new) => new.run(terminal),
            Command::Make(make) => make.run(terminal),
            Command::Completions(completions) => completions.run(terminal),
            Command::Man(man) => man.run(terminal),
        }
    }
}

pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return wrong(&error, arguments.iter().any(|argument| argument == "--json")),
    };
    match cli.color {
        When::Auto => {}
        When::Always => anstream::ColorChoice::Always.write_global(),
        When::Never => anstream::ColorChoice::Never.write_global(),
    }
    let terminal = Terminal::new(cli.json);
    match cli.run(&terminal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal.fail(&error);
            ExitCode::from(error.code())
        }
    }
}

/// The end of a command line that is wrong, or asks for help.
fn wrong(error: &clap::Error, json: bool) -> ExitCode {
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if json && !asked {
        let text = error.to_string();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default();
        let told = Error::usage(first.strip_prefix("error: ").unwrap_or(first));
        Terminal::new(true).fail(&lines.fold(told, Error::hint));
    } else {
        // Nobody is left to be told when this fails.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Says that the terminal did not take what it was told.
pub(crate) fn told(result: std::io::Result<()>) -> Result<()> {
    result.map_err(|error| Error::disk("write to", Path::new("the standard output"), &error))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    /// Every example of a help text is a command line, and every command has one.
    #[test]
    fn the_examples_of_the_help_are_command_lines() {
        fn look(command: &clap::Command, count: &mut usize) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let mut own = 0;
            for line in help.lines().map(str::trim).filter(|line| line.starts_with("convoke ")) {
                let line = line.split("  #").next().unwrap_or(line).trim();
                let words = line.split(' ').map(|word| word.trim_matches('\''));
                Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
                own += 1;
            }
            assert!(own > 0, "`{}` has no example", command.get_name());
            *count += own;
            command.get_subcommands().for_each(|command| look(command, count));
        }
        let mut count = 0;
        look(&Cli::command(), &mut count);
        assert!(count > 15, "{count}");
    }
}
