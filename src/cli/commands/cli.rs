//! The command line as a whole, and how a command ends.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::completions::Completions;
use super::console::Console;
use super::demo::Demo;
use super::doctor::Doctor;
use super::make::Make;
use super::man::Man;
use super::new::New;
use super::queues::{Dead, Publish, Stats, Tail};
use super::schema::Schema;
use super::top::Top;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
use super::works::Migrate;
use super::works::{Replay, Rounds, Tasks};
use crate::error::{Error, Result, steers, told as told_of};
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
  convoke stats sqlite:shop.db
  convoke dead list redis://localhost#orders
  convoke tasks list sqlite:shop.db --state failed
  convoke completions bash

Exit codes:
  0    it is done
  1    it was refused, or has failed; no file was changed
  2    the command line is wrong; nothing was changed
  130  it was interrupted; what was done until then stays";

/// The command of Convoke: begins an application and adds to it, looks at what runs, and repairs what failed
#[derive(Debug, Parser)]
#[command(name = "convoke", version, styles = STYLES, after_help = EXAMPLES, max_term_width = 80)]
pub(super) struct Cli {
    #[command(subcommand)]
    command: Command,

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
    Demo(Demo),
    Top(Top),
    Console(Console),
    Stats(Stats),
    Doctor(Doctor),
    Tail(Tail),
    Dead(Dead),
    Publish(Publish),
    Tasks(Tasks),
    Rounds(Rounds),
    Replay(Replay),
    Schema(Schema),
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    Migrate(Migrate),
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

/// The id of `--json`.
const JSON: &str = "json";

impl Cli {
    /// The command line, on which `--json` may stand behind every command. It is no global option of clap, for one command has another
    /// by this name: `convoke publish … --json '{"id":7}'`.
    pub(super) fn whole() -> clap::Command {
        with_json(Self::command())
    }

    /// What a command line asks for, and whether a machine reads the answer.
    fn parse_from_words(words: &[OsString]) -> std::result::Result<(Self, bool), clap::Error> {
        let matches = Self::whole().try_get_matches_from(words)?;
        let is_json = is_json(&matches);
        Ok((Self::from_arg_matches(&matches)?, is_json))
    }

    fn run(&self, terminal: &Terminal) -> Result<()> {
        if let Some(folder) = &self.directory {
            env::set_current_dir(folder).map_err(|error| Error::disk("go into", folder, &error))?;
        }
        match &self.command {
            Command::New(new) => new.run(terminal),
            Command::Make(make) => make.run(terminal),
            Command::Demo(demo) => demo.run(terminal),
            Command::Top(top) => top.run(terminal),
            Command::Console(console) => console.run(terminal),
            Command::Doctor(doctor) => doctor.run(terminal),
            Command::Stats(stats) => stats.run(terminal),
            Command::Tail(tail) => tail.run(terminal),
            Command::Dead(dead) => dead.run(terminal),
            Command::Tasks(tasks) => tasks.run(terminal),
            Command::Rounds(rounds) => rounds.run(terminal),
            Command::Replay(replay) => replay.run(terminal),
            Command::Schema(schema) => schema.run(terminal),
            #[cfg(any(feature = "postgres", feature = "sqlite"))]
            Command::Migrate(migrate) => migrate.run(terminal),
            Command::Publish(publish) => publish.run(terminal),
            Command::Completions(completions) => completions.run(terminal),
            Command::Man(man) => man.run(terminal),
        }
    }
}

pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let (cli, is_json) = match Cli::parse_from_words(&arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            // Behind `publish` it is something else.
            let mut before = arguments.iter().take_while(|argument| *argument != "publish");
            let is_json = before.any(|argument| argument == "--json");
            let steers = arguments.iter().any(|argument| argument.to_string_lossy().chars().any(steers));
            return wrong(&error, is_json, steers);
        }
    };
    match cli.color {
        When::Auto => {}
        When::Always => anstream::ColorChoice::Always.write_global(),
        When::Never => anstream::ColorChoice::Never.write_global(),
    }
    let terminal = Terminal::new(is_json);
    match cli.run(&terminal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal.fail(&error);
            ExitCode::from(error.code())
        }
    }
}

/// Adds `--json` to a command and to those below, where nothing else has that name.
fn with_json(command: clap::Command) -> clap::Command {
    let is_taken = command.get_arguments().any(|argument| argument.get_long() == Some(JSON));
    let command = command.mut_subcommands(with_json);
    if is_taken {
        return command;
    }
    let help = "Says what was done as JSON: one document, or a line for each of many";
    command.arg(Arg::new(JSON).long(JSON).action(ArgAction::SetTrue).display_order(100).help(help))
}

/// Whether it stands anywhere on the command line.
fn is_json(matches: &ArgMatches) -> bool {
    matches!(matches.try_get_one::<bool>(JSON), Ok(Some(true)))
        || matches.subcommand().is_some_and(|(_, matches)| is_json(matches))
}

/// The end of a command line that is wrong, or asks for help.
fn wrong(error: &clap::Error, json: bool, steers: bool) -> ExitCode {
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if json && !asked {
        let text = error.to_string();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default();
        let told = Error::usage(first.strip_prefix("error: ").unwrap_or(first));
        Terminal::new(true).fail(&lines.fold(told, Error::hint));
    } else if steers {
        // It quotes what was given, which is to steer no terminal; so it goes without colors.
        let lines: String = error.to_string().lines().map(|line| told_of(line) + "\n").collect();
        let _ = std::io::Write::write_all(&mut anstream::stderr(), lines.as_bytes());
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
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::whole().debug_assert();
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
                let words: Vec<OsString> = words.map(OsString::from).collect();
                Cli::parse_from_words(&words).unwrap_or_else(|error| panic!("{line}: {error}"));
                own += 1;
            }
            assert!(own > 0, "`{}` has no example", command.get_name());
            *count += own;
            command.get_subcommands().for_each(|command| look(command, count));
        }
        let mut count = 0;
        look(&Cli::whole(), &mut count);
        assert!(count > 25, "{count}");
    }

    #[test]
    fn every_help_fits_into_eighty_columns() {
        fn look(command: &mut clap::Command, count: &mut usize) {
            for help in [command.render_help(), command.render_long_help()] {
                for line in help.to_string().lines() {
                    assert!(line.chars().count() <= 80, "`{}`: {line}", command.get_name());
                }
            }
            *count += 1;
            command.get_subcommands_mut().for_each(|command| look(command, count));
        }
        let (mut count, mut whole) = (0, Cli::whole());
        whole.build();
        look(&mut whole, &mut count);
        assert!(count > 25, "{count}");
    }
}
