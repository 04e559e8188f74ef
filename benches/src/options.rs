//! The command line: which work, what of it, and how to show it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use crate::WORKS;
use crate::harness::{Plan, Work};

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Request {
    Run(Options),
    Help,
}

/// A run.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) work: Work,
    pub(crate) plan: Plan,
    /// Lines of JSON instead of the table.
    pub(crate) json: bool,
    /// Where to write the chart.
    pub(crate) svg: Option<PathBuf>,
}

/// The text for `--help`, and for whoever mistyped.
pub(crate) fn usage() -> String {
    let works: Vec<_> = WORKS.iter().map(|work| work.name).collect();
    format!(
        "\
usage: convoke-bench {} [OPTION]...

  --json         one line of JSON per row instead of the table
  --svg FILE     also draw the ratios
  --only NAME    the contestant of that name, else all whose name contains it
  --n N          this size only
  --rounds K     rounds in a sample (by default about 30 ms of them)
  --samples K    samples of which to take the median (by default 11)",
        works.join("|")
    )
}

/// Reads the arguments (without the program's name).
///
/// # Errors
///
/// A sentence for the user, about the first argument that cannot be understood.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Request, String> {
    let mut args = args.into_iter();
    let mut work = None;
    let mut plan = Plan { only: None, n: None, rounds: None, samples: 11 };
    let mut json = false;
    let mut svg = None;

    while let Some(arg) = args.next() {
        let Some(name) = arg.to_str() else {
            return Err(format!("unknown argument {}", arg.display()));
        };
        let mut value = || args.next().ok_or_else(|| format!("{name} needs a value"));
        match name {
            "-h" | "--help" => return Ok(Request::Help),
            "--json" => json = true,
            "--svg" => svg = Some(PathBuf::from(value()?)),
            "--only" => plan.only = Some(value()?.to_string_lossy().into_owned()),
            "--n" => plan.n = Some(positive(name, value()?)?),
            "--rounds" => plan.rounds = Some(positive(name, value()?)?),
            "--samples" => plan.samples = positive(name, value()?)?,
            _ => match WORKS.iter().find(|work| work.name == name) {
                Some(found) if work.is_none() => work = Some(*found),
                Some(_) => return Err(format!("one work at a time: {name} is the second")),
                None => return Err(format!("unknown argument {name}")),
            },
        }
    }
    let work = work.ok_or("which work?")?;
    if svg.is_some() && plan.only.as_deref().is_some_and(|only| !work.baseline.contains(only)) {
        return Err(format!("--svg draws ratios to {:?}, which --only leaves out", work.baseline));
    }
    Ok(Request::Run(Options { work, plan, json, svg }))
}

fn positive<T: FromStr + Default + PartialEq>(name: &str, value: OsString) -> Result<T, String> {
    value
        .to_str()
        .and_then(|text| text.parse().ok())
        .filter(|number| *number != T::default())
        .ok_or_else(|| format!("{name} needs a whole number from 1 on, not {}", value.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Request, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn options_may_stand_before_and_after_the_work() -> Result<(), String> {
        let line = "--n 10 rounds --json --only actix --rounds 7 --samples 1 --svg a.svg";
        let Request::Run(options) = parse_line(line)? else {
            return Err("not a run".into());
        };
        assert_eq!(options.work.name, "rounds");
        assert_eq!(options.plan.n, Some(10));
        assert_eq!(options.plan.only.as_deref(), Some("actix"));
        assert_eq!((options.plan.rounds, options.plan.samples), (Some(7), 1));
        assert!(options.json && options.svg.is_some());
        Ok(())
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (line, complaint) in [
            ("", "which work?"),
            ("rounds rounds", "one work at a time: rounds is the second"),
            ("rounds --fast", "unknown argument --fast"),
            ("rounds --n", "--n needs a value"),
            ("rounds --n 0", "--n needs a whole number from 1 on, not 0"),
            ("rounds --samples -1", "--samples needs a whole number from 1 on, not -1"),
            ("rounds --svg a --only mpsc", "--svg draws ratios to \"actix\", which --only leaves out"),
        ] {
            assert_eq!(parse_line(line).err().as_deref(), Some(complaint), "{line}");
        }
    }
}
